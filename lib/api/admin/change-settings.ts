import { iso } from "../../clock.ts";
import { ClientError, badRequest } from "../../errors.ts";
import { unmaskedCallback } from "../../job/unmasking.ts";
import { callbackView } from "../../job/view.ts";
import { refuseTarget } from "../../outbound/target-url.ts";
import type { ServiceParts } from "../../parts.ts";
import {
  inForce,
  passed,
  type AppLimits,
  type AppSettings,
  type SettingsInForce,
  type VersionedLimits,
  type VersionedSettings,
} from "../../store/app-settings.ts";
import { settingsIn } from "../../store/app-store.ts";
import type { NewEntry } from "../../store/audit.ts";
import { wakeJobs } from "./limits.ts";
import { inForceShown } from "./settings-body.ts";

// A change of an app's settings: whole, by a patch, or of one destination.

interface Change {
  readonly appId: string;
  /** Of the token. */
  readonly sub: string;
  /** That the caller has read. Without it, the change is made to the settings as they are. */
  readonly version: number | undefined;
  /** The settings that are wanted. They may hold masks. Throws a `ClientError`. */
  readonly wanted: (before: VersionedSettings) => AppSettings;
  /** What the entry of the audit log says. Default: that the settings were changed, field by field. */
  readonly entry?: (before: AppSettings, to: AppSettings) => Omit<NewEntry, "by">;
}

const MOST_TRIES = 5;

/** Returns the app's view after the change. Throws CONFLICT for a version that is not the current one. */
export async function changeSettings(change: Change, service: ServiceParts): Promise<object> {
  const { appId, sub, version, wanted, entry } = change;
  const { apps, rules } = service;
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const { own: before, limits } = await apps.both(appId);
    if (version !== undefined && version !== before.version) throw stale(version, before.version);
    const to = withStored(settingsIn(wanted(before)), before);
    await refuseCallback(to, rules.allowPrivateTargets);
    refuseWider(before, to, limits);
    if (!(await apps.change(before, appId, to, sub, entry?.(before, to)))) continue;
    await wakeJobs(appId, inForce(before, limits), inForce(to, limits), service);
    return appView(appId, { own: { ...to, version: before.version + 1 }, limits }, service.secrets);
  }
  throw new ClientError("CONFLICT", "The settings are changing too fast; try again");
}

function stale(asked: number, current: number): ClientError {
  const message = `version is ${asked}, but the settings are at ${current}; read them and try again`;
  return new ClientError("CONFLICT", message);
}

function withStored(to: AppSettings, before: AppSettings): AppSettings {
  if (!to.onComplete) return to;
  const { value: onComplete, problems } = unmaskedCallback(to.onComplete, before.onComplete, "onComplete");
  if (problems.length > 0) throw badRequest(problems);
  return { ...to, onComplete };
}

async function refuseCallback(
  { onComplete, allowedCallbackUrls }: AppSettings,
  allowPrivateTargets: boolean,
): Promise<void> {
  if (!onComplete) return;
  const refused = await refuseTarget("onComplete.url", new URL(onComplete.url), {
    allowPrivateTargets,
    allowedCallbackUrls,
  });
  if (refused.length > 0) throw badRequest(refused);
}

/** Throws BAD_REQUEST for a setting that would be wider than the operator's limit. */
function refuseWider(before: AppSettings, to: AppSettings, limits: AppLimits): void {
  const problems = passed(before, to, limits).map((field) => {
    const asked = (to as unknown as Record<string, unknown>)[field];
    return {
      field,
      message: `is ${String(asked)}, and the operator allows at most ${limits[field]}: take that or less`,
    };
  });
  if (problems.length > 0) throw badRequest(problems);
}

export async function appView(
  appId: string,
  { own, limits }: { own: VersionedSettings; limits: VersionedLimits },
  secrets: ServiceParts["secrets"],
): Promise<object> {
  const signing = await secrets.list(appId);
  const held = inForce(own, limits);
  const names = Object.keys(inForceShown.shape) as (keyof SettingsInForce)[];
  return {
    appId,
    ...shownSettings(own),
    limits,
    inForce: Object.fromEntries(names.map((name) => [name, held[name]])),
    signingSecrets: signing.map(({ id, createdAt, expiresAt }) => ({
      id,
      createdAt: iso(createdAt),
      expiresAt: expiresAt === undefined ? null : iso(expiresAt),
    })),
  };
}

/** Settings with their credentials masked. */
export function shownSettings(own: VersionedSettings): VersionedSettings {
  return { ...own, onComplete: own.onComplete && callbackView(own.onComplete) };
}
