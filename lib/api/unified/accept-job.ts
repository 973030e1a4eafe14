import type { AppSettings } from "../../store/app-settings.ts";
import type { EpochMs } from "../../clock.ts";
import type { NewJob, Terms } from "../../job/accept.ts";
import { ClientError } from "../../errors.ts";
import { entityOf, withoutRequest } from "../../job/view.ts";
import type { TaskExecution } from "../../executors/task.ts";
import { definitionOf } from "../../tasks/index.ts";
import { isGroup } from "../../job/group.ts";
import { SCHEDULE, TASK, isSchedule, isTask, type Job } from "../../job/job.ts";
import type { ServiceParts } from "../../parts.ts";
import { appOf, type Caller } from "../http/auth.ts";
import { admitDataset } from "../tasks/admit-dataset.ts";
import { envelope, type Answer } from "../http/http.ts";
import { groupFor, type KnownGroups } from "./members.ts";
import { messageOf, type CreateJobBody } from "./job-request.ts";
import type { Shape } from "./replay.ts";
import type { FollowUpJob, Message, StatusPolicy } from "../../job/message.ts";
import { jobIdForKey } from "../../job/accept.ts";
import { withDefaults as policyWith } from "../../job/status-policy.ts";
import { traceparentIn } from "../../job/trace.ts";
import { jobObject } from "../../store/audit.ts";

// The acceptance of a job, for every endpoint that creates one.

export interface Accepted {
  /** 201: created; 200: existing; 202: sent and not stored. */
  readonly status: 200 | 201 | 202;
  readonly job?: Job;
  readonly message: Message;
  /** Of a replay: what the request says otherwise than the job, which stays as it is. */
  readonly differs?: readonly string[];
}

/** The headers of a request for a job that count, and how its endpoint has jobs written. */
export interface AskedBy {
  /** `Idempotency-Key` */
  readonly key?: string | undefined;
  readonly traceparent?: string | undefined;
  /** Default: nested. */
  readonly shape?: Shape;
  /** Which answers are final unless the job or its app says otherwise. Default: none. */
  readonly policy?: StatusPolicy;
  /** The groups that the request has read. */
  readonly groups?: KnownGroups;
}

