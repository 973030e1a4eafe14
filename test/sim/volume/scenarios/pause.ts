import { DAY, HOUR, MINUTE } from "../../../../lib/clock.ts";
import { HEAD_START } from "../../../../lib/job/job.ts";
import { LARGEST_SEND } from "../../../../lib/queue/queue.ts";
import type { Watch } from "../cloud.ts";
import type { JobCount } from "../counts.ts";
import { atMost, highest, passings, none, within, type Scenario } from "../scenario.ts";
import { appId, createVolumeWorld, webhook } from "../world.ts";

const APP = appId(1);
const POSTED_WITHIN = 20 * MINUTE;
/** So many sweeps die while they let the jobs go. */
const DEATHS = 8;
const FURTHER = 3;
/** A sweep lets so many jobs go in its minute; one that dies does less. */
const JOBS_A_MINUTE = 5_000;
/** Two sweeps. */
const SOON = 2 * MINUTE;
/** One as it comes and finds the pause, and one as it goes. A death costs one more, and so does a message lost by it. */
const READS = 4;

/**
 * One paused app, whose resume is cut off again and again: how far a sweep has come in the backlog is in its memory
 * alone.
 */
function paused(name: string, lasts: number, jobs: Scenario["jobs"]): Scenario {
  return {
    name,
    jobs,
    run: async (given) => {
      const deaths = createDeaths(Math.floor(given.jobs / DEATHS), () => world.elapsed() > lasts);
      const world = createVolumeWorld({ ...given, seed: "pause", watch: { onCall: deaths.onCall } });
      const { counts, time } = world;
      world.at(0, () => void world.set(APP, { paused: true }));
      world.post(
        Array.from({ length: given.jobs }, () => webhook(APP)),
        MINUTE,
        POSTED_WITHIN,
      );
      await world.run(lasts);
      const jobs = counts.of(APP);
      const before = new Map(jobs.map(({ id, messages }) => [id, messages]));
      const started = jobs.filter(({ starts }) => starts.length > 0);
      const resumedAt = time.now();
      void world.set(APP, { paused: false });
      await world.run(lasts + DAY, world.isDone);

      const after = time.now();
      const most = (of: (job: JobCount) => number) => highest(jobs, of);
      const passed = passings(jobs, after, MINUTE);
      const twice = jobs.reduce((sum, job) => sum + Math.max(job.messages - (before.get(job.id) ?? 0) - 1, 0), 0);
      return [
        none("2: starts in the pause", started.length, started[0]?.id),
        none("2: sweeps that were to die in the resume and did not", DEATHS - deaths.count()),
        atMost(
          "2: writes of waiting of a job, over the pause and the resume",
          3,
          most(({ waits }) => waits),
        ),
        atMost(
          "20: reads of a job",
          READS,
          most(({ reads }) => reads),
        ),
        none("2: jobs that have not run a day after the resume", counts.open()),
        within(
          "2: all have run after the resume",
          (given.jobs / JOBS_A_MINUTE + 2 * DEATHS) * MINUTE + HEAD_START,
          most(({ endedAt = after }) => endedAt) - resumedAt,
        ),
        within(
          "2: passing by younger jobs after the resume",
          HEAD_START + SOON,
          highest(passed, (ms) => ms),
        ),
        atMost(
          "2: passing by more than two minutes, jobs a death",
          LARGEST_SEND,
          passed.filter((ms) => ms > SOON).length / DEATHS,
        ),
        atMost("2: double sends after the resume", 1, (100 * twice) / jobs.length, " %"),
      ];
    },
  };
}

/** A process of the sweep dies after about so many calls: between two pages, two writes or two sends, each time elsewhere. */
function createDeaths(every: number, isTime: () => boolean) {
  let [calls, deaths, diesAt] = [0, 0, every];
  const onCall: Watch["onCall"] = (process, { constructor: { name } }, stage) => {
    if (stage === "ends") return;
    const isCounted = process.name.startsWith("sweep") && name !== "QueryCommand" && isTime();
    if (!isCounted || deaths === DEATHS) return;
    calls += 1;
    if (calls < diesAt) return;
    deaths += 1;
    diesAt += every + FURTHER * deaths;
    process.kill();
  };
  return { onCall, count: () => deaths };
}

export const pauseOfHours = paused("a pause of two hours, and sweeps that die in its resume", 2 * HOUR, {
  gate: 800,
  usual: 0,
  long: 0,
});
export const pauseOfAWeek = paused("a pause of a week, and sweeps that die in its resume", 7 * DAY, {
  gate: 0,
  usual: 100_000,
  long: 300_000,
});
