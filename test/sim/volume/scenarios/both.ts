import { MINUTE, SECOND } from "../../../../lib/clock.ts";
import type { JobCount } from "../counts.ts";
import { atMost, highest, longestPassing, messagesOver, none, within, type Scenario } from "../scenario.ts";
import { appId, createVolumeWorld, webhook } from "../world.ts";

const APP = appId(1);
const NARROW = "https://narrow.example";
const WIDE = "https://wide.example";
const SHARE = 6;
const AT_ONCE = 4;
const NARROW_MS = 3 * SECOND;
const WIDE_MS = 40 * SECOND;
/** Attempts that may run for so long take slots of their app's share. */
const LONG = 600;

/** Jobs that need a slot of their app's share, and those of them that need one of their destination as well. */
export const both: Scenario = {
  name: "a full share, and a destination with four attempts at once",
  jobs: { gate: 130, usual: 1_300, long: 13_000 },
  run: async (given) => {
    const hosts = new Map<string, string>();
    const world = createVolumeWorld({
      ...given,
      seed: "both",
      runs: ({ job, message }) => {
        const { baseUrl = "" } = message.execution as { baseUrl?: string };
        hosts.set(job.id, baseUrl);
        return { ms: baseUrl === NARROW ? NARROW_MS : WIDE_MS };
      },
    });
    const { counts, time } = world;
    const some = (count: number, host: string) =>
      Array.from({ length: count }, () => webhook(APP, { host, timeoutSeconds: LONG }));
    const limits = { destination: NARROW, rateLimitPerSecond: null, maxConcurrency: AT_ONCE };
    world.at(0, () => void world.limit(APP, { concurrencyPerApp: SHARE }));
    world.at(5 * SECOND, () => void world.set(APP, { destinations: [limits] }));
    const narrow = Math.floor((given.jobs * 10) / 13);
    const wide = given.jobs - narrow;
    world.post(some(Math.floor(wide / 3), WIDE), MINUTE, MINUTE);
    world.post(some(narrow, NARROW), 2 * MINUTE, MINUTE);
    const later = wide - Math.floor(wide / 3);
    for (let n = 0; n < later; n += 1) world.post(some(1, WIDE), 4 * MINUTE + n * 8 * SECOND);
    const ideal = (wide * WIDE_MS + narrow * NARROW_MS) / SHARE;
    await world.run(3 * ideal + 30 * MINUTE, world.isDone);

    const to = (host: string) => counts.of(APP).filter(({ id }) => hosts.get(id) === host);
    const waits = ({ waits: count }: JobCount) => count;
    const mean = (jobs: readonly JobCount[]) => jobs.reduce((sum, job) => sum + job.waits, 0) / jobs.length;
    const over = (job: JobCount) => messagesOver(job, time.now());
    return [
      atMost("10: writes of waiting of a job that waits for both, on average", 3.5, mean(to(NARROW))),
      atMost("10: writes of waiting of a job that waits for both", 8, highest(to(NARROW), waits)),
      atMost("10: writes of waiting of another job", 5, highest(to(WIDE), waits)),
      within(
        "10: passing by jobs that came later, at the destination",
        MINUTE,
        longestPassing(to(NARROW), time.now(), SECOND),
      ),
      within("10: passing by jobs that came later, elsewhere", MINUTE, longestPassing(to(WIDE), time.now(), SECOND)),
      atMost("3: messages of a job over 2 + retries + log2(minutes)", 0, highest(counts.of(APP), over)),
      none("10: jobs that have not run in three times the time", counts.open()),
    ];
  },
};
