import { DAY, HOUR, iso, type Clock, type EpochMs } from "../clock.ts";
import { isFinished, type Job, type Status } from "../job.ts";

// A PDF job as its users see it: spec/quickjob-longjob-pdf.md. Webhooks say the same.

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

/** How long the file of a PDF job is there. */
export const FILE_KEPT = DAY;
/** What its signed links are good for. Real time. */
const LINK_MS = HOUR;
/** The error of a quick job that ran out of time, by which it is known as one. */
export const TOOK_TOO_LONG = "The document took longer than a request may";

/** What a PDF job results in, as it is stored. */
export interface PdfResult {
  /** Of a quick job, only where the file was too large for the answer. */
  readonly fileKey?: string;
  readonly pages: number;
  readonly truncated: boolean;
  readonly bytes: number;
}

export type KeptPdf = PdfResult & { readonly fileKey: string };

export function pdfStatus(job: Job): PdfStatus {
  return tookTooLong(job) ? "timeout" : SHOWN_AS[job.status];
}

export function tookTooLong({ quick, lastError }: Job): boolean {
  return quick === true && lastError === TOOK_TOO_LONG;
}

export function resultOf({ success }: Job): PdfResult | undefined {
  return success?.result === undefined ? undefined : (JSON.parse(success.result) as PdfResult);
}

/** Whether a file is to be taken for deleted, whatever the bucket says. */
export function isGone({ updatedAt }: Job, now: EpochMs): boolean {
  return now >= updatedAt + FILE_KEPT;
}

/** What a job and its webhook have in common. The link is made now, and is good for an hour. */
export async function pdfView(
  job: Job,
  { clock, link }: { readonly clock: Clock; readonly link: (key: string, fileName: string) => Promise<string> },
) {
  const { fileKey, pages = null } = resultOf(job) ?? {};
  const now = clock.now();
  const url = fileKey === undefined || isGone(job, now) ? null : await link(fileKey, `${job.id}.pdf`);
  const until = Math.min(now + clock.during(LINK_MS), job.updatedAt + FILE_KEPT);
  return {
    job_id: job.id,
    status: pdfStatus(job),
    mode: job.pdf?.inputType ?? null,
    pages,
    created_at: iso(job.createdAt),
    completed_at: isFinished(job) ? iso(job.updatedAt) : null,
    s3_url: url,
    s3_url_expires_at: url === null ? null : iso(until),
    error_message: errorMessage(job),
  };
}

/** What its webhook says: why it failed, only if it did. */
export async function pdfWebhook(job: Job, parts: Parameters<typeof pdfView>[1]): Promise<object> {
  const { error_message, ...view } = await pdfView(job, parts);
  return error_message === null ? view : { ...view, error_message };
}

function errorMessage({ status, lastError }: Job): string | null {
  if (status === "SUCCEEDED") return null;
  return status === "CANCELLED" ? "The job was cancelled" : (lastError ?? null);
}
