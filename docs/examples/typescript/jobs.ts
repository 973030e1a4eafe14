import { setTimeout as sleep } from "node:timers/promises";

// The settings of the examples, and `createJob`, which posts a job until the service has answered.

const { JOBS_URL = "http://127.0.0.1:3000", JOBS_TOKEN } = process.env;
export const { TARGET_URL = `${JOBS_URL}/echo` } = process.env;

if (!JOBS_TOKEN) {
  console.error(
    "JOBS_TOKEN is not set. For the local stack: export JOBS_TOKEN=$(npm run --silent token -- --app UUID)",
  );
  process.exit(1);
}

export interface JobRequest {
  /** Default `both`. Mode `sqs` stores nothing, so that there is no job to return. */
  readonly mode?: "both" | "db";
  readonly message: Message | Schedule;
}

export interface Message {
  readonly lambdaProxyMessage: {
    readonly path: string;
    readonly httpMethod: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD";
    readonly headers?: Readonly<Record<string, string>>;
    readonly body: string | null;
  };
  readonly execution:
    | { readonly type: "rest-api"; readonly baseUrl: string }
    | { readonly type: "lambda-invoke"; readonly functionName: string };
  readonly metadata: Metadata;
}

export interface Schedule {
  readonly execution: {
    readonly type: "schedule";
    readonly scheduledAt: string;
    readonly scheduleExpression: string;
    readonly targetJob: Message;
  };
  readonly metadata: Metadata;
}

export interface Metadata {
  /** All posts with the same key create one job. */
  readonly idempotencyKey: string;
}

export interface Job {
  readonly id: string;
  readonly executionType: string;
  readonly status: "PENDING" | "RUNNING" | "RETRYING" | "SUCCEEDED" | "FAILED" | "CANCELLED" | "DEAD";
  /** Set for a schedule that has not run yet. */
  readonly nextRunAt?: string | null;
}

/** Posts a job. Throws the API's message and details if the job is refused. */
export async function createJob(job: JobRequest): Promise<Job> {
  const body = JSON.stringify(job);
  for (const pauseMs of [1_000, 2_000, 4_000]) {
    const answer = await post(body).catch(() => undefined);
    if (answer && answer.status !== 503) return jobIn(answer);
    // The job may have been accepted or not, so post it again with the same idempotency key.
    await sleep(pauseMs);
  }
  return jobIn(await post(body));
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function post(body: string): Promise<Answer> {
  const response = await fetch(`${JOBS_URL}/v1/jobs/create`, {
    method: "POST",
    headers: { authorization: `Bearer ${JOBS_TOKEN}`, "content-type": "application/json" },
    body,
    signal: AbortSignal.timeout(30_000),
  });
  return { status: response.status, text: await response.text() };
}

function jobIn({ status, text }: Answer): Job {
  if (status >= 300) throw new Error(`HTTP ${status}: ${reasonIn(text)}`);
  return (JSON.parse(text) as { data: Job }).data;
}

/** The API's message and details, or the whole text if a proxy before the API has answered. */
function reasonIn(text: string): string {
  try {
    const { error } = JSON.parse(text) as {
      error: { message: string; details?: readonly { field: string; message: string }[] };
    };
    const details = error.details ?? [];
    return [error.message, ...details.map(({ field, message }) => `${field}: ${message}`)].join("\n  ");
  } catch {
    return text;
  }
}

export function printJob({ id, executionType, status, nextRunAt }: Job): void {
  console.log(JSON.stringify({ id, executionType, status, ...(nextRunAt && { nextRunAt }) }));
}

/** The time `days` from now for `at(...)`: in UTC, without the Z. */
export function daysAhead(days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 19);
}
