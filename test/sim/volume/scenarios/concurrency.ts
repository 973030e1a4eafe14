import { MINUTE, SECOND } from "../../../../lib/clock.ts";
import { START } from "../../cloud.ts";
import {
  atMost,
  highest,
  longestPassing,
  messagesOver,
  mostAtOnce,
  none,
  within,
  type Scenario,
  type Span,
} from "../scenario.ts";
import { appId, createVolumeWorld, webhook } from "../world.ts";

const APP = appId(1);
const HOST = "https://narrow.example";
const AT_ONCE = 4;
const USUAL_MS = 3 * SECOND;
const LONG_MS = 20 * SECOND;
const MOST_READS = 10;
const MEAN_READS = 5;

/** Many jobs to a destination that takes a few at a time, some of them slow, and newcomers beside them. */
export const concurrency: Scenario = {
  name: "a destination with four attempts at once",
  jobs: { gate: 450, usual: 10_000, long: 100_000 },
  run: async (given) => {
    const spans: Span[] = [];
    const runs = () => {
      const ms = spans.length % 10 === 9 ? LONG_MS : USUAL_MS;
      spans.push({ from: time.now(), to: time.now() + ms });
      return { ms };
    };
    const world = createVolumeWorld({ ...given, seed: "concurrency", runs });
    const { counts, time } = world;
    const limits = { destination: HOST, rateLimitPerSecond: null, maxConcurrency: AT_ONCE };
    world.at(0, () => void world.set(APP, { destinations: [limits] }));
    const some = (count: number) => Array.from({ length: count }, () => webhook(APP, { host: HOST }));
    const newcomers = Math.floor(given.jobs / 4);
    const ideal = (given.jobs / AT_ONCE) * (0.9 * USUAL_MS + 0.1 * LONG_MS);
    world.post(some(given.jobs - newcomers), MINUTE, MINUTE);
    for (let n = 0; n < newcomers; n += 1) world.post(some(1), 3 * MINUTE + (n * ideal * 0.6) / newcomers);
    await world.run(3 * ideal + 30 * MINUTE, world.isDone);

    const jobs = counts.of(APP);
    const took = highest(jobs, ({ starts }) => starts.at(-1) ?? time.now()) - START;
    return [
      atMost("10: attempts at once", AT_ONCE, mostAtOnce(spans)),
      atMost(
        "10: writes of waiting of a job, on average",
        2.1,
        jobs.reduce((sum, { waits }) => sum + waits, 0) / jobs.length,
      ),
      // One comes into the backlog and one leaves it. Who calls the same job at the same moment is refused.
      atMost(
        "10: writes of waiting of a job",
        4,
        highest(jobs, ({ waits }) => waits),
      ),
      within("10: passing by jobs that came later", MINUTE, longestPassing(jobs, time.now(), SECOND)),
      atMost(
        "3: messages of a job over 2 + retries + log2(minutes)",
        0,
        highest(jobs, (job) => messagesOver(job, time.now())),
      ),
      none("10: jobs that have not run in three times the time", counts.open()),
      within("10: all have run", 1.25 * ideal + 10 * MINUTE, took),
      // As it comes, on a page of the sweep of which not all may go, as a slot is given back, and for each further wait.
      atMost(
        "20: reads of a job",
        MOST_READS,
        highest(jobs, ({ reads }) => reads),
      ),
      atMost(
        "20: reads of a job, on average",
        MEAN_READS,
        jobs.reduce((sum, { reads }) => sum + reads, 0) / jobs.length,
      ),
    ];
  },
};
