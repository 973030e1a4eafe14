import * as z from "../../zod.ts";
import type { ScheduleChange, Wanted } from "../../engine/schedule-edits.ts";
import { ClientError, badRequest } from "../../errors.ts";
import type { ScheduleExecution } from "../../executors/schedule-schema.ts";
import { jobIdForKey } from "../../job/accept.ts";
import { isFinished, isPaused, isSchedule, type Job } from "../../job/job.ts";
import type { Message } from "../../job/message.ts";
import { versionOf } from "../../job/schedule.ts";
import type { ServiceParts } from "../../parts.ts";
import { jobObject } from "../../store/audit.ts";
import type { Caller } from "../http/auth.ts";
import { envelope, type Answer } from "../http/http.ts";
import {
  changesOf,
  isSameMessage,
  messageFor,
  refusePatch,
  type AskedSchedule,
  type ScheduleBody,
} from "./schedule-request.ts";
import { scheduleView, shortView, writableOf } from "./schedule-view.ts";

// How a request changes a schedule: found by its key, compared, edited by the engine, written into the audit log.

/** Who asks, and for which app. */
export interface AskedBy {
  readonly appId: string;
  readonly caller: Caller;
  readonly service: ServiceParts;
}

/** Changes a schedule to what a body says, which may follow from the schedule as it is shown now. */
export async function changed(
  id: string,
  version: number | undefined,
  bodyOf: (now: Record<string, unknown>) => ScheduleBody,
  asked: AskedBy,
  patch?: { readonly job?: unknown },
): Promise<Answer> {
  const within = await circumstances(asked);
  let was: Record<string, unknown> = {};
  const wanted = async (job: Job, message: Message): Promise<ScheduleChange | undefined> => {
    checkVersion(job, version);
    if (patch && isFinished(job)) throw ended(job);
    if (patch?.job !== undefined) refusePatch((message.execution as ScheduleExecution).targetJob);
    was = writableOf(job, message);
    const body = bodyOf(was);
    const { message: next } = await messageFor(
      body,
      { job, message },
      undefined,
      within,
      patch && patch.job === undefined,
    );
    const pause = pauseIn(body, job);
    if (isSameMessage(next, message) && pause === undefined && !isFinished(job)) return undefined;
    return { message: next, ...(pause !== undefined && { pause }) };
  };
  return finish(id, "schedule.edited", wanted, () => was, asked);
}

/** Undefined where a pause, or its absence, is to stay. */
function pauseIn({ paused, pauseReason }: ScheduleBody, job: Job): ScheduleChange["pause"] {
  if (paused === undefined) return undefined;
  if (!paused) return isPaused(job) ? null : undefined;
  const isSo = isPaused(job) && (pauseReason ?? job.pauseReason) === job.pauseReason;
  return isSo ? undefined : { reason: pauseReason };
}

/** An action on a schedule that has not ended. */
export async function acted(
  id: string,
  action: string,
  version: number | undefined,
  asked: AskedBy,
  change: (job: Job) => ScheduleChange | undefined,
): Promise<Answer> {
  let was: Record<string, unknown> = {};
  const wanted = (job: Job, message: Message): ScheduleChange | undefined => {
    checkVersion(job, version);
    if (isFinished(job)) throw ended(job);
    was = writableOf(job, message);
    return change(job);
  };
  return finish(id, action, wanted, () => was, asked);
}

async function finish(
  id: string,
  action: string,
  wanted: Wanted,
  before: () => Record<string, unknown>,
  { caller, service }: AskedBy,
): Promise<Answer> {
  let isChange = false;
  const edited = await service.engine.editSchedule(id, (job, message) => {
    const change = wanted(job, message);
    isChange = change !== undefined;
    return change;
  });
  if (!edited) throw noSuchSchedule();
  if (isChange) {
    const message = await service.store.message(edited);
    await record(edited, action, changesOf(before(), writableOf(edited, message)), caller, service);
  }
  return answer(200, edited, service);
}

export async function circumstances({ appId, service }: AskedBy): Promise<AskedSchedule> {
  const { apps, rules, clock } = service;
  return { appId, settings: await apps.settingsOf(appId), rules, now: clock.now() };
}

/** The job of a key, or the schedule of an id. */
export async function jobAt(key: string, { appId, service: { store } }: AskedBy): Promise<Job | undefined> {
  const byKey = await store.get(jobIdForKey(appId, key));
  if (byKey) return byKey;
  const id = z.guid().check(z.toLowerCase()).safeParse(key);
  const byId = id.success ? await store.get(id.data) : undefined;
  return byId && byId.appId === appId && isSchedule(byId) ? byId : undefined;
}

/** Throws NOT_FOUND for what is no schedule of the app. */
export async function scheduleAt(key: string | undefined, asked: AskedBy): Promise<Job> {
  const job = await jobAt(key ?? "", asked);
  if (!job || !isSchedule(job)) throw noSuchSchedule();
  return job;
}

export function noSuchSchedule(): ClientError {
  return new ClientError("NOT_FOUND", "No such schedule");
}

export async function answer(status: number, job: Job, { store, clock }: ServiceParts): Promise<Answer> {
  const [message, last] = await Promise.all([
    store.message(job),
    job.targetJobId === undefined ? undefined : store.get(job.targetJobId),
  ]);
  const view = scheduleView(job, message, last, clock.now());
  return { status, body: envelope(view), ifTooLarge: () => envelope(shortView(view)) };
}

export async function record(
  job: Job,
  action: string,
  changes: readonly { field: string; from: unknown; to: unknown }[],
  { sub: by }: Caller,
  { audit }: ServiceParts,
): Promise<void> {
  await audit.record(job.appId, { by, action, object: jobObject(job), changes });
}

/** The version that a request wants to change; undefined for any. */
export function wantedVersion(ifMatch: string | undefined, inBody: number | undefined): number | undefined {
  if (ifMatch === undefined || ifMatch === "*") return inBody;
  const [, digits] = /^(?:W\/)?"?(\d{1,9})"?$/.exec(ifMatch) ?? [];
  if (digits !== undefined) return Number(digits);
  throw badRequest([{ field: "If-Match", message: "expected the schedule's version, such as 3, or *" }]);
}

function checkVersion(job: Job, version: number | undefined): void {
  const now = versionOf(job);
  if (version !== undefined && version !== now) throw otherVersion(version, `the schedule is at version ${now}`);
}

export function otherVersion(version: number, is: string): ClientError {
  const message = `Version ${version} is to be changed, but ${is}: read it and try again`;
  return new ClientError("CONFLICT", message, [], { reason: "version" });
}

export function ended({ status }: Job): ClientError {
  return new ClientError("CONFLICT", `The schedule has ended (${status}); PUT it to start it anew`, [], {
    reason: "ended",
  });
}
