import * as z from "../../zod.ts";
import { iso } from "../../clock.ts";
import { badRequest } from "../../errors.ts";
import { pageOf, time } from "../http/answers.ts";
import { requireRole } from "../http/auth.ts";
import { envelope, route, type Answer } from "../http/http.ts";

// The apps of a deployment, for those who run it.

const appListed = z
  .strictObject({
    appId: z.guid(),
    name: z.nullable(z.string()).check(z.describe("By its settings.")),
    paused: z.boolean().check(z.describe("By its administrators or the operator: none of its jobs starts.")),
    since: time.check(z.describe("When the service first knew of it.")),
  })
  .register(z.globalRegistry, { id: "ListedApp" });

const listQuery = z.strictObject({
  limit: z._default(z.coerce.number().check(z.int(), z.minimum(1), z.maximum(100)), 50),
  cursor: z.optional(z.base64url().check(z.maxLength(100))),
});

export const listApps = route({
  key: "GET /v1/admin/apps",
  id: "listApps",
  summary: "Lists the apps that have settings, limits, a signing secret or a job, by their ids",
  answers: { 200: pageOf(appListed).check(z.describe("A page. A new app is in it some seconds after its first job.")) },
  access: (caller) => requireRole(caller, "PLATFORM_ADMIN"),
  query: listQuery,

  async handle({ query: { limit, cursor } }, { apps }): Promise<Answer> {
    const after = cursor === undefined ? undefined : appIn(cursor);
    const { found, next } = await apps.list({ limit, after });
    const items = found.map(({ since, ...app }) => ({ ...app, since: iso(since) }));
    const nextCursor = next === undefined ? null : Buffer.from(next).toString("base64url");
    return { status: 200, body: envelope({ items, nextCursor }) };
  },
});

function appIn(cursor: string): string {
  const appId = z.guid().safeParse(Buffer.from(cursor, "base64url").toString());
  if (appId.success) return appId.data;
  throw badRequest([{ field: "cursor", message: "is not a cursor of this list; take nextCursor of the page before" }]);
}
