import * as z from "../../zod.ts";
import { iso, type EpochMs } from "../../clock.ts";
import { ClientError } from "../../errors.ts";
import { EXECUTION_TYPES, jobFields } from "../../executors/index.ts";
import { asGroup, type Group } from "../../job/group-moves.ts";
import { GROUP, type MemberCounts } from "../../job/group.ts";
import { isFinished, type Job } from "../../job/job.ts";
import { STATUSES } from "../../job/status.ts";
import { entityOf } from "../../job/view.ts";
import type { ServiceParts } from "../../parts.ts";
import { jobObject } from "../../store/audit.ts";
import { endedIn } from "../../store/group-store.ts";
import { listJobs } from "../../store/job-list.ts";
import { beginBulkAction, bulkShown } from "../admin/bulk.ts";
import { enveloped, jobEntity, pageOf } from "../http/answers.ts";
import { appOf, isPlatformAdmin, requireRole, type Caller } from "../http/auth.ts";
import { parse, refuseChanging } from "../http/body.ts";
import { envelope, route, type Answer } from "../http/http.ts";
import { decodeCursor, encodeCursor } from "../http/pagination.ts";
import { acceptJob } from "./accept-job.ts";
import { renamed } from "./batch.ts";
import { keptBodies, withoutBodies } from "./flat-bodies.ts";
import { flatDetail, postedOf } from "./flat-job.ts";
import { groupBody, groupEntity, sealBody, sealTime } from "./group-request.ts";
import type { CreateJobBody } from "./job-request.ts";

// Groups: jobs that end once all their members have.

const followUps = z.strictObject(jobFields.followUps);

const access = (caller: Caller) => requireRole(caller, "APP_ADMIN");

export const createGroup = route({
  key: "POST /v1/groups",
  id: "createGroup",
  summary: "Makes a group, which ends once its members have ended",
  answers: {
    200: enveloped(groupEntity).check(z.describe("The key was there already: the group that has it.")),
    201: enveloped(groupEntity).check(z.describe("The group. Post its members with its id as `group`.")),
  },
  refusals: ["UNPROCESSABLE_ENTITY"],
  idempotent: true,
  examples: (url) => ({
    "three members": { expected: 3, onComplete: `${url}/all-done` },
    "sealed later": { key: "import-4711", sealBy: "6h", onSuccess: { url: `${url}/report` } },
  }),
  access,
  body: groupBody,
  asWritten: keptBodies,
  checksValues: true,

  async handle({ body, caller, headers: { "idempotency-key": key } }, service): Promise<Answer> {
    refuseChanging(withoutBodies(body), "body");
    const accepting = acceptJob(jobFor(body, service.clock.now()), caller, { key }, service);
    const { status, job } = await accepting.catch((error: unknown) => {
      throw renamed(error, flatDetail);
    });
    const group = asGroup(job);
    if (!group) throw new Error("A group is always stored");
    const again = status === 200 && { headers: { "idempotent-replayed": "true" } };
    return { status, body: envelope(await viewOf(group, service)), ...again };
  },
});

/** The request for the job that a group is. */
function jobFor(body: z.infer<typeof groupBody>, now: EpochMs): CreateJobBody {
  const { appId, key, expected, sealBy, cancelOnFailure: cancels, onComplete, onSuccess, onFailure } = body;
  const execution = {
    type: GROUP,
    ...(expected !== undefined && { expected }),
    sealBy: iso(sealTime(sealBy, now)),
    cancelOnFailure: cancels,
  };
  return {
    ...(appId !== undefined && { appId }),
    mode: "both",
    message: { execution, metadata: { ...(key !== undefined && { idempotencyKey: key }) } },
    ...parse(
      followUps,
      {
        ...(onComplete !== undefined && {
          onComplete: typeof onComplete === "string" ? { url: onComplete } : onComplete,
        }),
        ...(onSuccess && { onSuccess: postedOf(onSuccess) }),
        ...(onFailure && { onFailure: postedOf(onFailure) }),
      },
      "body",
    ),
  };
}

export const sealGroup = route({
  key: "POST /v1/groups/{id}/seal",
  id: "sealGroup",
  summary: "Lets nothing become a member of a group any more",
  answers: { 200: enveloped(groupEntity).check(z.describe("The group; the same when it was sealed so already.")) },
  refusals: ["CONFLICT"],
  access,
  body: sealBody,

  async handle({ body, path, caller }, service): Promise<Answer> {
    const group = await ownGroup(path["id"], caller, service);
    const sealed = asGroup(await service.engine.sealGroup(group.id, body.expected));
    if (!sealed) throw noSuchGroup();
    await record(sealed, "sealed", caller, { from: null, to: body.expected ?? null }, service);
    return { status: 200, body: envelope(await viewOf(sealed, service)) };
  },
});

export const getGroup = route({
  key: "GET /v1/groups/{id}",
  id: "getGroup",
  summary: "Shows a group, with how many of its members have ended",
  answers: { 200: enveloped(groupEntity).check(z.describe("The group.")) },
  access,
  async handle({ path, caller }, service): Promise<Answer> {
    return { status: 200, body: envelope(await viewOf(await ownGroup(path["id"], caller, service), service)) };
  },
});

