import { HOUR, MINUTE, SECOND } from "../lib/clock.ts";
import type { Template } from "../local/template.ts";
import { START, TABLE } from "../test/sim/cloud.ts";
import { appId, createVolumeWorld, webhook } from "../test/sim/volume/world.ts";
import { percentile } from "./measure.ts";
import { dueJob, idOf, putJobs } from "./stored.ts";

// Jobs of one app that are all due at once, and meanwhile the fresh jobs of another, on virtual time.

export interface Crowd {
  /** Percent of all jobs. */
  readonly doubleSends: number;
  readonly doubleStarts: number;
  /** Virtual time until all had ended. */
  readonly drainedMs: number;
  /** From the acceptance of another app's webhook to its start, 95 % of them. */
  readonly sentMs: number;
  /** From the time at which another app's job was to start, and that only the sweep sees, to its start. */
  readonly sweptMs: number;
}

const CROWD = appId(1);
const OTHER = appId(2);
/** The most jobs of the other app that are sent, and that wait for the sweep, over the first minutes. */
const MOST_FRESH = 200;
const FRESH_OVER = 3 * MINUTE;
const TARGET_MS = 300;
/** Batches of the fair queue in flight, as `maximumConcurrency` in serverless.yml has it. */
const AT_ONCE = { JobsFairQueue: 200 };

export async function crowdOf(template: Template, size: number): Promise<Crowd> {
  const world = createVolumeWorld({ template, seed: "crowd", atOnce: AT_ONCE, runs: () => ({ ms: TARGET_MS }) });
  const { cloud, counts, elapsed } = world;
  await putJobs(
    cloud.dynamodb.send,
    TABLE,
    Array.from({ length: size }, (_, n) => dueJob(CROWD, idOf(n), START - MINUTE, START)),
  );
  const fresh = Math.min(Math.ceil(size / 5), MOST_FRESH);
  const times = Array.from({ length: fresh }, (_, n) => Math.floor((n * FRESH_OVER) / fresh));
  // From the first sweep on.
  for (const at of times) world.post([webhook(OTHER)], MINUTE / 2 + at);
  const swept = times.map((at) => webhook(OTHER, { mode: "db", startAt: START + MINUTE + at }));
  world.post(swept, 5 * SECOND);
  await world.run(3 * HOUR, world.isDone);
  if (!world.isDone()) throw new Error(`${counts.open()} of ${size} jobs had not ended after ${elapsed() / HOUR} h`);

  const crowd = counts.of(CROWD);
  const doubles = (of: (job: (typeof crowd)[number]) => number) =>
    (100 * crowd.reduce((sum, job) => sum + Math.max(of(job) - 1, 0), 0)) / size;
  const others = counts.of(OTHER);
  const firstStart = ({ starts: [first = Infinity] }: (typeof others)[number]) => first;
  const waitsForSweep = (job: (typeof others)[number]) => startAtOf.has(job.id);
  const startAtOf = await startTimes();
  return {
    doubleSends: doubles(({ messages }) => messages),
    doubleStarts: doubles(({ starts }) => starts.length),
    drainedMs: Math.max(...crowd.map(({ endedAt = Infinity }) => endedAt)) - START,
    sentMs: percentile(
      others.filter((job) => !waitsForSweep(job)).map((job) => firstStart(job) - job.createdAt),
      95,
    ),
    sweptMs: percentile(
      others.filter(waitsForSweep).map((job) => firstStart(job) - (startAtOf.get(job.id) ?? 0)),
      95,
    ),
  };

  /** When those were to start that asked for a time. */
  async function startTimes(): Promise<ReadonlyMap<string, number>> {
    const items = cloud.dynamodb.items().filter(({ scheduledAt }) => scheduledAt !== undefined);
    return new Map(items.map((item) => [item["pk"]?.S?.slice(2) ?? "", Number(item["scheduledAt"]?.N)]));
  }
}
