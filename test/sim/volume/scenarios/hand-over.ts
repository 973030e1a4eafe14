import { HOUR, MINUTE, SECOND } from "../../../../lib/clock.ts";
import type { NewJob } from "../../../../lib/job/accept.ts";
import { START } from "../../cloud.ts";
import { atMost, highest, none, within, type Given, type Scenario } from "../scenario.ts";
import { appId, createVolumeWorld, webhook } from "../world.ts";

const MILLION = 1_000_000;
/** So many due jobs at Lambda's speed. A smaller run is one of the eight parts of as many, with a slower processor. */
const AT_LAMBDAS_SPEED = 50_000;
const PARTS = 8;
/** In seconds: so slow a sweep takes 7 to read which jobs are due, and 5 for those that it hands over together. */
const PAUSE = 20;
/** So many due jobs are too many for one sweep that is so many times slower. */
const [FEW, SLOWLY] = [600, 30];
const DUE_AT = START + 20 * MINUTE;

/** Jobs that are all due at once. The time for a million is computed from that for these. */
export const handOver: Scenario = {
  name: "a million jobs due at once",
  jobs: { gate: 400, usual: AT_LAMBDAS_SPEED, long: 4 * AT_LAMBDAS_SPEED },
  run: async ({ jobs, ...given }) => {
    const stands = Math.max(jobs, AT_LAMBDAS_SPEED);
    const parts = jobs < AT_LAMBDAS_SPEED ? PARTS : 1;
    const world = createVolumeWorld({
      ...given,
      seed: "hand-over",
      slowness: { sweep: stands / parts / jobs },
    });
    const { counts, time } = world;
    world.post(dueJobs(jobs), MINUTE, 10 * MINUTE);
    const unsent = () => [...counts.jobs.values()].filter(({ messages }) => messages === 0).length;
    await world.run(3 * HOUR, () => time.now() > DUE_AT && unsent() === 0);
    const sent = [...counts.jobs.values()];
    const first = Math.min(...sent.slice(0, 1_000).map(({ firstSentAt = DUE_AT }) => firstSentAt), DUE_AT);
    const took = highest(sent, ({ firstSentAt = time.now() }) => firstSentAt) - first;
    const twice = sent.reduce((sum, { messages }) => sum + Math.max(messages - 1, 0), 0);
    return [
      none("1: due jobs that were not handed over in three hours", unsent()),
      within("1: a million due jobs are handed over, computed", 15 * MINUTE, (took * MILLION) / stands),
      atMost("1: invocations of the sweep at once", PARTS + 1, world.mostSweeps()),
      atMost("1: pause after a sweep that left due jobs", PAUSE, await longestPause(given), " s"),
      atMost("22: double sends of a hand-over", 1, (100 * twice) / jobs, " %"),
    ];
  },
};

function dueJobs(count: number): NewJob[] {
  const apps = [1, 2, 3, 4, 5].map(appId);
  return Array.from({ length: count }, (_, n) => webhook(apps[n % 5] ?? "", { mode: "db", startAt: DUE_AT }));
}

/** The longest time, in seconds, between two messages of due jobs that are few, and too many for one slow sweep. */
async function longestPause(given: Omit<Given, "jobs">): Promise<number> {
  const world = createVolumeWorld({ ...given, seed: "pause", slowness: { sweep: SLOWLY } });
  world.post(dueJobs(FEW), MINUTE, 10 * MINUTE);
  const sentAt = () => [...world.counts.jobs.values()].flatMap((job) => job.firstSentAt ?? []);
  await world.run(3 * HOUR, () => world.time.now() > DUE_AT && sentAt().length === FEW);
  const times = sentAt().toSorted((a, b) => a - b);
  return highest(times.slice(1), (at) => at - (times.findLast((before) => before < at) ?? at)) / SECOND;
}
