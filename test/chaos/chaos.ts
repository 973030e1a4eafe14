import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { HOUR, MINUTE, SECOND } from "../../lib/clock.ts";
import { createRandom } from "../sim/random.ts";
import { createClients, anyJob, type Accepted, type Clients } from "./clients.ts";
import { count, endingsOf, settled, type Count } from "./count.ts";
import { carryOut, faultsOf, type Fault } from "./faults.ts";
import { AT_THE_SAME_TIME, race, type KeysReport } from "./keys.ts";
import { SPEED, startChaosStack, type ChaosStack } from "./stack.ts";
import { startChaosTarget, type ChaosTarget } from "./target.ts";

// `npm run chaos`: the local stack as real processes that are killed while clients post. Then the jobs are counted.

export interface Options {
  /** How long there are faults, in ms; 0 for the rounds alone. */
  readonly lastMs: number;
  readonly seed: string;
  /** Rounds of creates with one key. */
  readonly rounds: number;
  readonly say?: (line: string) => void;
  /** Ends it before its time, and all its processes. */
  readonly signal?: AbortSignal;
}

export interface Report {
  readonly faults: ReadonlyMap<string, number>;
  /** Requests that got no answer and were made again. */
  readonly repeated: number;
  readonly fallen: readonly string[];
  readonly count: Count | undefined;
  readonly keys: KeysReport | undefined;
  readonly passed: boolean;
}

const JOBS_PER_SECOND = 10;
const PROGRESS_EVERY_MS = 5_000;
/** In service time. A job that has waited for its next look may wait as long again. */
const PATIENCE_MS = 2 * HOUR;

interface World {
  readonly stack: ChaosStack;
  readonly target: ChaosTarget;
  readonly clients: Clients;
}

export async function chaos(options: Options): Promise<Report> {
  const { signal } = options;
  const stack = await startChaosStack();
  const target = await startChaosTarget();
  const clients = await createClients(stack.url);
  let passed = false;
  try {
    const report = await Promise.race([
      runAll(options, { stack, target, clients }),
      new Promise<never>((_, reject) => {
        if (signal?.aborted) reject(new Error("Ended before its time"));
        signal?.addEventListener("abort", () => reject(new Error("Ended before its time")));
      }),
    ]);
    ({ passed } = report);
    return report;
  } finally {
    await clients.leave();
    target.close();
    await stack.end(!passed && !signal?.aborted);
  }
}

async function runAll({ lastMs, seed, rounds, say = () => {} }: Options, world: World): Promise<Report> {
  const { stack, clients } = world;
  say(`seed ${seed}, ${stack.workers.length} workers, clock at ${SPEED} times; data and logs in ${stack.dir}`);
  const faults = new Map<string, number>();
  const counted = lastMs > 0 ? await run(lastMs, seed, world, faults, say) : undefined;
  const raced = rounds > 0 ? await runRounds(rounds, world, say) : undefined;
  const passed = !counted?.lost.length && !counted?.endedTwice.length && !raced?.wrong.length;
  return { faults, repeated: clients.repeated(), fallen: stack.fallen, count: counted, keys: raced, passed };
}

/** Clients post while there are faults; then the faults end, and every job must end. */
async function run(
  lastMs: number,
  seed: string,
  { stack, target, clients }: World,
  faults: Map<string, number>,
  say: (line: string) => void,
): Promise<Count> {
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
    const plan = faultsOf(random.fork("faults"), lastMs, stack.workers.length);
    const onFault = ({ part, how, forMs }: Fault) => {
      const kind = `${part.replace(/-\d+$/, "")} ${how}`;
      faults.set(kind, (faults.get(kind) ?? 0) + 1);
      told(`${part} ${how}${forMs > 0 ? ` for ${(forMs / SECOND).toFixed(1)} s` : ""}`);
    };
    const posting = post(lastMs, async (n) => {
      accepted.push(await clients.post(anyJob(random.fork(`job ${n}`), target.url, `chaos-${n}`)));
    });
    await Promise.all([posting, carryOut(plan, stack, target, onFault)]);
    // A killed worker's messages block their lanes until their visibility ends, 18 minutes of real time.
    await stack.queue.kill();
    await stack.queue.start();
    told(`all is well again; ${accepted.length} accepted`);
    const withinMs = PATIENCE_MS + lastMs * SPEED;
    const onLook = (unfinished: number) => void (left = `, ${unfinished} unfinished`);
    const seen = await settled(accepted, clients, withinMs, onLook);
    const callbacks = (await clients.list()).filter(({ parentJobId }) => parentJobId !== undefined);
    const calls = callbacks.map(({ id }) => ({ id, calledBack: false }));
    await settled(calls, clients, withinMs, onLook);
    return count(accepted, seen, await clients.list(), await endingsOf(stack.database.url), target);
  } finally {
    clearInterval(progress);
  }
}

