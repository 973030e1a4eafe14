import * as z from "../../zod.ts";
import { MINUTE, SECOND, type Clock, type EpochMs } from "../../clock.ts";
import { ClientError, badRequest } from "../../errors.ts";
import { priority } from "../../executors/task.ts";
import { JOB_TYPES } from "../../tasks/index.ts";
import { dateTime } from "../../job/date-time.ts";
import { TASK, isFinished, isTask, type Job } from "../../job/job.ts";
import { numberedPage } from "../../store/job-pages.ts";
import { idempotencyKey } from "../../executors/message-schema.ts";
import type { ServiceParts } from "../../parts.ts";
import { appOf, requirePermission } from "../http/auth.ts";
import { route, type Answer } from "../http/http.ts";
import { keyOf } from "../unified/job-request.ts";
import { shownResult } from "./task-result.ts";
import { checkTask, listedFor, ownTask, submitTask, viewsOf } from "./tasks.ts";
import {
  TYPED_STATUSES,
  percentOf,
  statusesOf,
  typedJob,
  typedStatus,
  typedView,
  withoutPayload,
  whyNotCancel,
  whyNotRetry,
} from "./typed-view.ts";

// The endpoints of typed tasks: spec/typed-jobs-report.md. Their events are in typed-events.ts.

// ---- POST /v1/jobs ----

const typedBody = z
  .strictObject({
    jobType: z.enum(JOB_TYPES),
    payload: z._default(z.record(z.string(), z.unknown()), {}).check(z.describe("As the job type wants it.")),
    priority,
    maxRetries: z.optional(
      z.int().check(z.minimum(0), z.maximum(50), z.describe("Default: the job type's, mostly 3.")),
    ),
    scheduledAt: z.optional(
      dateTime.check(z.describe("When it may start at the earliest; a time that has passed is now.")),
    ),
    idempotencyKey: z.optional(idempotencyKey),
  })
  .register(z.globalRegistry, { id: "CreateTypedJob" });

const created = z.strictObject({ jobId: z.guid(), message: z.string() });
/** A later time is taken for a mistake in the year. */
const FARTHEST_AHEAD = 10 * 366 * 24 * 60 * MINUTE;

export const createTypedJob = route({
  key: "POST /v1/jobs",
  id: "createTypedJob",
  summary: "Accepts a task",
  answers: {
    200: created.check(z.describe("The idempotency key was there already: the job that has it.")),
    201: created.check(z.describe("It is queued.")),
  },
  refusals: ["UNPROCESSABLE_ENTITY"],
  idempotent: true,
  examples: () => ({
    "a task that counts letters": { jobType: "example", payload: { words: ["job", "attempt"] }, priority: 5 },
  }),
  access: (caller) => requirePermission(caller, "jobs.create_jobs"),
  body: typedBody,

  async handle({ body, caller, headers }, service): Promise<Answer> {
    const { jobType, payload, maxRetries } = body;
    await checkTask(jobType, payload, caller);
    const key = keyOf(body.idempotencyKey, headers["idempotency-key"], "idempotencyKey");
    const startAt = startOf(body.scheduledAt, service.clock);
    const { job, isNew } = await submitTask(
      {
        appId: appOf(caller),
        userId: caller.sub,
        execution: { type: TASK, jobType, payload, priority: body.priority },
        ...(maxRetries !== undefined && { maxRetries }),
        ...(key !== undefined && { key }),
        ...(startAt !== undefined && { startAt }),
        traceparent: headers["traceparent"],
      },
      service,
    );
    if (isNew) return { status: 201, body: { jobId: job.id, message: "Job created successfully" } };
    return {
      status: 200,
      headers: { "idempotent-replayed": "true" },
      body: { jobId: job.id, message: "Job exists already under this idempotency key" },
    };
  },
});

function startOf(scheduledAt: string | undefined, clock: Clock): EpochMs | undefined {
  if (scheduledAt === undefined) return undefined;
  const at = Date.parse(scheduledAt);
  if (at > clock.now() + FARTHEST_AHEAD)
    throw badRequest([{ field: "scheduledAt", message: "is more than ten years ahead; check the year" }]);
  return at;
}

// ---- GET /v1/jobs ----

const listQuery = z.strictObject({
  page: z._default(z.coerce.number().check(z.int(), z.minimum(1), z.maximum(10_000)), 1),
  pageSize: z._default(z.coerce.number().check(z.int(), z.minimum(1), z.maximum(100)), 25),
  status: z.optional(z.enum(TYPED_STATUSES)),
  jobType: z.optional(z.enum(JOB_TYPES)),
});

const typedList = z.strictObject({
  jobs: z.array(typedJob),
  total: z.int().check(z.describe("Of the caller's newest 10,000 tasks, or of the app's in that status.")),
  totalIsExact: z.boolean().check(z.describe("False if there are older ones, which are not listed.")),
  page: z.int(),
  pageSize: z.int(),
  totalPages: z.int(),
});

