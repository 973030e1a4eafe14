import * as z from "../../zod.ts";
import { callback, statusPolicy } from "../../executors/message-schema.ts";
import { isUrlPattern } from "../../outbound/patterns.ts";
import { enveloped, shownCallback, time } from "../http/answers.ts";
import { destinationName } from "./destinations.ts";
import { limitsShown } from "./limits.ts";

// The settings of an app as they are posted, patched and shown.

export const MOST_ENTRIES = 100;

const ofDestination = {
  rateLimitPerSecond: z._default(z.nullable(z.number().check(z.minimum(0.01), z.maximum(1_000))), null),
  maxConcurrency: z._default(z.nullable(z.int().check(z.minimum(1), z.maximum(200))), null),
};

const destinationLimits = z.strictObject({ destination: destinationName, ...ofDestination });

const fields = {
  name: z._default(z.nullable(z.string().check(z.minLength(1), z.maxLength(100))), null),
  allowedCallbackUrls: z._default(
    z
      .array(
        z
          .string()
          .check(
            z.maxLength(500),
            z.refine(isUrlPattern, "expected https://host, with an optional port and path; the host may begin with *."),
          ),
      )
      .check(z.maxLength(MOST_ENTRIES)),
    [],
  ),
  allowedFunctions: z._default(
    z
      .array(
        z
          .string()
          .check(z.regex(/^[\w*$.:/-]{1,170}$/, "expected a function's name or URL, with * for any characters")),
      )
      .check(z.maxLength(MOST_ENTRIES)),
    [],
  ),
  followRedirects: z
    ._default(z.boolean(), false)
    .check(z.describe("Follow redirects with 307 or 308 to the same host by https, at most five in a row.")),
  onComplete: z._default(z.nullable(callback), null),
  retry: z._default(z.nullable(z.strictObject(statusPolicy)), null),
  idempotency: z
    ._default(z.enum(["request", "target"]), "request")
    .check(z.describe("What a repeated key must not change: the request, but for its times; or only where it goes.")),
  requestsPerSecond: z._default(z.nullable(z.int().check(z.minimum(1), z.maximum(1_000))), null),
  maxConcurrentTasks: z._default(z.int().check(z.minimum(1), z.maximum(100)), 5),
  waitersPerApp: z._default(z.nullable(z.int().check(z.minimum(1), z.maximum(100))), null),
  pdfPagesPerDay: z._default(z.nullable(z.int().check(z.minimum(0), z.maximum(1_000_000_000))), null),
  userWebhooks: z
    ._default(z.enum(["any", "permission"]), "any")
    .check(z.describe("Who may have the ends of long PDF jobs told: any user, or those who may create jobs.")),
  destinations: z._default(
    z.array(destinationLimits).check(
      z.maxLength(MOST_ENTRIES),
      z.refine(
        (all) => new Set(all.map(({ destination }) => destination)).size === all.length,
        "names a destination twice: expected each once, with all its limits",
      ),
    ),
    [],
  ),
  paused: z._default(z.boolean(), false),
};

/** The settings alone. */
export const settings = z.strictObject(fields);

// ---- Shown ----

const secretShown = z.strictObject({ id: z.guid(), createdAt: time, expiresAt: z.nullable(time) });

const { version: _, ...inForce } = limitsShown.shape;
export const inForceShown = z
  .strictObject(inForce)
  .check(z.describe("What holds of the two: the tighter one of each. Jobs start while neither has paused them."));

const beside = {
  appId: z.guid(),
  limits: limitsShown,
  inForce: inForceShown,
  signingSecrets: z.array(secretShown),
};

/** Fields with a default in a request are always present in an answer. */
const bare = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.def.innerType]));

export const appShown = enveloped(
  z.strictObject({ version: z.int(), ...bare, onComplete: z.nullable(shownCallback), ...beside }),
).check(z.describe("The settings."));

// ---- Posted ----

/** What is shown beside the settings: an answer can be edited and sent back. */
const ignored = z.optional(z.unknown()).check(z.describe("Ignored: as `GET` shows it."));
const readOnly = Object.fromEntries(Object.keys(beside).map((name) => [name, ignored])) as Record<
  keyof typeof beside,
  typeof ignored
>;

export const putBody = z.strictObject({ version: z.int().check(z.minimum(0)), ...fields, ...readOnly });

export const version = z
  .int()
  .check(z.minimum(0), z.describe("That you have read: if the settings have another by now, 409."));

const patchedCallback = z.nullable(
  z.strictObject({
    url: z.optional(callback.shape.url),
    headers: z.optional(z.nullable(z.record(z.string(), z.nullable(z.string())))),
    on: z.optional(z.nullable(callback.shape.on.def.innerType)),
  }),
);

const patchedPolicy = z.nullable(
  z.strictObject({ final: z.nullable(statusPolicy.final), retryOn: z.nullable(statusPolicy.retryOn) }),
);

const patched = Object.fromEntries(
  Object.entries(fields).map(([name, field]) => [name, z.optional(z.nullable(field.def.innerType))]),
);

export const patchBody = z
  .strictObject({
    version: z.optional(version),
    ...patched,
    onComplete: z.optional(patchedCallback),
    retry: z.optional(patchedPolicy),
    ...readOnly,
  })
  .register(z.globalRegistry, {
    id: "PatchSettings",
    description: "A merge patch (RFC 7396): null gives a setting its default.",
  });

/** The limits of one destination; `destination` may stand there as it is shown. */
export const destinationBody = z
  .strictObject({
    version: z.optional(version),
    destination: z.optional(z.string().check(z.maxLength(2_048), z.describe("As in the path, or left out."))),
    ...ofDestination,
  })
  .register(z.globalRegistry, { id: "DestinationLimits", description: "Null: no limit." });
