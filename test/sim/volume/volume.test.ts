import { expect, test } from "vitest";
import { SCENARIOS } from "./scenarios.ts";
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
