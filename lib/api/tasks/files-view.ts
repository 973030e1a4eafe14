import * as z from "../../zod.ts";
import { iso } from "../../clock.ts";
import type { TaskExecution } from "../../executors/task.ts";
import { maskedJson } from "../../job/masking.ts";
import { isFinished, type Job } from "../../job/job.ts";
import type { ServiceParts } from "../../parts.ts";
import type { LogLine } from "../../tasks/log-items.ts";
import { time } from "../http/answers.ts";
import { shownResult } from "./task-result.ts";
import { STATUSES, type Status } from "../../job/status.ts";

// The view of a task in `/api/jobs`: spec/file-jobs-tasks.md.

export const FILE_STATUSES = ["PENDING", "RUNNING", "RETRYING", "COMPLETED", "FAILED"] as const;

type FileStatus = (typeof FILE_STATUSES)[number];

const SHOWN_AS: Record<Status, FileStatus> = {
  PENDING: "PENDING",
  RUNNING: "RUNNING",
  RETRYING: "RETRYING",
  SUCCEEDED: "COMPLETED",
  FAILED: "FAILED",
  DEAD: "FAILED",
  CANCELLED: "FAILED",
};

const anyObject = z.record(z.string(), z.unknown());

export const fileJob = z
  .strictObject({
    id: z.guid(),
    taskId: z.guid().check(z.describe("The same as `id`.")),
    jobType: z.string(),
    status: z.enum(FILE_STATUSES),
    queue: z.literal("jobs-tasks"),
    attempts: z.int(),
    maxAttempts: z.int(),
    errorReason: z
      .nullable(z.string())
      .check(z.describe("Of the last attempt; `cancelled` if somebody has cancelled it.")),
    fileUrl: z.nullable(z.string()).check(z.describe("A link to the file, good for an hour.")),
    fileKey: z.nullable(z.string()),
    fileName: z.nullable(z.string()),
    payload: z.nullable(anyObject).check(z.describe("Null where the answer would be too large.")),
    result: z.nullable(anyObject),
    meta: z.nullable(anyObject).check(z.describe("Null if there is none, and where the answer would be too large.")),
    userId: z.nullable(z.string()),
    startedAt: z.nullable(time).check(z.describe("When the last attempt started.")),
    completedAt: z.nullable(time),
    createdAt: time,
    updatedAt: time,
  })
  .register(z.globalRegistry, { id: "FileJob", description: "A file job as it stands." });

function fileStatus({ status }: Job): FileStatus {
  return SHOWN_AS[status];
}

/** The statuses that are shown as this one. */
export function statusesOf(shown: FileStatus): Status[] {
  return STATUSES.filter((status) => SHOWN_AS[status] === shown);
}

export async function fileView(job: Job, service: ServiceParts): Promise<object> {
  const { execution } = await service.store.message(job);
  const { payload, file, meta } = execution as TaskExecution;
  return {
    id: job.id,
    taskId: job.id,
    jobType: job.jobType,
    status: fileStatus(job),
    queue: "jobs-tasks",
    attempts: job.attempts,
    maxAttempts: job.maxRetries + 1,
    errorReason: errorReason(job),
    fileUrl: file ? await service.fileStore.link(file.key, file.name) : null,
    fileKey: file?.key ?? null,
    fileName: file?.name ?? null,
    payload: maskedJson(payload),
    result: await shownResult(job, service),
    meta: meta ?? null,
    userId: job.userId ?? null,
    startedAt: job.startedAt === undefined ? null : iso(job.startedAt),
    completedAt: isFinished(job) ? iso(job.updatedAt) : null,
    createdAt: iso(job.createdAt),
    updatedAt: iso(job.updatedAt),
  };
}

function errorReason({ status, lastError }: Job): string | null {
  if (status === "SUCCEEDED") return null;
  return status === "CANCELLED" ? "cancelled" : (lastError ?? null);
}

/** For answers that the whole view would not fit into: without the fields that the caller has sent. */
export function withoutOwn(shown: object): object {
  return { ...shown, payload: null, meta: null };
}

// ---- Logs ----

export const SHOWN_LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"] as const;

export const fileJobLog = z
  .strictObject({
    jobId: z.guid(),
    level: z.enum(SHOWN_LEVELS),
    message: z.string(),
    rowNumber: z.nullable(z.int()).check(z.describe("Of the file, from 1.")),
    meta: z.nullable(anyObject),
    createdAt: time,
  })
  .register(z.globalRegistry, { id: "FileJobLog", description: "A line that a job has logged." });

export function logView(jobId: string, { level, message, rowNumber, meta, at }: LogLine): object {
  return {
    jobId,
    level: level.toUpperCase(),
    message,
    rowNumber: rowNumber ?? null,
    meta: meta ?? null,
    createdAt: iso(at),
  };
}
