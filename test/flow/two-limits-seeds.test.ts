import { afterEach, expect, test } from "vitest";
import { world } from "./flow-world.ts";
import { problemsOf } from "./two-limits-seeds.ts";

// `SEEDS=500 FROM=1000 npx vitest run test/flow/two-limits-seeds.test.ts` runs others, and more of them.

const FROM = Number(process.env["FROM"] ?? 1);
const SEEDS = Number(process.env["SEEDS"] ?? 12);
const seeds = Array.from({ length: SEEDS }, (_, n) => `${FROM + n}`);

afterEach(async () => world.end());

test.each(seeds)("limits hold, all jobs end and no slot is left: world %s", async (seed) => {
  expect(await problemsOf(seed, false)).toEqual([]);
});

test.each(seeds)("and where messages are lost and the table fails: world %s", async (seed) => {
  expect(await problemsOf(seed, true)).toEqual([]);
});
