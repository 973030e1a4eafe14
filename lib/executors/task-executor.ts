import * as z from "../zod.ts";
import { SECOND, derivedUuid, type Clock } from "../clock.ts";
import { Unavailable, reasonOf } from "../errors.ts";
import type { Runner, RunningAttempt } from "./executor.ts";
import type { TaskExecution } from "./task.ts";
import { TASK, type Job } from "../job/job.ts";
import { maskedText } from "../job/masking.ts";
import { logged, type Log } from "../log.ts";
import { Throttled } from "../outbound/lambda-client.ts";
import type { LogWriter } from "../tasks/log-writer.ts";
import type { TaskLog } from "../tasks/log.ts";
import type { TaskRun, TaskServices } from "../tasks/services.ts";
import { LOG_LEVELS, type Task, type TaskContext, type TaskOutcome } from "../tasks/task.ts";
import type { NewJob } from "../job/accept.ts";
import type { Outcome } from "../job/attempt.ts";

interface Parts {
  readonly clock: Clock;
  readonly taskLog: TaskLog;
  readonly log: Log;
  /** Accepts a job under an id, unless there is one under it already. */
  readonly submit: (request: NewJob, id: string) => Promise<unknown>;
  readonly services: (run: TaskRun) => TaskServices;
  /** The task of a name. Throws when there is none. */
  readonly definitionOf: (jobType: string) => Promise<Task>;
}

const LARGEST_RESULT = 16 * 1_024;
const LARGEST_CHECKPOINT = 4 * 1_024;
const FLUSHED_EVERY_MS = SECOND;
const LONGEST_ERROR = 1_000;
const NO_ROOM = "The service has no room for the task now: it is put off, and this attempt uses up no retry";

/** Runs the tasks of `lib/tasks`. */
export function createTaskExecutor(parts: Parts): Runner<TaskExecution> {
  return { execute: async (attempt) => execute(parts, attempt) };
}

async function execute(parts: Parts, attempt: RunningAttempt<TaskExecution>): Promise<Outcome> {
  const { jobType, payload } = attempt.message.execution;
  const writer = await parts.taskLog.open(attempt.job, attempt.number);
  const ended = new AbortController();
  const flushing = flushRegularly(parts, writer, attempt, ended.signal);
  try {
    const definition = await parts.definitionOf(jobType);
    const parsed = definition.payload.safeParse(payload);
    // The payload was valid when the job was accepted: the task has been changed since.
    if (!parsed.success) return { kind: "rejected", error: "The payload is not what the job type wants any more" };
    return outcomeOf(await definition.run(parsed.data, contextOf(parts, attempt, writer)));
  } catch (error) {
    return thrown(parts, error, attempt);
  } finally {
    ended.abort();
    await flushing;
    await flush(parts, writer, attempt);
  }
}

function contextOf(parts: Parts, attempt: RunningAttempt<TaskExecution>, writer: LogWriter): TaskContext {
  const { clock, services } = parts;
  const { job, lease, message, signal } = attempt;
  if (!lease) throw new Error(`Task ${job.id} runs without a lease`);
  const { file } = message.execution;
  return {
    ...services({ appId: job.appId, jobId: job.id, createdAt: job.createdAt, attempt: attempt.number, signal }),
    job: {
      id: job.id,
      appId: job.appId,
      attempt: attempt.number,
      createdAt: job.createdAt,
      ...(job.userId !== undefined && { userId: job.userId }),
      ...(file && { file }),
    },
    log: Object.fromEntries(
      LOG_LEVELS.map((level) => [
        level,
        async (...line: Parameters<TaskContext["log"]["info"]>) => writer.line(level, ...line),
      ]),
    ) as unknown as TaskContext["log"],
    progress: async (step, totalSteps, { percent, label } = {}) =>
      lease.progress({
        step,
        totalSteps,
        percent: percent ?? Math.floor((100 * step) / Math.max(totalSteps, 1)),
        ...(label !== undefined && { label: label.toWellFormed() }),
      }),
    signal,
    saved: job.saved === undefined ? undefined : JSON.parse(job.saved),
    checkpoint: async (value) => {
      await lease.save(within(LARGEST_CHECKPOINT, "A checkpoint", value));
      // A checkpoint that was not kept means a lost lease: the run ends.
      signal.throwIfAborted();
    },
    submit: async (name, jobType, payload) => submitChild(parts, job, { name, jobType, payload }),
    pause: async (ms) => clock.sleep(ms, signal),
    now: () => clock.now(),
  };
}

