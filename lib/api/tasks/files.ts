import * as z from "../../zod.ts";
import { ClientError } from "../../errors.ts";
import { JOB_TYPES } from "../../tasks/index.ts";
import { TASK, type Job } from "../../job/job.ts";
import { numberedPage } from "../../store/job-pages.ts";
import { idempotencyKey } from "../../executors/message-schema.ts";
import type { ServiceParts } from "../../parts.ts";
import type { LogLevel } from "../../tasks/task.ts";
import { requirePermission, ownerOf, type Caller } from "../http/auth.ts";
import {
  FILE_STATUSES,
  SHOWN_LEVELS,
  fileJob,
  fileJobLog,
  fileView,
  logView,
  statusesOf,
  withoutOwn,
} from "./files-view.ts";
import { TOO_DEEP, astrayProblem, isTooDeep, nameAstray, numberProblem, parse, withoutMark } from "../http/body.ts";
import { route, type Answer } from "../http/http.ts";
import { keyOf } from "../unified/job-request.ts";
import type { FormFile } from "../http/multipart.ts";
import { checkTask, listedFor, ownTask, submitTask, viewsOf } from "./tasks.ts";
import { announcedFile, recordUpload } from "./uploads.ts";
import { changingNumber, parseExactly } from "../../job/exact-json.ts";
import { HALF_PAIR, halfPairIn } from "../../job/well-formed.ts";
import type { TaskFile } from "../../files/uploads.ts";

// Tasks that process a file: spec/file-jobs-tasks.md.

/** Three attempts, by the specification. */
const MAX_RETRIES = 2;

// ---- POST /api/jobs ----

const fields = {
  jobType: z.enum(JOB_TYPES),
  payload: z._default(z.record(z.string(), z.unknown()), {}).check(z.describe("As the job type wants it.")),
  meta: z.optional(
    z.record(z.string(), z.unknown()).check(z.describe("The caller's own: kept, and shown as it came.")),
  ),
  idempotencyKey: z.optional(idempotencyKey),
};

const createBody = z
  .strictObject({
    ...fields,
    fileKey: z
      .string()
      .check(z.minLength(1), z.maxLength(1_024), z.describe("Of an upload of the same user that is complete.")),
  })
  .register(z.globalRegistry, { id: "CreateFileJob" });

const jsonText = z.pipe(
  z.string(),
  z.transform((text, { issues }): unknown => {
    const refuse = (message: string, path: readonly PropertyKey[] = []) =>
      issues.push({ code: "custom", path: [...path], message, input: text });
    try {
      const value = parseExactly(withoutMark(text));
      const tooDeep = isTooDeep(value);
      const astray = tooDeep ? undefined : nameAstray(value);
      if (astray !== undefined) refuse(astrayProblem(astray));
      if (tooDeep) refuse(TOO_DEEP);
      const changing = tooDeep ? undefined : changingNumber(value);
      if (changing) refuse(numberProblem(changing.text), changing.path);
      const halfPair = tooDeep ? undefined : halfPairIn(value);
      if (halfPair) refuse(HALF_PAIR, halfPair);
      if (!tooDeep && !astray && !changing && !halfPair) return value;
    } catch {
      refuse("expected JSON");
    }
    return z.NEVER;
  }),
);

const form = z.strictObject({
  ...fields,
  payload: z.optional(
    z
      .pipe(jsonText, fields.payload)
      .check(z.describe("JSON, as the job type wants it: text, or a part of type application/json.")),
  ),
  meta: z.optional(
    z.pipe(jsonText, fields.meta).check(z.describe("JSON: the caller's own, kept, and shown as it came.")),
  ),
});

interface CreateBody {
  readonly jobType: string;
  readonly payload?: Readonly<Record<string, unknown>> | undefined;
  readonly meta?: Readonly<Record<string, unknown>> | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly fileKey?: string;
}

export const createFileJob = route<CreateBody, unknown>({
  key: "POST /api/jobs",
  id: "createFileJob",
  summary: "Accepts a task about a file, which comes with it or was uploaded before",
  answers: {
    200: fileJob.check(z.describe("The idempotency key was there already: the job that has it.")),
    201: fileJob.check(z.describe("It is queued.")),
  },
  refusals: ["NOT_FOUND", "UNPROCESSABLE_ENTITY"],
  idempotent: true,
  access: (caller) => requirePermission(caller, "job:Create"),
  body: createBody,
  form,

  async handle({ body, file: posted, caller, headers }, service): Promise<Answer> {
    const { jobType, payload = {}, meta, fileKey = "" } = body;
    await checkTask(jobType, payload, caller);
    const key = keyOf(body.idempotencyKey, headers["idempotency-key"], "idempotencyKey");
    const file = posted ? await kept(posted, caller, key, service) : await uploaded(fileKey, caller, service);
    const { job, isNew } = await submitTask(
      {
        ...ownerOf(caller),
        dialect: "files",
        execution: { type: TASK, jobType, payload, priority: 0, file, ...(meta && { meta }) },
        maxRetries: MAX_RETRIES,
        ...(key !== undefined && { key }),
        traceparent: headers["traceparent"],
      },
      service,
    );
    if (isNew && posted) await recordUpload("completed", caller, file, service);
    const shown = await fileView(job, service);
    const ifTooLarge = () => withoutOwn(shown);
    if (isNew) return { status: 201, body: shown, ifTooLarge };
    return { status: 200, headers: { "idempotent-replayed": "true" }, body: shown, ifTooLarge };
  },
});

