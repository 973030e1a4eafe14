import { expect, test } from "vitest";
import { tellDrawn, today } from "../support/today.ts";
import { ZONES, checkChanges, commandOf } from "./clocks.ts";

// `npm run fuzz -- --clocks` looks at all days of ten years.

test(
  "around each change of clocks in 40 zones and ten years, schedules run when a second computation says",
  { timeout: 300_000 },
  () => {
    const report = checkChanges({ seed: 1, from: 2011, expressions: 1 });
    expect(report.failure).toBeUndefined();
    expect(ZONES).toHaveLength(40);
    expect(report.changes).toBeGreaterThan(500);
  },
);

test("and in ten years to come, with expressions that the date draws", { timeout: 300_000 }, () => {
  const drawn = { seed: today(), from: new Date().getUTCFullYear(), expressions: 1 };
  tellDrawn(commandOf(drawn, { changes: true }));
  expect(checkChanges(drawn).failure).toBeUndefined();
});
