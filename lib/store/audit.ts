import { iso, type Clock, type EpochMs } from "../clock.ts";
import { atVersion, expirySeconds, hasExpired, type Item, type ItemKey, type Table } from "./table.ts";

// The audit log of an app: who changed what, and when. An item that only administrators change is written together
// with its entry, so that neither is there without the other. The log has a partition of its own: the app's has the
// settings and secrets that every delivery reads.

export interface AuditEntry {
  readonly at: EpochMs;
  /** The `sub` of the token. */
  readonly by: string;
  readonly action: string;
  readonly changes: readonly { readonly field: string; readonly from: unknown; readonly to: unknown }[];
}

/** An entry gets its time when it is written. */
export type NewEntry = Omit<AuditEntry, "at">;

export type Audit = ReturnType<typeof createAudit>;

interface Parts {
  readonly table: Table;
  readonly clock: Clock;
  /** How long entries are kept, in ms; 0 keeps them for good. */
  readonly keptFor: number;
}

export function createAudit({ table, clock, keptFor }: Parts) {
  /** Newest first; `before` is the `next` of the page before. */
  async function list(appId: string, limit: number, before?: string) {
    const { items, next } = await table.query({
      KeyConditionExpression: "pk = :pk",
      values: { ":pk": auditPk(appId) },
      ScanIndexForward: false,
      Limit: limit,
      after: before === undefined ? undefined : { pk: auditPk(appId), sk: before },
    });
    const kept = items.filter((item) => !hasExpired(item, clock.now()));
    return { entries: kept as unknown as AuditEntry[], next: next && String(next["sk"]) };
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
    const item = { ...appKey(appId, sk), ...fields, version: version + 1 };
    const done = await table.transact([{ put: item, when: atVersion(version) }, { put: itemOf(appId, entry) }]);
    if (done.kind === "contended") throw table.unavailable("another transaction was in the way", done.cause);
    return done.kind === "written";
  }

  function itemOf(appId: string, entry: NewEntry): Item {
    const at = clock.now();
    const key = { pk: auditPk(appId), sk: `${iso(at)}#${clock.operationId()}` };
    return { ...key, ...(keptFor > 0 && { expiresAt: expirySeconds(at + keptFor) }), at, ...entry };
  }

  return { list, record, replace };
}

/** The key of an item of an app. */
export function appKey(appId: string, sk: string): ItemKey {
  return { pk: `APP#${appId}`, sk };
}

function auditPk(appId: string): string {
  return `AUDIT#${appId}`;
}
