import * as z from "zod";
import { iso } from "../../clock.ts";
import { ClientError } from "../../errors.ts";
import { EXECUTION_TYPES } from "../../executors/index.ts";
import { REPEATED } from "../../job/job-filter.ts";
import { sentRequest } from "../../executors/sent-request.ts";
import { listJobs } from "../../store/job-list.ts";
import { entityOf, waitingView, wholeEntityOf } from "../../job/view.ts";
import { isSchedule, type Job } from "../../job/job.ts";
import { jobObject } from "../../store/audit.ts";
import type { ServiceParts } from "../../parts.ts";
import { acceptJob, accepted, withEntity } from "./accept-job.ts";
import { MOST_JOBS_IN_A_BATCH, acceptEach } from "./batch.ts";
import { enveloped, jobEntity, jobWithAttempts, pageOf, results, time } from "../http/answers.ts";
import { appOf, isPlatformAdmin, requireRole } from "../http/auth.ts";
import { parse, refuseChanging } from "../http/body.ts";
import { envelope, route, type Answer } from "../http/http.ts";
import { createJobBody } from "./job-request.ts";
import { byIndex, filterIn, listQuery } from "./job-query.ts";
import { decodeCursor, encodeCursor } from "../http/pagination.ts";

// The unified dialect: spec/unified-job-api.md.

/** The endpoint that takes the same jobs on one level. */
export const SUCCESSOR = "/v1/send";

// ---- POST /v1/jobs/create ----

export const createJob = route({
  key: "POST /v1/jobs/create",
  id: "createJob",
  summary: "Accepts a job",
  answers: {
    200: enveloped(jobEntity).describe("The idempotency key was there already: the job that has it."),
    201: enveloped(jobEntity).describe("The job, PENDING."),
    202: z.null().describe("Mode sqs: sent, and stored only if its first attempt fails."),
  },
  refusals: ["UNPROCESSABLE_ENTITY", "CONFLICT"],
  successor: SUCCESSOR,
  idempotent: true,
  examples: (baseUrl) => {
    const lambdaProxyMessage = { path: "/webhooks/payment", httpMethod: "POST", body: '{"orderId":"123"}' };
    const webhook = { lambdaProxyMessage, execution: { type: "rest-api", baseUrl } };
    const every5Minutes = { type: "schedule", scheduleExpression: "rate(5 minutes)", maxRuns: 3, targetJob: webhook };
    return {
      webhook: { message: webhook },
      "webhook with a callback": { message: webhook, onComplete: { url: `${baseUrl}/job-ended` } },
      "webhook whose answer goes to another": {
        message: { ...webhook, metadata: { keepResponse: true } },
        onSuccess: {
          bodyFrom: "parent.response",
          message: { ...webhook, lambdaProxyMessage: { ...lambdaProxyMessage, body: null } },
        },
      },
      schedule: { message: { execution: every5Minutes } },
    };
  },
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  body: createJobBody,

  async handle({ body, caller, headers }, service): Promise<Answer> {
    const { "idempotency-key": key, traceparent } = headers;
    return accepted(await acceptJob(body, caller, { key, traceparent }, service));
  },
});

// ---- POST /v1/jobs/batch ----

// Each job is parsed on its own, so that one can be refused and the others accepted.
const unparsedJob = z.unknown().meta({ $ref: "#/components/schemas/CreateJob" });
const batchBody = z.strictObject({ jobs: z.array(unparsedJob).min(1).max(MOST_JOBS_IN_A_BATCH) });

/** Each job has the form of `POST /v1/jobs/create` and is accepted or refused on its own. */
export const createJobs = route({
  key: "POST /v1/jobs/batch",
  id: "createJobs",
  summary: "Accepts up to 100 jobs, each by itself",
  answers: { 207: enveloped(results).describe("What `POST /v1/jobs/create` would have answered, job by job.") },
  successor: SUCCESSOR,
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  body: batchBody,
  checksValues: true,

  async handle({ body, caller, headers: { traceparent } }, service): Promise<Answer> {
    const asked = { traceparent, groups: new Map() };
    const accept = async (job: unknown) => {
      refuseChanging(job, "job");
      return acceptJob(parse(createJobBody, job, "job"), caller, asked, service);
    };
    return acceptEach(body.jobs, accept, { caller, route: "POST /v1/jobs/batch" }, service);
  },
});

// ---- GET /v1/admin/jobs, GET /v1/admin/jobs/{id} ----

const lookedBackTo = time.nullable().describe("The creation of the last job that was looked at; null at the end.");

