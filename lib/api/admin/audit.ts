import * as z from "../../zod.ts";
import { iso } from "../../clock.ts";
import { badRequest } from "../../errors.ts";
import { pageOf, time } from "../http/answers.ts";
import { appRoute, ok } from "./app-route.ts";

// The audit log of an app.

const change = z.strictObject({
  field: z.string(),
  from: z.unknown(),
  to: z.unknown(),
  omitted: z.optional(
    z.literal(true).check(z.describe("The values are not kept: they were too large, or were the body of a job.")),
  ),
});

const auditEntry = z.strictObject({
  at: time,
  by: z.string(),
  action: z.string(),
  object: z.nullable(z.string()).check(z.describe("What was changed, as `object` of the query names it.")),
  changes: z.array(change),
});

/** The longest ids are the keys of uploads; a key of an index has at most 2,048 bytes. */
const LONGEST_OBJECT = 1_200;

const auditQuery = z.strictObject({
  limit: z._default(z.coerce.number().check(z.int(), z.minimum(1), z.maximum(100)), 50),
  cursor: z.optional(z.base64url().check(z.maxLength(200))),
  object: z.optional(
    z.string().check(
      z.regex(
        /^(?:settings|limits|(?:job|schedule|secret|destination|webhook|upload):.+)$/s,
        "expected settings, limits, or one of job, schedule, secret, destination, webhook, upload with an id: job:<id>",
      ),
      z.refine(
        (object) => Buffer.byteLength(object) <= LONGEST_OBJECT,
        `must not be longer than ${LONGEST_OBJECT} bytes`,
      ),
      z.describe(
        "Entries about one object alone: `job:<id>`, `schedule:<id>`, `settings`, `limits`, `secret:<id>`, `destination:<name>`, `webhook:<user>`, `upload:<fileKey>`.",
      ),
    ),
  ),
});

const about = {
  id: "listAudit",
  summary: "Lists who changed what and when, newest first",
  answers: { 200: pageOf(auditEntry).check(z.describe("A page.")) },
  query: auditQuery,
};

export const listAudit = appRoute("GET", "/audit", about, async ({ appId, query }, { audit }) => {
  const before = query.cursor === undefined ? undefined : Buffer.from(query.cursor, "base64url").toString();
  if (before !== undefined && !isPlace(before)) {
    throw badRequest([
      { field: "cursor", message: "is not a cursor of this list; take nextCursor of the page before" },
    ]);
  }
  const { limit, object } = query;
  const { entries, next } = await audit.list(appId, { limit, before, object });
  const items = entries.map(({ at, object: of, ...entry }) => {
    const { by, action, changes } = entry;
    return { at: iso(at), by, action, object: of ?? null, changes };
  });
  return ok({ items, nextCursor: next === undefined ? null : Buffer.from(next).toString("base64url") });
});

/** The time of an entry and its number, as in its sort key. */
function isPlace(text: string): boolean {
  const [, time = ""] = /^(\d{4}-[\w:.-]+Z)#[\w-]+$/.exec(text) ?? [];
  return !Number.isNaN(Date.parse(time));
}
