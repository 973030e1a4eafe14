// The dialects that keep more of a job than the unified API asks for.

/** `files`: through `/api/jobs`; `pdf`: through `/quickjob` and `/longjob`, and the webhooks of the latter. */
export type Dialect = "files" | "pdf";

/** The fields of a PDF job that are shown without a read of its message, which may be large. */
export interface PdfJob {
  readonly inputType: "html" | "markdown";
  readonly webhookUrl?: string;
}
