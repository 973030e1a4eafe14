import {
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  TransactWriteItemsCommand,
  TransactionCanceledException,
  UpdateItemCommand,
  type AttributeValue,
} from "@aws-sdk/client-dynamodb";
import { marshall, unmarshall } from "@aws-sdk/util-dynamodb";
import { randomBytes } from "node:crypto";
import { askOf } from "../aws.ts";
import { cached, remember } from "./cached.ts";
import { DAY, SECOND, iso, type Clock, type EpochMs } from "../clock.ts";
import type { Table } from "./table.ts";
import { ClientError, Unavailable } from "../errors.ts";
import { MARSHALL, type Item } from "./job-item.ts";
import { callbackView } from "../job/view.ts";
import type { Sealer } from "./sealer.ts";
import type { Callback } from "../job/message.ts";

/** What the administrators of an app have decided. An app exists once a token names it; these are its defaults. */
export interface AppSettings {
  readonly name: string | null;
  /** Where its jobs may go: origins with an optional path prefix, `*.` for any host below. Empty: any public https. */
  readonly allowedCallbackUrls: readonly string[];
  /** Which of the deployment's functions its jobs may invoke, with `*` for any characters. Empty: all of them. */
  readonly allowedFunctions: readonly string[];
  /** Of jobs that ask for none themselves. */
  readonly onComplete: Callback | null;
  /** How many requests of the app are answered; null: all of them. */
  readonly requestsPerSecond: number | null;
  /** How many tasks of the app run at once. */
  readonly maxConcurrentTasks: number;
  /** How many pages of PDFs the app may have rendered on a day of UTC; null: any number. */
  readonly pdfPagesPerDay: number | null;
  /** Where fewer attempts may go than the service makes. */
  readonly destinations: readonly DestinationLimits[];
  /** Jobs are accepted and kept, and none starts. */
  readonly paused: boolean;
}

/** Null: no limit. */
export interface DestinationLimits {
  /** An origin or a function's name. */
  readonly destination: string;
  readonly rateLimitPerSecond: number | null;
  readonly maxConcurrency: number | null;
}

export const DEFAULT_SETTINGS: AppSettings = {
  name: null,
  allowedCallbackUrls: [],
  allowedFunctions: [],
  onComplete: null,
  requestsPerSecond: null,
  maxConcurrentTasks: 5,
  pdfPagesPerDay: null,
  destinations: [],
  paused: false,
};

/** As read: `version` is 0 until somebody changes them, and then counts the changes. */
export interface VersionedSettings extends AppSettings {
  readonly version: number;
}

/** A key by which receivers verify what an app sends. The secret itself is sealed. Real time. */
export interface SigningSecret {
  readonly id: string;
  readonly createdAt: number;
  /** Set when a newer one has taken over: until then both sign. */
  readonly expiresAt?: number;
}

export interface AuditEntry {
  readonly at: EpochMs;
  /** The `sub` of the token. */
  readonly by: string;
  readonly action: string;
  readonly changes: readonly { readonly field: string; readonly from: unknown; readonly to: unknown }[];
}

interface SealedSecret extends SigningSecret {
  readonly sealed: Uint8Array;
}

interface Secrets {
  readonly version: number;
  readonly list: readonly SealedSecret[];
}

const TABLE = "The jobs table";
/** How long an older secret goes on signing beside the newer one. */
const OVERLAP = DAY;
const SECRET_BYTES = 32;
/** However often they rotate, a receiver's header holds no more signatures than these. */
const MOST_SECRETS = 5;
const MOST_TRIES = 5;

export type AppStore = ReturnType<typeof createAppStore>;

