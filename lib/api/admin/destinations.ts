import * as z from "../../zod.ts";
import type { DestinationLimits } from "../../store/app-settings.ts";
import { backlogTo } from "../../job/backlog.ts";
import { holding, type Circuit } from "../../flow/circuit.ts";
import { iso } from "../../clock.ts";
import { ClientError, badRequest } from "../../errors.ts";
import { enveloped, pageOf, time } from "../http/answers.ts";
import { appOf, requireRole } from "../http/auth.ts";
import { envelope, route, type Answer } from "../http/http.ts";

// The destinations of an app that have failed lately or are held.

const LONGEST_NAME = 300;

/** A function's name, or an origin in the normal form of a URL parser. */
export const destinationName = z
  .pipe(
    z.string().check(z.maxLength(LONGEST_NAME)),
    z.transform((given) => (/^https?:\/\//i.test(given) && URL.canParse(given) ? bare(new URL(given)) : given)),
  )
  .check(
    z.refine((name) => /^[\w-]{1,64}$/.test(name) || /^https?:\/\/[^/?#@]+$/.test(name), {
      error:
        "expected an origin such as https://hooks.example.com, with http:// or https:// and without a path, or a function's name",
    }),
  );

/** The origin if the URL has nothing more; else the whole URL, which no destination equals. */
function bare(url: URL): string {
  return url.href === `${url.origin}/` ? url.origin : url.href;
}

const destinationShown = z
  .strictObject({
    destination: z.string(),
    state: z.enum(["closed", "open", "held"]),
    since: z.nullable(time),
    consecutiveFailures: z.int().check(z.describe("At most 20.")),
    lastFailureAt: z.nullable(time),
    lastError: z.nullable(z.string()),
    nextProbeAt: z.nullable(time).check(z.describe("Of an open one, at the earliest.")),
    rateLimitPerSecond: z.nullable(z.number()),
    maxConcurrency: z.nullable(z.int()),
  })
  .register(z.globalRegistry, { id: "Destination" });

const listQuery = z.strictObject({
  appId: z.optional(z.guid().check(z.toLowerCase())),
  limit: z._default(z.coerce.number().check(z.int(), z.minimum(1), z.maximum(100)), 50),
  cursor: z.optional(z.base64url().check(z.maxLength(500))),
});

/** Only destinations that have failed lately or are held; all others are healthy. */
export const listDestinations = route({
  key: "GET /v1/admin/destinations",
  id: "listDestinations",
  summary: "Lists the destinations that have failed lately or are held",
  answers: { 200: pageOf(destinationShown).check(z.describe("By name; what is not listed works as it should.")) },
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  query: listQuery,

  async handle({ query, caller }, { destinations, apps }): Promise<Answer> {
    const appId = appOf(caller, query.appId);
    const after = query.cursor === undefined ? undefined : nameIn(query.cursor);
    const { found, next } = await destinations.list(appId, query.limit, after);
    const { destinations: limits } = await apps.read(appId);
    const items = found.map(({ destination, circuit }) => view(destination, circuit, limits));
    return ok({ items, nextCursor: next === undefined ? null : Buffer.from(next).toString("base64url") });
  },
});

const namedBody = z.strictObject({ appId: z.optional(z.guid().check(z.toLowerCase())), destination: destinationName });

/** What runs goes on; other processes know of the hold within ten seconds. Only `resumeDestination` ends it. */
export const holdDestination = route({
  key: "POST /v1/admin/destinations/hold",
  id: "holdDestination",
  summary: "Lets an app's jobs to a destination wait until it is resumed",
  answers: {
    200: enveloped(destinationShown).check(
      z.describe("It is held: no job starts there from ten seconds later, and waiting uses up no retry."),
    ),
  },
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  body: namedBody,
  examples: () => ({ "a partner that is down": { destination: "https://hooks.example.com" } }),

  async handle({ body, caller }, { destinations, apps, audit, clock }): Promise<Answer> {
    const { destination } = body;
    const appId = appOf(caller, body.appId);
    const before = await destinations.read({ appId, destination });
    if (before?.state !== "held") {
      const changes = [{ field: destination, from: before?.state ?? "closed", to: "held" }];
      const object = `destination:${destination}`;
      await audit.record(appId, { by: caller.sub, action: "destination.held", object, changes });
    }
    const held = await destinations.change({ appId, destination }, (known) => holding(known, clock.now()));
    const { destinations: limits } = await apps.read(appId);
    return ok(view(destination, held, limits));
  },
});

/** Ends a hold or an outage at once. Waiting jobs go out with the next sweep. */
export const resumeDestination = route({
  key: "POST /v1/admin/destinations/resume",
  id: "resumeDestination",
  summary: "Lets an app's jobs go to a destination again",
  answers: {
    200: enveloped(destinationShown).check(z.describe("It is closed; what waits goes out within a minute or two.")),
  },
  refusals: ["NOT_FOUND"],
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  body: namedBody,

  async handle({ body, caller }, { destinations, apps, audit, backlogs }): Promise<Answer> {
    const { destination } = body;
    const appId = appOf(caller, body.appId);
    const before = await destinations.read({ appId, destination });
    if (!before) throw new ClientError("NOT_FOUND", "No such destination is held or has failed lately");
    const changes = [{ field: destination, from: before.state, to: "closed" }];
    const object = `destination:${destination}`;
    await audit.record(appId, { by: caller.sub, action: "destination.resumed", object, changes });
    await destinations.change({ appId, destination }, () => undefined);
    await backlogs.wake({ appId, backlog: backlogTo(destination) });
    const { destinations: limits } = await apps.read(appId);
    return ok(view(destination, undefined, limits));
  },
});

function view(destination: string, circuit: Circuit | undefined, limits: readonly DestinationLimits[]): object {
  const { rateLimitPerSecond = null, maxConcurrency = null } =
    limits.find((each) => each.destination === destination) ?? {};
  const lastFailureAt = circuit?.failures.at(-1);
  return {
    destination,
    state: circuit?.state ?? "closed",
    since: circuit ? iso(circuit.since) : null,
    consecutiveFailures: circuit?.failures.length ?? 0,
    lastFailureAt: lastFailureAt === undefined ? null : iso(lastFailureAt),
    lastError: circuit?.lastError ?? null,
    nextProbeAt: circuit?.state === "open" && circuit.probeAt !== undefined ? iso(circuit.probeAt) : null,
    rateLimitPerSecond,
    maxConcurrency,
  };
}

function nameIn(cursor: string): string {
  const name = Buffer.from(cursor, "base64url").toString();
  if (destinationName.safeParse(name).data === name) return name;
  throw badRequest([{ field: "cursor", message: "is not a cursor of this list; take nextCursor of the page before" }]);
}

function ok(data: unknown): Answer {
  return { status: 200, body: envelope(data) };
}
