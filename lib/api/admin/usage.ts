import * as z from "zod";
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
  from: day.describe("The first day, in UTC; default 30 days before the last.").optional(),
  to: day.describe("The last day; default today.").optional(),
});

const dayUsage = z.strictObject({
  date: day,
  jobs: z.int(),
  quickJobs: z.int(),
  longJobs: z.int(),
  completed: z.int(),
  failed: z.int().describe("Timeouts and cancelled ones among them."),
  pages: z.int(),
  bytes: z.int(),
  timeouts: z.int(),
  webhookFailures: z.int(),
  durationMs: z.strictObject({ p50: z.int().nullable(), p95: z.int().nullable() }),
});

const usage = z
  .strictObject({ approximate: z.literal(true), from: day, to: day, days: z.array(dayUsage) })
  .meta({ id: "Usage", description: "By the day on which jobs were asked for; days without any are left out." });

export const getUsage = route({
  key: "GET /v1/admin/apps/{appId}/usage",
  id: "getUsage",
  summary: "Counts an app's PDF jobs by day",
  answers: { 200: enveloped(usage).describe("The counts, some seconds behind.") },
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
