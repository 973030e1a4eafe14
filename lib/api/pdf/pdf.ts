import * as z from "../../zod.ts";
import { SECOND, iso, type EpochMs } from "../../clock.ts";
import { ClientError, Unavailable, badRequest } from "../../errors.ts";
import { wholeUrl } from "../../outbound/target-url.ts";
import { GENERATE_PDF, TASK, isFinished, type Job } from "../../job/job.ts";
import { idempotencyKey } from "../../executors/message-schema.ts";
import type { ServiceParts } from "../../parts.ts";
import type { Held } from "../../flow/request-slots.ts";
import { documentWith, estimateMs, type PdfRequest } from "../../pdf/request.ts";
import { pdfStatus, type PdfResult } from "../../pdf/view.ts";
import { headerOf } from "../../pdf/warnings.ts";
import { dispositionOf } from "../../files/file-store.ts";
import { admitWebhook, refuseWebhook } from "./accounts.ts";
import { time } from "../http/answers.ts";
import { requireApp, ownerOf } from "../http/auth.ts";
import { route, type Answer } from "../http/http.ts";
import { recordCreated } from "../unified/accept-job.ts";
import { keyOf } from "../unified/job-request.ts";
import { pdfJob, pdfJobView } from "./pdf-view.ts";
import { ownTask, submitTask, taskIdOf } from "../tasks/tasks.ts";
import { FINAL_STATUSES } from "../../job/status.ts";
import type { Callback } from "../../job/message.ts";
import type { Outcome } from "../../job/attempt.ts";

// Quick and long PDF jobs: spec/quickjob-longjob-pdf.md.

const fields = { idempotency_key: z.optional(idempotencyKey) };
const keyField = "idempotency_key";
const EXAMPLES = {
  "a page of HTML": { input_type: "html", html: "<h1>Invoice 4711</h1><p>Thank you.</p>", options: { format: "A4" } },
  "a page of Markdown": { input_type: "markdown", markdown: "# Invoice 4711\n\nThank you." },
};

// ---- POST /quickjob ----

/** The gateway ends a request after 30 s; the rest is for the network. */
const QUICK_MS = 27 * SECOND;
/** A document with a longer estimate is refused. */
const LONGEST_ESTIMATE = 25 * SECOND;
const ADVICE = "POST it to /longjob, which has no such limit";

/** Most PDFs are made by then. */
const QUICK_RETRY_SECONDS = 2;

const quickBody = documentWith(fields).register(z.globalRegistry, { id: "QuickJob" });

export const createQuickJob = route({
  key: "POST /quickjob",
  id: "createQuickJob",
  summary: "Makes a PDF and answers with it, within 27 s",
  contentTypes: ["application/pdf"],
  answers: {
    200: z
      .string()
      .check(
        z.meta({ format: "binary" }),
        z.describe("The PDF; `X-PDF-Pages`, `X-PDF-Truncated`, `X-PDF-Warnings` and `X-Job-Id` tell about it."),
      ),
    303: z
      .strictObject({ job_id: z.guid(), s3_url: z.string() })
      .check(z.describe("It is over 4 MB: `Location` is a link to it, good for an hour.")),
  },
  refusals: ["CONFLICT", "REQUEST_TIMEOUT"],
  idempotent: true,
  examples: () => EXAMPLES,
  access: requireApp,
  body: quickBody,

  async handle({ body, caller, headers }, service): Promise<Answer> {
    const { idempotency_key: inBody, ...request } = body;
    refuseSlow(request);
    const { appId, userId } = ownerOf(caller);
    const key = keyOf(inBody, headers["idempotency-key"], keyField);
    const id = taskIdOf({ appId, userId, ...(key !== undefined && { key }) }, service.clock);
    const known = key === undefined ? undefined : await service.store.get(id);
    if (known) throw keyTaken(known);
    await refusePaused(appId, service);
    await service.pages.admit(appId);
    const slot = await takeSlot(appId, service);
    try {
      return await makePdf({ appId, userId, id, request }, service);
    } finally {
      await slot?.end();
    }
  },
});

interface Quick {
  readonly appId: string;
  readonly userId: string;
  readonly id: string;
  readonly request: PdfRequest;
}