/** Once for each name, however often the parent runs: the id follows from the parent and the name. */
async function submitChild(
  { submit, definitionOf }: Parts,
  parent: Job,
  { name, jobType, payload }: { name: string; jobType: string; payload: unknown },
): Promise<string> {
  const id = derivedUuid(parent.id, String(parent.createdAt), "child", name);
  const execution = { type: TASK, jobType, payload, priority: parent.priority ?? 0 };
  const parsed = (await definitionOf(jobType)).payload.safeParse(payload);
  if (!parsed.success) throw new Error(`Child job ${name}: ${z.prettifyError(parsed.error)}`);
  const { appId, userId, createdBy, id: parentJobId } = parent;
  const request = { appId, mode: "both", message: { execution, metadata: {} }, parentJobId, createdBy } as const;
  await submit({ ...request, ...(userId !== undefined && { userId }) }, id);
  return id;
}

/** Makes the log readable while the task runs, even when no further line comes. */
async function flushRegularly(
  parts: Parts,
  writer: LogWriter,
  attempt: RunningAttempt,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await parts.clock.sleep(FLUSHED_EVERY_MS, signal).catch(() => {});
    if (!signal.aborted) await flush(parts, writer, attempt);
  }
}

async function flush({ log }: Parts, writer: LogWriter, { job }: RunningAttempt): Promise<void> {
  await writer.flush().catch((error: unknown) => {
    log("warn", "task.log-not-kept", { ...logged(job), error: reasonOf(error) });
  });
}

/** A throw is a surprise and logged, except after the signal has aborted, which makes tasks throw. */
function thrown({ log }: Parts, error: unknown, { signal, job, timeoutMs }: RunningAttempt): Outcome {
  if (signal.aborted) {
    const reason: unknown = signal.reason;
    const isOver = reason instanceof DOMException && reason.name === "TimeoutError";
    return { kind: "retry", error: isOver ? `The task took longer than ${timeoutMs / SECOND} s` : messageOf(reason) };
  }
  if (error instanceof Throttled) return { kind: "retry", error: NO_ROOM, isOurs: true, isUncounted: true };
  log("error", "job.attempt-threw", { ...logged(job), error: reasonOf(error) });
  // Messages of AWS name accounts and roles.
  const isFromAws = typeof error === "object" && error !== null && "$metadata" in error;
  if (error instanceof Unavailable || isFromAws)
    return { kind: "retry", error: "A part of the service was not available", isOurs: true };
  return { kind: "retry", error: `The task failed: ${messageOf(error)}` };
}

function outcomeOf(outcome: TaskOutcome): Outcome {
  switch (outcome.kind) {
    case "done":
      return { kind: "succeeded", result: within(LARGEST_RESULT, "A result", outcome.result) };
    case "again":
      return {
        kind: "retry",
        error: told(outcome.error),
        ...(outcome.retryAfterMs !== undefined && { retryAfterMs: outcome.retryAfterMs }),
      };
    case "failed":
      return { kind: "rejected", error: told(outcome.error) };
    default:
      return outcome satisfies never;
  }
}

function within(bytes: number, what: string, value: unknown): string {
  const text = JSON.stringify(value);
  const size = Buffer.byteLength(text);
  if (size > bytes) throw new Error(`${what} has ${size} bytes as JSON; at most ${bytes} are kept: put it in a file`);
  return text;
}

function messageOf(error: unknown): string {
  return told(error instanceof Error ? error.message : String(error));
}

function told(error: string): string {
  return maskedText(error.slice(0, 2 * LONGEST_ERROR)).slice(0, LONGEST_ERROR);
}
