import { iso, type Clock, type EpochMs } from "../clock.ts";
import type { AppRegister } from "./app-register.ts";
import { isSchedule, type Job } from "../job/job.ts";
import { atVersion, expirySeconds, hasExpired, type Item, type ItemKey, type Table } from "./table.ts";

// The audit log of an app: who changed what, and when. An item that only administrators change is written together
// with its entry, so that neither is there without the other. The log has a partition of its own: the app's has the
// settings and secrets that every delivery reads. The index `byGroup` has an app's entries by their object.

export interface AuditEntry {
  readonly at: EpochMs;
  /** The `sub` of the token. */
  readonly by: string;
  readonly action: string;
  /** What was changed, as `kind:id`: `job:…`, `schedule:…`, `settings`. */
  readonly object: string;
  readonly changes: readonly Change[];
}

export interface Change {
  readonly field: string;
  readonly from: unknown;
  readonly to: unknown;
  /** The values are not kept: they were too large, or were the body of a job. */
  readonly omitted?: true;
}

/** An entry gets its time when it is written. */
export type NewEntry = Omit<AuditEntry, "at">;

/** A page of the log; `object`: of the entries about one object. */
interface Listing {
  readonly limit: number;
  readonly before?: string | undefined;
  readonly object?: string | undefined;
}

export type Audit = ReturnType<typeof createAudit>;

/** In characters of JSON: what a query reads at a time. */
const LARGEST_PAGE = 1_000_000;
/**
 * In characters of JSON, of at most three bytes each: an item may have 400 KB, and the transaction that writes it costs
 * two units a KB.
 */
const LARGEST_CHANGES = 64 * 1_024;
/** What stays of an entry that is too large. */
const LARGEST_KEPT = 1_024;

interface Parts {
  readonly table: Table;
  readonly clock: Clock;
  /** How long entries are kept, in ms; 0 keeps them for good. */
  readonly keptFor: number;
  readonly register: Pick<AppRegister, "note">;
}

export function createAudit({ table, clock, keptFor, register }: Parts) {
  /** Newest first; `before` is the `next` of the page before. */
  async function list(appId: string, { limit, before, object }: Listing) {
    const page = { ScanIndexForward: false, Limit: limit };
    const { items, next } = await (object === undefined
      ? table.query({
          ...page,
          KeyConditionExpression: "pk = :pk",
          values: { ":pk": auditPk(appId) },
          after: before === undefined ? undefined : { pk: auditPk(appId), sk: before },
        })
      : ofObject(appId, object, page, before));
    const kept = items.filter((item) => !hasExpired(item, clock.now()));
    return { entries: kept as unknown as AuditEntry[], next: next && String(next["sk"]) };
  }

  /** The index has keys alone, so the entries are read by them. */
  async function ofObject(appId: string, object: string, page: object, before: string | undefined) {
    const byGroup = objectKey(appId, object);
    const { items: keys, next } = await table.query({
      ...page,
      IndexName: "byGroup",
      KeyConditionExpression: "byGroup = :object",
      values: { ":object": byGroup },
      after: before === undefined ? undefined : { pk: auditPk(appId), sk: before, byGroup, createdAt: timeIn(before) },
    });
    const found = await table.getMany(
      keys.map(({ sk }) => ({ pk: auditPk(appId), sk: String(sk) })),
      {
        consistent: false,
      },
    );
    const items = found.toSorted((a, b) => (String(a["sk"]) < String(b["sk"]) ? 1 : -1));
    const most = countWithin(items, LARGEST_PAGE);
    return most < items.length ? { items: items.slice(0, most), next: items[most - 1] } : { items, next };
  }

  /** For actions that change neither settings nor secrets. */
  async function record(appId: string, entry: NewEntry): Promise<void> {
    await table.put(itemOf(appId, entry));
  }

  /** Writes the next version of an item together with the entry. False if the item has another version. */
  async function replace(
    appId: string,
    { sk, version, fields }: { sk: string; version: number; fields: object },
    entry: NewEntry,
  ): Promise<boolean> {
    // Apart from the transaction: two first items of an app at the same time would be in each other's way.
    if (version === 0) await register.note([appId]);
    const item = { ...appKey(appId, sk), ...fields, version: version + 1 };
    const done = await table.transact([{ put: item, when: atVersion(version) }, { put: itemOf(appId, entry) }]);
    if (done.kind === "contended") throw table.unavailable("another transaction was in the way", done.cause);
    return done.kind === "written";
  }

  function itemOf(appId: string, entry: NewEntry): Item {
    const at = clock.now();
    const sk = `${iso(at)}#${clock.operationId()}`;
    const keys = { pk: auditPk(appId), sk, byGroup: objectKey(appId, entry.object), createdAt: timeIn(sk) };
    const expiry = keptFor > 0 && { expiresAt: expirySeconds(at + keptFor) };
    return { ...keys, ...expiry, at, ...entry, changes: bounded(entry.changes) };
  }

  return { list, record, replace };
}

/** The changes of an entry; where they are too large together, the larger ones are named without their values. */
function bounded(changes: AuditEntry["changes"]): AuditEntry["changes"] {
  if (lengthOf(changes) <= LARGEST_CHANGES) return changes;
  return changes.map((change) =>
    lengthOf(change) <= LARGEST_KEPT ? change : { field: change.field, from: null, to: null, omitted: true },
  );
}

function lengthOf(value: unknown): number {
  return JSON.stringify(value).length;
}

/** How many of the first items have that many characters together, at least one. */
function countWithin(items: readonly Item[], characters: number): number {
  let left = characters;
  const over = items.findIndex((item) => (left -= lengthOf(item)) < 0);
  return over === -1 ? items.length : Math.max(over, 1);
}

/** The key of an item of an app. */
export function appKey(appId: string, sk: string): ItemKey {
  return { pk: `APP#${appId}`, sk };
}

function auditPk(appId: string): string {
  return `AUDIT#${appId}`;
}

/** A schedule is a job, and is found as either. */
function objectKey(appId: string, object: string): string {
  return `${auditPk(appId)}#${object.replace(/^schedule:/, "job:")}`;
}

/** The time with which a sort key of the log begins. */
function timeIn(sk: string): EpochMs {
  return Date.parse(sk.slice(0, sk.indexOf("#")));
}

/** A job or a schedule as the object of an entry. */
export function jobObject(job: Pick<Job, "id" | "executionType">): string {
  return `${isSchedule(job) ? "schedule" : "job"}:${job.id}`;
}
