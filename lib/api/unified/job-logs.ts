import * as z from "../../zod.ts";
import { ClientError, badRequest } from "../../errors.ts";
import { isTask, type Job } from "../../job/job.ts";
import type { ServiceParts } from "../../parts.ts";
import type { LogLine } from "../../tasks/log-items.ts";
import type { LogLevel } from "../../tasks/task.ts";
import { pageOf } from "../http/answers.ts";
import { appOf, isPlatformAdmin, requireRole, type Caller } from "../http/auth.ts";
import { envelope, route, type Answer } from "../http/http.ts";
import { SHOWN_LEVELS, fileJobLog, logView } from "../tasks/files-view.ts";

// The log of any task of an app, for its administrators.

const jobLog = z
  .strictObject({
    number: z.int().check(z.describe("Of the line among all of the job, from 1.")),
    ...fileJobLog.shape,
  })
  .register(z.globalRegistry, { id: "JobLog", description: "A line that a task has logged." });

const logsQuery = z
  .strictObject({
    level: z.optional(z.enum(SHOWN_LEVELS)),
    order: z._default(z.enum(["oldest", "newest"]), "oldest").check(z.describe("Which lines come first.")),
    after: z.optional(
      z.coerce
        .number()
        .check(
          z.int(),
          z.minimum(0),
          z.maximum(1_000_000),
          z.describe("Only lines after the one of this `number`, oldest first: to follow a log that grows."),
        ),
    ),
    limit: z._default(z.coerce.number().check(z.int(), z.minimum(1), z.maximum(200)), 100),
    cursor: z.optional(z.base64url().check(z.maxLength(200))),
  })
  .check(
    z.refine(({ after, order }) => after === undefined || order === "oldest", {
      path: ["after"],
      error: "goes with the order oldest alone; leave order out",
    }),
  );

type Asked = z.infer<typeof logsQuery>;

export const listJobLogs = route({
  key: "GET /v1/admin/jobs/{id}/logs",
  id: "listJobLogs",
  summary: "Lists what a task has logged; it is kept for 30 days",
  answers: { 200: pageOf(jobLog).check(z.describe("A page; none of a job that is no task.")) },
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  query: logsQuery,

  async handle({ path, caller, query }, service): Promise<Answer> {
    const job = await jobOfApp(path["id"], caller, service);
    const { lines, next } = isTask(job) ? await page(job, query, service) : { lines: [], next: undefined };
    const items = lines.map((line) => ({ number: line.number + 1, ...logView(job.id, line) }));
    return { status: 200, body: envelope({ items, nextCursor: next === undefined ? null : cursorAt(next, query) }) };
  },
});

async function jobOfApp(id: string | undefined, caller: Caller, { store }: ServiceParts): Promise<Job> {
  const appId = appOf(caller);
  const parsed = z.guid().check(z.toLowerCase()).safeParse(id);
  const job = parsed.success ? await store.get(parsed.data) : undefined;
  if (!job || (job.appId !== appId && !isPlatformAdmin(caller))) throw new ClientError("NOT_FOUND", "No such job");
  return job;
}

interface Found {
  readonly lines: readonly LogLine[];
  /** Where the next page begins, or of the newest first: ends. */
  readonly next: number | undefined;
}

/** A place counts from the oldest line, so that it stays where it is while the log grows. */
async function page(job: Job, query: Asked, { taskLog }: Pick<ServiceParts, "taskLog">): Promise<Found> {
  const { order, limit, after, cursor } = query;
  const level = query.level?.toLowerCase() as LogLevel | undefined;
  const place = cursor === undefined ? undefined : placeIn(cursor, query);
  if (order === "oldest") {
    const from = place ?? (after === undefined ? 0 : await taskLog.countAmong(job, level, after));
    const { lines, total } = await taskLog.read(job, { level, offset: from, limit });
    return { lines, next: from + limit < total ? from + limit : undefined };
  }
  if (place === undefined) {
    const { lines, total } = await taskLog.read(job, { level, newestFirst: true, offset: 0, limit });
    return { lines, next: total > limit ? total - limit : undefined };
  }
  const from = Math.max(0, place - limit);
  const { lines } = await taskLog.read(job, { level, offset: from, limit: place - from });
  return { lines: lines.toReversed(), next: from > 0 ? from : undefined };
}

/** Good for the same level and order alone. */
function cursorAt(place: number, { level, order }: Asked): string {
  return Buffer.from(`${level ?? ""}.${order}.${place}`).toString("base64url");
}

function placeIn(cursor: string, { level, order }: Asked): number {
  const [ofLevel, ofOrder, place = ""] = Buffer.from(cursor, "base64url").toString().split(".");
  if (ofLevel === (level ?? "") && ofOrder === order && /^\d{1,7}$/.test(place)) return Number(place);
  const message =
    "is not a cursor of this list; take nextCursor of the page before and leave level and order as they were";
  throw badRequest([{ field: "cursor", message }]);
}
