import { SECOND, type Clock } from "../clock.ts";
import { ClientError } from "../errors.ts";
import type { Callback } from "../job/message.ts";
import { callbackView } from "../job/view.ts";
import { appKey, createAudit, type Audit } from "./audit.ts";
import { cached, remember } from "./cached.ts";
import type { Sealer } from "./sealer.ts";
import { createSigningSecrets, type SigningSecrets } from "./signing-secrets.ts";
import type { ItemKey, Table } from "./table.ts";

/** Set by the administrators of an app. An app exists once a token names it. */
export interface AppSettings {
  readonly name: string | null;
  /** Allowed targets: origins with an optional path prefix, `*.` for any host below. Empty: any public https. */
  readonly allowedCallbackUrls: readonly string[];
  /** The deployment's functions that its jobs may invoke, with `*` for any characters. Empty: all of them. */
  readonly allowedFunctions: readonly string[];
  /** The callback of jobs that name none themselves. */
  readonly onComplete: Callback | null;
  /** Null: no limit. */
  readonly requestsPerSecond: number | null;
  /** The most tasks of the app that run at once. Default: 5. */
  readonly maxConcurrentTasks: number;
  /** The most requests of the app that wait for news at once. Null: the deployment's, by default 20. */
  readonly waitersPerApp: number | null;
  /** Days are of UTC; null: no limit. */
  readonly pdfPagesPerDay: number | null;
  /** The destinations that have a limit of their own. */
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
  waitersPerApp: null,
  pdfPagesPerDay: null,
  destinations: [],
  paused: false,
};

/** `version` counts the changes: 0 while the defaults apply. */
export interface VersionedSettings extends AppSettings {
  readonly version: number;
}

/** The retention of a counter of requests after its second. */
const RATE_KEPT_SECONDS = 60;

export type AppStore = ReturnType<typeof createAppStore>;

interface StoresParts {
  readonly table: Table;
  readonly clock: Clock;
  readonly sealer: Sealer;
  /** How long entries of the audit log are kept, in ms. Default 0: for good. */
  readonly auditKeptFor?: number;
}

/** The stores that keep what belongs to an app. */
export function createAppStores({ table, clock, sealer, auditKeptFor = 0 }: StoresParts) {
  const audit = createAudit({ table, clock, keptFor: auditKeptFor });
  const secrets = createSigningSecrets({ table, clock, sealer, audit });
  return { apps: createAppStore({ table, clock, audit, secrets }), secrets, audit };
}

interface Parts {
  readonly table: Table;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly secrets: Pick<SigningSecrets, "keysOf">;
}

/** `settingsOf` and `keysOf` are cached for ten seconds, since every attempt needs them. */
function createAppStore({ table, clock, audit, secrets }: Parts) {
  const settingsOf = cached(clock, read);
  /** The second in which an app was last refused. */
  const exceeded = new Map<string, number>();

  /** The settings as they are now. */
  async function read(appId: string): Promise<VersionedSettings> {
    const { pk: _, sk: __, ...stored } = (await table.get(appKey(appId, "SETTINGS"))) ?? {};
    return { version: 0, ...DEFAULT_SETTINGS, ...stored };
  }

  /** Also writes an entry of the audit log. False if the settings have another version. */
  async function change(before: VersionedSettings, appId: string, to: AppSettings, by: string): Promise<boolean> {
    const changes = (Object.keys(to) as (keyof AppSettings)[])
      .filter((field) => JSON.stringify(before[field]) !== JSON.stringify(to[field]))
      .map((field) => ({ field, from: shown(before)[field], to: shown(to)[field] }));
    const item = { sk: "SETTINGS", version: before.version, fields: to };
    const changed = await audit.replace(appId, item, { by, action: "settings.changed", object: "settings", changes });
    if (changed) settingsOf.forget(appId);
    return changed;
  }

  /** Throws TOO_MANY_REQUESTS when an app that has a limit has reached it in this second. */
  async function admit(appId: string, requests = 1): Promise<void> {
    const { requestsPerSecond } = await settingsOf(appId);
    if (requestsPerSecond === null || requests === 0) return;
    const second = Math.floor(clock.realNow() / SECOND);
    const message = `The app's requestsPerSecond of ${requestsPerSecond} is reached; try again in a second`;
    const over = new ClientError("TOO_MANY_REQUESTS", message);
    // An excess that this container has seen needs no further count.
    if (exceeded.get(appId) === second) throw over;
    const count = {
      UpdateExpression: "SET expiresAt = :expiry ADD requests :one",
      values: { ":expiry": second + RATE_KEPT_SECONDS, ":one": requests },
    };
    const { item } = await table.update(rateKey(appId, second), count, "ALL_NEW");
    if (Number(item?.["requests"]) <= requestsPerSecond) return;
    remember(exceeded, appId, second);
    throw over;
  }

  /** The URL that is told when a long PDF job of the user ends. */
  async function webhookOf(appId: string, userId: string): Promise<string | null> {
    const found = (await table.get(userKey(appId, userId))) as { webhookUrl?: string | null } | undefined;
    return found?.webhookUrl ?? null;
  }

  /** Returns the URL that it replaces. */
  async function setWebhook(appId: string, userId: string, webhookUrl: string | null): Promise<string | null> {
    const before = await table.replace({ ...userKey(appId, userId), webhookUrl });
    return (before as { webhookUrl?: string | null } | undefined)?.webhookUrl ?? null;
  }

  return { settingsOf, keysOf: secrets.keysOf, read, change, admit, webhookOf, setWebhook };
}

/** Settings without credentials: an audit log is read for longer than they are valid. */
function shown(settings: AppSettings): AppSettings {
  const { onComplete } = settings;
  return { ...settings, onComplete: onComplete && callbackView(onComplete) };
}

/** Apart from the app's settings, so that counting does not contend with the reads of its deliveries. */
function rateKey(appId: string, second: number): ItemKey {
  return { pk: `RATE#${appId}#${second}`, sk: "RATE" };
}

function userKey(appId: string, userId: string): ItemKey {
  return appKey(appId, `USER#${userId}`);
}
