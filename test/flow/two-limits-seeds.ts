import { MINUTE, SECOND, iso, type Clock, type EpochMs } from "../../lib/clock.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import { SLOW_AFTER_MS } from "../../lib/flow/slowness.ts";
import type { AttemptRef } from "../../lib/job/attempt.ts";
import { isFinished, nextAttempt, type Job } from "../../lib/job/job.ts";
import type { Departure } from "../../lib/queue/queue.ts";
import { createRandom, type Random } from "../sim/random.ts";
import { appId, startFlowWorld, submit, world } from "./flow-world.ts";
import { SHARE } from "./two-limits-world.ts";

// Drawn worlds in which jobs need slots of their destination and of their app's share: four processes whose clocks differ,
// messages that come late and twice, sweeps beside each other, and people who stop, retry and pause. With `faults`, messages
// are lost and the table fails before or after it has written.

const LIMITS: Readonly<Record<string, number>> = { "https://a.example": 1, "https://b.example": 2, [SHARE]: 2 };
const DESTINATIONS = ["https://a.example", "https://b.example", "https://c.example"];
const PROCESSES = 4;
const MOST_JOBS = 60;
const STEPS = 150;
/** Sweeps of 20 seconds until all jobs must have ended. */
const MOST_ROUNDS = 540;

interface Kind {
  readonly destination: string;
  readonly isLong: boolean;
}

const tick = async () => new Promise<void>((next) => setImmediate(next));
const namesOf = ({ destination, isLong }: Kind) => [destination, ...(isLong ? [SHARE] : [])];

/** Runs the world of a seed to its end. Returns what is wrong with it. */
export async function problemsOf(seed: string, withFaults: boolean): Promise<readonly string[]> {
  const drawn = await createDrawn(seed, withFaults);
  for (let step = 0; step < STEPS; step += 1) await drawn.step();
  drawn.calm();
  await pause(false);
  for (let round = 0; round < MOST_ROUNDS && (await drawn.unfinished()).length > 0; round += 1) {
    world.pass(20 * SECOND);
    await drawn.work();
  }
  const unfinished = await drawn.unfinished();
  // What was lost with a process or an answer is free when its time is over.
  if (withFaults) world.pass(15 * MINUTE);
  const left = Object.entries(LIMITS).map(async ([destination, most]) => {
    const free = await world.capacity.freeSlots({ appId, destination }, most);
    return free === most ? [] : [`${most - free} slots of ${destination} are left`];
  });
  return [
    ...drawn.problems,
    ...unfinished.map(({ id, status, backlog }) => `job ${id} is ${status} in ${backlog ?? "no backlog"}`),
    ...(unfinished.length > 0 ? [] : (await Promise.all(left)).flat()),
  ];
}

async function pause(paused: boolean): Promise<void> {
  const before = await world.apps.read(appId);
  const { version: _, ...settings } = before;
  const destinations = DESTINATIONS.flatMap((destination) => {
    const maxConcurrency = LIMITS[destination];
    return maxConcurrency === undefined ? [] : [{ destination, maxConcurrency, rateLimitPerSecond: null }];
  });
  await world.apps.change(before, appId, { ...settings, destinations, paused }, "tester");
  if (!paused) await world.backlogs.wake({ appId, backlog: "app" });
}

type Send = (job: Job, at: EpochMs) => void;

/** What goes wrong, until it is calm. */
function createTrouble(random: Random, withFaults: boolean) {
  let isFaulty = withFaults;
  const strikes = (of: number) => isFaulty && random.chance(of);

  /** A call of the table that takes a moment, and may fail before or after it has done its work. */
  function slowly<A extends readonly unknown[], R>(call: (...asked: A) => Promise<R>): (...asked: A) => Promise<R> {
    const moment = async (name: string) => {
      for (let n = random.below(4); n > 0; n -= 1) await tick();
      if (strikes(0.01)) throw world.table.unavailable(name);
    };
    return async (...asked) => {
      await moment("before");
      const answer = await call(...asked);
      await moment("after");
      return answer;
    };
  }

  const calm = () => {
    isFaulty = false;
  };
  return { strikes, slowly, calm };
}

type Trouble = ReturnType<typeof createTrouble>;

/** A process, with a clock of its own. */
function createProcess(random: Random, { strikes, slowly }: Trouble, send: Send) {
  const { clock, store, capacity, queue } = world.parts;
  const skew = random.between(-450, 450);

  const sleep: Clock["sleep"] = async (ms, signal) => {
    if (ms !== SLOW_AFTER_MS) return tick();
    signal?.throwIfAborted();
    await new Promise((_, over) => signal?.addEventListener("abort", over));
  };

  async function sendAttempts(departures: readonly Departure[]): Promise<Departure[]> {
    const refused = departures.filter(() => strikes(0.03));
    for (const { job, notBefore: at } of departures) {
      if (refused.some((one) => one.job === job) || strikes(0.03)) continue;
      send(job, at);
      if (random.chance(0.2)) send(job, at + random.between(0, 10 * MINUTE));
    }
    return refused;
  }

  return createEngine({
    ...world.parts,
    clock: { ...clock, now: () => clock.now() + skew, random: random.next, sleep },
    store: { ...store, apply: slowly(store.apply), getMany: slowly(store.getMany), get: slowly(store.get) },
    capacity: {
      ...capacity,
      takeSlot: slowly(capacity.takeSlot),
      leaveSlot: slowly(capacity.leaveSlot),
      freeSlots: slowly(capacity.freeSlots),
      markSlots: slowly(capacity.markSlots),
    },
    queue: { ...queue, sendAttempts },
  });
}

