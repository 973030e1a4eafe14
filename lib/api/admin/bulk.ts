import * as z from "../../zod.ts";
import { iso } from "../../clock.ts";
import { ClientError } from "../../errors.ts";
import { EXECUTION_TYPES } from "../../executors/index.ts";
import type { TaskExecution } from "../../executors/task.ts";
import type { Circuit } from "../../flow/circuit.ts";
import { LONGEST_DESTINATION } from "../../flow/destination-store.ts";
import type { JobFilter } from "../../job/job-filter.ts";
import { BULK_ACTION, TASK, isFinished, type Job } from "../../job/job.ts";
import type { ServiceParts } from "../../parts.ts";
import { countJobs, listJobs } from "../../store/job-list.ts";
import {
  NOTHING_DONE,
  bulkFields,
  bulkFilter,
  mayChange,
  wantedBy,
  type BulkFilter,
  type BulkKind,
  type BulkProgress,
} from "../../tasks/bulk-action.ts";
import { enveloped, pageOf, time } from "../http/answers.ts";
import { appOf, requireRole, type Caller } from "../http/auth.ts";
import { parse } from "../http/body.ts";
import { envelope, route, type Answer } from "../http/http.ts";
import { decodeCursor, encodeCursor } from "../http/pagination.ts";
import { ownTask, submitTask } from "../tasks/tasks.ts";
import { countView, jobCount, resolved } from "../unified/job-query.ts";
import { STATUSES } from "../../job/status.ts";

// Bulk redrives and cancellations: these endpoints submit, show and abort the task that does the work.

const bulkBody = z
  .strictObject({
    ...bulkFields(),
    dryRun: z._default(z.boolean().check(z.describe("Only counts the jobs that it would look at, to 1,000.")), false),
    appId: z.optional(
      z.guid().check(z.toLowerCase(), z.describe("Default: the token's. Another one is for PLATFORM_ADMIN.")),
    ),
  })
  .register(z.globalRegistry, {
    id: "BulkFilter",
    description: "Which jobs: those that fit all of what is given, which must be something.",
  });

export const bulkShown = z
  .strictObject({
    id: z.guid(),
    action: z.enum(["redrive", "cancel"]),
    filter: z.record(z.string(), z.unknown()).check(z.describe("As it was given.")),
    status: z.enum(STATUSES),
    looked: z.int().check(z.describe("Jobs that have been read.")),
    matched: z.int(),
    changed: z.int(),
    error: z.nullable(z.string()),
    createdAt: time,
    completedAt: z.nullable(time),
    shutDestinations: z.optional(
      z
        .array(
          z.strictObject({
            destination: z.string(),
            state: z.enum(["open", "held"]),
            since: time,
            nextProbeAt: z.nullable(time).check(z.describe("Of an open one, at the earliest.")),
            lastError: z.nullable(z.string()).check(z.describe("Null where a person holds what has not failed.")),
          }),
        )
        .check(
          z.describe(
            "Of one redrive alone: which of the destinations of its jobs, the first ten, fail or are held now. These jobs wait until the destination works, or is resumed (`POST /v1/admin/destinations/resume`).",
          ),
        ),
    ),
  })
  .register(z.globalRegistry, { id: "BulkAction", description: "How far it is." });

export const redriveJobs = bulkRoute(
  "redrive",
  "Tries all jobs again that fit a filter, FAILED and DEAD ones by default",
);
export const cancelJobs = bulkRoute("cancel", "Ends all unfinished jobs that fit a filter as CANCELLED");

/** An attempt lasts 14 minutes at most and the next one continues, so a long action takes many attempts. */
const LONG_RUN = { maxRetries: 50, retry: { baseDelaySeconds: 1, maxDelaySeconds: 60, jitter: 0 } };

const EXAMPLES = {
  redrive: {
    "the dead jobs of a host": { status: "DEAD", host: "hooks.partner.com", createdAfter: "2027-01-15T10:00:00Z" },
    "how many they are": { status: ["FAILED", "DEAD"], errorContains: "HTTP 503", dryRun: true },
    "what waits for its next attempt, at once": { status: "RETRYING", httpStatus: "5xx" },
  },
  cancel: { "what an import has sent": { label: "import", keyPrefix: ["order-12", "order-13"] } },
} as const;

