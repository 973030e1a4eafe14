import { expect, test } from "vitest";
import { csvText } from "../../lib/tasks/spreadsheet-text.ts";
import { expectLinear } from "../support/growth.ts";

test("nothing that a reader drops hides a formula or a separator, at the start of the file or of a cell", async () => {
  const dropped = ["\uFEFF", "\u200B", "\0", "\u00AD\u202E", '\uFEFF"', "\x7f\uFEFF"];
  for (const before of dropped) {
    for (const formula of ["=1+1", "+2", "-3", "@x", "\uFF1D1", "sep=|"])
      expect(csvText(before + formula)).toBe(`'${before}${formula}`);
    expect(csvText(`a;${before}=1`)).toBe(`a;'${before}=1`);
    expect(csvText(`${before}a = 1`)).toBe(`${before}a = 1`);
  }
  await expectLinear((length) => {
    const long = "\t\uFEFF\0".repeat(length);
    expect(csvText(long)).toBe(`'${long}`);
  }, 60_000);
});
