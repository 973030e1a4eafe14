import { reasonOf } from "../errors.ts";
import { arrival } from "../flow/wait.ts";
import { atFirstUse } from "../job/at-first-use.ts";
import { isFinished, isUnsettled, takesSlot, travels, type EndedJob, type Job, type WaitingJob } from "../job/job.ts";
import { lapse } from "../job/moves.ts";
import { logged } from "../log.ts";
import { departure, handOver } from "../queue/hand-over.ts";
import type { Applied } from "../store/job-store.ts";
import type { EngineParts } from "./engine-parts.ts";

// Most jobs owe nothing at their end.
const followUps = atFirstUse(async () => import("./follow-ups.ts"));
const schedules = atFirstUse(async () => import("./schedules.ts"));

/** Does what follows from a move: sends the next attempt, or submits what an end owes. The sweep repeats what fails. */
export async function goOn({ won, job }: Applied, parts: EngineParts): Promise<void> {
  if (!won) return;
  if (takesSlot(job)) await parts.line.callNext(job.appId);
  if (job.status === "RETRYING" && travels(job, job.startAt - job.updatedAt)) await handOver([departure(job)], parts);
  if (!isFinished(job)) return;
  if (isUnsettled(job)) await settleOrLog(job, parts);
  if (job.holds) await (await schedules()).fireHeld(job, parts);
}

async function settleOrLog(job: EndedJob, parts: EngineParts): Promise<void> {
  const { settle } = await followUps();
  await settle(job, parts).catch((error: unknown) => {
    parts.log("warn", "job.not-settled", { ...logged(job), error: reasonOf(error) });
  });
}

/** Ends a waiting job whose `notAfter` has passed. */
export async function endLate(job: WaitingJob, parts: EngineParts): Promise<Applied> {
  const { clock, store, line, log, retention } = parts;
  const ended = await store.apply(job, lapse(job, clock.now(), retention));
  if (!ended.won) return ended;
  log("info", "job.expired", logged(ended.job));
  if (takesSlot(job)) await line.leave(job);
  await goOn(ended, parts);
  return ended;
}

/** Sends a job's next attempt as a delayed message, if a message can be delayed for that long. */
export async function bringLater(job: Job, parts: EngineParts): Promise<void> {
  const notBefore = arrival(job, parts.clock);
  if (travels(job, notBefore - parts.clock.now())) await handOver([{ job, notBefore }], parts);
}
