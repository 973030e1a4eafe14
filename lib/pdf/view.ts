import { DAY, HOUR, iso, type Clock, type EpochMs } from "../clock.ts";
import type { Link } from "../files/file-store.ts";
import { isFinished, type Job } from "../job/job.ts";
import type { Status } from "../job/status.ts";

// The user's view of a PDF job, in answers and webhooks: spec/quickjob-longjob-pdf.md.

export const PDF_STATUSES = ["queued", "processing", "completed", "failed", "timeout"] as const;

export type PdfStatus = (typeof PDF_STATUSES)[number];

const SHOWN_AS: Record<Status, PdfStatus> = {
  PENDING: "queued",
  RUNNING: "processing",
  RETRYING: "queued",
  SUCCEEDED: "completed",
  FAILED: "failed",
  DEAD: "failed",
  CANCELLED: "failed",
};

/** How long the file of a PDF job is kept; the bucket's lifecycle in resources.yml deletes it. */
const FILE_KEPT = DAY;
/** How long a signed link is valid. Real time. */
const LINK_MS = HOUR;

/** The stored result of a PDF job. */
export interface PdfResult {
  /** A quick job has one only if the file was too large for the answer. */
  readonly fileKey?: string;
  readonly pages: number;
  readonly truncated: boolean;
  readonly bytes: number;
  /** What the file lacks of its document, in words; absent if it lacks nothing. */
  readonly warnings?: readonly string[] | undefined;
  /** The name under which it is saved; by default it has the job's id. */
  readonly fileName?: string;
}

export type KeptPdf = PdfResult & { readonly fileKey: string };

export function pdfStatus(job: Job): PdfStatus {
  return job.timedOut ? "timeout" : SHOWN_AS[job.status];
}

export function resultOf({ success }: Job): PdfResult | undefined {
  return success?.result === undefined ? undefined : (JSON.parse(success.result) as PdfResult);
}

/** A new link to a job's file, valid for an hour at most and never longer than the file is kept. */
export async function linkOf(job: Job, { clock, link }: Parts): Promise<{ url: string; until: EpochMs } | undefined> {
  const { fileKey, fileName = `${job.id}.pdf` } = resultOf(job) ?? {};
  const now = clock.now();
  const left = job.updatedAt + FILE_KEPT - now;
  if (fileKey === undefined || left <= 0) return undefined;
  const linkMs = Math.min(LINK_MS, clock.waitFor(left));
  return { url: await link(fileKey, fileName, linkMs), until: now + clock.during(linkMs) };
}

interface Parts {
  readonly clock: Clock;
  readonly link: Link;
}

/** The fields that a job and its webhook share. The link is new. */
export async function pdfView(job: Job, parts: Parts) {
  const linked = await linkOf(job, parts);
  return {
    job_id: job.id,
    status: pdfStatus(job),
    mode: job.pdf?.inputType ?? null,
    pages: resultOf(job)?.pages ?? null,
    created_at: iso(job.createdAt),
    completed_at: isFinished(job) ? iso(job.updatedAt) : null,
    s3_url: linked?.url ?? null,
    s3_url_expires_at: linked ? iso(linked.until) : null,
    error_message: errorMessage(job),
  };
}

/** The body of its webhook. */
export async function pdfWebhook(job: Job, parts: Parts): Promise<object> {
  const { error_message, ...view } = await pdfView(job, parts);
  return error_message === null ? view : { ...view, error_message };
}

function errorMessage({ status, lastError }: Job): string | null {
  if (status === "SUCCEEDED") return null;
  return status === "CANCELLED" ? "The job was cancelled" : (lastError ?? null);
}
