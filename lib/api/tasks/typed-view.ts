import * as z from "../../zod.ts";
import { iso } from "../../clock.ts";
import type { TaskExecution } from "../../executors/task.ts";
import { maskedJson } from "../../job/masking.ts";
import { isFinished, type Job } from "../../job/job.ts";
import { time } from "../http/answers.ts";
import { STATUSES, type Status } from "../../job/status.ts";
import type { Message } from "../../job/message.ts";

// The view of a task in `/v1/jobs`: spec/typed-jobs-report.md.

export const TYPED_STATUSES = ["queued", "running", "retrying", "succeeded", "failed", "cancelled"] as const;

export type TypedStatus = (typeof TYPED_STATUSES)[number];

const SHOWN_AS: Record<Status, TypedStatus> = {
  PENDING: "queued",
  RUNNING: "running",
  RETRYING: "retrying",
  SUCCEEDED: "succeeded",
  FAILED: "failed",
  DEAD: "failed",
  CANCELLED: "cancelled",
};

export const typedJob = z
  .strictObject({
    id: z.guid(),
    organizationId: z.guid(),
    userId: z.nullable(z.string()),
    jobType: z.string(),
    status: z.enum(TYPED_STATUSES),
    priority: z.int(),
    retryCount: z.int(),
    maxRetries: z.int(),
    payload: z
      .nullable(z.record(z.string(), z.unknown()))
      .check(z.describe("Null where the answer would be too large.")),
    result: z.nullable(z.record(z.string(), z.unknown())),
    errorMessage: z.nullable(z.string()),
    progress: z.int().check(z.describe("Percent.")),
    totalSteps: z.nullable(z.int()),
    currentStep: z.int(),
    startedAt: z.nullable(time),
    completedAt: z.nullable(time),
    scheduledAt: z.nullable(time),
    createdAt: time,
    updatedAt: time,
  })
  .register(z.globalRegistry, { id: "TypedJob", description: "A task as it stands." });

export function typedStatus({ status }: Job): TypedStatus {
  return SHOWN_AS[status];
}

/** The statuses that are shown as this one. */
export function statusesOf(shown: TypedStatus): Status[] {
  return STATUSES.filter((status) => SHOWN_AS[status] === shown);
}

/** `result`: with links instead of keys. */
export function typedView(job: Job, message: Message, result: object | null): object {
  return {
    id: job.id,
    organizationId: job.appId,
    userId: job.userId ?? null,
    jobType: job.jobType,
    status: typedStatus(job),
    priority: job.priority ?? 0,
    retryCount: job.retryCount,
    maxRetries: job.maxRetries,
    payload: maskedJson((message.execution as TaskExecution).payload),
    result,
    errorMessage: job.status === "SUCCEEDED" ? null : (job.lastError ?? null),
    progress: percentOf(job),
    totalSteps: job.progress?.totalSteps ?? null,
    currentStep: job.progress?.step ?? 0,
    startedAt: job.startedAt === undefined ? null : iso(job.startedAt),
    completedAt: isFinished(job) ? iso(job.updatedAt) : null,
    scheduledAt: job.scheduledAt === undefined ? null : iso(job.scheduledAt),
    createdAt: iso(job.createdAt),
    updatedAt: iso(job.updatedAt),
  };
}

/** For answers that the whole view would not fit into. */
export function withoutPayload(view: object): object {
  return { ...view, payload: null };
}

export function percentOf(job: Job): number {
  return job.status === "SUCCEEDED" ? 100 : Math.round(job.progress?.percent ?? 0);
}

/** The reason why a person can't cancel the task; `undefined` if they can. */
export function whyNotCancel(job: Job): string | undefined {
  if (isFinished(job))
    return `Only a job that is queued, running or retrying can be cancelled; this one is ${typedStatus(job)}`;
  return job.stopAs && "The job is being cancelled already; its attempt ends within seconds";
}

/** The reason why a person can't retry the task; `undefined` if they can. */
export function whyNotRetry(job: Job): string | undefined {
  if (typedStatus(job) !== "failed")
    return `Only a job that has failed can be retried; this one is ${typedStatus(job)}`;
  if (job.retryCount < job.maxRetries) return undefined;
  return `All ${job.maxRetries} retries of the job are used up; an administrator can start it afresh`;
}
