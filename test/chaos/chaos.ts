import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { HOUR, MINUTE, SECOND } from "../../lib/clock.ts";
import { createRandom, type Random } from "../sim/random.ts";
import { createClient, type Client } from "./clients.ts";
import { count, endingsOf, resultProblems, settled } from "./count.ts";
import { carryOut, faultsOf, type Fault } from "./faults.ts";
import { AT_THE_SAME_TIME, race, type KeysReport } from "./keys.ts";
import { MOST_TIMES, compared } from "./latency.ts";
import { SIZES, startNeighbour, type Neighbour } from "./neighbour.ts";
import { problemsOf, table, type Report } from "./report.ts";
import { SPEED, startChaosStack, type ChaosStack } from "./stack.ts";
import { startChaosTarget, type ChaosTarget } from "./target.ts";
import { createWork, type Accepted } from "./work.ts";

// `npm run chaos`: the local stack as real processes that are killed while apps ask for jobs and a hostile one attacks.
// Then the jobs are counted, and the time that they took without the neighbour is compared with that beside it.

export interface Options {
  /** How long there are faults, in ms; 0 for the rounds alone. */
  readonly lastMs: number;
  /** How long jobs are measured before there are faults: without the neighbour, and as long beside it. Default: 0. */
  readonly measureMs?: number;
  /** Default: usual. */
  readonly neighbour?: (typeof SIZES)[number] | undefined;
  readonly seed: string;
  /** Rounds of creates with one key. */
  readonly rounds: number;
  readonly say?: (line: string) => void;
  /** Ends it before its time, and all its processes. */
  readonly signal?: AbortSignal;
}

const APPS = 3;
const JOBS_PER_SECOND = 10;
const PROGRESS_EVERY_MS = 5_000;
/** In service time. A job that has waited for its next look may wait as long again. */
const PATIENCE_MS = 2 * HOUR;
/** How long measured jobs have to end before there are faults. */
const MEASURED_WITHIN_MS = 20 * SECOND;
/** The first jobs of a process are slow. */
const WARM_UP_MS = 10 * SECOND;

interface World {
  readonly stack: ChaosStack;
  readonly target: ChaosTarget;
  readonly apps: readonly Client[];
  readonly neighbour: Neighbour;
}

export async function chaos(options: Options): Promise<Report> {
  const { signal } = options;
  const stack = await startChaosStack();
  const target = await startChaosTarget();
  const apps = await Promise.all(Array.from({ length: APPS }, async () => createClient(stack.url)));
  const neighbour = await startNeighbour(stack.url, options.neighbour ?? "usual");
  let passed = false;
  try {
    const report = await Promise.race([
      runAll(options, { stack, target, apps, neighbour }),
      new Promise<never>((_, reject) => {
        if (signal?.aborted) reject(new Error("Ended before its time"));
        signal?.addEventListener("abort", () => reject(new Error("Ended before its time")));
      }),
    ]);
    ({ passed } = report);
    return report;
  } finally {
    await Promise.all([...apps.map(async (app) => app.leave()), neighbour.close()]);
    target.close();
    await stack.end(!passed && !signal?.aborted);
  }
}

async function runAll(options: Options, world: World): Promise<Report> {
  const { lastMs, seed, rounds, say = () => {} } = options;
  const { stack, apps, neighbour } = world;
  say(`seed ${seed}, ${stack.workers.length} workers, clock at ${SPEED} times; data and logs in ${stack.dir}`);
  const faults = new Map<string, number>();
  const ran = lastMs > 0 ? await run(options, world, faults) : undefined;
  const raced = rounds > 0 ? await runRounds(rounds, world, say) : undefined;
  const { counted, wrong = [], latencies = [] } = ran ?? {};
  const report = {
    faults,
    repeated: apps.reduce((sum, app) => sum + app.repeated(), 0),
    fallen: stack.fallen,
    count: counted,
    wrong,
    latencies,
    neighbour,
    keys: raced,
  };
  return { ...report, passed: problemsOf(report).length === 0 };
}

/** Apps ask for jobs while there are faults; then the faults end, and every job must end. */
async function run(options: Options, world: World, faults: Map<string, number>) {
  const { lastMs, measureMs = 0, seed, say = () => {} } = options;
  const { stack, target, apps, neighbour } = world;
  const began = performance.now();
  const accepted: Accepted[] = [];
  const told = (line: string) => say(`${Math.round((performance.now() - began) / 1_000)} s`.padStart(6) + `  ${line}`);
  let left = "";
  const progress = setInterval(
    () => told(`${accepted.length} accepted, ${target.received.size} have reached the target${left}`),
    PROGRESS_EVERY_MS,
  );
  try {
    const random = createRandom(seed);
    const posting = createPosting(world, random, accepted);
    const [alone, beside] = measureMs > 0 ? await measure(measureMs, posting, neighbour, told) : [[], []];
    if (measureMs === 0) await neighbour.start();
    await Promise.all([posting(lastMs), breakParts(lastMs, random, world, faults, told)]);
    await neighbour.stop();
    // A killed worker's messages block their lanes until their visibility ends, 18 minutes of real time.
    await stack.queue.kill();
    await stack.queue.start();
    told(`all is well again; ${accepted.length} accepted`);
    const withinMs = PATIENCE_MS + lastMs * SPEED;
    const onLook = (unfinished: number) => void (left = `, ${unfinished} unfinished`);
    const seen = await settled(accepted, withinMs, onLook);
    const callbacks = (await listed(apps)).filter(({ parentJobId }) => parentJobId !== undefined);
    await settled(callbacks, withinMs, onLook);
    const endings = await endingsOf(stack.database.url);
    return {
      counted: count(accepted, seen, await listed(apps), endings, target),
      wrong: await resultProblems(apps, accepted, seen),
      latencies: measureMs > 0 ? compared(alone, beside, seen, target) : [],
    };
  } finally {
    clearInterval(progress);
  }
}

