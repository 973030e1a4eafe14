import * as z from "../zod.ts";
import type { EpochMs } from "../clock.ts";
import { jobIdForKey } from "./accept.ts";
import { dateTime } from "./date-time.ts";
import type { GroupRef } from "./group.ts";
import { lastHttpStatus, type Job } from "./job.ts";
import type { BacklogName } from "./backlog.ts";
import { STATUSES, type Status } from "./status.ts";
import { WAIT_REASONS, waitsForAny, type WaitReason } from "./waiting.ts";
import { HALF_PAIR } from "./well-formed.ts";

// Which jobs: one filter for lists, counts and bulk actions. A job fits if it meets each condition that is given, by
// any of its values.

const MOST_VALUES = 20;
const MOST_IDS = 100;

/** One value, or several of which a job has to meet one. */
export function anyOf<T extends z.ZodMiniType>(item: T, most = MOST_VALUES) {
  const several = z
    .array(item)
    .check(z.minLength(1, "expected at least one value; leave the field out for any"), z.maxLength(most));
  return z.union([item, several], {
    // The problem of the form that was meant.
    error: (issue) => issue.errors?.[Array.isArray(issue.input) ? 1 : 0]?.[0]?.message ?? "expected a value or a list",
  });
}

/** The audit log holds the filter as given, and the table can't hold half a surrogate pair. */
function text(most: number, ...examples: string[]) {
  return z.string().check(
    z.minLength(1),
    z.maxLength(most),
    z.refine((value) => value.isWellFormed(), HALF_PAIR),
    z.meta({ examples }),
  );
}

const id = z.guid().check(z.toLowerCase());
const HTTP_STATUS = "expected a status such as 503, or a class such as 5xx";
const httpStatus = z.union(
  [
    z.int(HTTP_STATUS).check(z.minimum(100, HTTP_STATUS), z.maximum(599, HTTP_STATUS)),
    z.string().check(z.regex(/^[1-5](?:\d\d|xx)$/, HTTP_STATUS)),
  ],
  HTTP_STATUS,
);

/** For a strict object, in a body or, with `REPEATED`, in a query. A function, since those who create jobs need none. */
export const filterFields = () => ({
  status: z.optional(anyOf(z.enum(STATUSES))),
  waiting: z.optional(
    anyOf(z.enum(WAIT_REASONS)).check(
      z.describe(
        "What it waits for, as `GET /v1/admin/counts` counts it. Without `status`, of PENDING and RETRYING jobs.",
      ),
    ),
  ),
  executionType: z.optional(anyOf(text(64, "rest-api"))),
  jobType: z.optional(anyOf(text(100, "import_csv")).check(z.describe("Of tasks."))),
  host: z.optional(
    anyOf(text(300, "hooks.partner.com")).check(
      z.describe("Of the destination: a host, with or without its port, an origin, or a function's name."),
    ),
  ),
  httpStatus: z.optional(
    anyOf(httpStatus).check(z.describe("Of the last answer: a status, or a class such as `5xx`.")),
  ),
  errorContains: z.optional(anyOf(text(200, "HTTP 503")).check(z.describe("In the last error, by its letters."))),
  label: z.optional(anyOf(text(255, "import"))),
  group: z.optional(anyOf(id).check(z.describe("The id of a group: its members."))),
  parentId: z.optional(anyOf(id).check(z.describe("The job that this one follows, or that submitted it."))),
  schedule: z.optional(
    anyOf(text(255, "nightly")).check(z.describe("The schedule that created it, by its key or id.")),
  ),
  keyPrefix: z.optional(anyOf(text(255, "order-12")).check(z.describe("How its idempotency key begins."))),
  idempotencyKey: z.optional(text(255, "order-1234").check(z.describe("The whole key, which is one job's."))),
  ids: z.optional(anyOf(id, MOST_IDS).check(z.describe("At most 100."))),
  createdAfter: z.optional(dateTime.check(z.describe("Or at that time."))),
  createdBefore: z.optional(dateTime.check(z.describe("Or at that time."))),
  updatedAfter: z.optional(dateTime.check(z.describe("Or at that time."))),
  updatedBefore: z.optional(dateTime.check(z.describe("Or at that time."))),
});

/** The conditions as given. */
export type Conditions = z.infer<z.ZodMiniObject<ReturnType<typeof filterFields>>>;

/**
 * The conditions that a query may repeat. `,`: a comma separates values too, since none holds one.
 */
export const REPEATED: Readonly<Partial<Record<keyof Conditions, "," | "">>> = {
  status: ",",
  waiting: ",",
  executionType: ",",
  jobType: ",",
  host: ",",
  httpStatus: ",",
  errorContains: "",
  label: "",
  group: ",",
  parentId: ",",
  schedule: "",
  keyPrefix: "",
  ids: ",",
};

export interface TimeRange {
  readonly from?: EpochMs | undefined;
  readonly to?: EpochMs | undefined;
}

