import * as z from "../../zod.ts";
import { iso } from "../../clock.ts";
import { ClientError } from "../../errors.ts";
import { EXECUTION_TYPES } from "../../executors/index.ts";
import { REPEATED } from "../../job/job-filter.ts";
import { sentRequest } from "../../executors/sent-request.ts";
import { listJobs } from "../../store/job-list.ts";
import { entityOf, waitingView, wholeEntityOf, withBodyUpTo } from "../../job/view.ts";
import { isSchedule, type Job } from "../../job/job.ts";
import { jobObject } from "../../store/audit.ts";
import type { ServiceParts } from "../../parts.ts";
import { withEntity } from "./accept-job.ts";
import { enveloped, jobEntity, jobWithAttempts, pageOf, time } from "../http/answers.ts";
import { appOf, isPlatformAdmin, requireRole } from "../http/auth.ts";
import { envelope, route, type Answer } from "../http/http.ts";
import { filterIn, listQuery, resolved } from "./job-query.ts";
import { decodeCursor, encodeCursor } from "../http/pagination.ts";

// What administrators see of jobs and do to them: spec/unified-job-api.md.

// ---- GET /v1/admin/jobs, GET /v1/admin/jobs/{id} ----

const lookedBackTo = z
  .nullable(time)
  .check(z.describe("The creation of the last job that was looked at; null at the end."));

export const listAppJobs = route({
  key: "GET /v1/admin/jobs",
  id: "listJobs",
  summary: "Lists an app's jobs that fit a filter, newest first",
  answers: {
    200: pageOf(jobEntity, { lookedBackTo }).check(
      z.describe("A page; it may be short, or empty, before the last one."),
    ),
  },
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  query: listQuery,
  repeated: REPEATED,

  async handle({ query, caller }, { store, waits }): Promise<Answer> {
    const { limit, cursor, include, ...conditions } = query;
    const filter = filterIn(conditions, caller);
    const position = cursor === undefined ? undefined : decodeCursor(cursor, filter);
    const found = await resolved(filter, { store, waits });
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

const showQuery = z.strictObject({
  bodyUpTo: z.optional(
    z.coerce
      .number()
      .check(
        z.int(),
        z.minimum(1),
        z.describe("The most characters of the request's body; `bodyLength` says how many a longer one has."),
      ),
  ),
});

export const getJob = route({
  key: "GET /v1/admin/jobs/{id}",
  id: "getJob",
  summary: "Shows a job with its message and attempts",
  answers: { 200: enveloped(jobWithAttempts).check(z.describe("The job.")) },
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  query: showQuery,

  async handle({ path, caller, query: { bodyUpTo } }, { store, waits, clock }): Promise<Answer> {
    const appId = appOf(caller);
    const id = z.guid().check(z.toLowerCase()).safeParse(path["id"]);
    const found = id.success ? await store.history(id.data) : undefined;
    // Unknown and foreign ids get the same answer, so that no caller learns which ids exist.
    if (!found || (found.job.appId !== appId && !isPlatformAdmin(caller)))
      throw new ClientError("NOT_FOUND", "No such job");
    const { job, recorded } = found;
    const [message, waiting] = await Promise.all([store.message(job), (await waits()).of([job])]);
    const whole = wholeEntityOf(job, message, recorded, (attempt) => sentRequest(job.id, attempt, message, clock));
    const entity = bodyUpTo === undefined ? whole : withBodyUpTo(whole, bodyUpTo);
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
    answers: { 200: enveloped(jobEntity).check(z.describe("The job as it is then; of a deleted one, as it was.")) },
    refusals: ["CONFLICT"],
    access: (caller) => requireRole(caller, "APP_ADMIN"),

    async handle({ path, caller }, service): Promise<Answer> {
      const appId = appOf(caller);
      const id = z.guid().check(z.toLowerCase()).safeParse(path["id"]);
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
