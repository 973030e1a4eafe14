import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { expectLinear } from "../support/growth.ts";
import { ROOT } from "../support/root.ts";

// Tests pass on a slow and busy machine too: they wait for events, and count steps instead of milliseconds.

/** What a test waits for at most, in ms: far beyond what a slow, busy machine takes. */
const PATIENT = 60_000;

const SPEED: readonly (readonly [RegExp, string])[] = [
  [/(?:Date\.now\(\) - \w+|performance\.now\(\) - \w+)\)\.toBeLess/, "an upper limit for a duration"],
  [/[cC]puUsage\(\w*\)[^;]*\.toBeLess/, "an upper limit for processor time"],
];

/** The lines of a test that a slow machine fails, each with what it has. */
function hurried(text: string): readonly string[] {
  return text.split("\n").flatMap((line, at) => {
    const [, limit] = /(?:\btest|\bpoll)\b.*\{ timeout: ([\d_]+) \}/.exec(line) ?? [];
    const isShort = limit !== undefined && Number(limit.replaceAll("_", "")) < PATIENT;
    const found = SPEED.flatMap(([pattern, what]) => (pattern.test(line) ? [what] : []));
    return [...found, ...(isShort ? [`a timeout of ${limit} ms`] : [])].map((what) => `${at + 1}: ${what}`);
  });
}

test("no test asserts how quick something is: it counts steps, or takes expectLinear of test/support/growth.ts", () => {
  const files = globSync("test/**/*.test.ts", { cwd: ROOT }).filter((file) => !file.endsWith("gates/speed.test.ts"));
  const found = files.flatMap((file) =>
    hurried(readFileSync(join(ROOT, file), "utf8")).map((problem) => `${file}:${problem}`),
  );
  expect(found).toEqual([]);
});

test.each([
  'test("x", { timeout: 5_000 }, async () => {',
  "await expect.poll(call, { timeout: 900 }).toBe(1)",
  "expect(process.cpuUsage(began).user / 1_000).toBeLessThan(500);",
  "expect(Date.now() - asked).toBeLessThan(3_000);",
])("%s is noticed", (line) => {
  expect(hurried(line)).toHaveLength(1);
});

test("a loop within a loop is told from a single one", async () => {
  let sum = 0;
  const single = (size: number) => {
    // A small integer of its own, which takes the same time in each round.
    let own = 0;
    for (let at = 0; at < 2_000 * size; at += 1) own = (own + at) % 7;
    sum += own;
  };
  const double = (size: number) => {
    for (let outer = 0; outer < size; outer += 1) single(size / 500);
  };
  await expectLinear(single, 1_000);
  await expect(expectLinear(double, 600)).rejects.toThrow("4 times the size takes");
  expect(sum).toBeGreaterThan(0);
});
