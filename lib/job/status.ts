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

/** The statuses of a job before an attempt. */
export type WaitingStatus = "PENDING" | "RETRYING";

/** The final status that a person gives a job: by a cancel, or by putting it among the dead letters. */
export type StopStatus = "CANCELLED" | "DEAD";

export const FINAL_STATUSES = ["SUCCEEDED", "FAILED", "DEAD", "CANCELLED"] as const satisfies readonly Status[];

export type FinalStatus = (typeof FINAL_STATUSES)[number];
