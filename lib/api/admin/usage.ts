import * as z from "../../zod.ts";
import { DAY, isoDay, type Clock } from "../../clock.ts";
import { badRequest } from "../../errors.ts";
import { enveloped } from "../http/answers.ts";
import { appInPath } from "./app-path.ts";
import { requireRole } from "../http/auth.ts";
import { envelope, route, type Answer } from "../http/http.ts";

// The PDFs that an app has made, by day.

const day = z.iso.date();
const MOST_DAYS = 366;
const SHOWN_UNASKED = 30;

const usageQuery = z.strictObject({
  from: z.optional(day.check(z.describe("The first day, in UTC; default 30 days before the last."))),
  to: z.optional(day.check(z.describe("The last day; default today."))),
});

const dayUsage = z.strictObject({
  date: day,
  jobs: z.int(),
  quickJobs: z.int(),
  longJobs: z.int(),
  completed: z.int(),
  failed: z.int().check(z.describe("Timeouts and cancelled ones among them.")),
  pages: z.int(),
  bytes: z.int(),
  timeouts: z.int(),
  webhookFailures: z.int(),
  durationMs: z.strictObject({ p50: z.nullable(z.int()), p95: z.nullable(z.int()) }),
});

const usage = z
  .strictObject({ approximate: z.literal(true), from: day, to: day, days: z.array(dayUsage) })
  .register(z.globalRegistry, {
    id: "Usage",
    description: "By the day on which jobs were asked for; days without any are left out.",
  });

export const getUsage = route({
  key: "GET /v1/admin/apps/{appId}/usage",
  id: "getUsage",
  summary: "Counts an app's PDF jobs by day",
  answers: { 200: enveloped(usage).check(z.describe("The counts, some seconds behind.")) },
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  query: usageQuery,

  async handle({ path, caller, query }, service): Promise<Answer> {
    const appId = appInPath(path["appId"], caller);
    const { from, to } = rangeOf(query, service.clock);
    const days = await (await service.usage()).of(appId, from, to);
    return { status: 200, body: envelope({ approximate: true, from, to, days }) };
  },
});

function rangeOf(query: z.infer<typeof usageQuery>, clock: Clock): { from: string; to: string } {
  const to = query.to ?? isoDay(clock.now());
  const from = query.from ?? isoDay(Date.parse(to) - SHOWN_UNASKED * DAY);
  const days = (Date.parse(to) - Date.parse(from)) / DAY + 1;
  if (days < 1)
    throw badRequest([{ field: "from", message: `is after ${to}: expected the same day or an earlier one` }]);
  if (days > MOST_DAYS)
    throw badRequest([{ field: "from", message: `is ${days} days before ${to}: expected at most ${MOST_DAYS}` }]);
  return { from, to };
}
