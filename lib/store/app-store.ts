import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../clock.ts";
import { ClientError } from "../errors.ts";
import { lateObject } from "../job/at-first-use.ts";
import { callbackView } from "../job/view.ts";
import {
  DEFAULT_LIMITS,
  DEFAULT_SETTINGS,
  inForce,
  type AppLimits,
  type AppSettings,
  type SettingsInForce,
  type VersionedLimits,
  type VersionedSettings,
} from "./app-settings.ts";
import { createAppRegister, type AppRegister } from "./app-register.ts";
import { appKey, createAudit, type Audit, type NewEntry } from "./audit.ts";
import { cached } from "./cached.ts";
import type { Sealer } from "./sealer.ts";
import { createRates } from "./rates.ts";
import type { SigningSecrets } from "./signing-secrets.ts";
import type { Item, Table } from "./table.ts";
import { createUserWebhooks } from "./user-webhooks.ts";

export type AppStore = ReturnType<typeof createAppStore>;

interface StoresParts {
  readonly table: Table;
  readonly clock: Clock;
  readonly sealer: Sealer;
  /** How long entries of the audit log are kept, in ms. Default 0: for good. */
  readonly auditKeptFor?: number;
  /** The limits of apps for which the operator has set none, where they are not the default ones. */
  readonly limits?: Partial<AppLimits>;
}

/** The stores that keep what belongs to an app. */
export function createAppStores({ table, clock, sealer, auditKeptFor = 0, limits = {} }: StoresParts) {
  const register = createAppRegister({ table, clock });
  const audit = createAudit({ table, clock, keptFor: auditKeptFor, register });
  const secrets = lateObject(async () =>
    (await import("./signing-secrets.ts")).createSigningSecrets({ table, clock, sealer, audit }),
  );
  return {
    apps: createAppStore({ table, clock, audit, secrets, register, unset: { ...DEFAULT_LIMITS, ...limits } }),
    register,
    secrets,
    audit,
  };
}

interface Parts {
  readonly table: Table;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly secrets: Pick<SigningSecrets, "keysOf">;
  readonly register: AppRegister;
  readonly unset: AppLimits;
}

/** The items of an app's settings and of its limits, between which there is no other: one query reads both. */
const SETTINGS = "SETTINGS";
const LIMITS = `${SETTINGS}#LIMITS`;
const MOST_TRIES = 5;
const SETTING_NAMES = Object.keys(DEFAULT_SETTINGS) as (keyof AppSettings)[];

