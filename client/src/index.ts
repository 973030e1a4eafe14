export type { ErrorDetail } from "./errors.ts";
export { ConflictError, JobFailedError, JobsError, RateLimitError, UnavailableError } from "./errors.ts";
export { Jobs } from "./jobs.ts";
export type { Pages } from "./pages.ts";
export type { CallOptions, JobsOptions } from "./transport.ts";
export type {
  BulkAction,
  BulkOptions,
  Counts,
  DestinationFilter,
  FollowUp,
  Job,
  JobWithAttempts,
  LimitedDestination,
  Limits,
  ListOptions,
  NewGroup,
  NewJob,
  NewSchedule,
  Page,
  Preview,
  ResendChanges,
  ScheduleChanges,
  ScheduleFilter,
  Sent,
  SentJob,
  When,
} from "./types.ts";
export type { Callback, Destination, Group, JobCount, Schedule } from "./api-types.ts";
