import { SECOND, type Clock, type TimeLeft } from "../clock.ts";
import { reasonOf } from "../errors.ts";
import { DUE_SHARDS } from "../store/job-item.ts";
import type { JobStore } from "../store/job-store.ts";
import { TASK_LEASE_MS, isLong, isSchedule, nextAttempt, nextRunOf, type Job, type Outcome } from "../job/job.ts";
import { logged, type Log } from "../log.ts";
import { after, claim } from "../job/moves.ts";
import { newJob } from "./new-job.ts";
import type { Departure, Queue } from "../queue/queue.ts";
import type { NewJob } from "../job/accept.ts";
import type { Delivery, QueueRecord } from "../queue/message.ts";
import type { ComeAgain } from "../queue/batch.ts";
import type { Work, RanAtOnce } from "./run-at-once.ts";
import { tally, type Ran, type Tally } from "./tally.ts";

interface Parts {
  readonly clock: Clock;
  readonly store: JobStore;
  readonly queue: Queue;
  readonly log: Log;
  /** Decides on one due job; only one sweep wins it. */
  readonly sweepJob: (job: Job) => Promise<Departure | "expired" | "left" | "failed">;
  readonly handOver: (departures: readonly Departure[]) => Promise<void>;
  readonly run: (delivery: Delivery, timeLeft: TimeLeft) => Promise<Ran | ComeAgain>;
  /** Runs an attempt that has been claimed, by `work` if that is given, and writes down how it ended. */
  readonly runAttempt: (claimed: Job, work?: Work) => Promise<Outcome>;
  /** Handles messages, and deletes those that need not come again. */
  readonly runRecords: (records: readonly QueueRecord[], timeLeft: TimeLeft) => Promise<readonly Ran[]>;
}

/** Nothing starts later than this. The gateway cuts a request at 30 s; its function has time for any attempt that has started. */
const START_WITHIN_MS = 20 * SECOND;
const AT_ONCE = 10;

/** Running jobs within the request that asks for it, instead of handing them to a queue. */
export function createRunHere(parts: Parts) {
  const { clock, store, queue, log, sweepJob, handOver, run, runAttempt, runRecords } = parts;

  /**
   * Accepts a job and runs it by `work` within the request that asks for it, once: should this process die, the sweep
   * finds it lost. A job that has the id already stands for it, and nothing is run.
   */
  async function runAtOnce(request: NewJob, id: string, timeoutMs: number, work: Work): Promise<RanAtOnce> {
    const now = clock.now();
    const accepted = { ...newJob(request, now, id), timeoutMs, maxRetries: 0, quick: true } as const;
    const leaseUntil = now + clock.during(TASK_LEASE_MS);
    const running = after(accepted, claim(nextAttempt(accepted), now, leaseUntil));
    const created = await store.create({ ...running, dueAt: leaseUntil });
    if (!created.won) return { isNew: false, job: created.job };
    return { isNew: true, job: created.job, outcome: await runAttempt(created.job, work) };
  }

  /** Runs the jobs that have been due longest. */
  async function runDue(limit: number): Promise<Tally> {
    const timeLeft = untilStartsEnd();
    const waiting = await dueJobs(limit);
    const ran: Ran[] = [];
    const worker = async () => {
      while (timeLeft() > 0) {
        const job = waiting.shift();
        if (!job) return;
        // One job that can't be run must not end the request, and with it the attempts of others.
        ran.push(
          await runJob(job, timeLeft).catch((error: unknown) => {
            log("error", "job.not-run", { ...logged(job), error: reasonOf(error) });
            return "failed" as const;
          }),
        );
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return tally(ran);
  }

  async function dueJobs(limit: number): Promise<Job[]> {
    const now = clock.now();
    const pages = await Promise.all(DUE_SHARDS.map((shard) => store.due(shard, now, limit)));
    const oldest = pages.flatMap(({ entries }) => entries).toSorted((a, b) => a.at - b.at);
    const ids = oldest.slice(0, limit).map(({ id }) => id);
    return store.getMany(ids, { consistent: true });
  }

  async function runJob(job: Job, timeLeft: TimeLeft): Promise<Ran> {
    const departure = await sweepJob(job);
    if (departure === "expired" || departure === "failed") return "failed";
    if (typeof departure === "string") return "skipped";
    const { job: due } = departure;
    // What has an order keeps it, and what takes long would not end with the request: its queue runs it.
    if (due.lane !== undefined || isLong(due)) {
      await handOver([departure]);
      return "skipped";
    }
    const delivery: Delivery = isSchedule(due)
      ? { kind: "run", ref: nextRunOf(due) }
      : { kind: "stored", ref: nextAttempt(due) };
    const ran = await run(delivery, timeLeft);
    return typeof ran === "object" ? "skipped" : ran;
  }

  /** Receives messages, those with an order first, and handles them. */
  async function pollQueues(limit: number): Promise<Tally> {
    const timeLeft = untilStartsEnd();
    const ordered = await queue.receive("main", limit);
    const rest = limit - ordered.length;
    const records = rest > 0 ? [...ordered, ...(await queue.receive("fair", rest))] : ordered;
    return tally(await runRecords(records, timeLeft));
  }

  function untilStartsEnd(): TimeLeft {
    const began = clock.realNow();
    return () => (clock.realNow() - began < START_WITHIN_MS ? Infinity : 0);
  }

  return { runAtOnce, runDue, pollQueues };
}
