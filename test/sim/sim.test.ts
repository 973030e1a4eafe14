import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { readTemplate } from "../../local/template.ts";
import { digestOf } from "./outcomes.ts";
import { planOf, withoutFaults, type Plan } from "./plan.ts";
import type { Parts, Plant } from "./plant.ts";
import { PLANTS } from "./planted.ts";
import { shrink } from "./shrink.ts";
import { story } from "./story.ts";
import { simulate } from "./world.ts";
import { ROOT } from "../support/root.ts";
import { tellDrawn, today } from "../support/today.ts";

const template = readTemplate(ROOT);

/** Runs the simulator like `npm run sim`. Rejects if its exit status is not 0. */
const sim = async (...options: string[]) =>
  (await promisify(execFile)(process.execPath, ["test/sim/sim.ts", ...options], { cwd: ROOT })).stdout;

// `npm run sim` runs 2,000 seeds, each twice, and `npm run sim -- --exhaustive` all pairs of mishaps.

/** Seeds that broke a rule. Each is added here together with its fix, and then runs every time. */
const FOUND: readonly string[] = ["8314396", "8318376", "8402263"];

test("4 seeds break no rule, and the first of them does the same twice", { timeout: 600_000 }, async () => {
  expect(await sim("--seeds", "4", "--twice", "1")).toMatch(/^violations: 0$/m);
});

test("nor do 3 more, which the date draws, and all that were ever found so", { timeout: 300_000 }, async () => {
  const from = today() * 1_000;
  tellDrawn(`npm run sim -- --from ${from} --seeds 3`);
  const drawn = Array.from({ length: 3 }, (_, n) => String(from + n));
  for (const seed of [...FOUND, ...drawn]) {
    const { violations } = await simulate(planOf(seed), { template });
    expect(violations, `Again: npm run sim -- --seed ${seed}`).toEqual([]);
  }
});

test(
  "no death and no lost answer in the life of a job, and no pair of them, breaks a rule",
  { timeout: 600_000 },
  async () => {
    // Each run has one part of 1,152 of the pairs; `npm run sim -- --exhaustive` has all.
    const part = `${today() % 1_152}/1152`;
    tellDrawn(`npm run sim -- --exhaustive --part ${part}`);
    const told = await sim("--exhaustive", "--part", part);
    expect(told).toMatch(/^violations: 0$/m);
    expect(told.match(/mishaps and pairs of mishaps/g)).toHaveLength(9);
  },
);

test(
  "each planted bug is found, by the seed that has found it before or within 2,000",
  { timeout: 600_000 },
  async () => {
    // Each run has a sixth of them; `npm run sim -- --planted` has all.
    const number = today() % 6;
    const count = PLANTS.filter((_, at) => at % 6 === number).length;
    expect(count).toBeGreaterThanOrEqual(7);
    tellDrawn(`npm run sim -- --planted --part ${number}/6`);
    const told = await sim("--planted", "--part", `${number}/6`);
    expect(told.trimEnd()).toMatch(`${count} of ${count} planted bugs found`);
  },
);

describe("a seed that fails", () => {
  const plant = PLANTS.find(({ name }) => name === "a retry is not counted");
  const fails = async (plan: Plan) =>
    (await simulate(plan, { template, ...(plant && { plant }) })).violations.length > 0;

  test("is shrunk to what it takes, and told as a story of its job", async () => {
    let seed = 0;
    while (!(await fails(planOf(String(seed))))) seed += 1;
    const smallest = await shrink(planOf(String(seed)), fails);
    expect(smallest.actions.length).toBeLessThan(planOf(String(seed)).actions.length);
    for (const at of smallest.actions.keys()) {
      expect(await fails({ ...smallest, actions: smallest.actions.toSpliced(at, 1) })).toBe(false);
    }
    const lines: string[] = [];
    const onLine = (line: string) => void lines.push(line);
    const { violations } = await simulate(smallest, { template, ...(plant && { plant }), onLine });
    const told = story(smallest, violations[0]!, lines);
    expect(told).toMatch(/^Broken: /);
    expect(told).toContain(/[0-9a-f-]{36}/.exec(violations[0]!.what)?.[0]);
  });
});

describe("with faults off, the outcomes of the jobs", () => {
  const outcomesOf = async (plant?: Plant) => {
    const lines: string[] = [];
    for (let seed = 0; seed < 2; seed += 1) {
      const plan = withoutFaults(planOf(String(seed)));
      lines.push(...(await simulate(plan, { template, calm: true, ...(plant && { plant }) })).outcomes);
    }
    return lines;
  };

  test("are the same twice", { timeout: 300_000 }, async () => {
    const told = await sim("--calm", "--seeds", "1");
    expect(told).toMatch(/^outcome hash: [0-9a-f]{16}$/m);
    const { outcomes } = await simulate(withoutFaults(planOf("0")), { template, calm: true });
    expect(told).toMatch(`seed 0: ${digestOf(outcomes)}\n`);
  });

  test("do not change by more calls, but by a bug", { timeout: 300_000 }, async () => {
    const readingTwice: Plant = {
      name: "every move is preceded by a read",
      parts: ({ store }: Parts) => ({
        store: {
          ...store,
          apply: async (of, ...move) => {
            await store.get(of.id);
            return store.apply(of, ...move);
          },
        },
      }),
    };
    const outcomes = await outcomesOf();
    expect(await outcomesOf(readingTwice)).toEqual(outcomes);
    const plant = PLANTS.find(({ name }) => name === "a retry is not counted");
    expect(await outcomesOf(plant)).not.toEqual(outcomes);
  });
});

test("an option that can't be read is told, and nothing is run", async () => {
  const refusal = { code: 2, stdout: '--seeds is "many": expected a whole number such as 2000\n' };
  await expect(sim("--seeds", "many")).rejects.toMatchObject(refusal);
});