export const listAppJobs = route({
  key: "GET /v1/admin/jobs",
  id: "listJobs",
  summary: "Lists an app's jobs that fit a filter, newest first",
  answers: {
    200: pageOf(jobEntity, { lookedBackTo }).describe("A page; it may be short, or empty, before the last one."),
  },
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  query: listQuery,
  repeated: REPEATED,

  async handle({ query, caller }, { store, waits }): Promise<Answer> {
    const { limit, cursor, include, ...conditions } = query;
    const filter = filterIn(conditions, caller);
    const position = cursor === undefined ? undefined : decodeCursor(cursor, filter);
    const found = await byIndex(filter, { store });
    const { jobs, next } = await listJobs(store, found, EXECUTION_TYPES, limit, position);
    const waiting = include && (await (await waits()).of(jobs));
    const items = jobs.map((job) => ({
      ...entityOf(job),
      ...(waiting && { waiting: waitingView(waiting.get(job.id)) }),
    }));
    const nextCursor = next ? encodeCursor(next, filter) : null;
    return {
      status: 200,
      body: envelope({ items, nextCursor, lookedBackTo: next ? iso(Math.max(next.at, 0)) : null }),
    };
  },
});

export const getJob = route({
  key: "GET /v1/admin/jobs/{id}",
  id: "getJob",
  summary: "Shows a job with its message and attempts",
  answers: { 200: enveloped(jobWithAttempts).describe("The job.") },
  access: (caller) => requireRole(caller, "APP_ADMIN"),

  async handle({ path, caller }, { store, waits }): Promise<Answer> {
    const appId = appOf(caller);
    const id = z.guid().toLowerCase().safeParse(path["id"]);
    const found = id.success ? await store.history(id.data) : undefined;
    // Unknown and foreign ids get the same answer, so that no caller learns which ids exist.
    if (!found || (found.job.appId !== appId && !isPlatformAdmin(caller)))
      throw new ClientError("NOT_FOUND", "No such job");
    const { job, recorded } = found;
    const [message, waiting] = await Promise.all([store.message(job), (await waits()).of([job])]);
    const entity = wholeEntityOf(job, message, recorded, (attempt) => sentRequest(job.id, attempt, message));
    return withEntity(200, { ...entity, waiting: waitingView(waiting.get(job.id)) });
  },
});

// ---- POST /v1/admin/jobs/{id}/retry, /cancel, /deadletter, DELETE /v1/admin/jobs/{id} ----

export const retryJob = adminAction(
  "POST",
  "retry",
  "Tries a FAILED or DEAD job again, or a waiting one at once",
  (id, { engine }) => engine.retryJob(id),
);
export const cancelJob = adminAction("POST", "cancel", "Ends an unfinished job as CANCELLED", (id, { engine }) =>
  engine.stopJob(id, "CANCELLED"),
);
export const deadletterJob = adminAction("POST", "deadletter", "Ends an unfinished job as DEAD", (id, { engine }) =>
  engine.stopJob(id, "DEAD"),
);
export const deleteJob = adminAction("DELETE", "delete", "Deletes a finished job", (id, { engine }) =>
  engine.deleteJob(id),
);

/** An action on one job of the caller's app. The answer has the job after the action, or a deleted job before it. */
function adminAction(
  method: "POST" | "DELETE",
  action: string,
  summary: string,
  act: (id: string, service: ServiceParts) => Promise<Job | undefined>,
) {
  return route({
    key: `${method} /v1/admin/jobs/{id}${method === "POST" ? `/${action}` : ""}`,
    id: `${action}Job`,
    summary,
    answers: { 200: enveloped(jobEntity).describe("The job as it is then; of a deleted one, as it was.") },
    refusals: ["CONFLICT"],
    access: (caller) => requireRole(caller, "APP_ADMIN"),

    async handle({ path, caller }, service): Promise<Answer> {
      const appId = appOf(caller);
      const id = z.guid().toLowerCase().safeParse(path["id"]);
      const job = id.success ? await service.store.get(id.data) : undefined;
      const isTheirs = job && (job.appId === appId || isPlatformAdmin(caller));
      const acted = isTheirs ? await act(job.id, service) : undefined;
      if (!acted) throw new ClientError("NOT_FOUND", "No such job");
      const changes = [{ field: acted.id, from: job?.status, to: action === "delete" ? null : acted.status }];
      const kind = isSchedule(acted) ? "schedule" : "job";
      const object = jobObject(acted);
      await service.audit.record(acted.appId, { by: caller.sub, action: `${kind}.${action}`, object, changes });
      return { status: 200, body: envelope(entityOf(acted)) };
    },
  });
}
