import { expect, test } from "vitest";
import { csvText } from "../../lib/tasks/spreadsheet-text.ts";

test("nothing that a reader drops hides a formula or a separator, at the start of the file or of a cell", () => {
  const dropped = ["\uFEFF", "\u200B", "\0", "\u00AD\u202E", '\uFEFF"', "\x7f\uFEFF"];
  for (const before of dropped) {
    for (const formula of ["=1+1", "+2", "-3", "@x", "\uFF1D1", "sep=|"])
      expect(csvText(before + formula)).toBe(`'${before}${formula}`);
    expect(csvText(`a;${before}=1`)).toBe(`a;'${before}=1`);
    expect(csvText(`${before}a = 1`)).toBe(`${before}a = 1`);
  }
  // Nor does a long cell take long.
  const long = "\t\uFEFF\0".repeat(300_000);
  const began = process.cpuUsage();
  expect(csvText(long)).toBe(`'${long}`);
  expect(process.cpuUsage(began).user / 1_000).toBeLessThan(2_000);
});