/** Stores the file of the request. A replay under the same key leaves no second file. */
async function kept(posted: FormFile, caller: Caller, key: string | undefined, { uploads }: ServiceParts) {
  const { fileName, contentType, bytes } = posted;
  const file = parse(announcedFile, { fileName, contentType, size: bytes.length }, "file");
  return uploads.put(ownerOf(caller), file, bytes, key);
}

async function uploaded(fileKey: string, caller: Caller, { uploads }: ServiceParts): Promise<TaskFile> {
  const file = await uploads.find(ownerOf(caller), fileKey);
  if (!file) throw new ClientError("NOT_FOUND", "No such file: expected the fileKey of a completed upload of your own");
  return file;
}

// ---- GET /api/jobs ----

const listQuery = z.strictObject({
  page: z._default(z.coerce.number().check(z.int(), z.minimum(1), z.maximum(10_000)), 1),
  pageSize: z._default(z.coerce.number().check(z.int(), z.minimum(1), z.maximum(100)), 20),
  status: z.optional(z.enum(FILE_STATUSES)),
  jobType: z.optional(z.enum(JOB_TYPES)),
});

const numbers = { page: z.int(), pageSize: z.int(), totalPages: z.int() };

const fileJobs = z.strictObject({
  jobs: z.array(fileJob),
  total: z.int().check(z.describe("Of the caller's newest 10,000 tasks, or of the app's in that status.")),
  totalIsExact: z.boolean().check(z.describe("False if there are older ones, which are not listed.")),
  ...numbers,
});

export const listFileJobs = route({
  key: "GET /api/jobs",
  id: "listFileJobs",
  summary: "Lists the caller's file jobs, newest first; an administrator gets the app's",
  answers: { 200: fileJobs.check(z.describe("A page.")) },
  access: (caller) => requirePermission(caller, "job:Read"),
  query: listQuery,

  async handle({ query, caller }, service): Promise<Answer> {
    const { status, jobType } = query;
    const filter = {
      statuses: status && statusesOf(status),
      fits: (job: Pick<Job, "dialect" | "jobType">) =>
        isFileJob(job) && (jobType === undefined || job.jobType === jobType),
    };
    const { jobs, ...page } = await numberedPage(service.store, listedFor(caller), query, filter);
    const shown = await viewsOf(jobs, async (job) => fileView(job, service), withoutOwn);
    return {
      status: 200,
      body: { jobs: shown, ...page },
      ifTooLarge: () => ({ jobs: shown.map(withoutOwn), ...page }),
    };
  },
});

function isFileJob({ dialect }: Pick<Job, "dialect">): boolean {
  return dialect === "files";
}

// ---- GET /api/jobs/{id} ----

export const getFileJob = route({
  key: "GET /api/jobs/{id}",
  id: "getFileJob",
  summary: "Shows a file job",
  answers: { 200: fileJob.check(z.describe("The job.")) },
  access: (caller) => requirePermission(caller, "job:Read"),

  async handle({ path, caller }, service): Promise<Answer> {
    const shown = await fileView(await ownFileJob(path["id"], caller, service), service);
    return { status: 200, body: shown, ifTooLarge: () => withoutOwn(shown) };
  },
});

async function ownFileJob(id: string | undefined, caller: Caller, service: ServiceParts): Promise<Job> {
  const job = await ownTask(id, caller, service);
  if (!isFileJob(job)) throw new ClientError("NOT_FOUND", "No such job");
  return job;
}

// ---- GET /api/jobs/{id}/logs ----

const logsQuery = z.strictObject({
  page: z._default(z.coerce.number().check(z.int(), z.minimum(1), z.maximum(200_000)), 1),
  pageSize: z._default(z.coerce.number().check(z.int(), z.minimum(1), z.maximum(200)), 50),
  level: z.optional(z.enum(SHOWN_LEVELS)),
  order: z._default(z.enum(["newest", "oldest"]), "newest").check(z.describe("Which lines come first.")),
});

const fileJobLogs = z.strictObject({
  logs: z.array(fileJobLog),
  total: z.int().check(z.describe("Of the level, if one was asked for.")),
  ...numbers,
});

export const listFileJobLogs = route({
  key: "GET /api/jobs/{id}/logs",
  id: "listFileJobLogs",
  summary: "Lists what a file job has logged; it is kept for 30 days",
  answers: { 200: fileJobLogs.check(z.describe("A page.")) },
  access: (caller) => requirePermission(caller, "job:Read"),
  query: logsQuery,

  async handle({ path, caller, query }, service): Promise<Answer> {
    const { page, pageSize, level, order } = query;
    const job = await ownFileJob(path["id"], caller, service);
    const { lines, total } = await service.taskLog.read(job, {
      level: level && (level.toLowerCase() as LogLevel),
      newestFirst: order === "newest",
      offset: (page - 1) * pageSize,
      limit: pageSize,
    });
    const logs = lines.map((line) => logView(job.id, line));
    return { status: 200, body: { logs, total, page, pageSize, totalPages: Math.ceil(total / pageSize) } };
  },
});
