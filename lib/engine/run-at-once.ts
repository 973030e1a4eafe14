import type { Job, Outcome } from "../job/job.ts";

/** What runs a job within the request that asks for it. */
export type Work = (signal: AbortSignal) => Promise<Outcome>;

/** `job`: as it was when it started, or the one that has its id. */
export type RanAtOnce =
  | { readonly isNew: true; readonly job: Job; readonly outcome: Outcome }
  | { readonly isNew: false; readonly job: Job };
