import { expect, test } from "vitest";
import { today } from "../../support/today.ts";
import { SCENARIOS } from "./scenarios.ts";
import { VOLUME_PLANTS } from "./planted.ts";
import { runScenario } from "./volume.ts";

// Each run has every other scenario, by the date. `npm run sim -- --volume` runs all of them with up to 50,000 jobs, and
// prints the figures.

const SMALL = SCENARIOS.filter(({ jobs }) => jobs.gate > 0);
for (const { name, jobs } of SMALL.filter((_, at) => at % 2 === today() % 2)) {
  test(`${name}: no rule is broken with ${jobs.gate} jobs`, { timeout: 300_000 }, async () => {
    const { figures } = await runScenario({ scenario: name, size: "gate" });
    expect(figures.length).toBeGreaterThan(0);
    const broken = figures.filter(({ ok }) => !ok);
    expect(broken).toEqual([]);
  });
}

// `npm run sim -- --volume --planted` plants them all.
test("the planted bugs of lines break the rules that they name", { timeout: 300_000 }, async () => {
  const plants = VOLUME_PLANTS.filter(({ scenario }) => scenario === "lines of tasks");
  expect(plants).toHaveLength(4);
  for (const { name, scenario, breaks } of plants) {
    const { figures } = await runScenario({ scenario, size: "gate", plant: name });
    expect(figures.filter(({ ok }) => !ok).map(({ rule }) => rule)).toContainEqual(expect.stringMatching(`^${breaks}`));
  }
});
