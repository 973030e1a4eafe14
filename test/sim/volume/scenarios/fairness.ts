import { MINUTE, SECOND } from "../../../../lib/clock.ts";
import { DUE_SHARDS } from "../../../../lib/store/job-keys.ts";
import { START } from "../../cloud.ts";
import { atMost, highest, within, type Scenario } from "../scenario.ts";
import { appId, createVolumeWorld, everyMinutes, webhook } from "../world.ts";

const HOG = appId(1);
const OTHERS = Array.from({ length: 10 }, (_, n) => appId(n + 2));
/** So many due jobs at Lambda's speed; fewer have a slower processor. */
const BACKLOG = 50_000;
const LASTS = 30 * MINUTE;
const SHARDS: ReadonlySet<string> = new Set(DUE_SHARDS);

/** A paused app with many due jobs, beside the schedules, leases, callbacks and delayed jobs of others. */
export const fairness: Scenario = {
  name: "one app's backlog beside other apps",
  jobs: { gate: 700, usual: BACKLOG, long: 2 * BACKLOG },
  run: async ({ jobs, ...given }) => {
    let longestGap = 0;
    const dueSince = new Map<string, number>();
    let dueBefore = new Map<string, number | undefined>();
    const shares: number[] = [];
    const world = createVolumeWorld({
      ...given,
      seed: "fairness",
      slowness: { sweep: BACKLOG / Math.min(jobs, BACKLOG) },
      // Of the jobs with a callback, the first attempt dies.
      runs: ({ message, number }) => ({ dies: message.onComplete !== undefined && number === 1 }),
      onSweep: (stage) => {
        lookAtShards();
        if (stage === "before") {
          dueBefore = new Map(others().map(({ id, dueAt }) => [id, dueAt]));
          looks = looksByApp();
        } else lookAtShare();
      },
    });
    const { time, cloud, counts } = world;
    const others = () => counts.of(...OTHERS);
    const looksByApp = () => ({
      hog: counts.of(HOG).reduce((sum, job) => sum + job.looks, 0),
      others: others().reduce((sum, job) => sum + job.looks, 0),
    });
    let looks = { hog: 0, others: 0 };

    function lookAtShards(): void {
      const due = new Map(cloud.dynamodb.firsts("due").filter(([partition]) => SHARDS.has(partition)));
      for (const [shard, first] of due) {
        if (Number(first) > time.now()) dueSince.delete(shard);
        else if (!dueSince.has(shard)) dueSince.set(shard, Number(first));
        const since = dueSince.get(shard);
        if (since !== undefined) {
          longestGap = Math.max(longestGap, time.now() - Math.max(since, cloud.lookedAt.get(shard) ?? 0));
        }
      }
      for (const shard of dueSince.keys()) if (!due.has(shard)) dueSince.delete(shard);
    }

    /** The hog's share of a sweep that has left jobs of others. */
    function lookAtShare(): void {
      const now = looksByApp();
      const [ofHog, ofOthers] = [now.hog - looks.hog, now.others - looks.others];
      const isLeft = others().some(
        ({ id, dueAt = Infinity }) => dueAt < time.now() - MINUTE && dueBefore.get(id) === dueAt,
      );
      if (isLeft && ofHog > 0) shares.push(ofHog / (ofHog + ofOthers));
    }

    world.at(0, () => void world.set(HOG, { paused: true }));
    world.post(
      Array.from({ length: jobs }, () => webhook(HOG, { mode: "db" })),
      MINUTE,
      20 * SECOND,
    );
    const each = OTHERS.flatMap((app, n) => [
      ...[1, 2, 3].map((minutes) => everyMinutes(app, minutes + 1)),
      ...Array.from({ length: 12 }, (_, m) =>
        webhook(app, { mode: "db", startAt: START + (5 + (((n + 10 * m) * 7.3) % 20)) * MINUTE }),
      ),
    ]);
    world.post(each, 2 * MINUTE);
    world.post(
      OTHERS.map((app) => webhook(app, { callback: true })),
      3 * MINUTE,
      MINUTE,
    );
    await world.run(LASTS);

    const overdue = highest(others(), ({ dueAt }) => time.now() - (dueAt ?? Infinity));
    const late = Math.max(overdue, ...OTHERS.map((app) => counts.late.get(app) ?? 0));
    return [
      within("1: every shard with due jobs is looked at", 2 * MINUTE, longestGap),
      atMost("1: share of one app in a sweep that left others'", 50, 100 * Math.max(0, ...shares), " %"),
      within("1: what is due of other apps is handled", 4 * MINUTE, late),
    ];
  },
};
