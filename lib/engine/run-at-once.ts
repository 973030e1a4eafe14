import { TASK_LEASE_MS, asRunning, nextAttempt, type Job } from "../job/job.ts";
import type { NewJob } from "../job/accept.ts";
import type { Message } from "../job/message.ts";
import { after } from "../job/move.ts";
import { claim } from "../job/moves.ts";
import { runAttempt } from "./attempt.ts";
import { newJob, termsOf } from "./new-job.ts";
import type { EngineParts } from "./engine-parts.ts";
import type { Outcome } from "../job/attempt.ts";

/** A job to run within the request that asks for it. `request.message` is what is stored, `message` what is run. */
export interface AtOnce {
  readonly request: NewJob;
  readonly id: string;
  /** Real milliseconds. */
  readonly timeoutMs: number;
  readonly message: Message;
  /** Called beside the run, once the job is there. */
  readonly accepted?: (job: Job) => Promise<void>;
}

/** `job`: as it was when it started, or the one that has its id. */
export type RanAtOnce =
  | { readonly isNew: true; readonly job: Job; readonly outcome: Outcome }
  | { readonly isNew: false; readonly job: Job };

/**
 * Accepts a job and runs it within the request, once: if this process dies, the sweep finds the attempt lost. A job
 * that has the id already stands for it, and nothing is run.
 */
export async function runAtOnce(asked: AtOnce, parts: EngineParts): Promise<RanAtOnce> {
  const { clock, store } = parts;
  const { request, id, timeoutMs, message } = asked;
  const now = clock.now();
  const accepted = {
    ...newJob(request, await termsOf(request, now), now, id),
    timeoutMs,
    maxRetries: 0,
    quick: true,
  } as const;
  const leaseUntil = now + clock.during(TASK_LEASE_MS);
  const running = after(accepted, claim(nextAttempt(accepted), now, leaseUntil));
  const created = await store.create({ ...running, dueAt: leaseUntil });
  if (!created.won) return { isNew: false, job: created.job };
  const job = asRunning(created.job);
  const [ran, told] = await Promise.allSettled([runAttempt(job, parts, message), asked.accepted?.(job)]);
  if (ran.status === "rejected") throw ran.reason;
  if (told.status === "rejected") throw told.reason;
  return { isNew: true, job, outcome: ran.value };
}