/** Posts at a constant rate, without waiting for answers. */
async function post(lastMs: number, one: (n: number) => Promise<void>): Promise<void> {
  const began = performance.now();
  const posted: Promise<void>[] = [];
  const jobs = Math.floor((lastMs / SECOND) * JOBS_PER_SECOND);
  const oneAtItsTime = async (n: number) => {
    await sleep(Math.max(0, began + (n * SECOND) / JOBS_PER_SECOND - performance.now()));
    await one(n);
  };
  for (let n = 0; n < jobs; n += 1) posted.push(oneAtItsTime(n));
  await Promise.all(posted);
}

async function runRounds(rounds: number, { clients, target }: World, say: (line: string) => void): Promise<KeysReport> {
  const began = performance.now();
  return race(rounds, clients, target, PATIENCE_MS, (done) => {
    const seconds = Math.round((performance.now() - began) / 1_000);
    if (done % 100 === 0) say(`${done} rounds of ${AT_THE_SAME_TIME} creates with one key, ${seconds} s`);
  });
}

// ---- npm run chaos ----

export function table({ faults, repeated, fallen, count: counted, keys }: Report): string {
  const rows: [string, string | number][] = [];
  if (counted) {
    const { accepted, stored, callbacks, finished, lost, endedTwice, attempts } = counted;
    const statuses = Object.entries(finished).filter(([, times]) => times > 0);
    rows.push(
      ["faults", [...faults.values()].reduce((sum, times) => sum + times, 0)],
      ...[...faults]
        .toSorted(([a], [b]) => a.localeCompare(b))
        .map(([kind, times]): [string, number] => [`  ${kind}`, times]),
      ["requests repeated by clients", repeated],
      ["parts that ended by themselves", fallen.length],
      ["accepted (modes both and db)", accepted],
      ["stored", stored],
      ["finished", statuses.reduce((sum, [, times]) => sum + times, 0)],
      ...statuses.map(([status, times]): [string, number] => [`  ${status}`, times]),
      ["callbacks", callbacks],
      ["attempts", attempts],
      ["  lost", counted.attemptsLost],
      ["deliveries of an attempt that had come already", counted.sameAttempt],
      ["deliveries of a job that had been answered 200", counted.afterSuccess],
      ["lost", lost.length],
      ["double terminal", endedTwice.length],
    );
  }
  if (keys) {
    rows.push(
      [`rounds of ${AT_THE_SAME_TIME} creates with one key`, keys.rounds],
      ["  in which a client had to ask again", keys.uncertain],
      ["  wrong", keys.wrong.length],
    );
  }
  const shown = rows.map(([label, value]) => `${label.padEnd(50)}${String(value).padStart(8)}`);
  const found = [...(counted?.lost ?? []), ...(counted?.endedTwice ?? []), ...(keys?.wrong ?? []), ...fallen];
  return [...shown, ...found.slice(0, 20)].join("\n");
}

const USAGE = `Kills the parts of a local stack while clients post jobs, and counts what became of them.
  npm run chaos -- --minutes 5 --seed 1 --keys 1000
  --minutes: how long things go wrong, default 5; 0 for the rounds alone
  --seed: the same faults at the same times, default by chance
  --keys: rounds of ${AT_THE_SAME_TIME} creates with one key at the end, default 1000
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { minutes: { type: "string" }, seed: { type: "string" }, keys: { type: "string" } },
  });
  const { minutes = 5, keys = 1_000, seed = String(Math.floor(Math.random() * 2 ** 31)) } = values;
  const [lastMs, rounds] = [Number(minutes) * MINUTE, Number(keys)];
  if (!(lastMs >= 0) || !Number.isInteger(rounds) || rounds < 0) {
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
    const report = await chaos({ lastMs, seed, rounds, say, signal: ending.signal });
    say(table(report));
    process.exit(report.passed ? 0 : 1);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(ending.signal.aborted ? 130 : 1);
  }
}

if (import.meta.main) await main();