/** The processes, and the messages between them. */
function createProcesses(random: Random, trouble: Trouble) {
  const messages: { readonly ref: AttemptRef; readonly at: EpochMs }[] = [];
  const send: Send = (job, at) => messages.push({ ref: nextAttempt(job), at });
  const engines = Array.from({ length: PROCESSES }, () => createProcess(random, trouble, send));
  const engine = () => random.pick(engines);

  function deliver(): void {
    const due = messages.filter(({ at }) => at <= world.clock.now() + 500 && random.chance(0.8));
    for (const message of due) {
      messages.splice(messages.indexOf(message), 1);
      begin(async () =>
        engine()
          .run({ kind: "stored", ref: message.ref }, () => 15 * MINUTE)
          .catch(() => messages.push({ ...message, at: world.clock.now() + 5 * SECOND })),
      );
    }
  }

  return { engine, send, deliver };
}

const begin = (work: () => Promise<unknown>) => void work().catch(() => {});
const settle = async () => {
  for (let n = 0; n < 150; n += 1) await tick();
};

async function createDrawn(seed: string, withFaults: boolean) {
  const random = createRandom(seed);
  await startFlowWorld();
  await world.apps.limit(appId, { wanted: () => ({ concurrencyPerApp: LIMITS[SHARE] ?? 1 }) }, "operator");
  await pause(false);
  const kinds = new Map<string, Kind>();
  const attempts = createAttempts(kinds);
  world.execute(async ({ jobId }) => {
    await attempts.run(jobId);
    return random.chance(0.15)
      ? { kind: "retry", error: "HTTP 429", httpStatus: 429 }
      : { kind: "succeeded", httpStatus: 200 };
  });
  const trouble = createTrouble(random, withFaults);
  const { engine, send, deliver } = createProcesses(random, trouble);
  const sweep = async () => engine().sweep(() => 10 * MINUTE);

  async function submitOne(): Promise<void> {
    if (kinds.size === MOST_JOBS) return;
    const kind = { destination: random.pick(DESTINATIONS), isLong: random.chance(0.6) };
    const mayLapse = random.chance(0.15);
    const notAfter = iso(Math.round(world.clock.now() + random.between(MINUTE, 16 * MINUTE)));
    const execution = { baseUrl: kind.destination, timeoutSeconds: kind.isLong ? 600 : 30 };
    const job = await submit(appId, "db", { maxRetries: 2, ...(mayLapse && { notAfter }) }, execution);
    kinds.set(job.id, kind);
    send(job, job.startAt);
    if (random.chance(0.3)) send(job, job.startAt + random.between(0, 20 * MINUTE));
  }

  async function passTime(): Promise<void> {
    await settle();
    attempts.endSome(() => false);
    await settle();
    world.pass(random.between(0, 45 * SECOND));
  }

  const wakeAll = () => {
    for (const destination of Object.keys(LIMITS)) {
      begin(async () => world.backlogs.wake({ appId, backlog: `to ${destination}` }).then(sweep));
    }
  };
  const someJob = (act: (id: string) => Promise<unknown>) => {
    if (kinds.size > 0) begin(async () => act(random.pick([...kinds.keys()])));
  };
  const doings: readonly (readonly [of: number, act: () => unknown])[] = [
    [35, submitOne],
    [30, deliver],
    [7, () => begin(sweep)],
    [4, wakeAll],
    [4, () => someJob(async (id) => engine().stopJob(id, random.chance(0.5) ? "CANCELLED" : "DEAD"))],
    [3, () => someJob(async (id) => engine().retryJob(id))],
    [1, async () => pause(true)],
    [3, async () => pause(false)],
    [8, () => attempts.endSome(() => random.chance(0.4))],
    [5, passTime],
  ];
  const step = async () => {
    let at = random.below(100);
    const doing = doings.find(([of]) => (at -= of) < 0);
    await doing?.[1]();
    for (let n = random.below(6); n > 0; n -= 1) await tick();
  };
  const work = async () => {
    deliver();
    await settle();
    attempts.endSome(() => random.chance(0.6));
    await settle();
    begin(sweep);
    await settle();
  };
  const unfinished = async () =>
    (await world.store.getMany([...kinds.keys()], { consistent: true })).filter((job) => !isFinished(job));
  return { problems: attempts.problems, calm: trouble.calm, step, work, unfinished };
}

/** The attempts that run, each until it is ended, and what must not be among them. */
function createAttempts(kinds: ReadonlyMap<string, Kind>) {
  const problems: string[] = [];
  const running = new Map<string, { readonly since: EpochMs; readonly isLong: boolean; readonly end: () => void }>();
  const live = new Map<string, number>();
  const count = (name: string, by: number) => live.set(name, (live.get(name) ?? 0) + by);

  async function run(id: string): Promise<void> {
    const kind = kinds.get(id);
    if (!kind) throw new Error(`Expected a job of this world, got ${id}`);
    if (running.has(id)) problems.push(`job ${id} has two attempts`);
    for (const name of namesOf(kind)) {
      count(name, 1);
      if ((live.get(name) ?? 0) > (LIMITS[name] ?? Infinity)) problems.push(`${name} has ${live.get(name)} attempts`);
    }
    await new Promise<void>((end) => running.set(id, { since: world.clock.now(), isLong: kind.isLong, end }));
    for (const name of namesOf(kind)) count(name, -1);
  }

  /** Ends those that are meant, and those that have run for long. */
  function endSome(isMeant: () => boolean): void {
    for (const [id, { since, isLong, end }] of running) {
      if (!isMeant() && world.clock.now() - since <= (isLong ? 450 : 1) * SECOND) continue;
      running.delete(id);
      end();
    }
  }

  return { problems, run, endSome };
}
