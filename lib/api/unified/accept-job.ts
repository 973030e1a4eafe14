import type { AppSettings } from "../../store/app-settings.ts";
import type { EpochMs } from "../../clock.ts";
import { ClientError } from "../../errors.ts";
import type { Terms } from "../../job/accept.ts";
import { entityOf, withoutRequest } from "../../job/view.ts";
import { definitionOf, type TaskExecution } from "../../executors/task.ts";
import { SCHEDULE, TASK, isSchedule, isTask, type Job } from "../../job/job.ts";
import type { ServiceParts } from "../../parts.ts";
import { appOf, type Caller } from "../http/auth.ts";
import { admitDataset } from "../tasks/datasets.ts";
import { envelope, type Answer } from "../http/http.ts";
import { messageOf, type CreateJobBody } from "./job-request.ts";
import type { Message } from "../../job/message.ts";
import { jobIdForKey } from "../../job/accept.ts";
import { traceparentIn } from "../../job/trace.ts";
import { jobObject } from "../../store/audit.ts";

// The acceptance of a job, for every endpoint that creates one.

export interface Accepted {
  /** 201: created; 200: existing; 202: sent and not stored. */
  readonly status: 200 | 201 | 202;
  readonly job?: Job;
  readonly message: Message;
}

/** The headers of a request for a job that count. */
export interface AskedBy {
  /** `Idempotency-Key` */
  readonly key?: string | undefined;
  readonly traceparent?: string | undefined;
}

/** Checks the request and accepts the job, once per idempotency key. */
export async function acceptJob(
  body: CreateJobBody,
  caller: Caller,
  { key: keyHeader, traceparent }: AskedBy,
  service: ServiceParts,
): Promise<Accepted> {
  const appId = appOf(caller, body.appId);
  const now = await askedAt(body, appId, keyHeader, service);
  const settings = await service.apps.settingsOf(appId);
  const rules = { ...service.rules, ...settings };
  const checked = messageOf(withDefaults(body, settings), appId, keyHeader, { rules, now });
  const { terms } = checked;
  const message = traced(checked.message, traceparent);
  if (message.execution.type === TASK) await admitTask(message, appId, service);
  const submitted = await service.engine.submit({ appId, mode: body.mode, message, terms, createdBy: caller.sub });
  switch (submitted.kind) {
    case "sent":
      if (message.execution.type === SCHEDULE) await recordCreated(submitted.job, message, caller.sub, service);
      return { status: 202, message };
    case "created":
      if (isTask(submitted.job) || isSchedule(submitted.job))
        await recordCreated(submitted.job, message, caller.sub, service);
      return { status: 201, job: submitted.job, message };
    case "replayed":
      return { status: 200, job: submitted.job, message: await replayed(submitted.job, message, terms(now), service) };
    default:
      return submitted.kind satisfies never;
  }
}

/** A schedule lets others act, long after the trace of its request. */
function traced(message: Message, header: string | undefined): Message {
  const traceparent = message.execution.type === SCHEDULE ? undefined : traceparentIn(header);
  return traceparent === undefined ? message : { ...message, traceparent };
}

/** Throws FORBIDDEN for a new task whose rows its app could not keep. */
async function admitTask({ execution, metadata }: Message, appId: string, service: ServiceParts): Promise<void> {
  const { jobType, payload } = execution as TaskExecution;
  const { idempotencyKey: key } = metadata;
  const isCounted = definitionOf(jobType).writes !== undefined;
  if (!isCounted || (key !== undefined && (await service.store.get(jobIdForKey(appId, key))))) return;
  await admitDataset(appId, jobType, payload, service);
}

/** A job without a callback gets the app's; a schedule gets it on its target job. */
function withDefaults(body: CreateJobBody, { onComplete }: AppSettings): CreateJobBody {
  const { execution } = body.message;
  if (!onComplete || body.mode === "sqs") return body;
  if (execution.type !== SCHEDULE) return { onComplete, ...body } as CreateJobBody;
  const targetJob = { onComplete, ...(execution["targetJob"] as Message) };
  return { ...body, message: { ...body.message, execution: { ...execution, targetJob } } };
}

/** A replay is checked by the time of the first request: its start time may have passed since. */
async function askedAt(
  { message }: CreateJobBody,
  appId: string,
  keyHeader: string | undefined,
  { store, clock }: ServiceParts,
): Promise<EpochMs> {
  const key = message.metadata.idempotencyKey ?? keyHeader;
  if (message.execution.type !== SCHEDULE || key === undefined) return clock.now();
  return (await store.get(jobIdForKey(appId, key)))?.createdAt ?? clock.now();
}

/** The stored message. Throws UNPROCESSABLE_ENTITY if the request is for another job; bodies and times may differ. */
async function replayed(job: Job, asked: Message, terms: Terms, { store }: ServiceParts): Promise<Message> {
  const stored = await store.message(job);
  const differing = [
    job.executionType !== asked.execution.type && "execution.type",
    // A task's type stands for its destination.
    (job.destination ?? job.jobType) !== (terms.destination ?? terms.jobType) && "destination",
    stored.lambdaProxyMessage?.httpMethod !== asked.lambdaProxyMessage?.httpMethod && "httpMethod",
    stored.lambdaProxyMessage?.path !== asked.lambdaProxyMessage?.path && "path",
  ].filter((field) => field !== false);
  if (differing.length === 0) return stored;
  const message = `The idempotency key belongs to job ${job.id}, which differs in ${differing.join(", ")}; use another key`;
  throw new ClientError("UNPROCESSABLE_ENTITY", message);
}

/** The answer for an accepted job. `more`: further fields of a dialect. */
export function accepted({ status, job, message }: Accepted, more: object = {}): Answer {
  if (!job) return { status, body: null };
  const again = status === 200 && { headers: { "idempotent-replayed": "true" } };
  return { ...withEntity(status, { ...entityOf(job, message), ...more }), ...again };
}

/** An answer with the whole job, or without its request if that would exceed Lambda's limit. */
export function withEntity(status: number, entity: object): Answer {
  return { status, body: envelope(entity), ifTooLarge: () => envelope(withoutRequest(entity)) };
}

/**
 * Records in the audit log who has asked for a task or a schedule. Of other jobs, which machines ask for by the million,
 * only the job itself says so (`createdBy`).
 */
export async function recordCreated(
  job: Job,
  { execution }: Pick<Message, "execution">,
  by: string,
  { audit }: Pick<ServiceParts, "audit">,
): Promise<void> {
  const action = isSchedule(job) ? "schedule.created" : "job.created";
  const to = isSchedule(job) ? (execution["scheduleExpression"] ?? execution["scheduledAt"]) : job.jobType;
  const changes = [{ field: job.id, from: null, to }];
  await audit.record(job.appId, { by, action, object: jobObject(job), changes });
}
