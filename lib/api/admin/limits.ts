import * as z from "../../zod.ts";
import { ClientError } from "../../errors.ts";
import type { ServiceParts } from "../../parts.ts";
import {
  LIMITS,
  LIMIT_NAMES,
  describeLimit,
  inForce,
  type AppLimits,
  type SettingsInForce,
} from "../../store/app-settings.ts";
import { enveloped } from "../http/answers.ts";
import { requireRole } from "../http/auth.ts";
import { envelope, route, type Answer } from "../http/http.ts";
import { PATCH_TYPES, mergePatch } from "../http/merge-patch.ts";
import { appInPath } from "./app-path.ts";

// What the operator allows an app, apart from the settings of the app's own administrators.

const numbers = Object.fromEntries(
  LIMIT_NAMES.map((name) => {
    const { least, most } = LIMITS[name];
    return [name, z.nullable(z.int().check(z.minimum(least), z.maximum(most))).check(z.describe(describeLimit(name)))];
  }),
);
const paused = z.boolean().check(z.describe("The operator's own pause, which the app's administrators can't end."));

const given = {
  version: z.optional(
    z.int().check(z.minimum(0), z.describe("Of the limits that you have read: if they have another by now, 409.")),
  ),
  ...Object.fromEntries(Object.entries(numbers).map(([name, number]) => [name, z.optional(number)])),
};
const limitsBody = z
  .strictObject({ ...given, paused: z.optional(paused) })
  .register(z.globalRegistry, { id: "PutLimits" });
const patchBody = z.strictObject({ ...given, paused: z.optional(z.nullable(paused)) }).register(z.globalRegistry, {
  id: "PatchLimits",
  description:
    "A merge patch (RFC 7396): null gives a limit its default. `PUT` is for no limit where there is a default.",
});

/** The fields of limits in an answer. */
export const limitsShown = z.strictObject({ version: z.int(), ...numbers, paused }).register(z.globalRegistry, {
  id: "Limits",
  description: "What the operator allows the app, with the deployment's defaults.",
});

const answer = enveloped(limitsShown).check(z.describe("The limits."));

export const getLimits = route({
  key: "GET /v1/admin/apps/{appId}/limits",
  id: "getLimits",
  summary: "Shows what the operator allows an app",
  answers: { 200: answer },
  access: (caller) => requireRole(caller, "APP_ADMIN"),

  async handle({ path, caller }, { apps }): Promise<Answer> {
    const { limits } = await apps.both(appInPath(path["appId"], caller));
    return { status: 200, body: envelope(limits) };
  },
});

export const putLimits = route({
  key: "PUT /v1/admin/apps/{appId}/limits",
  id: "putLimits",
  summary: "Replaces what the operator allows an app; what is left out gets its default",
  answers: { 200: answer },
  refusals: ["CONFLICT"],
  access: (caller) => requireRole(caller, "PLATFORM_ADMIN"),
  body: limitsBody,

  async handle({ path, caller, body }, service): Promise<Answer> {
    const { version, ...limits } = body as Given;
    return change({ appId: appInPath(path["appId"], caller), sub: caller.sub, version, wanted: () => limits }, service);
  },
});

export const patchLimits = route({
  key: "PATCH /v1/admin/apps/{appId}/limits",
  id: "patchLimits",
  summary: "Changes some of what the operator allows an app and leaves the rest as it is",
  answers: { 200: answer },
  refusals: ["CONFLICT"],
  access: (caller) => requireRole(caller, "PLATFORM_ADMIN"),
  body: patchBody,
  bodyTypes: PATCH_TYPES,
  examples: () => ({ "a pause": { paused: true }, "a limit": { concurrencyPerApp: 5 } }),

  async handle({ path, caller, body }, service): Promise<Answer> {
    const { version, ...patch } = body as Given;
    const wanted = (set: Partial<AppLimits>) => mergePatch(set, patch) as Partial<AppLimits>;
    return change({ appId: appInPath(path["appId"], caller), sub: caller.sub, version, wanted }, service);
  },
});

type Given = Partial<AppLimits> & { readonly version?: number };

interface Change {
  readonly appId: string;
  readonly sub: string;
  readonly version: number | undefined;
  readonly wanted: (set: Partial<AppLimits>) => Partial<AppLimits>;
}

async function change({ appId, sub, version, wanted }: Change, service: ServiceParts): Promise<Answer> {
  const { apps } = service;
  const before = await apps.both(appId);
  const limits = await apps.limit(appId, { wanted, version }, sub);
  if ("current" in limits) {
    const message = `version is ${version}, but the limits are at ${limits.current}; read them and try again`;
    throw new ClientError("CONFLICT", message);
  }
  await wakeJobs(appId, inForce(before.own, before.limits), inForce(before.own, limits), service);
  return { status: 200, body: envelope(limits) };
}

/** Lets the jobs that waited for settings or limits go on at the next sweep. */
export async function wakeJobs(
  appId: string,
  before: SettingsInForce,
  after: SettingsInForce,
  { backlogs }: Pick<ServiceParts, "backlogs">,
): Promise<void> {
  const mayGoOn = before.paused && !after.paused;
  if (mayGoOn) await backlogs.wake({ appId, backlog: "app" });
  if (mayGoOn || after.maxConcurrentTasks > before.maxConcurrentTasks) await backlogs.wake({ appId, backlog: "slot" });
}