/** Jobs of all apps, callbacks included. */
async function listed(apps: readonly Client[]) {
  const lists = await Promise.all(
    apps.map(async (by) => (await by.list()).map((job) => ({ ...job, by, calledBack: false }))),
  );
  return lists.flat();
}

type Posting = (lastMs: number) => Promise<readonly Accepted[]>;

/** Returns the function that asks for jobs at a constant rate, without waiting for answers. */
function createPosting({ apps, target }: World, random: Random, accepted: Accepted[]): Posting {
  const ask = createWork(apps, random, target.url);
  let asked = 0;
  return async (lastMs) => {
    const began = performance.now();
    const jobs = Array.from({ length: Math.floor((lastMs / SECOND) * JOBS_PER_SECOND) }, (_, at) => ({
      at,
      n: (asked += 1),
    }));
    const posted = jobs.map(async ({ at, n }) => {
      await sleep(Math.max(0, began + (at * SECOND) / JOBS_PER_SECOND - performance.now()));
      const some = await ask(n - 1);
      accepted.push(...some);
      return some;
    });
    return (await Promise.all(posted)).flat();
  };
}

type Tell = (line: string) => void;

/** Jobs without the neighbour, and as long with it. It goes on acting. */
async function measure(lastMs: number, posting: Posting, neighbour: Neighbour, told: Tell) {
  await ended(await posting(WARM_UP_MS));
  told("measuring without the neighbour");
  const alone = await posting(lastMs);
  await ended(alone);
  told("measuring beside the neighbour");
  await neighbour.start();
  const beside = await posting(lastMs);
  await ended(beside);
  return [alone, beside] as const;
}

/** Waits until jobs have ended, or have had the time for it. */
async function ended(jobs: readonly Accepted[]): Promise<void> {
  await settled(jobs, MEASURED_WITHIN_MS * SPEED, () => {});
}

async function breakParts(
  lastMs: number,
  random: Random,
  { stack, target }: World,
  faults: Map<string, number>,
  told: Tell,
): Promise<void> {
  told("parts are killed from now on");
  const plan = faultsOf(random.fork("faults"), lastMs, stack.workers.length);
  await carryOut(plan, stack, target, ({ part, how, forMs }: Fault) => {
    const kind = `${part.replace(/-\d+$/, "")} ${how}`;
    faults.set(kind, (faults.get(kind) ?? 0) + 1);
    told(`${part} ${how}${forMs > 0 ? ` for ${(forMs / SECOND).toFixed(1)} s` : ""}`);
  });
}

async function runRounds(rounds: number, { apps, target }: World, say: Tell): Promise<KeysReport> {
  const [client] = apps;
  if (!client) throw new Error("Expected an app, found none");
  const began = performance.now();
  return race(rounds, client, target, PATIENCE_MS, (done) => {
    const seconds = Math.round((performance.now() - began) / 1_000);
    if (done % 100 === 0) say(`${done} rounds of ${AT_THE_SAME_TIME} creates with one key, ${seconds} s`);
  });
}

// ---- npm run chaos ----

const USAGE = `Kills the parts of a local stack while apps ask for jobs and a hostile one attacks, and counts what became of the jobs.
  npm run chaos -- --minutes 5 --seed 1 --keys 1000
  --minutes: how long things go wrong, default 5; 0 for the rounds alone
  --measure: how many seconds jobs are measured before that, and as many beside the hostile app, where they may take
    ${MOST_TIMES} times as long; default a third of that time, at most a minute; 0: not at all
  --neighbour: ${SIZES.join(", ")}; small does everything once
  --seed: the same faults at the same times, default by chance
  --keys: rounds of ${AT_THE_SAME_TIME} creates with one key at the end, default 1000
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string" },
      measure: { type: "string" },
      neighbour: { type: "string", default: "usual" },
      seed: { type: "string" },
      keys: { type: "string" },
    },
  });
  const { minutes = 5, keys = 1_000, seed = String(Math.floor(Math.random() * 2 ** 31)) } = values;
  const [lastMs, rounds] = [Number(minutes) * MINUTE, Number(keys)];
  const measureMs = values.measure === undefined ? Math.min(lastMs / 3, MINUTE) : Number(values.measure) * SECOND;
  const neighbour = SIZES.find((size) => size === values.neighbour);
  if (!neighbour || !(lastMs >= 0) || !(measureMs >= 0) || !Number.isInteger(rounds) || rounds < 0) {
    process.stderr.write(USAGE);
    process.exitCode = 2;
    return;
  }
  Object.assign(process.env, { AWS_REGION: "local", AWS_ACCESS_KEY_ID: "local", AWS_SECRET_ACCESS_KEY: "local" });
  const ending = new AbortController();
  const end = () => ending.abort();
  process.on("SIGINT", end).on("SIGTERM", end);
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  if (lastMs > 0)
    say("Mode sqs is left out: nothing stores such a job until its first attempt fails, and here queues are emptied.");
  try {
    const report = await chaos({ lastMs, measureMs, neighbour, seed, rounds, say, signal: ending.signal });
    say(table(report));
    process.exit(report.passed ? 0 : 1);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(ending.signal.aborted ? 130 : 1);
  }
}

if (import.meta.main) await main();
