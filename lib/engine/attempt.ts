import { SECOND } from "../clock.ts";
import { Unavailable, reasonOf } from "../errors.ts";
import type { Lease, RunningAttempt } from "../executors/executor.ts";
import { isTask, type RunningJob } from "../job/job.ts";
import type { Message } from "../job/message.ts";
import { maskedText } from "../job/masking.ts";
import { after } from "../job/move.ts";
import { end } from "../job/moves.ts";
import { traceIdOf } from "../job/trace.ts";
import { logged } from "../log.ts";
import { webhookSignature } from "../outbound/webhook-signature.ts";
import { fitting, roomIn } from "../store/item-bytes.ts";
import { toItem } from "../store/job-item.ts";
import { attemptKey } from "../store/job-keys.ts";
import type { Applied } from "../store/job-store.ts";
import { goOn } from "./follow-through.ts";
import { keepLease } from "./lease.ts";
import type { EngineParts } from "./engine-parts.ts";
import type { Attempt, Detail, Outcome } from "../job/attempt.ts";

/** An attempt that has run: the job as it was last seen, and what came of it. */
export interface Ended {
  readonly job: RunningJob;
  readonly outcome: Outcome;
  /** Real milliseconds. */
  readonly durationMs: number;
}

/** Runs a claimed attempt, and writes down how it ended. `message`: the job's, where it need not be read. */
export async function runAttempt(claimed: RunningJob, parts: EngineParts, message?: Message): Promise<Outcome> {
  const ended = await attempt(claimed, parts, { isStored: true, message });
  await recordOutcome(ended, parts);
  return ended.outcome;
}

interface Attempted {
  /** Whether the job is in the table, which will then have what came of the attempt. */
  readonly isStored: boolean;
  /** The job's, where it need not be read. */
  readonly message?: Message | undefined;
}

/**
 * One run, from its start to its outcome, whatever the executor does. It ends before its lease: slow answers of
 * the table shorten it, and it does not start when no time is left. A task's lease is extended while it runs.
 */
export async function attempt(job: RunningJob, parts: EngineParts, about: Attempted): Promise<Ended> {
  const { clock, log, store } = parts;
  const message = about.message ?? (await whileLeased(job, parts, async () => store.message(job)));
  const leasedMs = clock.waitFor(job.leaseUntil - clock.now());
  if (leasedMs <= 0) throw new Error(`The lease of attempt ${job.attempts} of job ${job.id} ended before it started`);
  const { traceparent } = message;
  const fields = { ...logged(job), ...(traceparent !== undefined && { traceId: traceIdOf(traceparent) }) };
  const began = clock.realNow();
  const lease = isTask(job) ? keepLease(job, parts) : undefined;
  const signal = lease ? lease.signal : clock.timeout(Math.min(job.timeoutMs, leasedMs));
  const outcome = await execute(job, message, signal, parts, lease).catch((error: unknown): Outcome => {
    log("error", "job.attempt-threw", { ...fields, error: reasonOf(error) });
    return { kind: "retry", error: "The attempt failed inside the service", isOurs: true };
  });
  const seen = lease ? await lease.release() : job;
  const durationMs = clock.realNow() - began;
  const { kind, httpStatus } = outcome;
  // A line for each success would cost a fiftieth of the job, and says what the table has.
  const level = kind === "succeeded" && about.isStored ? "debug" : "info";
  log(level, "job.attempted", { ...fields, outcome: kind, durationMs, httpStatus });
  return { job: seen, outcome, durationMs };
}

