import type { IndexEntry } from "./job-item.ts";
import type { JobStore } from "./job-store.ts";
import { TASK, type Job } from "../job/job.ts";
import type { Status } from "../job/status.ts";
import { merged, type Position } from "./merge.ts";

// Pages by number, for the dialects whose lists have them: of tasks alone.

export interface NumberedPage {
  readonly jobs: readonly Job[];
  /** Of more than 10,000 jobs, only the newest 10,000 are looked at. */
  readonly total: number;
  /** False if there are more jobs than were looked at. */
  readonly totalIsExact: boolean;
  readonly page: number;
  readonly pageSize: number;
  readonly totalPages: number;
}

/** The tasks of an app, or those of one of its users. */
export interface TaskOwner {
  readonly appId: string;
  readonly userId?: string;
}

/** What is in every entry of the indexes of tasks, and in every job. */
export interface TaskFilter {
  readonly statuses?: readonly Status[] | undefined;
  readonly fits: (of: Pick<Job, "executionType" | "jobType" | "dialect">) => boolean;
}

const MOST_LOOKED_AT = 10_000;
const KEYS_A_QUERY = 1_000;

/** Newest first. The indexes have what the filter asks for, so only the jobs of the page are read. */
export async function numberedPage(
  store: Pick<JobStore, "newest" | "partitionsOf" | "getMany">,
  owner: TaskOwner,
  { page, pageSize }: { readonly page: number; readonly pageSize: number },
  filter: TaskFilter,
): Promise<NumberedPage> {
  const { entries, isAll } = await entriesOf(store, owner, filter);
  const fits = (of: IndexEntry | Job) =>
    filter.fits(of) && (!filter.statuses || of.status === undefined || filter.statuses.includes(of.status));
  const matching = entries.filter(fits);
  const ids = matching.slice((page - 1) * pageSize, page * pageSize).map(({ id }) => id);
  const jobs = await store.getMany(ids, { consistent: false });
  const total = matching.length;
  // A job may have changed since its entry was written.
  return {
    jobs: jobs.filter(fits),
    total,
    totalIsExact: isAll,
    page,
    pageSize,
    totalPages: Math.ceil(total / pageSize),
  };
}

async function entriesOf(
  store: Pick<JobStore, "newest" | "partitionsOf">,
  { appId, userId }: TaskOwner,
  { statuses }: TaskFilter,
): Promise<{ entries: readonly IndexEntry[]; isAll: boolean }> {
  const tasks = { appId, executionType: TASK };
  const ofApp = statuses ? statuses.map((status) => ({ ...tasks, status })) : [tasks];
  const indexes = userId === undefined ? ofApp : [{ appId, userId }];
  const sources = indexes.flatMap((of) => store.partitionsOf(of)).map((partition) => ({ ...partition, created: {} }));
  const atOnce = store.partitionsOf(tasks).length;
  const entries: IndexEntry[] = [];
  let from: Position | undefined;
  do {
    const page = await merged(store, sources, { limit: KEYS_A_QUERY, atOnce }, from);
    entries.push(...page.entries);
    from = page.next;
  } while (from && entries.length < MOST_LOOKED_AT);
  return { entries, isAll: from === undefined };
}
