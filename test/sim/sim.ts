import { createHash } from "node:crypto";
import { on } from "node:events";
import { join } from "node:path";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { readTemplate } from "../../local/template.ts";
import { FATES, LIVES, partOf, type Part } from "./exhaustive.ts";
import { digestOf } from "./outcomes.ts";
import { planOf, withoutFaults } from "./plan.ts";
import { PLANTS } from "./planted.ts";
import { shrink } from "./shrink.ts";
import { story } from "./story.ts";
import { SIZES, plantedVolume, volume } from "./volume/volume.ts";
import { WITHIN, work, type Done, type Task } from "./work.ts";
import { simulate } from "./world.ts";

// `npm run sim`: the service against the faults that seeds draw. Exit status 0 only if all rules held.

const ROOT = join(import.meta.dirname, "../..");
const template = readTemplate(ROOT);
/** Seeds given to a thread at a time. */
const LOT = 50;

const { values: options } = parseArgs({
  args: isMainThread ? process.argv.slice(2) : [],
  options: {
    seeds: { type: "string", default: String(WITHIN) },
    from: { type: "string", default: "0" },
    twice: { type: "string" },
    seed: { type: "string" },
    trace: { type: "boolean", default: false },
    planted: { type: "boolean", default: false },
    exhaustive: { type: "boolean", default: false },
    /** Without faults: digests of the jobs' outcomes, which stay the same when the calls of the service change. */
    calm: { type: "boolean", default: false },
    part: { type: "string", default: "0/1" },
    /** Thousands of jobs: a table of what they cost. */
    volume: { type: "boolean", default: false },
    size: { type: "string", default: "usual" },
    /** Scenarios of volume whose names have this in them. */
    only: { type: "string", default: "" },
  },
});

/** Has the tasks done by as many threads as there are cores; in their order when all are done. */
async function share(tasks: readonly Task[], onDone: (done: Done, at: number) => void): Promise<Done[]> {
  const done: Done[] = [];
  let next = 0;
  const thread = async () => {
    const worker = new Worker(new URL(import.meta.url), { workerData: "work" });
    const answers = on(worker, "message");
    for (let at = next++; at < tasks.length; at = next++) {
      worker.postMessage(tasks[at]);
      // Throws what the thread throws.
      const [answer] = (await answers.next()).value as [Done];
      done[at] = answer;
      onDone(answer, at);
    }
    await worker.terminate();
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), tasks.length) }, thread));
  return done;
}

const say = (line: string) => void process.stdout.write(`${line}\n`);
const tell = (line: string) => void (process.stderr.isTTY && process.stderr.write(`\r${line}   `));

/** Seeds in lots, one a thread at a time; the first `twice` of them are run twice. */
async function shareSeeds(kind: "seeds" | "calm", from: number, count: number, twice = 0) {
  const lots = Math.ceil(count / LOT);
  const tasks = Array.from({ length: lots }, (_, lot): Task => {
    const before = lot * LOT;
    const part = { from: from + before, count: Math.min(LOT, count - before) };
    return kind === "calm" ? { kind, ...part } : { kind, ...part, twice: twice - before };
  });
  let seen = 0;
  const done = await share(tasks, (each) => tell(`${(seen += each.count)} of ${count} seeds`));
  tell("");
  const failed = done.flatMap((each) => each.failed);
  return { done, failed, sum: (of: "jobs" | "calls") => done.reduce((total, each) => total + each[of], 0) };
}

function hashOf(done: readonly Done[]): string {
  const all = done.map(({ hashes }) => hashes).join("");
  return createHash("sha256").update(all).digest("hex").slice(0, 16);
}

async function manySeeds(from: number, count: number, twice: number): Promise<boolean> {
  const began = performance.now();
  const { done, failed, sum } = await shareSeeds("seeds", from, count, twice);
  for (const { seed, rule } of failed.slice(0, 10)) say(`seed ${seed}: ${rule}; npm run sim -- --seed ${seed}`);
  const hash = hashOf(done);
  const seconds = ((performance.now() - began) / 1_000).toFixed(1);
  say(
    `${count} seeds from ${from}, ${twice < count ? twice : "each"} run twice: ${sum("jobs")} jobs, ${sum("calls")} calls, ${seconds} s`,
  );
  say(`violations: ${failed.length}`);
  say(`trace hash: ${hash}`);
  const [first] = failed;
  if (first) await oneSeed(String(first.seed), false);
  return failed.length === 0;
}

