import type { EpochMs } from "../clock.ts";
import { fits, idsIn, type JobFilter } from "../job/job-filter.ts";
import { TASK, type Job } from "../job/job.ts";
import { areListed } from "../job/waiting.ts";
import { isListed, type IndexEntry } from "./job-item.ts";
import type { AppIndex } from "./job-index.ts";
import type { JobStore } from "./job-store.ts";
import { merged, type Position, type Source } from "./merge.ts";

export interface JobPage {
  readonly jobs: readonly Job[];
  /** The start of the next page; `undefined` at the end. */
  readonly next: Position | undefined;
}

/** The most reads for one page, when filters leave it short. Bounds its cost. */
const MOST_ROUNDS = 4;
/** Keys of an index that a query reads where the index says which jobs are not wanted: 100 KB. */
const KEYS_A_QUERY = 1_000;

type Lists = Pick<JobStore, "newest" | "partitionsOf" | "pendingListedBefore" | "getMany">;

/**
 * An app's jobs that fit, newest first. Reads at most 4 × `limit` jobs, in as many batches, so a page may be short.
 * At any time it makes at most one query for each partition of each execution type; several statuses that have an index
 * follow one another.
 */
export async function listJobs(
  store: Lists,
  filter: JobFilter,
  executionTypes: readonly string[],
  limit: number,
  position?: Position,
): Promise<JobPage> {
  const ids = idsIn(filter);
  if (ids) return named(store, ids, filter, limit, position);
  const jobs: Job[] = [];
  let next = position;
  const stages = stagesOf(store, filter, executionTypes);
  const { appId } = filter;
  const atOnce = executionTypes.flatMap((executionType) => store.partitionsOf({ appId, executionType })).length;
  let stage = stages.findIndex(({ since }) => next === undefined || next.at >= since);
  for (let round = 0; round < MOST_ROUNDS && jobs.length < limit; round += 1) {
    const now = stages[stage];
    if (!now) return { jobs, next: undefined };
    const most = limit - jobs.length;
    const asked = {
      limit: filter.jobType ? KEYS_A_QUERY : most,
      atOnce,
      most,
      wanted: mayFit(filter),
    };
    const page = await merged(store, now.sources, asked, next);
    // A job that changes its status may be in two indexes for a moment.
    const ids = new Set(page.entries.map(({ id }) => id));
    const found = ids.size > 0 ? await store.getMany([...ids], { consistent: false }) : [];
    // An index is eventually consistent, so a job may have changed since its entry.
    jobs.push(...found.filter((job) => fits(job, filter)));
    next = page.next ?? { at: now.since - 1, ids: {} };
    if (!page.next) stage += 1;
  }
  return { jobs, next: stage < stages.length ? next : undefined };
}

/** A page of the jobs that a filter names. */
async function named(
  store: Lists,
  ids: readonly string[],
  filter: JobFilter,
  limit: number,
  position: Position | undefined,
): Promise<JobPage> {
  const found = await store.getMany(ids, { consistent: true });
  const left = found
    .filter((job) => fits(job, filter) && (!position || isAfter(job, position)))
    .toSorted((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? -1 : 1));
  const jobs = left.slice(0, limit);
  const last = jobs.at(-1);
  const next = last && jobs.length < left.length ? { at: last.createdAt, ids: { [NAMED]: last.id } } : undefined;
  return { jobs, next };
}

const NAMED = "ids";

function isAfter({ id, createdAt }: Job, { at, ids }: Position): boolean {
  return createdAt < at || (createdAt === at && id > (ids[NAMED] ?? ""));
}

/** What is known of a job before it is read. Entries from before there was `jobType` have none. */
function mayFit({ jobType }: JobFilter): (entry: IndexEntry) => boolean {
  return (entry) => jobType === undefined || entry.jobType === undefined || jobType.includes(entry.jobType);
}

/** A part of a list: its jobs are as old as `since` or newer, and newer than those of the stages after it. */
interface Stage {
  readonly since: EpochMs;
  readonly sources: readonly Source[];
}

function stagesOf(store: Lists, filter: JobFilter, executionTypes: readonly string[]): Stage[] {
  const { status, waiting, memberOf, created } = filter;
  const { from = 0, to = Infinity } = created;
  if (memberOf) return [{ since: from, sources: store.partitionsOf({ memberOf }).map((it) => ({ ...it, created })) }];
  const types = (filter.executionType ?? executionTypes).filter((type) => !filter.jobType || type === TASK);
  const stage = (since: EpochMs, until: EpochMs, isOld: boolean) => ({
    since,
    sources: types
      .flatMap((type) => indexesOf(type, filter, isOld))
      .flatMap((index) => store.partitionsOf(index))
      .map((partition) => ({ ...partition, created: { from: since, to: until } })),
  });
  if (!status?.includes("PENDING")) return [stage(from, to, false)];
  if (waiting && areListed(waiting)) return [stage(from, to, true)];
  // A young PENDING job may be in no index of its status, an old one is.
  const boundary = Math.max(store.pendingListedBefore(), from);
  return [stage(boundary, to, false), ...(boundary > from ? [stage(from, Math.min(to, boundary - 1), true)] : [])];
}

/** The indexes of the statuses that are asked for, or that of all jobs of a type if one of them has none. */
function indexesOf(executionType: string, { appId, status: asked }: JobFilter, isOld: boolean): AppIndex[] {
  const hasIndex = asked?.every((each) => isListed(executionType, each) || (isOld && each === "PENDING"));
  const statuses = asked && hasIndex ? [...new Set(asked)] : undefined;
  return statuses ? statuses.map((status) => ({ appId, executionType, status })) : [{ appId, executionType }];
}

/** Jobs that fit, counted. */
export interface JobCount {
  readonly count: number;
  /** There may be more: it was counted to 1,000, or as far back as `lookedBackTo`. */
  readonly isLowerBound: boolean;
  readonly lookedBackTo: EpochMs | undefined;
}

const MOST_COUNTED = 1_000;
const COUNTED_A_PAGE = 100;
const MOST_PAGES = 10;

/** Counts an app's jobs that fit, to 1,000, among the newest 4,000 that may. `also`: a condition beside the filter. */
export async function countJobs(
  store: Lists,
  filter: JobFilter,
  executionTypes: readonly string[],
  also: (job: Job) => boolean = () => true,
): Promise<JobCount> {
  let count = 0;
  let position: Position | undefined;
  for (let page = 0; page < MOST_PAGES && count < MOST_COUNTED; page += 1) {
    const { jobs, next } = await listJobs(store, filter, executionTypes, COUNTED_A_PAGE, position);
    count += jobs.filter(also).length;
    position = next;
    if (!next) break;
  }
  return { count, isLowerBound: position !== undefined, lookedBackTo: position?.at };
}
