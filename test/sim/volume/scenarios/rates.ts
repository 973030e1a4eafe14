import { MINUTE, SECOND } from "../../../../lib/clock.ts";
import type { JobCount } from "../counts.ts";
import { START } from "../../cloud.ts";
import { atMost, highest, longestPassing, messagesOver, mostStarts, none, within, type Scenario } from "../scenario.ts";
import { appId, createVolumeWorld, webhook } from "../world.ts";

const APP = appId(1);
const HOST = "https://slow.example";
const CHANGES = 1;
/** At a change of the rate, jobs that have a turn come at its time and take another: they may be of so long. */
const ROW = 3 * MINUTE;

/** Many jobs to a destination with a rate, newcomers beside them, and a change of the limit. */
export const rates: Scenario = {
  name: "a destination with a rate of 1/s, then 2/s",
  jobs: { gate: 600, usual: 10_000, long: 100_000 },
  run: async (given) => {
    const world = createVolumeWorld({ ...given, seed: "rates" });
    const { counts, time } = world;
    const limited = (rateLimitPerSecond: number) => ({
      destinations: [{ destination: HOST, rateLimitPerSecond, maxConcurrency: null }],
    });
    const newcomers = Math.floor(given.jobs / 10);
    const changesAt = Math.floor((given.jobs * 3) / 4) * SECOND;
    world.at(0, () => void world.set(APP, limited(1)));
    const some = (count: number) => Array.from({ length: count }, () => webhook(APP, { host: HOST }));
    world.post(some(given.jobs - newcomers), MINUTE, MINUTE);
    for (let n = 0; n < 20; n += 1) {
      world.post(some(Math.floor(newcomers / 20)), 3 * MINUTE + (n * changesAt) / 20);
    }
    world.at(changesAt, () => void world.set(APP, limited(2)));
    const ideal = changesAt + (given.jobs / 8) * SECOND;
    await world.run(3 * ideal + 30 * MINUTE, world.isDone);

    const jobs = counts.of(APP);
    const startsIn = (from: number, to: number): JobCount[] =>
      jobs.map((job) => ({
        ...job,
        starts: job.starts.filter((start) => start - START > from && start - START <= to),
      }));
    const before = startsIn(0, changesAt).filter(({ starts }) => starts.length > 0);
    const took = highest(jobs, ({ starts }) => starts.at(-1) ?? time.now()) - START;
    return [
      atMost(
        "10: writes of waiting of a job",
        3 + CHANGES,
        highest(jobs, ({ waits }) => waits),
      ),
      // A wait costs a read by the delivery that finds no room, and a look of the sweep.
      atMost(
        "20: reads of a job",
        2 * (3 + CHANGES),
        highest(jobs, ({ reads }) => reads),
      ),
      within("10: passing by jobs that came later, at one rate", MINUTE, longestPassing(before, time.now(), SECOND)),
      within("10: passing by jobs that came later, over the change", ROW, longestPassing(jobs, time.now(), SECOND)),
      atMost("10: starts in ten seconds at 1/s", 12, mostStarts(before, 10)),
      atMost("10: starts in ten seconds just after the change", 22, mostStarts(startsIn(0, changesAt + ROW), 10)),
      atMost("10: starts in ten seconds at 2/s", 22, mostStarts(startsIn(changesAt + ROW, Infinity), 10)),
      none("10: jobs that have not run in three times the time", counts.open()),
      within("10: all have run", 1.1 * ideal + 10 * MINUTE, took),
      atMost(
        "3: messages of a job over 2 + retries + log2(minutes), with one for the change",
        CHANGES,
        highest(jobs, (job) => messagesOver(job, time.now())),
      ),
    ];
  },
};
