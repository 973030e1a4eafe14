export type Status = "PENDING" | "RUNNING" | "RETRYING" | "SUCCEEDED" | "FAILED" | "DEAD" | "CANCELLED";

export const STATUSES = [
  "PENDING",
  "RUNNING",
  "RETRYING",
  "SUCCEEDED",
  "FAILED",
  "DEAD",
  "CANCELLED",
] as const satisfies readonly Status[];

/** What a person can stop a job as: by a cancel, or by putting it among the dead letters. */
export type StopStatus = "CANCELLED" | "DEAD";

export const FINAL_STATUSES = ["SUCCEEDED", "FAILED", "DEAD", "CANCELLED"] as const satisfies readonly Status[];

export type FinalStatus = (typeof FINAL_STATUSES)[number];