/** A digest for each seed, to be compared with those of another state of the service. */
async function calmSeeds(from: number, count: number): Promise<boolean> {
  const { done, failed, sum } = await shareSeeds("calm", from, count);
  for (const { hashes } of done) process.stdout.write(hashes);
  for (const { seed, rule } of failed.slice(0, 10)) say(`seed ${seed}: ${rule}; npm run sim -- --calm --seed ${seed}`);
  say(`${count} seeds from ${from}, without faults: ${sum("jobs")} jobs, ${sum("calls")} calls`);
  say(`violations: ${failed.length}`);
  say(`outcome hash: ${hashOf(done)}`);
  return failed.length === 0;
}

/** The outcomes that the digest of a seed is made of. */
async function oneCalmSeed(seed: string, trace: boolean): Promise<boolean> {
  const plan = withoutFaults(planOf(seed));
  const { outcomes, violations } = await simulate(plan, { template, calm: true, ...(trace && { onLine: say }) });
  for (const line of outcomes) say(line);
  for (const { rule, what } of violations) say(`Broken: ${rule}: ${what}`);
  say(`seed ${seed}: ${digestOf(outcomes)}`);
  return violations.length === 0;
}

async function oneSeed(seed: string, trace: boolean): Promise<boolean> {
  const plan = planOf(seed);
  const ran = await simulate(plan, { template, ...(trace && { onLine: say }) });
  say(
    `seed ${seed}: ${ran.jobs} jobs, ${ran.calls} calls, violations: ${ran.violations.length}, trace hash: ${ran.hash}`,
  );
  const [violation] = ran.violations;
  if (!violation) return true;
  const smallest = await shrink(plan, async (smaller) => {
    const { violations } = await simulate(smaller, { template });
    return violations.some(({ rule }) => rule === violation.rule);
  });
  const lines: string[] = [];
  const { violations } = await simulate(smallest, { template, onLine: (line) => void lines.push(line) });
  say(story(smallest, violations[0] ?? violation, lines));
  return false;
}

async function planted({ number: first, of }: Part): Promise<boolean> {
  const plants = [...PLANTS.keys()].filter((at) => at % of === first);
  const done = await share(
    plants.map((at): Task => ({ kind: "plant", at })),
    ({ failed: [found], count }, n) => {
      const name = PLANTS[plants[n] ?? 0]?.name;
      say(
        `${found ? `found by seed ${found.seed}` : `NOT FOUND in ${count} seeds`}: ${name}${found ? ` (${found.rule})` : ""}`,
      );
    },
  );
  const found = done.filter(({ failed }) => failed.length > 0).length;
  say(`${found} of ${plants.length} planted bugs found`);
  return found === plants.length;
}

async function exhaustive(part: Part): Promise<boolean> {
  const tasks = Object.keys(LIVES).flatMap((life) =>
    FATES.map((fate) => ({ kind: "life", life, fate, part }) as const),
  );
  const done = await share(tasks, () => {});
  const failed = done.flatMap((each) => each.failed);
  for (const { seed, rule } of failed.slice(0, 10)) say(`${seed}: ${rule}`);
  for (const life of Object.keys(LIVES)) {
    const count = done.reduce((sum, each, at) => sum + (tasks[at]?.life === life ? each.count : 0), 0);
    say(`${life}: ${count} mishaps and pairs of mishaps`);
  }
  say(`violations: ${failed.length}`);
  return failed.length === 0;
}

function refuse(problem: string): never {
  say(problem);
  process.exit(2);
}

function wholeNumber(name: "from" | "seeds" | "twice", given = options[name]): number {
  const value = Number(given);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  return refuse(`--${name} is "${given}": expected a whole number such as 2000`);
}

function size() {
  return (
    SIZES.find((one) => one === options.size) ??
    refuse(`--size is "${options.size}": expected one of ${SIZES.join(", ")}`)
  );
}

async function main(): Promise<boolean> {
  if (options.volume && options.planted) return plantedVolume(say);
  if (options.volume) return volume(size(), options.only, say);
  const part = partOf(options.part) ?? refuse(`--part is "${options.part}": expected a part of all, such as 0/3`);
  if (options.planted) return planted(part);
  if (options.exhaustive) return exhaustive(part);
  if (options.calm && options.seed !== undefined) return oneCalmSeed(options.seed, options.trace);
  if (options.calm) return calmSeeds(wholeNumber("from"), wholeNumber("seeds"));
  if (options.seed !== undefined) return oneSeed(options.seed, options.trace);
  const count = wholeNumber("seeds");
  return manySeeds(wholeNumber("from"), count, wholeNumber("twice", options.twice ?? String(count)));
}

if (isMainThread) process.exit((await main()) ? 0 : 1);
for await (const [task] of parentPort && workerData === "work" ? on(parentPort, "message") : []) {
  parentPort?.postMessage(await work(task as Task));
}
