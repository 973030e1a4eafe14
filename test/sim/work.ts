import { join } from "node:path";
import { readTemplate } from "../../local/template.ts";
import { everyMishap, type FATES, type Part } from "./exhaustive.ts";
import type { Mishap } from "./fates.ts";
import { digestOf } from "./outcomes.ts";
import { planOf, withoutFaults, type Plan } from "./plan.ts";
import type { Plant } from "./plant.ts";
import { PLANTS } from "./planted.ts";
import { simulate } from "./world.ts";

// The work of a thread of `npm run sim`.

const template = readTemplate(join(import.meta.dirname, "../.."));
export const WITHIN = 2_000;

/** A task of a thread, and its answer. */
export type Task =
  | { readonly kind: "calm"; readonly from: number; readonly count: number }
  | { readonly kind: "seeds"; readonly from: number; readonly count: number; readonly twice: number }
  | { readonly kind: "plant"; readonly at: number }
  | Life;

interface Life {
  readonly kind: "life";
  readonly life: string;
  readonly fate: (typeof FATES)[number];
  readonly part: Part;
}

export interface Done {
  readonly count: number;
  readonly jobs: number;
  readonly calls: number;
  readonly hashes: string;
  readonly failed: readonly { readonly seed: number | string; readonly rule: string }[];
}

interface Seeds {
  readonly from: number;
  readonly count: number;
  /** The first so many run a second time: the same seed does the same, or its story could not be told. */
  readonly twice: number;
  readonly plant?: Plant;
  readonly stopAtFirst?: boolean;
}

async function runSeeds({ from, count, twice, plant, stopAtFirst = false }: Seeds): Promise<Done> {
  const failed: { seed: number; rule: string }[] = [];
  let [jobs, calls, hashes] = [0, 0, ""];
  let seed = from;
  for (; seed < from + count; seed += 1) {
    const plan = planOf(String(seed));
    const ran = await simulate(plan, { template, ...(plant && { plant }) });
    jobs += ran.jobs;
    calls += ran.calls;
    hashes += ran.hash;
    const [first] = ran.violations;
    const again = seed < from + twice ? await simulate(plan, { template }) : ran;
    if (again.hash !== ran.hash) failed.push({ seed, rule: "the same seed gives the same run" });
    else if (first) failed.push({ seed, rule: first.rule });
    if (stopAtFirst && failed.length > 0) break;
  }
  return { count: seed - from, jobs, calls, hashes, failed };
}

/** `hashes`: a line a seed. */
async function runCalmSeeds(from: number, count: number): Promise<Done> {
  const failed: { seed: number; rule: string }[] = [];
  let [jobs, calls, hashes] = [0, 0, ""];
  for (let seed = from; seed < from + count; seed += 1) {
    const ran = await simulate(withoutFaults(planOf(String(seed))), { template, calm: true });
    jobs += ran.outcomes.length;
    calls += ran.calls;
    hashes += `seed ${seed}: ${digestOf(ran.outcomes)}\n`;
    const [first] = ran.violations;
    if (first) failed.push({ seed, rule: first.rule });
  }
  return { count, jobs, calls, hashes, failed };
}

/** Stops at the first seed that finds it. */
async function findPlant(plant: Plant | undefined): Promise<Done> {
  if (plant?.seed !== undefined) {
    const found = await runSeeds({ from: plant.seed, count: 1, twice: 0, plant });
    if (found.failed.length > 0) return found;
  }
  return runSeeds({ from: 0, count: WITHIN, twice: 0, ...(plant && { plant }), stopAtFirst: true });
}

async function runLife({ life, fate, part }: Life): Promise<Done> {
  const failed: { seed: string; rule: string }[] = [];
  let count = 0;
  const simulated = async (plan: Plan, some: readonly Mishap[]) => simulate(plan, { template, mishaps: some });
  for await (const { mishaps, ran } of everyMishap(life, fate, simulated, part)) {
    count += 1;
    const [violation] = ran.violations;
    const at = mishaps.map((one) => `write ${one.write} ${one.fate}`).join(", then ");
    if (violation) failed.push({ seed: `${life}: ${at}`, rule: `${violation.rule}: ${violation.what}` });
  }
  return { count, jobs: 0, calls: 0, hashes: "", failed };
}

export async function work(task: Task): Promise<Done> {
  switch (task.kind) {
    case "seeds":
      return runSeeds(task);
    case "calm":
      return runCalmSeeds(task.from, task.count);
    case "plant":
      return findPlant(PLANTS[task.at]);
    case "life":
      return runLife(task);
    default:
      return task satisfies never;
  }
}
