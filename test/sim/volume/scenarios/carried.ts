import { HOUR, MINUTE, SECOND } from "../../../../lib/clock.ts";
import type { RunningAttempt } from "../../../../lib/executors/executor.ts";
import { none, type Scenario } from "../scenario.ts";
import { appId, createVolumeWorld, webhook } from "../world.ts";

const APP = appId(1);
const NARROW = "https://narrow.example";
const LIMITS = { destination: NARROW, rateLimitPerSecond: 20, maxConcurrency: 10 };
const POSTED_WITHIN = 5 * MINUTE;
const PORTIONS = 20;
/** Two of a batch run at once, so that there is no time for all ten. */
const LARGE = "a".repeat(600_000);
const LARGE_RUNS_MS = 55 * SECOND;
const MOST_LARGE = 300;
/** More would wait for the app's share of slow attempts. */
const LARGE_OF_AN_APP = 20;
/** Of the first attempts, one in so many dies with its process, which has others in hand. */
const ONE_DIES_IN = 25;
/** While jobs come, Lambda has no room for a share of the invocations. */
const REFUSED = { from: 3 * MINUTE, to: 5 * MINUTE, share: 0.3 };

/** Jobs of mode `sqs`, whose messages often come again before their first attempt. */
export const carried: Scenario = {
  name: "jobs that only their message holds",
  jobs: { gate: 300, usual: 10_000, long: 50_000 },
  run: async (given) => {
    /** The ids of those that an attempt was made of, and of those of which one has ended. */
    const [begun, ran] = [new Set<string>(), new Set<string>()];
    /** Of jobs whose message came again before their first attempt. */
    const again = { large: 0, others: 0 };
    const runs = ({ job, number }: RunningAttempt) => {
      if (number > 1 && !begun.has(job.id)) again[job.isLarge ? "large" : "others"] += 1;
      begun.add(job.id);
      if (job.isLarge) return { ms: LARGE_RUNS_MS };
      return { dies: number === 1 && begun.size % ONE_DIES_IN === 0 };
    };
    const world = createVolumeWorld({
      ...given,
      seed: "carried",
      runs,
      onRan: ({ job }) => void ran.add(job.id),
      isRefused: () =>
        world.elapsed() > REFUSED.from && world.elapsed() < REFUSED.to && world.random.chance(REFUSED.share),
    });
    const { counts } = world;
    const some = (count: number, more: object, app = APP) =>
      Array.from({ length: count }, (_, n) => webhook(app, { mode: "sqs", maxRetries: n % 3 === 0 ? 2 : 0, ...more }));
    const large = Math.min(Math.floor(given.jobs / 10), MOST_LARGE);
    const narrow = Math.floor((given.jobs - large) / 2);
    world.at(0, () => void world.set(APP, { destinations: [LIMITS] }));
    for (const small of [some(narrow, { host: NARROW }), some(given.jobs - large - narrow, {})]) {
      world.post(small, MINUTE, POSTED_WITHIN, Math.ceil(small.length / PORTIONS));
    }
    // Before invocations are refused, and an app's at once: full batches, whose messages are handed back.
    for (let n = 0; n < large; n += LARGE_OF_AN_APP) {
      const count = Math.min(LARGE_OF_AN_APP, large - n);
      const all = some(count, { body: LARGE, timeoutSeconds: 60 }, appId(10 + n));
      world.post(all, REFUSED.from - MINUTE + (n / LARGE_OF_AN_APP) * SECOND);
    }

    const stored = () => [...counts.jobs.values()];
    const endedWithout = () => stored().filter(({ id, isOpen }) => !isOpen && !begun.has(id));
    const lost = () => given.jobs - new Set([...ran, ...stored().map(({ id }) => id)]).size;
    await world.run(6 * HOUR, () => world.isDone() && lost() === 0);
    if (again.large === 0 || again.others === 0) throw new Error("No message came again before its first attempt");
    return [
      none("6: jobs that ended without an attempt", endedWithout().length, endedWithout()[0]?.id),
      none("6: jobs that were lost", lost()),
      none("6: stored jobs that have not ended", counts.open()),
    ];
  },
};