/** The jobs of an app that meet all of it. Conditions with several values are met by any of them. */
export interface JobFilter {
  readonly appId: string;
  readonly created: TimeRange;
  readonly updated?: TimeRange | undefined;
  readonly status?: readonly Status[] | undefined;
  readonly waiting?: readonly WaitReason[] | undefined;
  /** The backlogs whose jobs wait for one of these reasons now: their jobs do not tell. */
  readonly backlogs?: readonly BacklogName[] | undefined;
  readonly executionType?: readonly string[] | undefined;
  readonly jobType?: readonly string[] | undefined;
  readonly host?: readonly string[] | undefined;
  readonly httpStatus?: readonly (string | number)[] | undefined;
  readonly errorContains?: readonly string[] | undefined;
  readonly label?: readonly string[] | undefined;
  readonly group?: readonly string[] | undefined;
  readonly parentId?: readonly string[] | undefined;
  readonly schedule?: readonly string[] | undefined;
  readonly keyPrefix?: readonly string[] | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly ids?: readonly string[] | undefined;
  /** The members of a group alone, which have an index of their own. */
  readonly memberOf?: GroupRef | undefined;
}

export function filterOf(appId: string, conditions: Conditions): JobFilter {
  const { createdAfter, createdBefore, updatedAfter, updatedBefore, idempotencyKey, ...lists } = conditions;
  const given = Object.entries(lists).filter(([, value]) => value !== undefined);
  const updated = rangeOf(updatedAfter, updatedBefore);
  const { from, to = Infinity } = rangeOf(createdAfter, createdBefore);
  // No job was changed before it was created.
  const latest = Math.min(to, updated.to ?? Infinity);
  return {
    appId,
    created: { ...(from !== undefined && { from }), ...(latest < Infinity && { to: latest }) },
    updated,
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    ...(lists.waiting !== undefined && { status: statusesOf([lists.waiting].flat()) }),
    ...Object.fromEntries(given.map(([name, value]) => [name, [value].flat()])),
  };
}

function statusesOf(reasons: readonly WaitReason[]): readonly Status[] {
  return reasons.every((reason) => reason === "backoff") ? ["RETRYING"] : ["PENDING", "RETRYING"];
}

function rangeOf(after: string | undefined, before: string | undefined): TimeRange {
  return {
    ...(after !== undefined && { from: Date.parse(after) }),
    ...(before !== undefined && { to: Date.parse(before) }),
  };
}

/** The only jobs that can fit, where the filter names them. */
export function idsIn({ appId, ids, idempotencyKey }: JobFilter): readonly string[] | undefined {
  if (idempotencyKey === undefined) return ids && [...new Set(ids)];
  const id = jobIdForKey(appId, idempotencyKey);
  return !ids || ids.includes(id) ? [id] : [];
}

/** Whether a job fits. `ids` and `idempotencyKey` are left to `idsIn`. */
export function fits(job: Job, filter: JobFilter): boolean {
  const { appId, parentJobId, idempotencyKey = "", lastError = "", labels = [] } = job;
  const { created, updated = {}, waiting, backlogs = [] } = filter;
  const last = String(lastHttpStatus(job) ?? "");
  return (
    appId === filter.appId &&
    isIn(created, job.createdAt) &&
    isIn(updated, job.updatedAt) &&
    (!waiting || waitsForAny(job, waiting, backlogs)) &&
    met(filter.status, (status) => status === job.status) &&
    met(filter.executionType, (type) => type === job.executionType) &&
    met(filter.jobType, (type) => type === job.jobType) &&
    met(filter.host, (host) => isAt(job, host)) &&
    met(filter.httpStatus, (status) => last === String(status) || last.replace(/..$/, "xx") === status) &&
    met(filter.errorContains, (part) => lastError.includes(part)) &&
    met(filter.label, (label) => labels.includes(label)) &&
    met(filter.group, (group) => group === job.memberOf?.id) &&
    (!filter.memberOf || isMember(job, filter.memberOf)) &&
    met(filter.parentId, (parent) => parent === parentJobId) &&
    met(filter.schedule, (name) => parentJobId === name.toLowerCase() || parentJobId === jobIdForKey(appId, name)) &&
    met(filter.keyPrefix, (prefix) => idempotencyKey.startsWith(prefix))
  );
}

function isMember({ memberOf }: Job, { id, createdAt }: GroupRef): boolean {
  return memberOf?.id === id && memberOf.createdAt === createdAt;
}

function isIn({ from = 0, to = Infinity }: TimeRange, time: EpochMs): boolean {
  return from <= time && time <= to;
}

function met<T>(wanted: readonly T[] | undefined, holds: (value: T) => boolean): boolean {
  return wanted === undefined || wanted.some(holds);
}

function isAt({ destination }: Job, host: string): boolean {
  if (destination === undefined) return false;
  const { hostname, host: withPort } = URL.canParse(destination) ? new URL(destination) : { hostname: "", host: "" };
  return [destination.toLowerCase(), hostname, withPort].includes(host.toLowerCase());
}
