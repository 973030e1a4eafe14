import * as z from "zod";
import { callback, statusPolicy } from "../../executors/message-schema.ts";
import { isUrlPattern } from "../../outbound/patterns.ts";
import { enveloped, shownCallback, time } from "../http/answers.ts";
import { destinationName } from "./destinations.ts";
import { limitsShown } from "./limits.ts";

// The settings of an app as they are posted, patched and shown.

export const MOST_ENTRIES = 100;

const ofDestination = {
  rateLimitPerSecond: z.number().min(0.01).max(1_000).nullable().default(null),
  maxConcurrency: z.int().min(1).max(200).nullable().default(null),
};

const destinationLimits = z.strictObject({ destination: destinationName, ...ofDestination });

const fields = {
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
  followRedirects: z
    .boolean()
    .default(false)
    .describe("Follow redirects with 307 or 308 to the same host by https, at most five in a row."),
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
};

/** The settings alone. */
export const settings = z.strictObject(fields);

// ---- Shown ----

const secretShown = z.strictObject({ id: z.guid(), createdAt: time, expiresAt: time.nullable() });

export const inForceShown = limitsShown
  .omit({ version: true })
  .describe("What holds of the two: the tighter one of each. Jobs start while neither has paused them.");

const beside = {
  appId: z.guid(),
  limits: limitsShown,
  inForce: inForceShown,
  signingSecrets: z.array(secretShown),
};

/** Fields with a default in a request are always present in an answer. */
const bare = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.unwrap()]));

export const appShown = enveloped(
  z.strictObject({ version: z.int(), ...bare, onComplete: shownCallback.nullable(), ...beside }),
).describe("The settings.");

// ---- Posted ----

/** What is shown beside the settings: an answer can be edited and sent back. */
const ignored = z.unknown().optional().describe("Ignored: as `GET` shows it.");
const readOnly = Object.fromEntries(Object.keys(beside).map((name) => [name, ignored])) as Record<
  keyof typeof beside,
  typeof ignored
>;

export const putBody = z.strictObject({ version: z.int().min(0), ...fields, ...readOnly });

export const version = z.int().min(0).describe("That you have read: if the settings have another by now, 409.");

const patchedCallback = z
  .strictObject({
    url: callback.shape.url.optional(),
    headers: z.record(z.string(), z.string().nullable()).nullable().optional(),
    on: callback.shape.on.unwrap().nullable().optional(),
  })
  .nullable();

const patchedPolicy = z
  .strictObject({ final: statusPolicy.final.nullable(), retryOn: statusPolicy.retryOn.nullable() })
  .nullable();

const patched = Object.fromEntries(
  Object.entries(fields).map(([name, field]) => [name, field.unwrap().nullable().optional()]),
);

export const patchBody = z
  .strictObject({
    version: version.optional(),
    ...patched,
    onComplete: patchedCallback.optional(),
    retry: patchedPolicy.optional(),
    ...readOnly,
  })
  .meta({ id: "PatchSettings", description: "A merge patch (RFC 7396): null gives a setting its default." });

/** The limits of one destination; `destination` may stand there as it is shown. */
export const destinationBody = z
  .strictObject({
    version: version.optional(),
    destination: z.string().max(2_048).describe("As in the path, or left out.").optional(),
    ...ofDestination,
  })
  .meta({ id: "DestinationLimits", description: "Null: no limit." });
