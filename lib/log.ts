import type { Job } from "./job/job.ts";

/** The only fields a line may carry: none of them can hold a payload, a header or a token. */
export interface LogFields {
  readonly jobId?: string;
  readonly appId?: string;
  readonly attempt?: number;
  readonly executionType?: string;
  readonly outcome?: string;
  readonly status?: string;
  readonly httpStatus?: number | undefined;
  readonly durationMs?: number;
  readonly requestId?: string;
  /** Of the trace that the job's request named. */
  readonly traceId?: string;
  readonly messageId?: string;
  readonly route?: string;
  /** Set for schedules: the run, and the job that it created. */
  readonly run?: number;
  readonly targetJobId?: string;
  readonly count?: number;
  readonly left?: number;
  /** The name and message of an error of the service or of an AWS call; never a target's answer. */
  readonly error?: string;
}

/** The fields of every line about a job. */
export function logged(job: Job): LogFields {
  const { id: jobId, appId, attempts: attempt, executionType } = job;
  return { jobId, appId, attempt, executionType };
}

/** What is written at all: with `info`, nothing of `debug`. The alarms need `info`. */
export const LEAST_LEVELS = ["debug", "info"] as const;
export type LeastLevel = (typeof LEAST_LEVELS)[number];
export type Level = LeastLevel | "warn" | "error";

/** Writes one JSON object a line, under a stable event name such as `job.attempted`. */
export type Log = (level: Level, event: string, fields: LogFields) => void;

export function createLog(now: () => string, least: LeastLevel = "info"): Log {
  return (level, event, fields) => {
    if (level === "debug" && least !== "debug") return;
    process.stdout.write(`${JSON.stringify({ time: now(), level, event, ...fields })}\n`);
  };
}
