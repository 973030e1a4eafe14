import type { EpochMs } from "../clock.ts";

// What a schedule has beside the fields of every job.

/** Why a run was not made: the last one was unfinished, it came too late, or the schedule was paused. */
export type SkipReason = "overlap" | "missed" | "paused";

/** Runs that were not made: `times` of them, the first one at `at`. */
export interface Skip {
  readonly at: EpochMs;
  readonly reason: SkipReason;
  readonly times: number;
}

/** The number of runs that were not made, by reason, and the last of them. */
export type Skipped = Readonly<Partial<Record<SkipReason, number>>> & { readonly last: readonly Skip[] };

export interface ScheduleFields {
  /** Set for schedules in EventBridge. */
  readonly scheduleArn?: string;
  /** Set for schedules with more than one run. The next run is at `startAt`. */
  readonly recurring?: true;
  /** The number of runs so far, and the time of the last one. */
  readonly runs?: number;
  readonly lastRunAt?: EpochMs;
  /** The job that the last run created, or found under its key. */
  readonly targetJobId?: string;
  /** The number of runs, skipped runs and edits so far: the fence of the next one. Default: the number of runs. */
  readonly steps?: number;
  /** The number of edits so far, and the operation that made the last one. */
  readonly edits?: number;
  readonly editId?: string;
  /** The number of runs that people have asked for, beside those of the expression. */
  readonly asked?: number;
  readonly pausedAt?: EpochMs;
  readonly pauseReason?: string;
  /** The runs up to this time are made however late: one waits for the end of the last, or a person makes up for them. */
  readonly owedUntil?: EpochMs;
  readonly skipped?: Skipped;
}

/** The due time of a paused schedule: nothing looks at it. */
export const NEVER: EpochMs = Date.parse("9999-01-01T00:00:00Z");

const LAST_KEPT = 10;

export function stepsOf({ steps, runs = 0 }: ScheduleFields): number {
  return steps ?? runs;
}

/** The version that people see: it grows with every edit, pause and resumption. */
export function versionOf({ edits = 0 }: ScheduleFields): number {
  return edits + 1;
}

/** What was skipped, and some more. */
export function withSkips(skipped: Skipped = { last: [] }, more: readonly Skip[]): Skipped {
  const counts = more.reduce<Partial<Record<SkipReason, number>>>(
    (sum, { reason, times }) => ({ ...sum, [reason]: (sum[reason] ?? 0) + times }),
    skipped,
  );
  return { ...counts, last: [...skipped.last, ...more].slice(-LAST_KEPT) };
}
