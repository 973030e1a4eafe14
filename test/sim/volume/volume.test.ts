import { expect, test } from "vitest";
import { SCENARIOS } from "./scenarios.ts";
import { VOLUME_PLANTS } from "./planted.ts";
import { runScenario } from "./volume.ts";

// `npm run sim -- --volume` runs them with up to 50,000 jobs, and prints the figures.

for (const { name, jobs } of SCENARIOS.filter((one) => one.jobs.gate > 0)) {
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
  expect(plants).toHaveLength(2);
  for (const { name, scenario, breaks } of plants) {
    const { figures } = await runScenario({ scenario, size: "gate", plant: name });
    expect(figures.filter(({ ok }) => !ok).map(({ rule }) => rule)).toContainEqual(expect.stringMatching(`^${breaks}`));
  }
});
