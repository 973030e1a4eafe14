import * as z from "../../zod.ts";
import { iso } from "../../clock.ts";
import { maskedAddress } from "../../job/masking.ts";
import { attemptsOf } from "../../job/view.ts";
import { isFinished, type Job } from "../../job/job.ts";
import type { ServiceParts } from "../../parts.ts";
import { PDF_STATUSES, pdfView, resultOf, type PdfResult } from "../../pdf/view.ts";
import { time } from "../http/answers.ts";
import type { Attempt } from "../../job/attempt.ts";

// The view of a PDF job in `GET /jobs/{id}`: spec/quickjob-longjob-pdf.md.

const webhookTry = z.strictObject({
  attempt: z.int(),
  at: z.nullable(time).check(z.describe("Null if the try was lost: its worker left no record.")),
  delivered: z.boolean(),
  http_status: z.nullable(z.int()),
  error: z.nullable(z.string()),
});

export const pdfJob = z
  .strictObject({
    job_id: z.guid(),
    job_type: z.enum(["quick", "long"]),
    status: z.enum(PDF_STATUSES),
    mode: z.nullable(z.enum(["html", "markdown"])).check(z.describe("What it is made of.")),
    pages: z.nullable(z.int()).check(z.describe("Of the whole document.")),
    truncated: z.nullable(z.boolean()).check(z.describe("Whether the file holds only the first 100 pages.")),
    warnings: z
      .array(z.string())
      .check(z.describe("What the file lacks of its document: what was left out, and characters that no font has.")),
    created_at: time,
    completed_at: z.nullable(time),
    duration_ms: z.nullable(z.int()).check(z.describe("What making it took.")),
    s3_url: z.nullable(z.string()).check(z.describe("A link to the file, made for this answer.")),
    s3_url_expires_at: z.nullable(time),
    message: z.nullable(z.string()).check(z.describe("Why there is no link to a file that was made.")),
    error_message: z.nullable(z.string()),
    timeout_occurred: z.boolean().check(z.describe("Whether a quick job took longer than a request may.")),
    webhook_url: z.nullable(z.string()),
    webhook_delivered: z
      .nullable(z.boolean())
      .check(z.describe("Null without a webhook, and once its job is deleted.")),
    webhook_delivered_at: z.nullable(time),
    webhook_retry_count: z.nullable(z.int()),
    webhook_retry_log: z.nullable(z.array(webhookTry)),
  })
  .register(z.globalRegistry, { id: "PdfJob", description: "A PDF job as it stands." });

export async function pdfJobView(job: Job, service: ServiceParts): Promise<object> {
  const { clock, fileStore } = service;
  const shown = await pdfView(job, { clock, link: fileStore.link });
  const result = resultOf(job);
  return {
    ...shown,
    job_type: job.quick ? "quick" : "long",
    truncated: result?.truncated ?? null,
    warnings: result?.warnings ?? [],
    duration_ms: (await durationOf(job, service)) ?? null,
    message: result && shown.s3_url === null ? whyNoFile(result) : null,
    timeout_occurred: job.timedOut === true,
    ...(await webhookView(job, service)),
  };
}

function whyNoFile({ fileKey }: PdfResult): string {
  return fileKey === undefined
    ? "The file came with the answer to the request, and was not kept"
    : "The file was deleted after 24 hours";
}

/** The duration of the last attempt, once the job has ended. */
async function durationOf(job: Job, { store }: ServiceParts): Promise<number | undefined> {
  if (job.success || !isFinished(job)) return job.success?.durationMs;
  return (await store.history(job.id))?.recorded.get(job.attempts)?.durationMs;
}

/** The state of the webhook for the job's end. */
async function webhookView(job: Job, { store }: ServiceParts): Promise<object> {
  const { webhookUrl } = job.pdf ?? {};
  // While the job is retried, its last webhook is for an earlier end.
  const id = isFinished(job) ? job.followUpJobIds?.at(-1) : undefined;
  const found = id === undefined ? undefined : await store.history(id);
  const tries = found ? attemptsOf(found.job, found.recorded).filter(({ outcome }) => outcome !== "running") : [];
  const isDelivered = found?.job.status === "SUCCEEDED";
  // A deleted webhook shows nothing.
  const has = webhookUrl !== undefined && (id === undefined || found !== undefined);
  return {
    webhook_url: webhookUrl === undefined ? null : maskedAddress(webhookUrl),
    webhook_delivered: has ? isDelivered : null,
    webhook_delivered_at: found && isDelivered ? iso(found.job.updatedAt) : null,
    webhook_retry_count: has ? Math.max(tries.length - 1, 0) : null,
    webhook_retry_log: has ? tries.map(tryView) : null,
  };
}

function tryView({ number, startedAt, outcome, httpStatus, error }: Attempt): object {
  return {
    attempt: number,
    at: startedAt === undefined ? null : iso(startedAt),
    delivered: outcome === "succeeded",
    http_status: httpStatus ?? null,
    error: error ?? null,
  };
}