export function createAppStore(parts: { table: Table; clock: Clock; sealer: Sealer }) {
  const { clock, sealer } = parts;
  const table = parts.table.name;
  const { dynamodb } = parts.table;
  const settingsOf = cached(clock, read);
  const keysOf = cached(clock, readKeys);
  const exceeded = new Map<string, number>();

  /** The settings as they are now. */
  async function read(appId: string): Promise<VersionedSettings> {
    const { pk: _, sk: __, ...stored } = await item(appId, "SETTINGS");
    return { version: 0, ...DEFAULT_SETTINGS, ...stored };
  }

  /** Changes settings that are still of a version, and records who did. False if they are of another by now. */
  async function change(before: VersionedSettings, appId: string, to: AppSettings, by: string): Promise<boolean> {
    const changes = (Object.keys(to) as (keyof AppSettings)[])
      .filter((field) => JSON.stringify(before[field]) !== JSON.stringify(to[field]))
      .map((field) => ({ field, from: shown(before)[field], to: shown(to)[field] }));
    const stored = { ...to, version: before.version + 1 };
    return write(appId, "SETTINGS", before.version, stored, { by, action: "settings.changed", changes });
  }

  /** Throws TOO_MANY_REQUESTS when an app that has a limit has reached it in this second. */
  async function admit(appId: string, requests = 1): Promise<void> {
    const { requestsPerSecond } = await settingsOf(appId);
    if (requestsPerSecond === null || requests === 0) return;
    const second = Math.floor(clock.realNow() / SECOND);
    const message = `The app's requestsPerSecond of ${requestsPerSecond} is reached; try again in a second`;
    const over = new ClientError("TOO_MANY_REQUESTS", message);
    // What this container has seen exceeded need not be counted any further.
    if (exceeded.get(appId) === second) throw over;
    const count = new UpdateItemCommand({
      TableName: table,
      // Apart from the app's settings, which its deliveries read.
      Key: marshall({ pk: `RATE#${appId}#${second}`, sk: "RATE" }),
      UpdateExpression: "SET expiresAt = :expiry ADD requests :one",
      ExpressionAttributeValues: marshall({ ":expiry": second + 60, ":one": requests }),
      ReturnValues: "UPDATED_NEW",
    });
    const { Attributes } = await askOf(TABLE, dynamodb().send(count));
    if (Number(Attributes?.["requests"]?.N) <= requestsPerSecond) return;
    remember(exceeded, appId, second);
    throw over;
  }

  /**
   * Makes a new signing secret; the ones before go on signing for 24 hours. The secret can't be read
   * again. Throws CONFLICT when there are five already.
   */
  async function rotate(appId: string, by: string): Promise<SigningSecret & { secret: string }> {
    const bytes = randomBytes(SECRET_BYTES);
    const made = await newSecret(appId, bytes);
    await changeSecrets(appId, by, { to: made.id }, (list) => {
      if (list.length === MOST_SECRETS) {
        const message = `${MOST_SECRETS} secrets sign already, the older ones for 24 hours after the next; delete one first`;
        throw new ClientError("CONFLICT", message);
      }
      const until = made.createdAt + OVERLAP;
      return [made, ...list.map((older) => ({ ...older, expiresAt: Math.min(older.expiresAt ?? until, until) }))];
    });
    return { id: made.id, createdAt: made.createdAt, secret: `whsec_${bytes.toString("base64")}` };
  }

  async function newSecret(appId: string, bytes: Uint8Array): Promise<SealedSecret> {
    return { id: clock.uuid(), createdAt: clock.realNow(), sealed: await sealer.seal(appId, bytes) };
  }

  /** Takes a signing secret back at once. False if there is none of this id. */
  async function removeSecret(appId: string, id: string, by: string): Promise<boolean> {
    return changeSecrets(appId, by, { from: id }, (list) =>
      list.some((secret) => secret.id === id) ? list.filter((secret) => secret.id !== id) : undefined,
    );
  }

  /** The secrets that sign now, the newest first. */
  async function secrets(appId: string): Promise<readonly SigningSecret[]> {
    return (await readSecrets(appId)).list;
  }

  /** The keys that sign what an app sends now, the newest first. An app's first send makes one. */
  async function readKeys(appId: string): Promise<Uint8Array[]> {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const { list } = await readSecrets(appId);
      if (list.length > 0) return Promise.all(list.map(({ sealed }) => sealer.open(appId, sealed)));
      const made = await newSecret(appId, randomBytes(SECRET_BYTES));
      // Only where there is none; whoever was faster has made the one to read.
      await changeSecrets(appId, "first send", { to: made.id }, (there) => (there.length > 0 ? undefined : [made]));
    }
    throw new Unavailable(TABLE, new Error("the signing secret is changing too fast"));
  }

  /** Those that have not expired. */
  async function readSecrets(appId: string): Promise<Secrets> {
    const { version = 0, list = [] } = (await item(appId, "SECRETS")) as Partial<Secrets>;
    const now = clock.realNow();
    return { version, list: list.filter(({ expiresAt = Infinity }) => expiresAt > now) };
  }

  /** Changes the list of secrets, looking again when somebody else was faster. False if there is nothing to change. */
  async function changeSecrets(
    appId: string,
    by: string,
    { from = null, to = null }: { from?: string | null; to?: string | null },
    make: (list: readonly SealedSecret[]) => readonly SealedSecret[] | undefined,
  ): Promise<boolean> {
    const action = to === null ? "signing-secret.deleted" : "signing-secret.created";
    const entry = { by, action, changes: [{ field: "signingSecrets", from, to }] };
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const { version, list } = await readSecrets(appId);
      const changed = make(list);
      if (!changed) return false;
      if (await write(appId, "SECRETS", version, { version: version + 1, list: changed }, entry)) return true;
    }
    throw new ClientError("CONFLICT", "The signing secrets are changing too fast; try again");
  }

  /** Where a user's long PDF jobs tell their end. */
  async function webhookOf(appId: string, userId: string): Promise<string | null> {
    const { webhookUrl = null } = (await item(appId, userKey(userId))) as { webhookUrl?: string | null };
    return webhookUrl;
  }

  /** Changes that; answers with what it was. */
  async function setWebhook(appId: string, userId: string, webhookUrl: string | null): Promise<string | null> {
    const command = new PutItemCommand({ ...put(appId, userKey(userId), { webhookUrl }), ReturnValues: "ALL_OLD" });
    const { Attributes } = await askOf(TABLE, dynamodb().send(command));
    return Attributes?.["webhookUrl"]?.S ?? null;
  }

  /** Who changed what and when, newest first; `before` is the key of the last one seen. */
  async function audit(appId: string, limit: number, before?: string) {
    const query = new QueryCommand({
      TableName: table,
      KeyConditionExpression: "pk = :pk AND sk BETWEEN :first AND :last",
      ExpressionAttributeValues: marshall({ ":pk": pkOf(appId), ":first": "AUDIT#", ":last": "AUDIT#~" }),
      ScanIndexForward: false,
      Limit: limit,
      ...(before !== undefined && { ExclusiveStartKey: marshall({ pk: pkOf(appId), sk: before }) }),
    });
    const { Items = [], LastEvaluatedKey } = await askOf(TABLE, dynamodb().send(query));
    const entries = Items.map((found) => unmarshall(found) as unknown as AuditEntry);
    return { entries, next: LastEvaluatedKey?.["sk"]?.S };
  }

  /** Writes down who did what, where that is not a change of settings or secrets. */
  async function record(appId: string, entry: Omit<AuditEntry, "at">): Promise<void> {
    await askOf(TABLE, dynamodb().send(new PutItemCommand(auditPut(appId, entry))));
  }

  function auditPut(appId: string, entry: Omit<AuditEntry, "at">) {
    const at = clock.now();
    return put(appId, `AUDIT#${iso(at)}#${clock.operationId()}`, { at, ...entry });
  }

  function put(appId: string, sk: string, fields: object): { TableName: string; Item: Record<string, AttributeValue> } {
    return { TableName: table, Item: marshall({ pk: pkOf(appId), sk, ...fields }, MARSHALL) };
  }

  async function item(appId: string, sk: string): Promise<Item> {
    const get = new GetItemCommand({ TableName: table, Key: marshall({ pk: pkOf(appId), sk }), ConsistentRead: true });
    const { Item: found } = await askOf(TABLE, dynamodb().send(get));
    return found ? unmarshall(found) : {};
  }

  /** Puts an item that is still of a version, along with who did and what. */
  async function write(
    appId: string,
    sk: string,
    version: number,
    stored: object,
    entry: Omit<AuditEntry, "at">,
  ): Promise<boolean> {
    const versioned = {
      ConditionExpression: version === 0 ? "attribute_not_exists(pk)" : "version = :version",
      ...(version > 0 && { ExpressionAttributeValues: marshall({ ":version": version }) }),
    };
    const TransactItems = [{ Put: { ...put(appId, sk, stored), ...versioned } }, { Put: auditPut(appId, entry) }];
    try {
      await askOf(TABLE, dynamodb().send(new TransactWriteItemsCommand({ TransactItems })));
    } catch (error) {
      if (!(error instanceof TransactionCanceledException)) throw error;
      const isOutdated = error.CancellationReasons?.some(({ Code }) => Code === "ConditionalCheckFailed");
      if (isOutdated) return false;
      throw new Unavailable(TABLE, error);
    }
    settingsOf.forget(appId);
    keysOf.forget(appId);
    return true;
  }

  return {
    read,
    change,
    admit,
    rotate,
    removeSecret,
    secrets,
    webhookOf,
    setWebhook,
    audit,
    record,
    settingsOf,
    keysOf,
  };
}

/** Settings without credentials: an audit log is read for longer than they are valid. */
function shown(settings: AppSettings): AppSettings {
  const { onComplete } = settings;
  return { ...settings, onComplete: onComplete && callbackView(onComplete) };
}

function userKey(userId: string): string {
  return `USER#${userId}`;
}

function pkOf(appId: string): string {
  return `APP#${appId}`;
}
