import * as z from "../../zod.ts";
import { DAY, HOUR, MINUTE, SECOND, iso, type EpochMs } from "../../clock.ts";
import { ClientError, badRequest } from "../../errors.ts";
import { cancelOnFailure, expectedMembers } from "../../executors/group.ts";
import { EXECUTION_TYPES, jobFields } from "../../executors/index.ts";
import { callback, idempotencyKey } from "../../executors/message-schema.ts";
import { dateTime } from "../../job/date-time.ts";
import { asGroup, type Group } from "../../job/group-moves.ts";
import { GROUP, type MemberCounts } from "../../job/group.ts";
import { isFinished, type Job } from "../../job/job.ts";
import { STATUSES } from "../../job/status.ts";
import { entityOf } from "../../job/view.ts";
import { wholeUrl } from "../../outbound/target-url.ts";
import type { ServiceParts } from "../../parts.ts";
import { jobObject } from "../../store/audit.ts";
import { endedIn } from "../../store/group-store.ts";
import { listJobs } from "../../store/job-list.ts";
import { beginBulkAction, bulkShown } from "../admin/bulk.ts";
import { enveloped, jobEntity, memberCounts, pageOf, time } from "../http/answers.ts";
import { appOf, isPlatformAdmin, requireRole, type Caller } from "../http/auth.ts";
import { parse, refuseChanging } from "../http/body.ts";
import { envelope, route, type Answer } from "../http/http.ts";
import { decodeCursor, encodeCursor } from "../http/pagination.ts";
import { acceptJob } from "./accept-job.ts";
import { renamed } from "./batch.ts";
import { keptBodies, withoutBodies } from "./flat-bodies.ts";
import { flatDetail, flatJob, postedOf } from "./flat-job.ts";
import type { CreateJobBody } from "./job-request.ts";

// Groups: jobs that end once all their members have.

const UNITS: Readonly<Record<string, number>> = { s: SECOND, m: MINUTE, h: HOUR, d: DAY };
const LONGEST_SEAL = 30 * DAY;

const duration = z.string().check(
  z.regex(/^[1-9]\d{0,6}[smhd]$/, "expected a duration such as 90m, 24h or 7d, or a date and time"),
  z.refine((text) => msOf(text) <= LONGEST_SEAL, "must be at most 30d"),
);

function msOf(text: string): number {
  return Number.parseInt(text, 10) * (UNITS[text.at(-1) ?? ""] ?? NaN);
}

const groupBody = z
  .strictObject({
    appId: z.optional(
      z.guid().check(z.toLowerCase(), z.describe("Default: the token's. Another one is for PLATFORM_ADMIN.")),
    ),
    key: z.optional(idempotencyKey),
    expected: z.optional(expectedMembers),
    sealBy: z._default(
      z
        .union([duration, dateTime])
        .check(
          z.describe(
            "A group that has not been sealed by then is FAILED: a duration from now, or a time. At most 30d.",
          ),
        ),
      "24h",
    ),
    cancelOnFailure,
    onComplete: z.optional(z.union([wholeUrl, callback]).check(z.describe("Where the group is posted as it ended."))),
    onSuccess: z.optional(flatJob),
    onFailure: z.optional(flatJob),
  })
  .register(z.globalRegistry, {
    id: "CreateGroup",
    description: "A group: `expected` seals it with its last member, else `POST …/seal`.",
  });

const followUps = z.strictObject(jobFields.followUps);

const groupEntity = z
  .strictObject({
    id: z.guid(),
    appId: z.guid(),
    key: z.nullable(z.string()),
    status: z.enum(STATUSES).check(z.describe("PENDING until all members have ended.")),
    reason: z
      .nullable(z.string())
      .check(z.describe("`seal_timeout` or `count_mismatch` of a group that had other members.")),
    expected: z.nullable(z.int()).check(z.describe("How many members it has; null while nobody knows.")),
    sealBy: time,
    sealedAt: z.nullable(time).check(z.describe("Since then nothing becomes a member any more.")),
    cancelOnFailure: z.boolean(),
    members: z.extend(memberCounts, { ended: z.int() }),
    approximate: z
      .boolean()
      .check(z.describe("Whether the members are counted from the table's stream: until the end.")),
    failedJobIds: z.array(z.guid()).check(z.describe("Of an ended group: the first 1,000 that were FAILED or DEAD.")),
    lastError: z.nullable(z.string()),
    followUpJobIds: z.array(z.guid()),
    createdAt: time,
    updatedAt: time,
  })
  .register(z.globalRegistry, {
    id: "Group",
    description: "A group as it stands. `GET /v1/admin/jobs/{id}` shows it as a job.",
  });

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

function sealTime(sealBy: string, now: EpochMs): EpochMs {
  const at = duration.safeParse(sealBy).success ? now + msOf(sealBy) : Date.parse(sealBy);
  if (at > now && at <= now + LONGEST_SEAL) return at;
  throw badRequest([{ field: "sealBy", message: `must be within the next 30 days: it is now ${iso(now)}` }]);
}

const sealBody = z.strictObject({ expected: z.optional(expectedMembers) }).register(z.globalRegistry, {
  id: "SealGroup",
  description: "Without `expected`, the members are counted a minute later, until twice alike.",
});

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
