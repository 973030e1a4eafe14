import type { Job, JobDetail } from "./api/shapes.ts";
import { safeText } from "./parts/text.tsx";

/** What a job does, in a few words: `POST hooks.partner.com/orders`, `export_report`. */
export function whatOf(job: Job): string {
  const { executionType, jobType, destination, method, path } = job;
  if (executionType === "task") return jobType ?? "task";
  if (executionType === "schedule")
    return `schedule ${job.idempotencyKey ?? configText(job, "scheduleExpression")}`.trim();
  if (executionType === "group") return `group ${job.idempotencyKey ?? ""}`.trim();
  const host = (destination ?? "").replace(/^https?:\/\//, "");
  if (executionType === "lambda-invoke") return `invoke ${host}`;
  return safeText(`${method ?? ""} ${host}${path ?? ""}`.trim());
}

/** The first of these fields of its execution that is a text. */
export function configText({ executionConfig }: Job | JobDetail, ...names: readonly string[]): string {
  const fields = (executionConfig ?? {}) as Readonly<Record<string, unknown>>;
  const found = names.map((name) => fields[name]).find((value) => typeof value === "string");
  return typeof found === "string" ? found : "";
}

/** What an unfinished job waits for, or how a finished one failed. */
export function stateOf(job: Job): string {
  const { status, waiting, lastError, progress, reason, executionType } = job;
  if (status === "RUNNING")
    return progress
      ? `${Math.round(progress.percent)} %${progress.label === undefined ? "" : `, ${progress.label}`}`
      : "";
  if (executionType === "schedule" && waiting?.reason === "paused") return "paused";
  if (status === "PENDING" || status === "RETRYING")
    return waiting ? (WAITING[waiting.reason] ?? waiting.reason) : (lastError ?? "");
  if (status === "SUCCEEDED") return "";
  return safeText(lastError ?? reason ?? "");
}

/** What many jobs wait for. */
export const WAITING_MANY: Readonly<Record<string, string>> = {
  delayed: "for their start",
  backoff: "for their next try",
  queued: "for a worker",
  order: "for jobs before them",
  rate: "for a rate limit",
  concurrency: "for others to end",
  outage: "for a circuit",
  held: "for a held destination",
  paused: "for the app",
  slot: "for a task slot",
};

/** The reasons to wait, as the service names them. */
export const WAITING: Readonly<Record<string, string>> = {
  delayed: "for its start",
  backoff: "for its next try",
  queued: "for a worker",
  order: "for the jobs before it",
  rate: "for its turn: a rate limit",
  concurrency: "for others to end",
  outage: "circuit open",
  held: "destination held",
  paused: "app paused",
  slot: "for a task slot",
  members: "for its members",
};
