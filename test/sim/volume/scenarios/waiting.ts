import { DAY, HOUR, MINUTE } from "../../../../lib/clock.ts";
import type { JobCount } from "../counts.ts";
import { atMost, highest, longestPassing, none, within, type Figure, type Scenario } from "../scenario.ts";
import { appId, createVolumeWorld, webhook, type Run } from "../world.ts";

const [PAUSED, HELD, BROKEN, SPARED] = [appId(1), appId(2), appId(3), appId(4)];
const [FINE, GONE, DOWN] = ["https://fine.example", "https://gone.example", "https://down.example"];
const POSTED_WITHIN = 20 * MINUTE;
/** The sweep looks at so many of a backlog to let one probe, and at the probe's retry as it is due and a minute before. */
const PAGE = 100;
const RETRIES_A_MINUTE = 3;
/** A person holds a destination while jobs come to it. */
const HELD_AT = 10 * MINUTE;
const gone: Run = { outcome: { kind: "retry", error: "HTTP 410", httpStatus: 410 } };
const down: Run = { outcome: { kind: "retry", error: "HTTP 500", httpStatus: 500 } };

/**
 * A third of the jobs wait for a paused app, a third for a held destination, a third for an open circuit; and as many
 * again go to a destination that a person holds while they come.
 */
function waitingFor(name: string, lasts: number, jobs: Scenario["jobs"]): Scenario {
  return {
    name,
    jobs,
    run: async (given) => {
      const isOver = () => world.elapsed() >= lasts;
      const world = createVolumeWorld({
        ...given,
        seed: "waiting",
        runs: ({ message }) => {
          const { baseUrl } = message.execution as { baseUrl?: string };
          if (isOver() || baseUrl === FINE) return {};
          return baseUrl === GONE ? gone : down;
        },
      });
      const { counts, time } = world;
      world.at(0, () => void world.set(PAUSED, { paused: true }));
      postTo(world, Math.floor(given.jobs / 3), lasts);
      world.at(HELD_AT, () => void world.hold(SPARED, FINE));
      await world.run(lasts);
      const resumedAt = time.now();
      const looks = counts.of(BROKEN).reduce((sum, job) => sum + job.looks, 0) / (lasts / MINUTE);
      const before = new Map([...counts.jobs].map(([id, { messages, starts }]) => [id, messages - starts.length]));
      void world.set(PAUSED, { paused: false });
      void world.resume(HELD, GONE);
      void world.resume(SPARED, FINE);
      await world.run(lasts + DAY, world.isDone);

      // Other processes know of it within ten seconds.
      const heldSince = resumedAt - lasts + HELD_AT + MINUTE;
      const held = counts
        .of(SPARED)
        .flatMap(({ starts }) => starts)
        .filter((at) => at > heldSince && at < resumedAt);
      const after = time.now();
      const sentTwice = (job: JobCount) =>
        Math.max(job.messages - job.starts.length - Math.max(before.get(job.id) ?? 0, 0), 0);
      const all = [...counts.jobs.values()];
      // A job that has probed waits for its next retry.
      const waited = all.filter(({ retries }) => retries === 0);
      const took = highest(waited, ({ endedAt = after }) => endedAt) - (after - (world.elapsed() - lasts));
      const share = (100 * all.reduce((sum, job) => sum + sentTwice(job), 0)) / all.length;
      return [
        waits("a paused app's", counts.of(PAUSED)),
        waits("a held destination's", counts.of(HELD)),
        waits("an open circuit's", counts.of(BROKEN)),
        waits("a destination's that a person holds,", counts.of(SPARED)),
        atMost("20: reads of a job that waits for a person", 2, highest(counts.of(PAUSED, HELD, SPARED), readsOf)),
        atMost("20: looks at jobs of an open circuit in a minute", PAGE + RETRIES_A_MINUTE, looks),
        atMost(
          "20: reads of an open circuit's job but by the sweep, over one a message",
          0,
          highest(counts.of(BROKEN), unlooked),
        ),
        none("2: starts while a person holds the destination", held.length),
        none("2: jobs that have not run a day after the resume", counts.open()),
        within("2: all have run after the resume", 2 * HOUR, took),
        within(
          "2: passing by younger jobs after the resume, paused",
          2 * MINUTE,
          longestPassing(counts.of(PAUSED), after, MINUTE),
        ),
        within(
          "2: passing by younger jobs after the resume, held",
          2 * MINUTE,
          longestPassing(counts.of(HELD), after, MINUTE),
        ),
        atMost("2: double sends after the resume", 1, share, " %"),
      ];
    },
  };
}

function postTo({ post }: Pick<ReturnType<typeof createVolumeWorld>, "post">, third: number, lasts: number): void {
  const some = (app: string, host: string, maxRetries: number) =>
    Array.from({ length: third }, () => webhook(app, { host, maxRetries }));
  // The first of them finds the destination gone; each probe of an outage costs a retry.
  post([webhook(HELD, { host: GONE, maxRetries: 20 })], 0);
  post(some(PAUSED, FINE, 3), MINUTE, POSTED_WITHIN);
  post(some(HELD, GONE, 20), MINUTE, POSTED_WITHIN);
  post(some(BROKEN, DOWN, 100), MINUTE, POSTED_WITHIN);
  // Newcomers take probes from the jobs that the sweep lets go for them.
  for (const [n, one] of some(BROKEN, DOWN, 100).entries()) {
    post([one], POSTED_WITHIN + (n * (lasts - POSTED_WITHIN)) / third);
  }
  const spared = some(SPARED, FINE, 0);
  const soon = spared.splice(0, Math.floor(third / 2));
  post(soon, MINUTE, POSTED_WITHIN);
  post(spared, HELD_AT + MINUTE, POSTED_WITHIN);
}

/** A retry waits anew. Of an open circuit one job a minute is let go to probe; another one may have probed before it. */
const waitsOf = (job: JobCount) => job.waits / (1 + job.retries);
/** As it comes, and as it goes. */
const readsOf = (job: JobCount) => job.reads / (1 + job.retries);
const unlooked = ({ reads, looks, messages }: JobCount) => reads - looks - messages;

function waits(whose: string, jobs: readonly JobCount[]): Figure {
  return atMost(`2: writes of waiting of ${whose} job`, 3, highest(jobs, waitsOf));
}

export const hours = waitingFor("a pause, a hold and an outage of two hours", 2 * HOUR, {
  gate: 30,
  usual: 0,
  long: 0,
});
export const day = waitingFor("a pause, a hold and an outage of a day", DAY, { gate: 0, usual: 3_000, long: 30_000 });
export const week = waitingFor("a pause, a hold and an outage of a week", 7 * DAY, {
  gate: 0,
  usual: 1_500,
  long: 100_000,
});
