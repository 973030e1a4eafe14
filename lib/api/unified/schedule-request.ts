import { isDeepStrictEqual } from "node:util";
import * as z from "../../zod.ts";
import type { EpochMs } from "../../clock.ts";
import { ClientError, badRequest, type ErrorDetail } from "../../errors.ts";
import { jobFields } from "../../executors/index.ts";
import { runFields } from "../../executors/schedule-schema.ts";
import type { ScheduleExecution } from "../../executors/schedule-schema.ts";
import { fromCron } from "../../job/cron-fields.ts";
import { SCHEDULE, type Job } from "../../job/job.ts";
import { isTimeZone } from "../../job/local-time.ts";
import type { Message } from "../../job/message.ts";
import { WRONG_REQUEST } from "../../job/status-policy.ts";
import type { DeploymentRules } from "../../outbound/rules.ts";
import type { AppSettings } from "../../store/app-settings.ts";
import { parse } from "../http/body.ts";
import { withDefaults } from "./accept-job.ts";
import { flatDetail, flatJob, postedOf } from "./flat-job.ts";
import { flatOf } from "./flat-view.ts";
import { createJobBody, messageOf } from "./job-request.ts";
import { unmaskedJob } from "./schedule-job.ts";
import { expressionShown } from "./schedule-view.ts";

// What a client may say of a schedule, and the message that it stands for.

export const expression = z
  .string()
  .check(
    z.minLength(1),
    z.maxLength(256),
    z.describe(
      "`rate(<n> minutes|hours|days)`, `cron(<minute> <hour> <day> <month> <weekday> <year>)`, `at(yyyy-mm-ddThh:mm:ss)`, or the five fields of cron, or a name such as `@daily`.",
    ),
  );
export const timezone = z._default(
  z
    .string()
    .check(
      z.maxLength(50),
      z.refine(isTimeZone, "is not a time zone of the IANA database; expected one such as UTC or Asia/Seoul"),
    ),
  "UTC",
);

const READ_ONLY = [
  "key",
  "id",
  "state",
  "pausedAt",
  "nextRuns",
  "nextRunsIfResumed",
  "lastRun",
  "runCount",
  "skipped",
  "lastSkipped",
  "createdBy",
  "createdAt",
  "updatedAt",
] as const;
const asShown = z.optional(z.unknown().check(z.describe("Ignored: as it was shown.")));

export const scheduleBody = z
  .strictObject({
    expression,
    timezone,
    ...runFields,
    paused: z.optional(z.boolean().check(z.describe("Default: as it is; a new one is not."))),
    pauseReason: z.optional(z.string().check(z.maxLength(500), z.describe("Beside `paused: true`."))),
    version: z.optional(
      z.int().check(z.minimum(1), z.describe("The version that is to be changed: with another one, 409.")),
    ),
    job: flatJob,
    ...Object.fromEntries(READ_ONLY.map((name) => [name, asShown])),
  })
  .register(z.globalRegistry, {
    id: "PutSchedule",
    description: "A schedule: when it runs, and the job that each run makes.",
  });

export type ScheduleBody = z.infer<typeof scheduleBody>;

/** The circumstances of a request. */
export interface AskedSchedule {
  readonly appId: string;
  readonly settings: AppSettings;
  readonly rules: DeploymentRules;
  readonly now: EpochMs;
}

/** The message of a schedule, checked as that of `POST /v1/jobs/create` is. `key`: of a new one. */
export async function messageFor(
  body: ScheduleBody,
  stored: { readonly job: Job; readonly message: Message } | undefined,
  key: string | undefined,
  { appId, settings, rules, now }: AskedSchedule,
  keepsJob = false,
): ReturnType<typeof messageOf> {
  const before = stored?.message.execution as ScheduleExecution | undefined;
  const { timing, isSame } = timingOf(body, before);
  const targetJob = keepsJob && before ? before.targetJob : targetOf(body, before);
  const execution = { type: SCHEDULE, ...timing, ...policiesOf(body), targetJob };
  // What a schedule that was made by POST /v1/jobs/create has beside its execution stays.
  const {
    execution: _,
    metadata,
    traceparent: __,
    lambdaProxyMessage,
    ...own
  } = stored?.message ?? ({ metadata: {} } as Message);
  const keyed = { ...metadata, ...(key !== undefined && { idempotencyKey: key }) };
  const message = { ...(lambdaProxyMessage && { lambdaProxyMessage }), execution, metadata: keyed };
  // A time that has not changed may have passed.
  const at = isSame && stored ? Math.min(now, stored.job.startAt - 1) : now;
  try {
    const posted = withDefaults(
      parse(createJobBody, { message, ...own }, "body"),
      settings,
      keepsJob ? undefined : WRONG_REQUEST,
    );
    return await messageOf(posted, appId, undefined, { rules: { ...rules, ...settings }, now: at });
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    throw new ClientError(error.code, error.message, error.details.map(detailShown), {
      ...(error.reason !== undefined && { reason: error.reason }),
    });
  }
}