export const listTypedJobs = route({
  key: "GET /v1/jobs",
  id: "listTypedJobs",
  summary: "Lists the caller's tasks, newest first; an administrator gets the app's",
  answers: { 200: typedList.check(z.describe("A page.")) },
  access: (caller) => requirePermission(caller, "jobs.view_jobs"),
  query: listQuery,

  async handle({ query, caller }, service): Promise<Answer> {
    const { status, jobType } = query;
    const filter = {
      statuses: status && statusesOf(status),
      fits: (job: Pick<Job, "executionType" | "jobType">) =>
        isTask(job) && (jobType === undefined || job.jobType === jobType),
    };
    const { jobs, ...page } = await numberedPage(service.store, listedFor(caller), query, filter);
    const shown = await viewsOf(jobs, async (job) => viewOf(job, service), withoutPayload);
    const ifTooLarge = () => ({ jobs: shown.map(withoutPayload), ...page });
    return { status: 200, body: { jobs: shown, ...page }, ifTooLarge };
  },
});

async function viewOf(job: Job, service: ServiceParts): Promise<object> {
  return typedView(job, await service.store.message(job), await shownResult(job, service));
}

// ---- GET /v1/jobs/{id}/status ----

const typedStatusAnswer = z.strictObject({
  job: typedJob,
  progress: z.int(),
  canCancel: z.boolean(),
  canRetry: z.boolean(),
});

export const getTypedJob = route({
  key: "GET /v1/jobs/{id}/status",
  id: "getTypedJobStatus",
  summary: "Shows a task and how far it is",
  answers: {
    200: typedStatusAnswer.check(z.describe("The task. `Retry-After` says when to ask again, until it has ended.")),
  },
  access: (caller) => requirePermission(caller, "jobs.view_jobs"),

  async handle({ path, caller }, service): Promise<Answer> {
    const job = await ownTask(path["id"], caller, service);
    const wait = pollAfter(job, service.clock.now());
    const shown = await viewOf(job, service);
    const body = {
      job: shown,
      progress: percentOf(job),
      canCancel: whyNotCancel(job) === undefined,
      canRetry: whyNotRetry(job) === undefined,
    };
    return {
      status: 200,
      body,
      ifTooLarge: () => ({ ...body, job: withoutPayload(shown) }),
      ...(wait !== undefined && { headers: { "retry-after": String(wait) } }),
    };
  },
});

const FIRST_POLLS = 10 * SECOND;

/** Seconds until the next poll. Source: spec/typed-jobs-report.md, Polling Recommendations. */
function pollAfter(job: Job, now: EpochMs): number | undefined {
  if (isFinished(job)) return undefined;
  if (now - job.createdAt < FIRST_POLLS) return 2;
  return job.status === "RUNNING" ? 5 : 10;
}

// ---- POST /v1/jobs/{id}/cancel, /retry ----

const told = z.strictObject({ message: z.string() });

export const cancelTypedJob = personAction({
  action: "cancel",
  summary: "Ends a task that has not ended; a running one within seconds",
  permission: "jobs.cancel_jobs",
  message: "Job cancelled successfully",
  whyNot: whyNotCancel,
  act: async ({ id }, { engine }) => engine.stopJob(id, "CANCELLED"),
});

export const retryTypedJob = personAction({
  action: "retry",
  summary: "Tries a failed task again, as one of its retries",
  permission: "jobs.retry_jobs",
  message: "Job retry initiated successfully",
  whyNot: whyNotRetry,
  act: async ({ id }, { engine }) => engine.retryJobOnce(id),
});

function personAction(about: {
  readonly action: "cancel" | "retry";
  readonly summary: string;
  readonly permission: string;
  readonly message: string;
  readonly whyNot: (job: Job) => string | undefined;
  readonly act: (job: Job, service: ServiceParts) => Promise<Job | undefined>;
}) {
  const { action, summary, permission, message, whyNot, act } = about;
  return route({
    key: `POST /v1/jobs/{id}/${action}`,
    id: `${action}TypedJob`,
    summary,
    answers: { 200: told.check(z.describe("It is done, or under way.")) },
    refusals: ["CONFLICT"],
    access: (caller) => requirePermission(caller, permission),

    async handle({ path, caller }, service): Promise<Answer> {
      const job = await ownTask(path["id"], caller, service);
      const reason = whyNot(job);
      if (reason !== undefined) throw new ClientError("CONFLICT", reason);
      const acted = await act(job, service);
      if (!acted) throw new ClientError("NOT_FOUND", "No such job");
      const changes = [{ field: job.id, from: typedStatus(job), to: typedStatus(acted) }];
      const object = `job:${job.id}`;
      await service.audit.record(job.appId, { by: caller.sub, action: `job.${action}`, object, changes });
      return { status: 200, body: { message } };
    },
  });
}