async function makePdf({ appId, userId, id, request }: Quick, service: ServiceParts): Promise<Answer> {
  const execution = { type: TASK, jobType: GENERATE_PDF, priority: 0 };
  const { input_type } = request;
  const asked = {
    appId,
    userId,
    mode: "db",
    dialect: "pdf",
    pdf: { inputType: input_type },
    // The document is not stored: nobody is to run it again.
    message: { execution: { ...execution, payload: { input_type } }, metadata: {} },
  } as const;
  const message = { execution: { ...execution, payload: request }, metadata: {} };
  const accepted = async (job: Job) => recordCreated(job, message, userId, service);
  const running = service.engine.runAtOnce({ request: asked, id, timeoutMs: QUICK_MS, message, accepted });
  const ran = await running.catch((error: unknown) => {
    throw error instanceof Unavailable ? broken(`Job ${id} may have been begun`) : error;
  });
  if (!ran.isNew) throw keyTaken(ran.job);
  const { outcome } = ran;
  if (outcome.kind === "succeeded") return answerOf(id, outcome, service);
  throw await refusalOf(id, outcome, service);
}

/** Undefined when the slots can't be counted now: then nothing limits the app but the table, which the job needs too. */
async function takeSlot(appId: string, { requestSlots }: ServiceParts): Promise<Held | undefined> {
  const slot = await requestSlots.take(appId, "quick PDF");
  if (slot === "uncounted") return undefined;
  if (slot !== "full") return slot;
  const message = `The app's quickPdfsPerApp is reached: as many quick PDFs are being made. Try again in ${QUICK_RETRY_SECONDS} s, or POST it to /longjob, which waits for its turn`;
  throw new ClientError("TOO_MANY_REQUESTS", message, [], { retryAfterSeconds: QUICK_RETRY_SECONDS });
}

async function answerOf(id: string, { result, file }: Succeeded, { fileStore }: ServiceParts): Promise<Answer> {
  const { pages, truncated, fileKey, warnings, fileName = `${id}.pdf` } = JSON.parse(result ?? "") as PdfResult;
  const headers = {
    "x-pdf-pages": String(pages),
    "x-pdf-truncated": String(truncated),
    ...(warnings && { "x-pdf-warnings": headerOf(warnings) }),
    "x-job-id": id,
  };
  if (fileKey !== undefined) {
    const location = await fileStore.link(fileKey, fileName);
    return { status: 303, headers: { ...headers, location }, body: { job_id: id, s3_url: location } };
  }
  if (!file) throw new Error(`Quick job ${id} ended without its file`);
  const type = { "content-type": "application/pdf", "content-disposition": dispositionOf("inline", fileName) };
  return { status: 200, headers: { ...type, ...headers }, body: file };
}

type Succeeded = Extract<Outcome, { kind: "succeeded" }>;

async function refusalOf(
  id: string,
  outcome: Exclude<Outcome, Succeeded>,
  { store }: ServiceParts,
): Promise<ClientError> {
  const { error } = outcome;
  if (outcome.kind === "rejected" && outcome.timedOut)
    return new ClientError("REQUEST_TIMEOUT", `Job ${id} was stopped: ${error}. ${ADVICE}`);
  if (outcome.kind === "rejected") return badRequest([{ field: "body", message: error }]);
  if ((await store.get(id))?.status === "CANCELLED") return new ClientError("CONFLICT", `Job ${id} was cancelled`);
  return broken(`Job ${id} could not be finished: ${error}`);
}

/** A retry needs another key, since this one belongs to the job that was started. */
function broken(what: string): ClientError {
  return new ClientError("SERVICE_UNAVAILABLE", `${what}. Try again, with another idempotency key`);
}

async function refusePaused(appId: string, { apps }: ServiceParts): Promise<void> {
  const { paused } = await apps.settingsOf(appId);
  if (!paused) return;
  const message = "The app is paused, and a quick job can't wait: POST it to /longjob, which keeps it until then";
  throw new ClientError("CONFLICT", message);
}

function refuseSlow(request: PdfRequest): void {
  const estimate = estimateMs(request);
  if (estimate <= LONGEST_ESTIMATE) return;
  const message = `is estimated to take ${Math.ceil(estimate / SECOND)} s, and a request may take ${LONGEST_ESTIMATE / SECOND} s: ${ADVICE}`;
  throw badRequest([{ field: request.input_type, message }]);
}

function keyTaken({ id, dialect }: Job): ClientError {
  const where = dialect === "pdf" ? `: GET /jobs/${id} shows it` : ", which was asked for elsewhere";
  const message = `The idempotency key belongs to job ${id}${where}. Another document needs another key`;
  return new ClientError("CONFLICT", message, [{ field: "job_id", message: id }]);
}

