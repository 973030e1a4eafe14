import * as z from "../zod.ts";
import { problemsIn, type ErrorDetail } from "../errors.ts";
import { HIGHEST_PRIORITY, TASK } from "../job/job.ts";
import { JOB_TYPES } from "../tasks/index.ts";
import type { Task } from "../tasks/task.ts";
import type { ExecutionType } from "./executor.ts";
import type { Execution } from "../job/message.ts";
import type { TaskFile } from "../files/uploads.ts";
import { filesPrefix } from "../files/file-store.ts";

// Tasks: built-in work, which `lib/executors/task-executor.ts` runs.

export interface TaskExecution extends Execution {
  readonly type: typeof TASK;
  readonly jobType: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly priority: number;
  /** The uploaded file that the task processes. */
  readonly file?: TaskFile;
  /** Owned by the caller. */
  readonly meta?: Readonly<Record<string, unknown>>;
}

export const priority = z
  ._default(z.int().check(z.minimum(0), z.maximum(HIGHEST_PRIORITY)), 0)
  .check(z.describe("Tasks with a higher one start first."));

export const taskSchema = z
  .strictObject({
    type: z.literal(TASK),
    jobType: z.enum(JOB_TYPES),
    payload: z._default(z.record(z.string(), z.unknown()), {}).check(z.describe("As the job type wants it.")),
    priority,
    file: z.optional(
      z
        .strictObject({
          key: z.string().check(z.maxLength(1_024)),
          name: z.string().check(z.maxLength(255)),
          bytes: z.optional(z.int().check(z.minimum(0))),
          mimeType: z.optional(z.string().check(z.maxLength(255))),
        })
        .check(z.describe("An uploaded file: its key, and what its uploader says of it.")),
    ),
    meta: z.optional(
      z.record(z.string(), z.unknown()).check(z.describe("The caller's own: kept, and shown as it came.")),
    ),
  })
  .register(z.globalRegistry, { id: "TaskExecution", description: "Runs a piece of work that is built in." });

/** The execution type of tasks of one definition. */
export function taskBy(definition: Task): ExecutionType<TaskExecution> {
  const { jobType, timeoutMs, maxRetries, needsBrowser, isUrgent } = definition;
  return {
    type: TASK,
    proxyMessage: "optional",
    terms: ({ priority: asked }) => ({
      jobType,
      timeoutMs,
      maxRetries,
      priority: asked,
      ...(needsBrowser && { needsBrowser }),
      ...(isUrgent && { isUrgent }),
    }),

    refuse: ({ execution: { payload, file } }, { appId }) => {
      const problems = payloadProblems(definition, payload, "execution.payload");
      if (file && !file.key.startsWith(filesPrefix(appId)))
        problems.push({ field: "execution.file.key", message: "is not the key of an uploaded file of this app" });
      return problems;
    },
  };
}

/** The problems of a payload; `at` is its place in the request. */
export function payloadProblems(task: Task, payload: unknown, at: string): ErrorDetail[] {
  const parsed = task.payload.safeParse(payload);
  if (parsed.success) return [];
  return problemsIn(parsed.error, "").map(({ field, message }) => ({
    field: field === "" ? at : `${at}.${field}`,
    message,
  }));
}
