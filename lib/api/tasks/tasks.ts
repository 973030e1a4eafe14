import * as z from "../../zod.ts";
import { derivedUuid, type Clock, type EpochMs } from "../../clock.ts";
import { ClientError, badRequest } from "../../errors.ts";
import { payloadProblems } from "../../executors/task.ts";
import { definitionOf } from "../../tasks/index.ts";
import type { Dialect, PdfJob } from "../../job/dialect.ts";
import { GENERATE_PDF, isTask, type TASK, type Job } from "../../job/job.ts";
import { traceparentIn } from "../../job/trace.ts";
import type { ServiceParts } from "../../parts.ts";
import { appOf, isAppAdmin, isPlatformAdmin, requirePermission, type Caller } from "../http/auth.ts";
import type { Callback, RetryPolicy } from "../../job/message.ts";
import { recordCreated } from "../unified/accept-job.ts";
import { conflict } from "../unified/replay.ts";
import { admitDataset } from "./admit-dataset.ts";
import type { TaskOwner } from "../../store/job-pages.ts";

// Shared by the dialects that have tasks: submitting one, and who may see it.

/** Throws FORBIDDEN or BAD_REQUEST unless the caller may submit a task of the type with this payload. */
export async function checkTask(jobType: string, payload: unknown, caller: Caller): Promise<void> {
  const task = await definitionOf(jobType);
  const { permission } = task;
  if (permission !== undefined) requirePermission(caller, permission);
  const problems = payloadProblems(task, payload, "payload");
  if (problems.length > 0) throw badRequest(problems);
}

interface AskedTask {
  readonly appId: string;
  readonly userId: string;
  readonly execution: { readonly type: typeof TASK; readonly jobType: string; readonly [field: string]: unknown };
  readonly maxRetries?: number;
  readonly retry?: RetryPolicy;
  /** The idempotency key, unique per user. */
  readonly key?: string;
  /** The id of the job. Default: that which follows from the key, or a new one. */
  readonly id?: string;
  readonly startAt?: EpochMs;
  readonly dialect?: Dialect;
  readonly pdf?: PdfJob;
  readonly onComplete?: Callback;
  /** The header of the request. */
  readonly traceparent?: string | undefined;
  /** Throws if a new PDF may not be asked for. Not called for a replay. */
  readonly admit?: () => Promise<void>;
}

/** Accepts a task, once per user and key, and records it in the audit log. */
export async function submitTask(asked: AskedTask, service: ServiceParts) {
  const { engine, clock, store, pages } = service;
  const { execution, maxRetries, retry, key, onComplete, traceparent: header, admit, id: given, ...request } = asked;
  const { appId, dialect } = request;
  const metadata = { ...(maxRetries !== undefined && { maxRetries }), ...(retry && { retry }) };
  const id = given ?? taskIdOf(asked, clock);
  const isPdf = execution.jobType === GENERATE_PDF;
  const isCounted = isPdf || (await definitionOf(execution.jobType)).writes !== undefined;
  // A replay makes no pages and no rows.
  if (isCounted && !(key !== undefined && (await store.get(id)))) {
    if (isPdf) await pages.admit(appId);
    await admitDataset(appId, execution.jobType, execution["payload"], service);
    await admit?.();
  }
  const traceparent = traceparentIn(header);
  const message = { execution, metadata, ...(onComplete && { onComplete }), ...(traceparent && { traceparent }) };
  const submitted = await engine.submit({ ...request, mode: "both", message }, id);
  if (submitted.kind === "sent") throw new Error("A task is always stored");
  const { job } = submitted;
  if (submitted.kind === "created") {
    await recordCreated(job, message, request.userId, service);
    return { job, isNew: true };
  }
  const isOther = job.jobType !== execution.jobType;
  if (!isOther && job.dialect === dialect) return { job, isNew: false };
  const differs = isOther ? "jobType" : "the API that asked for it";
  throw conflict(job, [differs]);
}

/** The id that follows from the user's key, or a new one. */
export function taskIdOf({ appId, userId, key }: Pick<AskedTask, "appId" | "userId" | "key">, clock: Clock): string {
  return key === undefined ? clock.uuid() : derivedUuid(appId, userId, key);
}

/** An administrator sees all tasks of the app, any other user their own. */
export function listedFor(caller: Caller): TaskOwner {
  const appId = appOf(caller);
  return isAppAdmin(caller) ? { appId } : { appId, userId: caller.sub };
}

/** The task of an id. NOT_FOUND also for tasks that the caller may not see. */
export async function ownTask(id: string | undefined, caller: Caller, { store }: ServiceParts): Promise<Job> {
  const parsed = z.guid().check(z.toLowerCase()).safeParse(id);
  const job = parsed.success ? await store.get(parsed.data) : undefined;
  const isTheirs =
    job &&
    (isPlatformAdmin(caller) || (job.appId === appOf(caller) && (isAppAdmin(caller) || job.userId === caller.sub)));
  if (!isTheirs || !isTask(job)) throw new ClientError("NOT_FOUND", "No such job");
  return job;
}

/** Well below the limit of an answer, so that it fits after escaping. */
const LARGEST_LIST = 2 * 1_024 * 1_024;

/** The views of a list in order. Once they have become large, the rest are made `without`. */
export async function viewsOf(
  jobs: readonly Job[],
  view: (job: Job) => Promise<object>,
  without: (shown: object) => object,
): Promise<object[]> {
  const views: object[] = [];
  let size = 0;
  for (const job of jobs) {
    const whole = await view(job);
    const shown = size + lengthOf(whole) > LARGEST_LIST ? without(whole) : whole;
    size += lengthOf(shown);
    views.push(shown);
  }
  return views;
}

function lengthOf(view: object): number {
  return JSON.stringify(view).length;
}
