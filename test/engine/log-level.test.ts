import { afterEach, expect, test, vi } from "vitest";
import { createLog } from "../../lib/log.ts";

afterEach(() => void vi.restoreAllMocks());

test.each([
  ["info", ["b", "c", "d"]],
  ["debug", ["a", "b", "c", "d"]],
] as const)("with the level %s, the log has %s", (least, expected) => {
  const lines: string[] = [];
  vi.spyOn(process.stdout, "write").mockImplementation((line) => lines.push(String(line)) > 0);
  const log = createLog(() => "2026-11-30T06:00:00.000Z", least);
  log("debug", "a", {});
  log("info", "b", {});
  log("warn", "c", {});
  log("error", "d", {});
  expect(lines.map((line) => (JSON.parse(line) as { event: string }).event)).toEqual(expected);
});
