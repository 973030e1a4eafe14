import { MINUTE, SECOND } from "../../../../lib/clock.ts";
import { atMost, none, within, type Figure, type Given, type Scenario } from "../scenario.ts";
import { appId, createVolumeWorld, taskJob, webhook } from "../world.ts";

const HOSTILE = appId(1);
/** Ordinary apps, each with one kind of jobs. */
const OTHERS = { webhooks: appId(2), "jobs in lanes": appId(3), "webhooks of 8 s": appId(4), tasks: appId(5) };
type Others = keyof typeof OTHERS;

/** The executions of serverless.yml, with the jobs that fill them; fewer jobs have as many fewer. */
const AT_ONCE = { JobsFairQueue: 200, JobsMainQueue: 200, JobsTasksQueue: 100 };
const JOBS = 6_000;
/** A fifth of the fewest. */
const SHARE = 20;
const HOSTS = 20;
const LANES = 400;
/** The hostile app begins when those of the others have begun. */
const BEGINS_AT = MINUTE;
const POSTED_WITHIN = 5 * MINUTE;
const ENDS_AT = BEGINS_AT + POSTED_WITHIN;
const SLOW = "https://slow";
const OWN = "https://own.example";
const RUNS = { slowMs: 55 * SECOND, longMs: 590 * SECOND, ownMs: 8 * SECOND, taskMs: 2 * SECOND };
const MOST_TIMES = 2;
/** A lane waits for the whole batch that its last job came in, which a function has so much time for. */
const BATCH_MS = 3 * MINUTE;

/**
 * A hostile app that has as many attempts run for long as it can, beside others: to slow hosts, in lanes, of ten minutes,
 * and in bursts. What it holds must leave them room.
 */
export const neighbour: Scenario = {
  name: "a hostile app beside other apps",
  jobs: { gate: 300, usual: JOBS, long: 4 * JOBS },
  run: async (given) => {
    const alone = await startsOfOthers(given, false);
    const beside = await startsOfOthers(given, true);
    return [
      ...(Object.keys(OTHERS) as Others[]).flatMap((kind) => compared(kind, alone.times[kind], beside.times[kind])),
      none("neighbour: jobs of others that have not run", beside.left),
    ];
  },
};

/** The times from acceptance to the first start, in order. */
type Times = Readonly<Record<Others, readonly number[]>>;

async function startsOfOthers(
  { template, plant, jobs }: Given,
  isBeside: boolean,
): Promise<{ times: Times; left: number }> {
  const scaled = (count: number) => Math.ceil(count * Math.min(jobs / JOBS, 1));
  const world = createVolumeWorld({
    template,
    plant,
    seed: "neighbour",
    atOnce: Object.fromEntries(Object.entries(AT_ONCE).map(([queue, count]) => [queue, scaled(count)])),
    runs: ({ job, message }) => {
      const { baseUrl = "", timeoutSeconds = 0 } = message.execution as { baseUrl?: string; timeoutSeconds?: number };
      if (job.jobType !== undefined) return { ms: RUNS.taskMs };
      if (baseUrl === OWN) return { ms: RUNS.ownMs };
      if (!baseUrl.startsWith(SLOW)) return {};
      return { ms: timeoutSeconds > 60 ? RUNS.longMs : RUNS.slowMs };
    },
  });
  const { counts, time } = world;
  const spread = (
    count: number,
    fromMs: number,
    overMs: number,
    some: (n: number) => Parameters<typeof world.post>[0],
  ) => {
    for (let n = 0; n < count; n += 1) world.post(some(n), fromMs + (n * overMs) / count);
  };
  const others = Object.values(OTHERS);
  spread(60, SECOND, ENDS_AT, () => Array.from({ length: 5 }, () => webhook(OTHERS.webhooks)));
  spread(60, 2 * SECOND, ENDS_AT, (n) => [webhook(OTHERS["jobs in lanes"], { lane: `own ${n % 5}` })]);
  spread(30, 3 * SECOND, ENDS_AT, () => [webhook(OTHERS["webhooks of 8 s"], { host: OWN, timeoutSeconds: 30 })]);
  spread(60, 4 * SECOND, ENDS_AT, () => [taskJob(OTHERS.tasks)]);

  const hostile = isBeside ? jobs : 0;
  for (const app of [HOSTILE, ...others])
    world.at(0, () => void world.limit(app, { concurrencyPerApp: scaled(SHARE) }));
  const slow = (n: number, more: object) =>
    webhook(HOSTILE, { host: `${SLOW}-${n % scaled(HOSTS)}.example`, timeoutSeconds: 60, ...more });
  spread(hostile * 0.6, BEGINS_AT, POSTED_WITHIN, (n) => [slow(n, {})]);
  spread(hostile * 0.2, BEGINS_AT, POSTED_WITHIN, (n) => [slow(n, { lane: `lane ${n % scaled(LANES)}` })]);
  spread(hostile * 0.1, BEGINS_AT, POSTED_WITHIN, (n) => [slow(n, { timeoutSeconds: 600 })]);
  const burst = Math.floor(hostile / 60);
  spread(6, BEGINS_AT, POSTED_WITHIN, () => Array.from({ length: burst }, () => webhook(HOSTILE)));

  const isDone = () => world.elapsed() > ENDS_AT && counts.of(...others).every(({ isOpen }) => !isOpen);
  await world.run(ENDS_AT + 10 * MINUTE, isDone);
  const timesOf = (app: string) =>
    counts.of(app).map(({ acceptedAt, starts }) => (starts[0] ?? time.now()) - acceptedAt);
  const times = Object.entries(OTHERS).map(([kind, app]) => [kind, timesOf(app).toSorted((a, b) => a - b)]);
  return {
    times: Object.fromEntries(times) as Times,
    left: counts.of(...others).filter(({ isOpen }) => isOpen).length,
  };
}

function compared(kind: Others, alone: readonly number[], beside: readonly number[]): Figure[] {
  return [0.5, 0.99].map((share) => {
    const [own = 0, others = Infinity] = [alone, beside].map((times) => times[Math.ceil(share * times.length) - 1]);
    const rule = `neighbour: start of others' ${kind}, ${100 * share} % within ${own.toFixed(0)} ms alone`;
    if (kind === "jobs in lanes" && share > 0.5) return within(rule, BATCH_MS, others);
    return atMost(rule, MOST_TIMES, others / own, " times");
  });
}
