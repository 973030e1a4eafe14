import { SECOND } from "../clock.ts";
import { isSchedule, type Job } from "../job/job.ts";
import { MOST_VALUES, type Metrics } from "../metrics.ts";
import type { Change } from "./counters.ts";

// What a batch of the table's stream, or a sweep, says about the service as a whole, whatever app its jobs belong to.

export const COUNTED = ["Accepted", "Succeeded", "Retried", "Failed", "Dead"] as const;
export type Counted = (typeof COUNTED)[number];
export type Counts = Partial<Record<Counted, number>>;

export interface Measured {
  /** By execution type. */
  readonly counts: ReadonlyMap<string, Counts>;
  /** Of the jobs that succeeded, schedules aside: from acceptance, or from the start that was asked for. */
  readonly latenciesMs: readonly number[];
}

/** What a sweep, or a part of one, has found. */
export interface SweepFigures {
  /** How long the oldest due job or backlog has been due. Undefined for a part of a sweep. */
  readonly oldestDueMs?: number | undefined;
  readonly left: number;
  readonly lostAttempts: number;
  /** Destinations and apps for which jobs wait in a backlog that the sweep has looked at. */
  readonly destinationsShut: number;
  readonly pausedApps: number;
  /** How late the latest schedule was that the sweep has fired. */
  readonly scheduleLateMs: number;
}

/** A change may be told twice, so the counts are approximate. */
export function measuresOf(changes: readonly Change[]): Measured {
  const counts = new Map<string, Counts>();
  const latenciesMs: number[] = [];
  for (const { before, after } of changes) {
    if (!after) continue;
    // An expired job whose key is used again is replaced by a new one.
    const was = before?.createdAt === after.createdAt ? before : undefined;
    const names = namesOf(was, after);
    if (names.length === 0) continue;
    const own: Counts = counts.get(after.executionType) ?? {};
    counts.set(after.executionType, own);
    for (const name of names) own[name] = (own[name] ?? 0) + 1;
    if (names.includes("Succeeded") && !isSchedule(after)) latenciesMs.push(latencyOf(after));
  }
  return { counts, latenciesMs };
}

function namesOf(before: Job | undefined, after: Job): Counted[] {
  const ended = before?.status === after.status ? undefined : NAMES[after.status];
  return [...(before ? [] : (["Accepted"] as const)), ...(ended ? [ended] : [])];
}

/** The counter that grows as a job comes to a status. */
const NAMES: Partial<Record<Job["status"], Counted>> = {
  RETRYING: "Retried",
  SUCCEEDED: "Succeeded",
  FAILED: "Failed",
  DEAD: "Dead",
};

/** From acceptance, or from the start that was asked for. */
export function latencyOf({ createdAt, scheduledAt = 0, updatedAt }: Job): number {
  return Math.max(updatedAt - Math.max(createdAt, scheduledAt), 0);
}

/** Emits a line for each execution type, and one for the latencies. */
export function emitMeasured({ counts, latenciesMs }: Measured, metrics: Metrics): void {
  for (const [executionType, values] of counts) metrics(values, executionType);
  if (latenciesMs.length > 0) metrics({ LatencyMs: sampleOf(latenciesMs) });
}

/** At most as many as a line may hold, from all over the batch. */
function sampleOf(values: readonly number[]): readonly number[] {
  const every = Math.ceil(values.length / MOST_VALUES);
  return values.filter((_, at) => at % every === 0);
}

/** The metrics of a sweep. A part of one knows nothing of the oldest. */
export function sweepMetrics(figures: SweepFigures): Parameters<Metrics>[0] {
  const { oldestDueMs, left, lostAttempts, destinationsShut, pausedApps, scheduleLateMs } = figures;
  return {
    ...(oldestDueMs !== undefined && { OldestDueSeconds: Math.floor(oldestDueMs / SECOND) }),
    SweepLeft: left,
    LostAttempts: lostAttempts,
    DestinationsShut: destinationsShut,
    PausedApps: pausedApps,
    ScheduleLateSeconds: Math.floor(scheduleLateMs / SECOND),
  };
}
