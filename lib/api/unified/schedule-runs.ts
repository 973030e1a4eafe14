import * as z from "../../zod.ts";
import { DAY, iso, type EpochMs } from "../../clock.ts";
import { badRequest } from "../../errors.ts";
import { EXECUTION_TYPES } from "../../executors/index.ts";
import { executionTypeFor } from "../../executors/by-type.ts";
import { runFields } from "../../executors/schedule-schema.ts";
import type { ScheduleExecution } from "../../executors/schedule-schema.ts";
import { firstRun, runAfter } from "../../executors/schedule-times.ts";
import { dateTime } from "../../job/date-time.ts";
import { SCHEDULE } from "../../job/job.ts";
import type { Message } from "../../job/message.ts";
import { parseExpression } from "../../job/schedule-expression.ts";
import { entityOf } from "../../job/view.ts";
import { runsKey } from "../../store/job-keys.ts";
import { anyOf, type JobFilter } from "../../job/job-filter.ts";
import { listJobs } from "../../store/job-list.ts";
import { merged } from "../../store/merge.ts";
import { enveloped, jobEntity, pageOf, time } from "../http/answers.ts";
import { appOf, requireRole, type Caller } from "../http/auth.ts";
import { envelope, route, type Answer } from "../http/http.ts";
import { decodeCursor, encodeCursor } from "../http/pagination.ts";
import { noSuchSchedule, record, scheduleAt } from "./schedule-changes.ts";
import { expression, expressionOf, timezone } from "./schedule-request.ts";
import { STATES, rowOf, scheduleShown, scheduleView, stateOf, timesFrom } from "./schedule-view.ts";
import { appQuery } from "./schedules.ts";

// The list of schedules, their runs, a run that is asked for, and when an expression would run.

const access = (caller: Caller) => requireRole(caller, "APP_ADMIN");
const page = {
  limit: z._default(z.coerce.number().check(z.int(), z.minimum(1), z.maximum(100)), 50),
  cursor: z.optional(z.string().check(z.maxLength(2_048))),
};

// ---- GET /v1/schedules ----

const listQuery = z.strictObject({
  ...appQuery.shape,
  state: z.optional(anyOf(z.enum(STATES))),
  host: z.optional(
    z
      .string()
      .check(
        z.maxLength(300),
        z.describe("What its jobs call: a host such as `hooks.example.com`, or a function's name."),
      ),
  ),
  ...page,
});

export const listSchedules = route({
  key: "GET /v1/schedules",
  id: "listSchedules",
  summary: "Lists an app's schedules, newest first",
  answers: { 200: pageOf(scheduleShown).check(z.describe("A page; it may be short, or empty, before the last one.")) },
  access,
  query: listQuery,
  repeated: { state: "," },

  async handle({ query, caller }, { store, clock }): Promise<Answer> {
    const { state, host, limit, cursor } = query;
    const appId = appOf(caller, query.appId);
    const states = state && [state].flat();
    const status = states && !states.includes("ENDED") ? (["PENDING"] as const) : undefined;
    const filter: JobFilter = { appId, status, executionType: [SCHEDULE], created: {} };
    const listed = { ...filter, state, host };
    const position = cursor === undefined ? undefined : decodeCursor(cursor, listed);
    const { jobs, next } = await listJobs(store, filter, EXECUTION_TYPES, limit, position);
    const found = jobs.filter((job) => states === undefined || states.includes(stateOf(job)));
    const messages = await Promise.all(found.map(async (job) => store.message(job)));
    const ids = found.flatMap(({ targetJobId }) => targetJobId ?? []);
    const last = new Map((await store.getMany(ids, { consistent: false })).map((job) => [job.id, job]));
    const fitting = await Promise.all(messages.map(async (message) => isTo(message, host)));
    const items = found.flatMap((job, at) => {
      const message = messages[at];
      if (!message || !fitting[at]) return [];
      return [rowOf(scheduleView(job, message, last.get(job.targetJobId ?? ""), clock.now()))];
    });
    return ok({ items, nextCursor: next ? encodeCursor(next, listed) : null });
  },
});

async function isTo(message: Message, host: string | undefined): Promise<boolean> {
  if (host === undefined) return true;
  const { execution } = (message.execution as ScheduleExecution).targetJob;
  const { destination } = (await executionTypeFor(execution)).terms(execution, 0);
  if (destination === undefined) return false;
  if (!URL.canParse(destination)) return destination === host;
  const url = new URL(destination);
  return [url.host, url.hostname, url.origin].includes(host.toLowerCase());
}

// ---- GET /v1/schedules/{key}/runs ----