/** `settingsOf` and `keysOf` are cached for ten seconds, since every attempt needs them. */
function createAppStore({ table, clock, audit, secrets, register, unset }: Parts) {
  const settingsOf = cached(clock, async (appId: string): Promise<SettingsInForce> => {
    const { own, limits } = await both(appId);
    return inForce(own, limits);
  });

  /** The app's own settings and the operator's limits, as they are now. `set`: the limits that the operator has set. */
  async function both(
    appId: string,
  ): Promise<{ own: VersionedSettings; limits: VersionedLimits; set: Partial<AppLimits> }> {
    const { pk } = appKey(appId, SETTINGS);
    const items = await table.queryAll({
      KeyConditionExpression: "pk = :pk AND sk BETWEEN :settings AND :limits",
      values: { ":pk": pk, ":settings": SETTINGS, ":limits": LIMITS },
      ConsistentRead: true,
    });
    const own = { version: 0, ...DEFAULT_SETTINGS, ...fieldsIn(items, SETTINGS) };
    const { version = 0, ...set } = fieldsIn(items, LIMITS) as Partial<VersionedLimits>;
    return { own, limits: { version, ...unset, ...set }, set };
  }

  /** The app's own settings as they are now. */
  async function read(appId: string): Promise<VersionedSettings> {
    return (await both(appId)).own;
  }

  /** Also writes an entry of the audit log: this one, or what was changed. False if the settings have another version. */
  async function change(
    before: VersionedSettings,
    appId: string,
    given: AppSettings,
    by: string,
    entry?: Omit<NewEntry, "by">,
  ): Promise<boolean> {
    const to = settingsIn(given);
    const item = { sk: SETTINGS, version: before.version, fields: to };
    const said = entry ?? { action: "settings.changed", object: "settings", changes: changesOf(before, to) };
    const changed = await audit.replace(appId, item, { by, ...said });
    if (changed) settingsOf.forget(appId);
    return changed;
  }

  /**
   * Changes the operator's limits to what `wanted` makes of those that are set; the others have their defaults. Also
   * writes an entry of the audit log. Returns the version that stands in the way of `version`, if it was given, or the
   * limits.
   */
  async function limit(
    appId: string,
    { wanted, version }: { wanted: (set: Partial<AppLimits>) => Partial<AppLimits>; version?: number | undefined },
    by: string,
  ): Promise<VersionedLimits | { readonly current: number }> {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const { limits: before, set } = await both(appId);
      if (version !== undefined && version !== before.version) return { current: before.version };
      const fields = wanted(set);
      const to = { ...unset, ...fields };
      const item = { sk: LIMITS, version: before.version, fields };
      const said = { action: "limits.changed", object: "limits", changes: changedLimits(before, to) };
      const isChanged = await audit.replace(appId, item, { by, ...said });
      if (!isChanged) continue;
      settingsOf.forget(appId);
      return { ...to, version: before.version + 1 };
    }
    throw new ClientError("CONFLICT", "The limits are changing too fast; try again");
  }

  return {
    settingsOf,
    keysOf: secrets.keysOf,
    both,
    list: async (page: Page) => listApps(page, { table, register }),
    read,
    change,
    limit,
    ...createRates({ table, clock, settingsOf }),
    ...createUserWebhooks({ table, clock }),
  };
}

/** The fields of an item without its key; none where it is missing. */
function fieldsIn(items: readonly Item[], key: string): Item {
  const { pk: _, sk: __, ...fields } = items.find(({ sk }) => sk === key) ?? {};
  return fields;
}

function changedLimits(before: AppLimits, to: AppLimits): NewEntry["changes"] {
  const names = Object.keys(to) as (keyof AppLimits)[];
  const changed = names.filter((name) => before[name] !== to[name]);
  return changed.map((field) => ({ field, from: before[field], to: to[field] }));
}

/** The settings alone. */
export function settingsIn(given: AppSettings): AppSettings {
  return Object.fromEntries(SETTING_NAMES.map((name) => [name, given[name]])) as unknown as AppSettings;
}

function changesOf(before: AppSettings, to: AppSettings): NewEntry["changes"] {
  const changed = SETTING_NAMES.filter((field) => !isDeepStrictEqual(before[field], to[field]));
  return changed.map((field) => ({ field, from: shown(before)[field], to: shown(to)[field] }));
}

interface Page {
  readonly limit: number;
  /** The last app of the page before. */
  readonly after?: string | undefined;
}

/** A page of all apps, by their ids: one query, and the items of their settings and limits. */
async function listApps(page: Page, { table, register }: Pick<Parts, "table" | "register">) {
  const { apps, next } = await register.list(page);
  const keys = apps.flatMap(({ appId }) => [appKey(appId, SETTINGS), appKey(appId, LIMITS)]);
  const items = await table.getMany(keys, { consistent: false });
  const of = (appId: string, key: string): Item => {
    const { pk } = appKey(appId, key);
    return items.find((item) => item["pk"] === pk && item["sk"] === key) ?? {};
  };
  const found = apps.map(({ appId, since }) => {
    const { name = null, paused = false } = of(appId, SETTINGS) as Partial<AppSettings>;
    return { appId, name, paused: paused || of(appId, LIMITS)["paused"] === true, since };
  });
  return { found, next };
}

/** Settings without credentials: an audit log is read for longer than they are valid. */
function shown(settings: AppSettings): AppSettings {
  const { onComplete } = settings;
  return { ...settings, onComplete: onComplete && callbackView(onComplete) };
}