const membersQuery = z.strictObject({
  status: z.optional(z.enum(STATUSES)),
  limit: z._default(z.coerce.number().check(z.int(), z.minimum(1), z.maximum(100)), 50),
  cursor: z.optional(z.string().check(z.maxLength(4_096))),
});

export const listMembers = route({
  key: "GET /v1/groups/{id}/jobs",
  id: "listMembers",
  summary: "Lists the members of a group, newest first",
  answers: { 200: pageOf(jobEntity).check(z.describe("A page; it may be short, or empty, before the last one.")) },
  access,
  query: membersQuery,

  async handle({ path, query, caller }, service): Promise<Answer> {
    const { id, appId, createdAt } = await ownGroup(path["id"], caller, service);
    const { status, limit, cursor } = query;
    const filter = { appId, ...(status && { status: [status] }), memberOf: { id, createdAt }, created: {} };
    const position = cursor === undefined ? undefined : decodeCursor(cursor, filter);
    const page = await listJobs(service.store, filter, EXECUTION_TYPES, limit, position);
    const items = page.jobs.map((job) => entityOf(job));
    return { status: 200, body: envelope({ items, nextCursor: page.next ? encodeCursor(page.next, filter) : null }) };
  },
});

export const cancelGroup = route({
  key: "POST /v1/groups/{id}/cancel",
  id: "cancelGroup",
  summary: "Seals a group, cancels its members, and ends it as CANCELLED",
  answers: {
    202: enveloped(bulkShown).check(z.describe("The bulk action that cancels them; the group ends with the last one.")),
  },
  refusals: ["CONFLICT"],
  access,

  async handle({ path, caller }, service): Promise<Answer> {
    const group = await ownGroup(path["id"], caller, service);
    await service.engine.stopJob(group.id, "CANCELLED");
    await record(group, "cancelled", caller, { from: group.status, to: "CANCELLED" }, service);
    return bulkAction("cancel", group, caller, service);
  },
});

export const redriveGroup = route({
  key: "POST /v1/groups/{id}/redrive",
  id: "redriveGroup",
  summary: "Tries the failed members of a group again, towards another end of it",
  answers: {
    202: enveloped(bulkShown).check(z.describe("The bulk action that does so; the group does not end meanwhile.")),
  },
  refusals: ["CONFLICT"],
  access,

  async handle({ path, caller }, service): Promise<Answer> {
    const group = await ownGroup(path["id"], caller, service);
    const id = service.clock.uuid();
    await service.engine.redriveGroup(group.id, id);
    await record(group, "redriven", caller, { from: group.status, to: "PENDING" }, service);
    return bulkAction("redrive", group, caller, service, id);
  },
});

async function bulkAction(
  action: "cancel" | "redrive",
  { id: group, appId }: Job,
  { sub: by }: Caller,
  service: ServiceParts,
  id?: string,
): Promise<Answer> {
  return beginBulkAction({ appId, by, action, filter: { group }, ...(id !== undefined && { id }) }, service);
}

async function record(
  group: Job,
  action: string,
  { sub: by }: Caller,
  change: { readonly from: unknown; readonly to: unknown },
  { audit }: ServiceParts,
): Promise<void> {
  const changes = [{ field: group.id, ...change }];
  await audit.record(group.appId, { by, action: `group.${action}`, object: jobObject(group), changes });
}

/** NOT_FOUND also for groups of other apps. */
async function ownGroup(id: string | undefined, caller: Caller, { store }: ServiceParts): Promise<Group> {
  const appId = appOf(caller);
  const parsed = z.guid().check(z.toLowerCase()).safeParse(id);
  const group = parsed.success ? asGroup(await store.get(parsed.data)) : undefined;
  if (!group || (group.appId !== appId && !isPlatformAdmin(caller))) throw noSuchGroup();
  return group;
}

function noSuchGroup(): ClientError {
  return new ClientError("NOT_FOUND", "No such group");
}

async function viewOf(group: Group, { groups }: ServiceParts): Promise<object> {
  const { fanIn } = group;
  const members: MemberCounts = fanIn.members ?? (await groups.countsOf(group));
  return {
    id: group.id,
    appId: group.appId,
    key: group.idempotencyKey ?? null,
    status: group.status,
    reason: group.reason ?? null,
    expected: fanIn.expected ?? null,
    sealBy: iso(fanIn.sealBy),
    sealedAt: fanIn.sealedAt === undefined ? null : iso(fanIn.sealedAt),
    cancelOnFailure: fanIn.cancelOnFailure ?? false,
    members: { ...members, ended: endedIn(members) },
    approximate: !isFinished(group),
    failedJobIds: fanIn.failedJobIds ?? [],
    lastError: group.lastError ?? null,
    followUpJobIds: group.followUpJobIds ?? [],
    createdAt: iso(group.createdAt),
    updatedAt: iso(group.updatedAt),
  };
}
