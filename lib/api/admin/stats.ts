import * as z from "../../zod.ts";
import { SECOND } from "../../clock.ts";
import { enveloped } from "../http/answers.ts";
import { stats } from "../http/stats-answer.ts";
import { appOf, requireRole } from "../http/auth.ts";
import { envelope, route } from "../http/http.ts";

/** The counts of an app's jobs, and the backlog of the service. */
export const getStats = route({
  key: "GET /v1/admin/stats",
  id: "getStats",
  summary: "Counts an app's jobs of the last hour and day",
  answers: { 200: enveloped(stats).check(z.describe("The counts, some seconds behind.")) },
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  query: z.strictObject({ appId: z.optional(z.guid().check(z.toLowerCase())) }),

  async handle({ query, caller }, { counting, store, clock }) {
    const { stats: counters } = await counting();
    const [windows, oldest] = await Promise.all([counters.of(appOf(caller, query.appId)), store.oldestDue()]);
    const now = clock.now();
    const oldestDueAgeSeconds = Math.floor(Math.max(now - (oldest ?? now), 0) / SECOND);
    return { status: 200, body: envelope({ approximate: true, oldestDueAgeSeconds, ...windows }) };
  },
});