async function execute(
  job: RunningJob,
  message: Message,
  signal: AbortSignal,
  parts: EngineParts,
  lease: Lease | undefined,
): Promise<Outcome> {
  if (message.refusal !== undefined) return { kind: "rejected", error: message.refusal };
  const { clock, apps, rules, executorOf } = parts;
  const settings = await whileLeased(job, parts, async () => apps.settingsOf(job.appId));
  const timestamp = Math.floor(clock.realNow() / SECOND);
  const running: RunningAttempt = {
    job,
    ...(lease && { lease }),
    jobId: job.id,
    number: job.attempts,
    message,
    timeoutMs: job.timeoutMs,
    realTimeSeconds: timestamp,
    realNow: () => clock.realNow(),
    sign: async (body: Uint8Array) => {
      const keys = await whileLeased(job, parts, async () => apps.keysOf(job.appId));
      return webhookSignature(keys, { id: job.id, timestamp, body });
    },
    signal,
  };
  return storable(await executorOf(job).execute(running, { ...rules, ...settings }));
}

/**
 * The texts of an outcome come from others, are shown to people, and may be cut within a surrogate pair, which no table
 * can hold.
 */
function storable(outcome: Outcome): Outcome {
  const { responseExcerpt, detail } = outcome;
  const told = {
    ...outcome,
    ...(responseExcerpt !== undefined && { responseExcerpt: shown(responseExcerpt) }),
    ...(detail?.responseExcerpt !== undefined && {
      detail: { ...detail, responseExcerpt: shown(detail.responseExcerpt) },
    }),
  };
  return told.kind === "succeeded" ? told : { ...told, error: shown(told.error) };
}

function shown(text: string): string {
  return maskedText(text).toWellFormed();
}

/** Writes down how an attempt ended, for as long as its lease lasts: an outage of the table then costs no second run. */
async function recordOutcome(ended: Ended, parts: EngineParts): Promise<void> {
  const { job, outcome } = ended;
  if (outcome.kind === "succeeded") {
    const { body } = outcome;
    if (body) await whileLeased(job, parts, async () => parts.store.keepResponse(job, body, parts.retention));
  } else {
    const failed = failedAttempt(job, outcome, ended.durationMs);
    await whileLeased(job, parts, async () => parts.store.recordAttempt(job.id, failed));
  }
  const moved = await endAttempt(ended, parts);
  const current = moved.won ? undefined : moved.job;
  // Somebody asked to stop the job after the claim: its final status is decided anew.
  const isToStop = current?.status === "RUNNING" && current.attempts === job.attempts;
  await goOn(isToStop ? await endAttempt({ ...ended, job: current }, parts) : moved, parts);
}

async function endAttempt({ job, outcome, durationMs }: Ended, parts: EngineParts): Promise<Applied> {
  const { clock, store, retention } = parts;
  const bare = end(job, { outcome, durationMs, now: clock.now(), chance: clock.random(), retention });
  const move = withDetail(job, bare, outcome.detail);
  const op = clock.operationId();
  return whileLeased(job, parts, async () => store.apply(job, move, op));
}

/** A success with as much of its exchange as costs no write unit. */
function withDetail(job: RunningJob, move: ReturnType<typeof end>, detail: Detail | undefined): typeof move {
  const { success } = move.set;
  if (!success || !detail) return move;
  const kept = fitting(detail, roomIn(toItem(after(job, move))));
  return { ...move, set: { ...move.set, success: { ...success, ...kept } } };
}

/** Repeats a call that a part of the service could not answer, until a second before the lease ends. */
async function whileLeased<T>({ leaseUntil }: RunningJob, { clock }: EngineParts, call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const isOver = clock.now() + clock.during(SECOND) >= leaseUntil;
      if (isOver || !(error instanceof Unavailable)) throw error;
      await clock.sleep(SECOND / 2);
    }
  }
}

export function failedAttempt(
  job: RunningJob,
  outcome: Exclude<Outcome, { kind: "succeeded" }>,
  durationMs: number,
): Attempt {
  const { kind, error, httpStatus, responseExcerpt, detail = {} } = outcome;
  const failed = {
    number: job.attempts,
    startedAt: job.startedAt,
    outcome: kind,
    error,
    durationMs,
    ...(httpStatus !== undefined && { httpStatus }),
    ...(responseExcerpt !== undefined && { responseExcerpt }),
  };
  return { ...failed, ...fitting(detail, roomIn({ ...attemptKey(job.id, job.attempts), ...failed })) };
}