function bulkRoute(action: BulkKind, summary: string) {
  return route({
    key: `POST /v1/admin/jobs/${action}`,
    id: `${action}Jobs`,
    summary,
    answers: {
      200: enveloped(jobCount).check(z.describe("With dryRun: how many jobs fit, among the newest 4,000 that may.")),
      202: enveloped(bulkShown).check(z.describe("It has begun; jobs that change from now on are left alone.")),
    },
    examples: () => EXAMPLES[action],
    access: (caller) => requireRole(caller, "APP_ADMIN"),
    body: bulkBody,

    async handle({ body, caller }, service): Promise<Answer> {
      const { appId: named, dryRun, ...conditions } = body;
      const appId = appOf(caller, named);
      const filter = parse(bulkFilter, conditions, "body");
      if (dryRun) return { status: 200, body: envelope(await wouldChange(action, appId, filter, service)) };
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

async function wouldChange(
  action: BulkKind,
  appId: string,
  filter: BulkFilter,
  { store, clock, waits }: ServiceParts,
): Promise<object> {
  const wanted = await resolved(wantedBy(action, appId, filter, clock.now()), { store, waits });
  return countView(await countJobs(store, wanted, EXECUTION_TYPES, (job) => mayChange(job, action)));
}

const listQuery = z.strictObject({
  appId: z.optional(z.guid().check(z.toLowerCase())),
  limit: z._default(z.coerce.number().check(z.int(), z.minimum(1), z.maximum(100)), 20),
  cursor: z.optional(z.string().check(z.maxLength(2_048))),
});

export const listBulkActions = route({
  key: "GET /v1/admin/bulk-actions",
  id: "listBulkActions",
  summary: "Lists an app's bulk actions, newest first",
  answers: { 200: pageOf(bulkShown).check(z.describe("A page; it may be short, or empty, before the last one.")) },
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  query: listQuery,

  async handle({ query, caller }, { store }): Promise<Answer> {
    const filter: JobFilter = { appId: appOf(caller, query.appId), created: {}, jobType: [BULK_ACTION] };
    const position = query.cursor === undefined ? undefined : decodeCursor(query.cursor, filter);
    const { jobs, next } = await listJobs(store, filter, [TASK], query.limit, position);
    const items = await Promise.all(jobs.map(async (job) => shown(job, store)));
    return { status: 200, body: envelope({ items, nextCursor: next ? encodeCursor(next, filter) : null }) };
  },
});

export const getBulkAction = route({
  key: "GET /v1/admin/bulk-actions/{id}",
  id: "getBulkAction",
  summary: "Shows how far a bulk action is",
  answers: { 200: enveloped(bulkShown).check(z.describe("The bulk action.")) },
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  handle: async ({ path, caller }, service) => answer(await ownBulkAction(path["id"], caller, service), service),
});

export const abortBulkAction = route({
  key: "POST /v1/admin/bulk-actions/{id}/abort",
  id: "abortBulkAction",
  summary: "Ends a bulk action within seconds; what it has changed stays changed",
  answers: { 200: enveloped(bulkShown).check(z.describe("The bulk action.")) },
  refusals: ["CONFLICT"],
  access: (caller) => requireRole(caller, "APP_ADMIN"),

  async handle({ path, caller }, service): Promise<Answer> {
    const job = await ownBulkAction(path["id"], caller, service);
    const stopped = (await service.engine.stopJob(job.id, "CANCELLED")) ?? job;
    const changes = [{ field: job.id, from: job.status, to: "CANCELLED" }];
    const object = `job:${job.id}`;
    await service.audit.record(job.appId, { by: caller.sub, action: "bulk-action.aborted", object, changes });
    return answer(stopped, service);
  },
});

async function ownBulkAction(id: string | undefined, caller: Caller, service: ServiceParts): Promise<Job> {
  const job = await ownTask(id, caller, service);
  if (job.jobType !== BULK_ACTION) throw new ClientError("NOT_FOUND", "No such job");
  return job;
}

async function answer(job: Job, { store, destinations }: ServiceParts): Promise<Answer> {
  const view = await shown(job, store);
  if (view.action !== "redrive") return { status: 200, body: envelope(view) };
  return { status: 200, body: envelope({ ...view, shutDestinations: await shutOf(job, destinations) }) };
}

/** The destinations of redriven jobs that let none through now. */
async function shutOf(job: Job, destinations: ServiceParts["destinations"]): Promise<object[]> {
  const to = (progressOf(job).to ?? []).filter((name) => name.length <= LONGEST_DESTINATION);
  const circuits = to.length > 0 ? await destinations.circuitsOf(job.appId, to) : new Map<string, Circuit>();
  return [...circuits].flatMap(([destination, { state, since, probeAt, lastError }]) =>
    state === "closed"
      ? []
      : {
          destination,
          state,
          since: iso(since),
          nextProbeAt: state === "open" && probeAt !== undefined ? iso(probeAt) : null,
          lastError: lastError ?? null,
        },
  );
}

async function shown(job: Job, store: ServiceParts["store"]): Promise<ReturnType<typeof view>> {
  const { payload } = (await store.message(job)).execution as TaskExecution;
  const { action, filter } = payload as { action: BulkKind; filter: BulkFilter };
  return view(job, action, filter);
}

function progressOf({ saved }: Job): BulkProgress {
  return saved === undefined ? NOTHING_DONE : (JSON.parse(saved) as BulkProgress);
}

function view(job: Job, action: BulkKind, filter: BulkFilter) {
  const { looked, matched, changed } = progressOf(job);
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