function targetOf(body: ScheduleBody, before: ScheduleExecution | undefined): object {
  const { job, problems } = unmaskedJob(body.job, before ? flatOf(before.targetJob) : {}, "job");
  if (problems.length > 0) throw badRequest(problems);
  const { message, ...followUps } = postedOf(job) as { message: object };
  return { ...message, ...followUps };
}

/** Throws BAD_REQUEST for a patch of a job that a flat job can't stand for: the rest of it would be lost. */
export function refusePatch(job: Message): void {
  if (job.execution.type !== "lambda-invoke") return;
  const { message } = postedOf(flatOf(job)) as { message: object };
  const again = z.strictObject(jobFields.message).parse(message);
  if (isSameMessage({ ...again, metadata: job.metadata } as Message, withoutFollowUps(job))) return;
  const problem =
    "has parts that POST /v1/jobs/create takes alone, such as invocationType or resource: PUT the whole schedule, or leave job out";
  throw badRequest([{ field: "job", message: problem }]);
}

function withoutFollowUps(message: Message): Message {
  const { onComplete: _, onSuccess: __, onFailure: ___, ...rest } = message;
  return rest;
}

/** When it runs. One whose expression is as it was shown keeps what it was made of. */
function timingOf(body: ScheduleBody, before: ScheduleExecution | undefined): { timing: object; isSame: boolean } {
  const scheduleExpression = expressionOf(body.expression);
  const { timezone: scheduleExpressionTimezone } = body;
  const isSame =
    before !== undefined &&
    scheduleExpression === expressionShown(before) &&
    scheduleExpressionTimezone === before.scheduleExpressionTimezone;
  if (!isSame) return { timing: { scheduleExpression, scheduleExpressionTimezone }, isSame };
  const { scheduledAt, scheduleExpression: own } = before;
  const timing = {
    ...(scheduledAt !== undefined && { scheduledAt }),
    ...(own !== undefined && { scheduleExpression: own }),
  };
  return { timing: { ...timing, scheduleExpressionTimezone }, isSame };
}

/** An expression as it is kept. Throws BAD_REQUEST for fields of cron that can't be one. */
export function expressionOf(text: string): string {
  const read = fromCron(text);
  if ("problem" in read) throw badRequest([{ field: "expression", message: read.problem }]);
  return read.expression;
}

/** Defaults are not kept, so that what says them is the same as what does not. */
function policiesOf(body: ScheduleBody): object {
  const { startsAt, endsAt, maxRuns, overlap, missed, missedWithinSeconds, windowSeconds } = body;
  const all = {
    startsAt,
    endsAt,
    maxRuns,
    overlap: overlap === "allow" ? undefined : overlap,
    missed: missed === "once" ? undefined : missed,
    missedWithinSeconds,
    windowSeconds,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

const SHOWN: Readonly<Record<string, string>> = {
  scheduleExpression: "expression",
  scheduleExpressionTimezone: "timezone",
};

/** A problem's field as a schedule names it: `message.execution.targetJob.execution.baseUrl` is `job.url`. */
function detailShown({ field, message }: ErrorDetail): ErrorDetail {
  const [, inTarget] = /^message\.execution\.targetJob\.(.*)$/.exec(field) ?? [];
  if (inTarget !== undefined) {
    const isFollowUp = /^on(?:Complete|Success|Failure)\b/.test(inTarget);
    const flat = flatDetail({ field: isFollowUp ? inTarget : `message.${inTarget}`, message });
    return { field: `job.${flat.field}`, message };
  }
  const name = field.replace(/^message\.execution\./, "");
  return { field: SHOWN[name] ?? name, message };
}

/** Whether a message is the stored one. */
export function isSameMessage(message: Message, stored: Message): boolean {
  const plain = (of: Message): unknown => JSON.parse(JSON.stringify({ ...of, traceparent: undefined }));
  return isDeepStrictEqual(plain(message), plain(stored));
}

/** What is too large for the audit log, or not for everyone's eyes. */
const UNTOLD: ReadonlySet<string> = new Set(["body", "bodyBase64", "payload", "onSuccess", "onFailure"]);
const NOT_TOLD = "(not told)";

interface Change {
  readonly field: string;
  readonly from: unknown;
  readonly to: unknown;
}

/** The fields that differ between two schedules as they are shown. */
export function changesOf(
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): Change[] {
  const [{ job: was, ...from }, { job: is, ...to }] = [before, after];
  return [...differing(from, to), ...differing(was ?? {}, is ?? {}, "job.")];
}

function differing(before: object, after: object, at = ""): Change[] {
  const [from, to] = [before, after] as Readonly<Record<string, unknown>>[];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((name): Change[] => {
    const [was, is] = [from?.[name] ?? null, to?.[name] ?? null];
    if (isDeepStrictEqual(was, is)) return [];
    return [{ field: at + name, ...(UNTOLD.has(name) ? { from: NOT_TOLD, to: NOT_TOLD } : { from: was, to: is }) }];
  });
}
