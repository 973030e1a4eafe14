import * as z from "zod";
import {
  inForce,
  passed,
  type AppLimits,
  type AppSettings,
  type SettingsInForce,
  type VersionedLimits,
  type VersionedSettings,
} from "../../store/app-settings.ts";
import { iso } from "../../clock.ts";
import { ClientError, badRequest } from "../../errors.ts";
import { callback, statusPolicy } from "../../executors/message-schema.ts";
import { refuseTarget } from "../../outbound/target-url.ts";
import { MASK } from "../../job/masking.ts";
import { callbackView } from "../../job/view.ts";
import { isUrlPattern } from "../../outbound/patterns.ts";
import type { ServiceParts } from "../../parts.ts";
import { enveloped, shownCallback, time } from "../http/answers.ts";
import { limitsShown, wakeJobs } from "./limits.ts";
import { destinationName } from "./destinations.ts";
import { appRoute, ok } from "./app-route.ts";

// The settings of an app, for its administrators.

const MOST_ENTRIES = 100;

const destinationLimits = z.strictObject({
  destination: destinationName,
  rateLimitPerSecond: z.number().min(0.01).max(1_000).nullable().default(null),
  maxConcurrency: z.int().min(1).max(200).nullable().default(null),
});

const settingsBody = z.strictObject({
  version: z.int().min(0),
  name: z.string().min(1).max(100).nullable().default(null),
  allowedCallbackUrls: z
    .array(
      z
        .string()
        .max(500)
        .refine(isUrlPattern, "expected https://host, with an optional port and path; the host may begin with *."),
    )
    .max(MOST_ENTRIES)
    .default([]),
  allowedFunctions: z
    .array(z.string().regex(/^[\w*$.:/-]{1,170}$/, "expected a function's name or URL, with * for any characters"))
    .max(MOST_ENTRIES)
    .default([]),
  onComplete: callback.nullable().default(null),
  retry: z.strictObject(statusPolicy).nullable().default(null),
  idempotency: z
    .enum(["request", "target"])
    .default("request")
    .describe("What a repeated key must not change: the request, but for its times; or only where it goes."),
  requestsPerSecond: z.int().min(1).max(1_000).nullable().default(null),
  maxConcurrentTasks: z.int().min(1).max(100).default(5),
  waitersPerApp: z.int().min(1).max(100).nullable().default(null),
  pdfPagesPerDay: z.int().min(0).max(1_000_000_000).nullable().default(null),
  userWebhooks: z
    .enum(["any", "permission"])
    .default("any")
    .describe("Who may have the ends of long PDF jobs told: any user, or those who may create jobs."),
  destinations: z
    .array(destinationLimits)
    .max(MOST_ENTRIES)
    .refine(
      (all) => new Set(all.map(({ destination }) => destination)).size === all.length,
      "names a destination twice: expected each once, with all its limits",
    )
    .default([]),
  paused: z.boolean().default(false),
});

/** All settings: fields with a default in a request are always present in an answer. */
const settingsShown = Object.fromEntries(
  Object.entries(settingsBody.shape).map(([name, field]) => [
    name,
    field instanceof z.ZodDefault ? field.unwrap() : field,
  ]),
);
const inForceShown = limitsShown
  .omit({ version: true })
  .describe("What holds of the two: the tighter one of each. Jobs start while neither has paused them.");
const secretShown = z.strictObject({ id: z.guid(), createdAt: time, expiresAt: time.nullable() });
const appShown = enveloped(
  z.strictObject({
    appId: z.guid(),
    ...settingsShown,
    onComplete: shownCallback.nullable(),
    limits: limitsShown,
    inForce: inForceShown,
    signingSecrets: z.array(secretShown),
  }),
).describe("The settings.");
/** The texts of the API document for the routes below. */
const about = {
  get: { id: "getApp", summary: "Shows an app's settings", answers: { 200: appShown } },
  put: {
    id: "putApp",
    summary: "Replaces an app's settings; what is left out gets its default",
    answers: { 200: appShown },
    refusals: ["CONFLICT"],
    body: settingsBody,
  },
} as const;

export const getApp = appRoute("GET", "", about.get, async ({ appId }, { apps, secrets }) => {
  return ok(await appView(appId, await apps.both(appId), secrets));
});

/** Replaces all settings; absent fields get their defaults. */
export const putApp = appRoute("PUT", "", about.put, async ({ appId, caller, body }, service) => {
  const { apps, secrets, rules } = service;
  const { version, ...settings } = body;
  refuseSettings(settings, rules.allowPrivateTargets);
  const { own: before, limits } = await apps.both(appId);
  refuseWider(before, settings, limits);
  const isCurrent = before.version === version && (await apps.change(before, appId, settings, caller.sub));
  if (!isCurrent) {
    const { version: current } = await apps.read(appId);
    throw new ClientError(
      "CONFLICT",
      `version is ${version}, but the settings are at ${current}; read them and try again`,
    );
  }
  await wakeJobs(appId, inForce(before, limits), inForce(settings, limits), service);
  return ok(await appView(appId, { own: { ...settings, version: version + 1 }, limits }, secrets));
});

function refuseSettings({ onComplete, allowedCallbackUrls }: AppSettings, allowPrivateTargets: boolean): void {
  if (!onComplete) return;
  const hidden = Object.entries(onComplete.headers).filter(([, value]) => value === MASK);
  if (hidden.length > 0 || [`=${MASK}`, `//${MASK}@`].some((mask) => onComplete.url.includes(mask))) {
    throw badRequest([
      {
        field: "onComplete",
        message: `holds ${MASK}, which stands for a credential that is not shown; give the credential`,
      },
    ]);
  }
  const refused = refuseTarget("onComplete.url", new URL(onComplete.url), { allowPrivateTargets, allowedCallbackUrls });
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

async function appView(
  appId: string,
  { own, limits }: { own: VersionedSettings; limits: VersionedLimits },
  secrets: ServiceParts["secrets"],
): Promise<object> {
  const { onComplete } = own;
  const signing = await secrets.list(appId);
  const held = inForce(own, limits);
  const names = Object.keys(inForceShown.shape) as (keyof SettingsInForce)[];
  return {
    appId,
    ...own,
    onComplete: onComplete && callbackView(onComplete),
    limits,
    inForce: Object.fromEntries(names.map((name) => [name, held[name]])),
    signingSecrets: signing.map(({ id, createdAt, expiresAt }) => ({
      id,
      createdAt: iso(createdAt),
      expiresAt: expiresAt === undefined ? null : iso(expiresAt),
    })),
  };
}
