import * as z from "zod";
import { iso } from "../../clock.ts";
import { ClientError } from "../../errors.ts";
import type { TaskExecution } from "../../executors/task.ts";
import { BULK_ACTION, TASK, isFinished, type Job } from "../../job/job.ts";
import type { ServiceParts } from "../../parts.ts";
import { NOTHING_DONE, bulkFilter, type BulkFilter, type BulkProgress } from "../../tasks/bulk-action.ts";
import { enveloped, time } from "../http/answers.ts";
import { appOf, requireRole, type Caller } from "../http/auth.ts";
import { parse } from "../http/body.ts";
import { envelope, route, type Answer } from "../http/http.ts";
import { ownTask, submitTask } from "../tasks/tasks.ts";
import { STATUSES } from "../../job/status.ts";

// Bulk redrives and cancellations: these endpoints submit, show and abort the task that does the work.

const bulkBody = z
  .strictObject({
    ...bulkFilter.shape,
    appId: z.guid().toLowerCase().describe("Default: the token's. Another one is for PLATFORM_ADMIN.").optional(),
  })
  .meta({ id: "BulkFilter", description: "Which jobs: those that fit all of what is given, which must be something." });

export const bulkShown = z
  .strictObject({
    id: z.guid(),
    action: z.enum(["redrive", "cancel"]),
    filter: z.record(z.string(), z.unknown()),
    status: z.enum(STATUSES),
    looked: z.int().describe("Jobs that have been read."),
    matched: z.int(),
    changed: z.int(),
    error: z.string().nullable(),
    createdAt: time,
    completedAt: time.nullable(),
  })
  .meta({ id: "BulkAction", description: "How far it is." });

export const redriveJobs = bulkRoute("redrive", "Tries all FAILED or DEAD jobs again that fit a filter");
export const cancelJobs = bulkRoute("cancel", "Ends all unfinished jobs that fit a filter as CANCELLED");

/** An attempt lasts 14 minutes at most and the next one continues, so a long action takes many attempts. */
const LONG_RUN = { maxRetries: 50, retry: { baseDelaySeconds: 1, maxDelaySeconds: 60, jitter: 0 } };

function bulkRoute(action: "redrive" | "cancel", summary: string) {
  return route({
    key: `POST /v1/admin/jobs/${action}`,
    id: `${action}Jobs`,
    summary,
    answers: { 202: enveloped(bulkShown).describe("It has begun; jobs that change from now on are left alone.") },
    access: (caller) => requireRole(caller, "APP_ADMIN"),
    body: bulkBody,

    async handle({ body, caller }, service): Promise<Answer> {
      const { appId: named, ...conditions } = body;
      const appId = appOf(caller, named);
      const filter = parse(bulkFilter, conditions, "body");
      return beginBulkAction({ appId, by: caller.sub, action, filter }, service);
    },
  });
}

interface AskedBulk {
  readonly appId: string;
  readonly by: string;
  readonly action: "redrive" | "cancel";
  readonly filter: BulkFilter;
  /** The id of the task that does it. Default: a new one. */
  readonly id?: string;
}

/** Submits the task that does a bulk action, and says so in the audit log. */
export async function beginBulkAction(asked: AskedBulk, service: ServiceParts): Promise<Answer> {
  const { appId, by, action, filter, id } = asked;
  const execution = { type: TASK, jobType: BULK_ACTION, payload: { action, filter }, priority: 0 } as const;
  const task = { appId, userId: by, execution, ...LONG_RUN, ...(id !== undefined && { id }) };
  const { job } = await submitTask(task, service);
  const changes = [{ field: job.id, from: null, to: filter }];
  const object = `job:${job.id}`;
  await service.audit.record(appId, { by, action: `jobs.${action}`, object, changes });
  return { status: 202, body: envelope(view(job, action, filter)) };
}

export const getBulkAction = route({
  key: "GET /v1/admin/bulk-actions/{id}",
  id: "getBulkAction",
  summary: "Shows how far a bulk action is",
  answers: { 200: enveloped(bulkShown).describe("The bulk action.") },
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  handle: async ({ path, caller }, service) => shown(await ownBulkAction(path["id"], caller, service), service),
});

export const abortBulkAction = route({
  key: "POST /v1/admin/bulk-actions/{id}/abort",
  id: "abortBulkAction",
  summary: "Ends a bulk action within seconds; what it has changed stays changed",
  answers: { 200: enveloped(bulkShown).describe("The bulk action.") },
  refusals: ["CONFLICT"],
  access: (caller) => requireRole(caller, "APP_ADMIN"),

  async handle({ path, caller }, service): Promise<Answer> {
    const job = await ownBulkAction(path["id"], caller, service);
    const stopped = (await service.engine.stopJob(job.id, "CANCELLED")) ?? job;
    const changes = [{ field: job.id, from: job.status, to: "CANCELLED" }];
    const object = `job:${job.id}`;
    await service.audit.record(job.appId, { by: caller.sub, action: "bulk-action.aborted", object, changes });
    return shown(stopped, service);
  },
});

async function ownBulkAction(id: string | undefined, caller: Caller, service: ServiceParts): Promise<Job> {
  const job = await ownTask(id, caller, service);
  if (job.jobType !== BULK_ACTION) throw new ClientError("NOT_FOUND", "No such job");
  return job;
}

async function shown(job: Job, { store }: ServiceParts): Promise<Answer> {
  const { payload } = (await store.message(job)).execution as TaskExecution;
  const { action, filter } = payload as { action: "redrive" | "cancel"; filter: BulkFilter };
  return { status: 200, body: envelope(view(job, action, filter)) };
}

function view(job: Job, action: "redrive" | "cancel", filter: BulkFilter): object {
  const so = job.saved === undefined ? NOTHING_DONE : (JSON.parse(job.saved) as BulkProgress);
  const { looked, matched, changed } = so;
  return {
    id: job.id,
    action,
    filter,
    status: job.status,
    looked,
    matched,
    changed,
    error: job.lastError ?? null,
    createdAt: iso(job.createdAt),
    completedAt: isFinished(job) ? iso(job.updatedAt) : null,
  };
}
