import { MINUTE, SECOND, type EpochMs } from "../../../../lib/clock.ts";
import type { NewJob } from "../../../../lib/job/accept.ts";
import { DEFAULT_LIMITS } from "../../../../lib/store/app-settings.ts";
import { START } from "../../cloud.ts";
import type { Item } from "../../models/dynamodb-value.ts";
import { highest, none, within, type Scenario } from "../scenario.ts";
import { appId, createVolumeWorld, everyMinutes, webhook } from "../world.ts";

const [SCHEDULES, JOBS] = [appId(1), appId(2)];
const EVERY_MINUTES = 2;
/** That an app may have. */
const MOST_SCHEDULES = DEFAULT_LIMITS.recurringSchedules ?? Infinity;
const LASTS = 35 * MINUTE;
const POSTED_WITHIN = 24 * MINUTE;
const PORTIONS = 100;
/** SQS refuses most entries for almost a minute, so that some are refused thrice; the sweep after that finds it well. */
const REFUSES = { everyMs: 3 * MINUTE, forMs: 55 * SECOND, share: 0.8 };
/** By the next sweep; its messages take seconds. */
const NEXT_SWEEP = 2 * MINUTE;

/** Schedules of every two minutes, and jobs that start at once or later, while SQS refuses entries of batches. */
export const refusals: Scenario = {
  name: "a queue that refuses entries",
  jobs: { gate: 150, usual: 5_000, long: 25_000 },
  run: async (given) => {
    let refused = 0;
    const world = createVolumeWorld({
      ...given,
      seed: "refusals",
      refuses: () => {
        const isBusy = world.elapsed() % REFUSES.everyMs > REFUSES.everyMs - REFUSES.forMs;
        const refuses = isBusy && world.random.chance(REFUSES.share);
        if (refuses) refused += 1;
        return refuses;
      },
    });
    const { counts, cloud, time } = world;
    const schedules = Math.min(Math.ceil(given.jobs / 10), MOST_SCHEDULES);
    const others = given.jobs - schedules;
    const spread = (all: readonly NewJob[], overMs: number) =>
      world.post(all, MINUTE, overMs, Math.ceil(all.length / PORTIONS));
    // At all times between two runs.
    spread(
      Array.from({ length: schedules }, () => everyMinutes(SCHEDULES, EVERY_MINUTES)),
      EVERY_MINUTES * MINUTE,
    );
    spread(
      Array.from({ length: others }, (_, n) => jobOf(n, n / others)),
      POSTED_WITHIN,
    );
    await world.run(LASTS);
    if (refused === 0) throw new Error("The queue refused no entry");

    const items = cloud.dynamodb.items().filter(({ sk }) => sk?.S === "J");
    const startOf = ({ pk }: Item) => counts.jobs.get(idOf(pk))?.starts[0] ?? time.now();
    const targets = Map.groupBy(items, ({ parentJobId }) => parentJobId?.S);
    const ofApp = (app: string) => items.filter(({ byApp, parentJobId }) => !parentJobId && byApp?.S?.startsWith(app));
    const runs = ofApp(SCHEDULES).flatMap(({ pk, createdAt }) => {
      const starts = (targets.get(idOf(pk)) ?? []).map(startOf);
      return runsOf(Number(createdAt?.N), starts, time.now() - NEXT_SWEEP);
    });
    const lost = runs.filter(({ start }) => start === undefined);
    return [
      none("13: runs of schedules that were lost", lost.length),
      within(
        "13: start after its time of a schedule's run",
        NEXT_SWEEP,
        highest(runs, ({ at, start = at }) => start - at),
      ),
      none("13: jobs that have not run", counts.of(JOBS).filter(({ starts }) => starts.length === 0).length),
      within(
        "13: start after its time of a job",
        NEXT_SWEEP,
        highest(ofApp(JOBS), (job) => startOf(job) - Number(job["startAt"]?.N)),
      ),
    ];
  },
};

function idOf(pk: Item[string] | undefined): string {
  return pk?.S?.slice("J#".length) ?? "";
}

/** The runs of a schedule that were due before a time. One that is lost takes the place of the next, and so on. */
function runsOf(createdAt: EpochMs, starts: readonly number[], until: number) {
  const every = EVERY_MINUTES * MINUTE;
  const inOrder = starts.toSorted((a, b) => a - b);
  const due = Math.floor((until - createdAt) / every);
  return Array.from({ length: due }, (_, n) => ({ at: createdAt + (n + 1) * every, start: inOrder[n] }));
}

/** One of those that come within a time: it starts at once, or later, and is then sent or only stored. */
function jobOf(n: number, comes: number): NewJob {
  const startAt = START + MINUTE + comes * POSTED_WITHIN + (2 + (n % 7) / 3) * MINUTE;
  return webhook(JOBS, n % 3 === 0 ? {} : { startAt, mode: n % 3 === 1 ? "both" : "db" });
}
