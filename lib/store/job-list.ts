import type { EpochMs } from "../clock.ts";
import { LISTED_STATUSES, type Place } from "./job-item.ts";
import type { JobStore } from "./job-store.ts";
import type { Job } from "../job/job.ts";
import type { Status } from "../job/status.ts";
import type { AppIndex, TimeRange } from "./job-index.ts";

export interface JobFilter {
  readonly appId: string;
  readonly status?: Status | undefined;
  readonly executionType?: string | undefined;
  readonly created: TimeRange;
}

/** The progress of a listing in each of its indexes: the last entry that it took, or "done". */
export type Position = Readonly<Record<string, Place | "done">>;

export interface JobPage {
  readonly jobs: readonly Job[];
  /** The start of the next page; `undefined` at the end. */
  readonly next: Position | undefined;
}

/** The most reads for one page, when filters leave it short. Bounds its cost. */
const MOST_ROUNDS = 4;

/**
 * An app's jobs that match, newest first. Reads at most 4 × `limit` jobs, so a page may be short;
 * without a status of its own index, it merges one index per execution type.
 */
export async function listJobs(
  store: JobStore,
  filter: JobFilter,
  executionTypes: readonly string[],
  limit: number,
  position: Position = {},
): Promise<JobPage> {
  const jobs: Job[] = [];
  const at: Record<string, Place | "done"> = { ...position };
  const indexes = indexesOf(filter, executionTypes);
  for (let round = 0; round < MOST_ROUNDS && jobs.length < limit; round += 1) {
    const open = Object.entries(indexes).filter(([name]) => at[name] !== "done");
    if (open.length === 0) break;
    const wanted = limit - jobs.length;
    const pages = await Promise.all(
      open.map(async ([name, index]) => {
        const from = at[name];
        const page = await store.newest(index, filter.created, wanted, from === "done" ? undefined : from);
        return { name, ...page };
      }),
    );
    // Each index has shown its `wanted` newest entries, so every entry not shown is older than these.
    const entries = pages
      .flatMap(({ name, entries: shown }) => shown.map((entry) => ({ name, entry })))
      .toSorted((a, b) => b.entry.at - a.entry.at)
      .slice(0, wanted);
    for (const { name, entry } of entries) at[name] = entry;
    for (const { name, entries: shown, complete } of pages) {
      const last = shown.at(-1);
      const taken = !last || entries.some(({ entry }) => entry.id === last.id);
      if (complete && taken) at[name] = "done";
    }
    const found = await store.getMany(
      entries.map(({ entry }) => entry.id),
      { consistent: false },
    );
    jobs.push(...found.filter((job) => matches(job, filter)));
  }
  const ended = Object.keys(indexes).every((name) => at[name] === "done");
  return { jobs, next: ended ? undefined : at };
}

/** The indexes that a listing reads, by their names in its position. */
export function indexesOf(
  { appId, status, executionType }: JobFilter,
  executionTypes: readonly string[],
): Record<string, AppIndex> {
  if (status && LISTED_STATUSES.has(status)) return { [status]: { appId, status } };
  const types = executionType === undefined ? executionTypes : [executionType];
  return Object.fromEntries(types.map((type) => [type, { appId, executionType: type }]));
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