// ---- POST /longjob ----

const longBody = documentWith({
  ...fields,
  webhook_url: z.optional(
    z
      .nullable(wholeUrl)
      .check(z.describe("Where the end is told, instead of the account's own `webhook_url`; null: nowhere.")),
  ),
}).register(z.globalRegistry, { id: "LongJob" });

const accepted = z.strictObject({
  job_id: z.guid(),
  status: pdfJob.shape.status,
  message: z.string(),
  estimated_completion: z
    .nullable(time)
    .check(z.describe("By what documents have taken lately and what waits; null once it has ended.")),
});

export const createLongJob = route({
  key: "POST /longjob",
  id: "createLongJob",
  summary: "Accepts a document to make a PDF of, which is kept for 24 hours",
  answers: {
    200: accepted.check(z.describe("The idempotency key was there already: the job that has it.")),
    202: accepted.check(z.describe("It is queued.")),
  },
  refusals: ["CONFLICT", "UNPROCESSABLE_ENTITY"],
  idempotent: true,
  examples: () => EXAMPLES,
  access: requireApp,
  body: longBody,

  async handle({ body, caller, headers }, service): Promise<Answer> {
    const { idempotency_key: inBody, webhook_url: asked, ...request } = body;
    const owner = ownerOf(caller);
    const key = keyOf(inBody, headers["idempotency-key"], keyField);
    const webhookUrl = asked === undefined ? await service.apps.webhookOf(owner.appId, owner.userId) : asked;
    if (webhookUrl !== null) await refuseWebhook(webhookUrl, caller, service);
    const { job, isNew } = await submitTask(
      {
        ...owner,
        dialect: "pdf",
        pdf: { inputType: request.input_type, ...(webhookUrl !== null && { webhookUrl }) },
        execution: { type: TASK, jobType: GENERATE_PDF, payload: { ...request }, priority: 0 },
        ...(webhookUrl !== null && { onComplete: callbackTo(webhookUrl) }),
        ...(webhookUrl !== null && { admit: async () => admitWebhook(caller, service) }),
        ...(key !== undefined && { key }),
        traceparent: headers["traceparent"],
      },
      service,
    );
    if (job.quick) throw keyTaken(job);
    const estimated = isFinished(job) ? null : iso(await estimatedEnd(job, request, service));
    const shown = { job_id: job.id, status: pdfStatus(job), estimated_completion: estimated };
    if (isNew) return { status: 202, body: { ...shown, message: "Job queued for processing" } };
    return {
      status: 200,
      headers: { "idempotent-replayed": "true" },
      body: { ...shown, message: "Job exists already under this idempotency key" },
    };
  },
});

function callbackTo(url: string): Callback {
  return { url, headers: {}, on: FINAL_STATUSES };
}

/** Assumes that each job ahead, in the queue or the app's line, takes the usual time, and that all slots are in use. */
async function estimatedEnd({ appId }: Job, request: PdfRequest, service: ServiceParts): Promise<EpochMs> {
  const { queue, slots, usage, apps, clock } = service;
  const [queued, { taken, first }, usualMs, { maxConcurrentTasks }] = await Promise.all([
    queue.depth("pdf").catch(() => 0),
    slots.look(appId, MOST_LOOKED_AT),
    usage().then(async ({ usualMs }) => usualMs(appId)),
    apps.settingsOf(appId),
  ]);
  const own = estimateMs(request);
  const before = Math.max(queued, first.length) + taken;
  const othersMs = Math.floor(before / maxConcurrentTasks) * (usualMs ?? own);
  return clock.now() + clock.during(own + othersMs);
}

/** The most waiting jobs that are counted: beyond them, the estimate is a guess. */
const MOST_LOOKED_AT = 100;

// ---- GET /jobs/{id} ----

export const getPdfJob = route({
  key: "GET /jobs/{id}",
  id: "getPdfJob",
  summary: "Shows a PDF job, with a new link to its file",
  answers: { 200: pdfJob.check(z.describe("The job.")) },
  access: requireApp,

  async handle({ path, caller }, service): Promise<Answer> {
    const job = await ownTask(path["id"], caller, service);
    if (job.dialect !== "pdf") throw new ClientError("NOT_FOUND", "No such job");
    return { status: 200, body: await pdfJobView(job, service) };
  },
});
