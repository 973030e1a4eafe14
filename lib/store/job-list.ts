import type { EpochMs } from "../clock.ts";
import { LISTED_STATUSES, type IndexEntry } from "./job-item.ts";
import type { JobStore } from "./job-store.ts";
import type { Job } from "../job/job.ts";
import type { Status } from "../job/status.ts";
import type { AppIndex, TimeRange } from "./job-index.ts";
import { merged, type Position } from "./merge.ts";

export interface JobFilter {
  readonly appId: string;
  readonly status?: Status | undefined;
  readonly executionType?: string | undefined;
  readonly created: TimeRange;
}

export interface JobPage {
  readonly jobs: readonly Job[];
  /** The start of the next page; `undefined` at the end. */
  readonly next: Position | undefined;
}

/** The most reads for one page, when filters leave it short. Bounds its cost. */
const MOST_ROUNDS = 4;

/**
 * An app's jobs that match, newest first. Reads at most 4 × `limit` jobs, in as many batches, so a page may be short;
 * without a status of its own index, it merges the partitions of each execution type.
 */
export async function listJobs(
  store: Pick<JobStore, "newest" | "partitionsOf" | "getMany">,
  filter: JobFilter,
  executionTypes: readonly string[],
  limit: number,
  position?: Position,
): Promise<JobPage> {
  const jobs: Job[] = [];
  const sources = indexesOf(filter, executionTypes).flatMap((index) =>
    store.partitionsOf(index).map((partition) => ({ ...partition, created: filter.created })),
  );
  let next = position;
  for (let round = 0; round < MOST_ROUNDS && jobs.length < limit; round += 1) {
    const wanted = limit - jobs.length;
    const page = await merged(store, sources, { limit: wanted, most: wanted }, next);
    const fit = page.entries.filter((entry) => mayMatch(entry, filter));
    const found = await store.getMany(
      fit.map(({ id }) => id),
      { consistent: false },
    );
    jobs.push(...found.filter((job) => matches(job, filter)));
    if (!page.next) return { jobs, next: undefined };
    ({ next } = page);
  }
  return { jobs, next };
}

function indexesOf({ appId, status, executionType }: JobFilter, executionTypes: readonly string[]): AppIndex[] {
  if (status && LISTED_STATUSES.has(status)) return [{ appId, status }];
  const types = executionType === undefined ? executionTypes : [executionType];
  return types.map((type) => ({ appId, executionType: type }));
}

function mayMatch(entry: IndexEntry, { executionType }: JobFilter): boolean {
  return executionType === undefined || entry.executionType === executionType;
}

/** An index is eventually consistent, so the job may have changed since the entry. */
export function matches(job: Job, filter: JobFilter): boolean {
  const within = ({ from, to }: TimeRange, time: EpochMs) => (from ?? 0) <= time && time <= (to ?? Infinity);
  return (
    job.appId === filter.appId &&
    (filter.status === undefined || job.status === filter.status) &&
    (filter.executionType === undefined || job.executionType === filter.executionType) &&
    within(filter.created, job.createdAt)
  );
}
