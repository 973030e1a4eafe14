import { expect, test } from "vitest";
import { SCENARIOS } from "./scenarios.ts";
import { VOLUME_PLANTS } from "./planted.ts";
import { runScenario } from "./volume.ts";

// `npm run sim -- --volume` runs the same with up to 50,000 jobs, and prints the figures.

/** The rules that are known to be broken, by their beginnings. A rule leaves this list with the fix that makes it hold. */
const BROKEN: readonly string[] = [
  "1: every shard with due jobs",
  "1: share of one app",
  "1: what is due of other apps",
  "1: a million due jobs",
  "2: writes of waiting",
  "2: all have run",
  "3: messages",
  "4: objects left",
  "5: calls of an end",
  "5: the start of a task",
  "10: writes of waiting",
  "10: passing by",
  "10: starts in ten seconds",
];

for (const { name, jobs } of SCENARIOS.filter((one) => one.jobs.gate > 0)) {
  test(`${name}: no rule is broken, but those known, with ${jobs.gate} jobs`, { timeout: 300_000 }, async () => {
    const { figures } = await runScenario({ scenario: name, size: "gate" });
    expect(figures.length).toBeGreaterThan(0);
    const broken = figures.filter(({ ok, rule }) => !ok && !BROKEN.some((known) => rule.startsWith(known)));
    expect(broken).toEqual([]);
  });
}

test("every planted bug of volume breaks the rule that it names", { timeout: 300_000 }, async () => {
  for (const { name, scenario, breaks } of VOLUME_PLANTS) {
    const { figures } = await runScenario({ scenario, size: "gate", plant: name });
    expect(figures.filter(({ ok }) => !ok).map(({ rule }) => rule)).toContainEqual(expect.stringMatching(`^${breaks}`));
  }
});