export const listRuns = route({
  key: "GET /v1/schedules/{key}/runs",
  id: "listRuns",
  summary: "Lists the jobs that a schedule has made, newest first",
  answers: { 200: pageOf(jobEntity).check(z.describe("A page; it may be short, since jobs expire.")) },
  access,
  query: z.strictObject({ ...appQuery.shape, ...page }),

  async handle({ path, query, caller }, service): Promise<Answer> {
    const { limit, cursor } = query;
    const appId = appOf(caller, query.appId);
    const { id } = await scheduleAt(path["key"], { appId, caller, service });
    const filter = { appId, created: {}, schedule: id };
    const position = cursor === undefined ? undefined : decodeCursor(cursor, filter);
    const sources = [{ index: "byGroup", key: runsKey(id), created: {} } as const];
    const { entries, next } = await merged(service.store, sources, { limit, most: limit }, position);
    const ids = entries.map((entry) => entry.id);
    const jobs = await service.store.getMany(ids, { consistent: false });
    const items = jobs.filter((job) => job.parentJobId === id).map((job) => entityOf(job));
    return ok({ items, nextCursor: next ? encodeCursor(next, filter) : null });
  },
});

// ---- POST /v1/schedules/{key}/run ----

const LATEST_RUN = 365 * DAY;

const runBody = z._default(
  z.strictObject({
    at: z.optional(
      dateTime.check(
        z.describe(
          "The time that the run is for, at most a year ahead: it starts then, or at once if that has passed.",
        ),
      ),
    ),
  }),
  {},
);

export const runSchedule = route({
  key: "POST /v1/schedules/{key}/run",
  id: "runSchedule",
  summary: "Makes a run that the expression does not ask for, also while the schedule is paused",
  answers: {
    200: enveloped(jobEntity).check(z.describe("The job of this run, which was there already.")),
    201: enveloped(jobEntity).check(z.describe("The job of the run. It does not count towards `maxRuns`.")),
  },
  refusals: ["CONFLICT"],
  idempotent: true,
  access,
  query: appQuery,
  body: runBody,
  examples: () => ({ now: {}, "for a time that was missed": { at: "2026-11-29T02:00:00+09:00" } }),

  async handle({ path, query, body, caller, headers }, service): Promise<Answer> {
    const schedule = await scheduleAt(path["key"], { appId: appOf(caller, query.appId), caller, service });
    const at = body.at === undefined ? undefined : Date.parse(body.at);
    if (at !== undefined && at > service.clock.now() + LATEST_RUN)
      throw badRequest([{ field: "at", message: "is more than a year ahead" }]);
    const ran = await service.engine.runSchedule(schedule.id, { at, key: headers["idempotency-key"] });
    if (!ran) throw noSuchSchedule();
    const { job, isNew } = ran;
    const shown = envelope(entityOf(job));
    if (!isNew) return { status: 200, body: shown, headers: { "idempotent-replayed": "true" } };
    await record(schedule, "schedule.run", [{ field: "run", from: null, to: job.id }], caller, service);
    return { status: 201, body: shown };
  },
});

// ---- POST /v1/schedules/preview ----

const previewBody = z.strictObject({
  expression,
  timezone,
  startsAt: runFields.startsAt,
  endsAt: runFields.endsAt,
  maxRuns: runFields.maxRuns,
  count: z._default(z.int().check(z.minimum(1), z.maximum(100), z.describe("How many runs are shown.")), 5),
});

export const previewSchedule = route({
  key: "POST /v1/schedules/preview",
  reads: true,
  id: "previewSchedule",
  summary: "Tells when an expression would run, and makes nothing",
  answers: {
    200: enveloped(
      z.strictObject({
        expression: z.string().check(z.describe("As it would be kept: five fields of cron as six.")),
        timezone: z.string(),
        nextRuns: z.array(time),
      }),
    ).check(z.describe("The next runs; none if there is none.")),
  },
  access,
  body: previewBody,
  examples: () => ({ "at two every night": { expression: "0 2 * * *", timezone: "Asia/Seoul" } }),

  async handle({ body, caller }, { clock }): Promise<Answer> {
    appOf(caller);
    const { count, timezone: zone, expression: text, ...limits } = body;
    const kept = expressionOf(text);
    const parsed = parseExpression(kept, zone);
    if (parsed.kind === "malformed") throw badRequest([{ field: "expression", message: parsed.problem }]);
    const execution = { ...limits, scheduleExpression: kept, scheduleExpressionTimezone: zone } as ScheduleExecution;
    const nextRuns = previewOf(execution, clock.now(), count).map(iso);
    return ok({ expression: kept, timezone: zone, nextRuns });
  },
});

function previewOf(execution: ScheduleExecution, now: EpochMs, count: number): EpochMs[] {
  const { startAt, recurring } = firstRun(execution, now);
  if (!recurring) return startAt > now ? [startAt] : [];
  const first = runAfter(execution, { after: now, anchor: now, runs: 0 });
  return first === undefined ? [] : timesFrom(execution, first, 0, count);
}

function ok(data: unknown): Answer {
  return { status: 200, body: envelope(data) };
}
