import { expect, test } from "vitest";
import { VOLUME_PLANTS } from "./planted.ts";
import { runScenario } from "./volume.ts";

// Each planted bug breaks the rule that it names. `npm run sim -- --volume --planted` prints by how much.

test.each(VOLUME_PLANTS)("found: $name", { timeout: 300_000 }, async ({ name, scenario, breaks }) => {
  const { figures } = await runScenario({ scenario, size: "gate", plant: name });
  expect(figures.filter(({ ok }) => !ok).map(({ rule }) => rule)).toContainEqual(expect.stringMatching(`^${breaks}`));
});
