import { SECOND, type Clock, type TimeLeft } from "../clock.ts";
import { reasonOf } from "../errors.ts";
import type { BacklogRef } from "../job/backlog.ts";
import { isGroup } from "../job/group.ts";
import { isLong, isSchedule, nextAttempt, nextRunOf, type Job } from "../job/job.ts";
import { logged } from "../log.ts";
import { handOver } from "../queue/hand-over.ts";
import type { Delivery } from "../queue/delivery.ts";
import type { IndexEntry } from "../store/job-item.ts";
import { DUE_SHARDS } from "../store/job-keys.ts";
import { lookAtBacklog } from "./backlog-look.ts";
import { run, runReceived } from "./deliveries.ts";
import type { EngineParts } from "./engine-parts.ts";
import { sweepJob } from "./sweep.ts";
import { tally, type Ran, type Tally } from "./tally.ts";

// Due jobs and waiting messages, run within the request that asks for it instead of by a queue.

/** No attempt starts later: the gateway cuts a request at 30 s. Its function has time for any that has started. */
const START_WITHIN_MS = 20 * SECOND;
const AT_ONCE = 10;

/** Runs the jobs that have been due longest. */
export async function runDue(limit: number, parts: EngineParts): Promise<Tally> {
  const timeLeft = untilStartsEnd(parts.clock);
  const due = await oldestDue(limit, parts);
  // A backlog lets its jobs go to their queues.
  for (const { appId, backlog } of due) {
    if (backlog !== undefined) await lookOrLog({ appId, backlog }, timeLeft, parts);
  }
  const ids = due.filter(({ backlog }) => backlog === undefined).map(({ id }) => id);
  const waiting = await parts.store.getMany(ids, { consistent: true });
  const ran: Ran[] = [];
  const worker = async () => {
    while (timeLeft() > 0) {
      const job = waiting.shift();
      if (!job) return;
      ran.push(await runOrLog(job, timeLeft, parts));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return tally(ran);
}

/** A backlog that can't be looked at must not end the request either. The next request or sweep tries again. */
async function lookOrLog(ref: BacklogRef, timeLeft: TimeLeft, parts: EngineParts): Promise<void> {
  try {
    let { next } = await lookAtBacklog(ref, undefined, parts);
    while (next && timeLeft() > 0) ({ next } = await lookAtBacklog(ref, next, parts));
    if (next) await parts.backlogs.giveUpLook(ref, next.lookUntil);
  } catch (error) {
    parts.log("error", "sweep.backlog-failed", { appId: ref.appId, error: reasonOf(error) });
  }
}

async function oldestDue(limit: number, { clock, store }: EngineParts): Promise<IndexEntry[]> {
  const now = clock.now();
  const pages = await Promise.all(DUE_SHARDS.map(async (shard) => store.due(shard, now, limit)));
  const oldest = pages.flatMap(({ entries }) => entries).toSorted((a, b) => a.at - b.at);
  return oldest.slice(0, limit);
}

/** A job that can't be run must not end the request, and with it the attempts of others. */
async function runOrLog(job: Job, timeLeft: TimeLeft, parts: EngineParts): Promise<Ran> {
  return runJob(job, timeLeft, parts).catch((error: unknown) => {
    parts.log("error", "job.not-run", { ...logged(job), error: reasonOf(error) });
    return "failed" as const;
  });
}

async function runJob(job: Job, timeLeft: TimeLeft, parts: EngineParts): Promise<Ran> {
  const decision = await sweepJob(job, parts);
  if (decision === "expired" || decision === "failed") return "failed";
  if (typeof decision === "string") return "skipped";
  const { job: due } = decision;
  // A lane keeps its order, and a long attempt would outlast the request: their queues run them.
  if (due.lane !== undefined || isLong(due)) {
    await handOver([decision], parts);
    return "skipped";
  }
  const ran = await run(deliveryOf(due), timeLeft, parts);
  return typeof ran === "object" ? "skipped" : ran;
}

function deliveryOf(due: Job): Delivery {
  if (isSchedule(due)) return { kind: "firing", ref: nextRunOf(due) };
  return isGroup(due) ? { kind: "group", look: { id: due.id } } : { kind: "stored", ref: nextAttempt(due) };
}

/** Receives messages, those of lanes first, and handles them. */
export async function pollQueues(limit: number, parts: EngineParts): Promise<Tally> {
  const timeLeft = untilStartsEnd(parts.clock);
  const ordered = await parts.queue.receive("main", limit);
  const rest = limit - ordered.length;
  const records = rest > 0 ? [...ordered, ...(await parts.queue.receive("fair", rest))] : ordered;
  return tally(await runReceived(records, timeLeft, parts));
}

function untilStartsEnd(clock: Clock): TimeLeft {
  const began = clock.realNow();
  return () => (clock.realNow() - began < START_WITHIN_MS ? Infinity : 0);
}
