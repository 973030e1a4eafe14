import { MINUTE, SECOND } from "../../../../lib/clock.ts";
import { START } from "../../cloud.ts";
import { atMost, highest, longestPassing, messagesOver, mostStarts, none, within, type Scenario } from "../scenario.ts";
import { appId, createVolumeWorld, webhook } from "../world.ts";

const APP = appId(1);
const HOST = "https://slow.example";
/** Each rate lasts until its share of the jobs has run. */
const PHASES = [
  { perSecond: 1, share: 0.5 },
  { perSecond: 2, share: 0.25 },
  { perSecond: 0.5, share: 0.25 },
];
const CHANGES = PHASES.length - 1;
/** Processes read the settings every ten seconds. */
const KNOWN_WITHIN = 15 * SECOND;

/** Many jobs to a destination with a rate, newcomers beside them all the time, and changes of the limit. */
export const rates: Scenario = {
  name: "a destination with a rate of 1/s, then 2/s, then 0.5/s",
  jobs: { gate: 600, usual: 10_000, long: 100_000 },
  run: async (given) => {
    const world = createVolumeWorld({ ...given, seed: "rates" });
    const { counts, time } = world;
    const limited = (rateLimitPerSecond: number) => ({
      destinations: [{ destination: HOST, rateLimitPerSecond, maxConcurrency: null }],
    });
    const newcomers = Math.floor(given.jobs / 10);
    let ideal = 0;
    const phases = PHASES.map(({ perSecond, share }) => {
      const from = ideal;
      ideal += ((share * given.jobs) / perSecond) * SECOND;
      return { perSecond, from };
    });
    for (const { perSecond, from } of phases) world.at(from, () => void world.set(APP, limited(perSecond)));
    const some = (count: number) => Array.from({ length: count }, () => webhook(APP, { host: HOST }));
    world.post(some(given.jobs - newcomers), MINUTE, MINUTE);
    for (let n = 0; n < newcomers; n += 1) world.post(some(1), 3 * MINUTE + (n * ideal * 0.8) / newcomers);
    await world.run(3 * ideal + 30 * MINUTE, world.isDone);

    const jobs = counts.of(APP);
    const took = highest(jobs, ({ starts }) => starts.at(-1) ?? time.now()) - START;
    const inTenSeconds = phases.map(({ perSecond, from }, at) => {
      const since = START + from + (at === 0 ? 0 : KNOWN_WITHIN);
      const until = START + (phases[at + 1]?.from ?? Infinity);
      const during = jobs.map((job) => ({
        ...job,
        starts: job.starts.filter((each) => each > since && each <= until),
      }));
      return atMost(`10: starts in ten seconds at ${perSecond}/s`, 10 * perSecond + 2, mostStarts(during, 10));
    });
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
      within("10: passing by jobs that came later", MINUTE, longestPassing(jobs, time.now(), SECOND)),
      ...inTenSeconds,
      none("10: jobs that have not run in three times the time", counts.open()),
      within("10: all have run", 1.1 * ideal + 10 * MINUTE, took),
      atMost(
        "3: messages of a job over 2 + retries + log2(minutes)",
        0,
        highest(jobs, (job) => messagesOver(job, time.now())),
      ),
    ];
  },
};
