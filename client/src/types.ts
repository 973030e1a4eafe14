import type {
  BulkFilter,
  CreateGroup,
  DestinationLimits,
  FlatJob,
  JobEntity,
  Operations,
  PutSchedule,
  Resend,
  SendJob,
} from "./api-types.ts";
import type { JobsError } from "./errors.ts";

// What the methods take and answer, by the API document.

type DataOf<Answer> = Answer extends { readonly data: infer Data } ? Data : never;

/** `data` of the answer of an operation. */
type Data<Id extends keyof Operations> = Operations[Id] extends { readonly answer: infer Answer }
  ? DataOf<Answer>
  : never;

/** A job as it stands, without its message. */
export type Job = JobEntity;
/** A job as `send` answers it. */
export type SentJob = Job & {
  /** The key had this job already: nothing new is run. A try of this very call may have made it, if its answer was lost. */
  readonly isReplay: boolean;
};
/** A job with its message and attempts. */
export type JobWithAttempts = Data<"getJob">;
export type Status = Job["status"];

/** `"90s"`, `"10m"`, `"1h30m"`, `"2d"`, or seconds. */
export type Duration = string | number;
/** With its offset or `Z`: `2027-01-15T10:00:00Z`. */
export type Time = string | Date;

type Written = "notBefore" | "notAfter" | "onSuccess" | "onFailure";

/** A job that follows another one, or that a schedule makes. It names one of `url`, `function`, `functionUrl`, `task`. */
export interface FollowUp extends Omit<FlatJob, Written> {
  /** How long from now it waits, at most a year; of a follow-up, from the end of the job before it. */
  readonly delay?: Duration | undefined;
  readonly notBefore?: Time | undefined;
  /** Not started by then, it ends as FAILED, with `reason` `expired`. */
  readonly notAfter?: Time | undefined;
  readonly onSuccess?: FollowUp | undefined;
  readonly onFailure?: FollowUp | undefined;
}

/** A job to send. Without a `key` it gets a new one, which every try of the call repeats. */
export interface NewJob extends FollowUp {
  /** Default: `both`. `sqs` stores nothing unless the first attempt fails. */
  readonly mode?: SendJob["mode"];
  /** Another app than the token's, for platform administrators. */
  readonly appId?: SendJob["appId"];
}

/** What came of one job of many: it is accepted (null in mode `sqs`), or refused. */
export type Sent =
  | { readonly job: SentJob | null; readonly error?: undefined }
  | { readonly job?: undefined; readonly error: JobsError };

export interface Page<Item> {
  readonly items: readonly Item[];
  /** Of the next page; null at the end. */
  readonly nextCursor: string | null;
}

interface Timed {
  readonly createdAfter?: Time | undefined;
  readonly createdBefore?: Time | undefined;
  readonly updatedAfter?: Time | undefined;
  readonly updatedBefore?: Time | undefined;
}

/** Which jobs: those that fit each condition, by any of its values. */
export type ListOptions = Omit<Operations["listJobs"]["query"], keyof Timed> & Timed;

/** Which jobs are changed: those that fit each condition, by any of its values. */
export type BulkOptions = Omit<BulkFilter, keyof Timed | "dryRun"> & Timed;

/** At most so many requests: left out or null, no limit. */
export type Limits = Omit<DestinationLimits, "destination" | "version">;
/** The limits of a destination, by the name that the service has for it. */
export type LimitedDestination = Data<"putDestination">["destinations"][number];
export type DestinationFilter = Operations["listDestinations"]["query"];

export type Counts = Data<"getCounts">;
export type BulkAction = Data<"getBulkAction">;

/** When a schedule runs: one of `cron`, `every` and `expression`. */
export interface When {
  /** Five fields: `0 2 * * *`. */
  readonly cron?: string | undefined;
  /** `"10m"`, `"2h"`, `"1d"`. */
  readonly every?: string | undefined;
  /** As the service has it: `rate(10 minutes)`, `cron(0 2 ? * MON-FRI *)`, `at(2027-01-15T10:00:00)`. */
  readonly expression?: string | undefined;
  /** Default: UTC. */
  readonly timezone?: string | undefined;
}

/** The fields that the client takes in another form, or that are only shown. */
type ScheduleFields = Pick<
  PutSchedule,
  "maxRuns" | "overlap" | "missed" | "missedWithinSeconds" | "windowSeconds" | "paused" | "pauseReason"
>;

interface Policies extends ScheduleFields {
  /** No run before; a rate counts from then. */
  readonly startsAt?: Time | undefined;
  /** No run after. */
  readonly endsAt?: Time | undefined;
}

export interface NewSchedule extends When, Policies {
  readonly job: FollowUp;
}

/** Null takes a field's value away. */
export type ScheduleChanges = When & {
  readonly [Field in keyof Policies]?: Policies[Field] | null;
} & { readonly job?: FollowUp | undefined };

export type ScheduleFilter = Operations["listSchedules"]["query"];
export type Preview = Data<"previewSchedule">;

export interface NewGroup extends Omit<CreateGroup, "sealBy" | "onSuccess" | "onFailure"> {
  /** Unsealed by then, it fails. Default: `"24h"`. */
  readonly sealBy?: Duration | undefined;
  readonly onSuccess?: FollowUp | undefined;
  readonly onFailure?: FollowUp | undefined;
}

/** What a job is sent again with, where it differs. */
export interface ResendChanges extends Omit<Resend, "notBefore"> {
  readonly notBefore?: Time | undefined;
}