/** Checks the request and accepts the job, once per idempotency key. `more`: what a new job has beside its message. */
export async function acceptJob(
  body: CreateJobBody,
  caller: Caller,
  { key: keyHeader, traceparent, shape = "nested", policy, groups }: AskedBy,
  service: ServiceParts,
  more: Partial<NewJob> = {},
): Promise<Accepted> {
  const appId = appOf(caller, body.appId);
  const now = await askedAt(body, appId, keyHeader, service);
  const settings = await service.apps.settingsOf(appId);
  const rules = { ...service.rules, ...settings };
  const checked = await messageOf(withDefaults(body, settings, policy), appId, keyHeader, { rules, now });
  const { terms } = checked;
  const message = traced(checked.message, traceparent);
  if (message.execution.type === TASK) await admitTask(message, appId, service);
  const memberOf = await groupFor(message, appId, service, groups);
  const job = { appId, mode: body.mode, message, terms, createdBy: caller.sub, ...(memberOf && { memberOf }) };
  const submitted = await service.engine.submit({ ...more, ...job });
  switch (submitted.kind) {
    case "sent":
      if (message.execution.type === SCHEDULE) await recordCreated(submitted.job, message, caller.sub, service);
      return { status: 202, message };
    case "created":
      if (isTask(submitted.job) || isSchedule(submitted.job) || isGroup(submitted.job))
        await recordCreated(submitted.job, message, caller.sub, service);
      return { status: 201, job: submitted.job, message };
    case "replayed":
      return replayed(submitted.job, message, { shape, settings, terms: terms(now) }, service);
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
  const isCounted = (await definitionOf(jobType)).writes !== undefined;
  if (!isCounted || (key !== undefined && (await service.store.get(jobIdForKey(appId, key))))) return;
  await admitDataset(appId, jobType, payload, service);
}

/** A job without a callback gets the app's; a schedule gets it on its target job. What is final is said for all. */
export function withDefaults(
  body: CreateJobBody,
  { onComplete, retry }: AppSettings,
  policy: StatusPolicy | undefined,
): CreateJobBody {
  const policies = [retry, policy].filter((each) => each !== null && each !== undefined);
  const asked =
    policies.length === 0 ? body : ({ ...body, ...withPolicies(body as FollowUpJob, policies) } as typeof body);
  const { execution } = asked.message;
  if (!onComplete || asked.mode === "sqs") return asked;
  if (execution.type !== SCHEDULE) return { onComplete, ...asked } as CreateJobBody;
  const targetJob = { onComplete, ...(execution["targetJob"] as Message) };
  return { ...asked, message: { ...asked.message, execution: { ...execution, targetJob } } };
}

/** A job and its follow-ups, with the answers that are final by default. */
function withPolicies({ message, ...followUps }: FollowUpJob, policies: readonly StatusPolicy[]): FollowUpJob {
  const { onSuccess, onFailure } = followUps;
  return {
    ...followUps,
    message: withPolicy(message, policies),
    ...(onSuccess && { onSuccess: withPolicies(onSuccess, policies) }),
    ...(onFailure && { onFailure: withPolicies(onFailure, policies) }),
  };
}

function withPolicy(message: FollowUpJob["message"], policies: readonly StatusPolicy[]): FollowUpJob["message"] {
  const { execution, metadata } = message;
  if (execution.type === SCHEDULE) {
    const {
      lambdaProxyMessage: request,
      execution: inner,
      metadata: its,
      ...beside
    } = execution["targetJob"] as Message;
    const target = { ...(request && { lambdaProxyMessage: request }), execution: inner, metadata: its };
    const { message: within, ...further } = withPolicies({ message: target, ...beside }, policies);
    return { ...message, execution: { ...execution, targetJob: { ...within, ...further } } };
  }
  if (!ANSWERING.has(execution.type)) return message;
  const retry = policyWith(metadata.retry, policies);
  return retry ? { ...message, metadata: { ...metadata, retry } } : message;
}

/** The execution types whose targets answer by a status of HTTP. */
const ANSWERING: ReadonlySet<string> = new Set(["rest-api", "lambda-url"]);

/** A replay is checked by the time of the first request: its times may have passed since. */
async function askedAt(
  { message }: CreateJobBody,
  appId: string,
  keyHeader: string | undefined,
  { store, clock }: ServiceParts,
): Promise<EpochMs> {
  const { idempotencyKey, notAfter } = message.metadata;
  const key = idempotencyKey ?? keyHeader;
  const isDated = message.execution.type === SCHEDULE || notAfter !== undefined;
  if (!isDated || key === undefined) return clock.now();
  return (await store.get(jobIdForKey(appId, key)))?.createdAt ?? clock.now();
}

interface Asked {
  readonly shape: Shape;
  readonly settings: AppSettings;
  readonly terms: Terms;
}

/** The refusal of a key that a schedule or a job has, for one of the other kind. */
export function keyTaken({ id, executionType }: Job, key: string): ClientError {
  const [other, asked] = executionType === SCHEDULE ? ["schedule", "job"] : ["job", "schedule"];
  const message = `The key ${key} belongs to ${other} ${id}, and a ${asked} can't have it too: use another key`;
  return new ClientError("CONFLICT", message, [], { reason: "key_taken" });
}

/** The stored job and message. Throws UNPROCESSABLE_ENTITY if the request is for another job. */
async function replayed(
  job: Job,
  asked: Message,
  { shape, settings, terms }: Asked,
  { store }: ServiceParts,
): Promise<Accepted> {
  if (isSchedule(job) !== (asked.execution.type === SCHEDULE)) throw keyTaken(job, job.idempotencyKey ?? "");
  // Replays are rare: what compares them is loaded with the first.
  const [stored, { compared, comparedByTarget }] = await Promise.all([store.message(job), import("./replay.ts")]);
  if (settings.idempotency === "request") {
    return { status: 200, job, message: stored, differs: compared(job, asked, stored, shape) };
  }
  comparedByTarget(job, asked, stored, terms);
  return { status: 200, job, message: stored };
}

/** The answer for an accepted job. `more`: further fields of a dialect. */
export function accepted({ status, job, message, differs = [] }: Accepted, more: object = {}): Answer {
  if (!job) return { status, body: null };
  const differing = differs.length > 0 && { "idempotent-differs": differs.join(", ") };
  const again = status === 200 && { headers: { "idempotent-replayed": "true", ...differing } };
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
  const asked = execution["scheduleExpression"] ?? execution["scheduledAt"] ?? execution["expected"];
  const to = isTask(job) ? job.jobType : (asked ?? null);
  const changes = [{ field: job.id, from: null, to }];
  await audit.record(job.appId, { by, action, object: jobObject(job), changes });
}
