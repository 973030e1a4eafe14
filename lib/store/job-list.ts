import type { EpochMs } from "../clock.ts";
import { isListed } from "./job-item.ts";
import type { JobStore } from "./job-store.ts";
import type { GroupRef } from "../job/group.ts";
import type { Job } from "../job/job.ts";
import type { Status } from "../job/status.ts";
import type { TimeRange } from "./job-index.ts";
import { merged, type Position, type Source } from "./merge.ts";

export interface JobFilter {
  readonly appId: string;
  readonly status?: Status | undefined;
  readonly executionType?: string | undefined;
  /** The members of a group alone, which have an index of their own. */
  readonly memberOf?: GroupRef | undefined;
  readonly created: TimeRange;
}

export interface JobPage {
  readonly jobs: readonly Job[];
  /** The start of the next page; `undefined` at the end. */
  readonly next: Position | undefined;
}

/** The most reads for one page, when filters leave it short. Bounds its cost. */
const MOST_ROUNDS = 4;

type Lists = Pick<JobStore, "newest" | "partitionsOf" | "pendingListedBefore" | "getMany">;

/**
 * An app's jobs that match, newest first. Reads at most 4 × `limit` jobs, in as many batches, so a page may be short.
 * Each round is at most one query for each partition of each execution type.
 */
export async function listJobs(
  store: Lists,
  filter: JobFilter,
  executionTypes: readonly string[],
  limit: number,
  position?: Position,
): Promise<JobPage> {
  const jobs: Job[] = [];
  let next = position;
  const stages = stagesOf(store, filter, executionTypes);
  let stage = stages.findIndex(({ since }) => next === undefined || next.at >= since);
  for (let round = 0; round < MOST_ROUNDS && jobs.length < limit; round += 1) {
    const now = stages[stage];
    if (!now) return { jobs, next: undefined };
    const wanted = limit - jobs.length;
    const page = await merged(store, now.sources, { limit: wanted, most: wanted }, next);
    const found = await store.getMany(
      page.entries.map(({ id }) => id),
      { consistent: false },
    );
    jobs.push(...found.filter((job) => matches(job, filter)));
    next = page.next ?? { at: now.since - 1, ids: {} };
    if (!page.next) stage += 1;
  }
  return { jobs, next: stage < stages.length ? next : undefined };
}

/** A part of a list: its jobs are as old as `since` or newer, and newer than those of the stages after it. */
interface Stage {
  readonly since: EpochMs;
  readonly sources: readonly Source[];
}

function stagesOf(store: Lists, filter: JobFilter, executionTypes: readonly string[]): Stage[] {
  const { appId, status, memberOf, created } = filter;
  const { from = 0, to = Infinity } = created;
  if (memberOf) return [{ since: from, sources: store.partitionsOf({ memberOf }).map((it) => ({ ...it, created })) }];
  const types = filter.executionType === undefined ? executionTypes : [filter.executionType];
  const stage = (since: EpochMs, until: EpochMs, isOld: boolean) => ({
    since,
    sources: types.flatMap((executionType) => {
      const isByStatus = status && (isOld || isListed(executionType, status));
      const index = { appId, executionType, ...(isByStatus && { status }) };
      return store.partitionsOf(index).map((it) => ({ ...it, created: { from: since, to: until } }));
    }),
  });
  if (status !== "PENDING") return [stage(from, to, false)];
  // A young PENDING job may be in no index of its status, an old one is.
  const boundary = Math.max(store.pendingListedBefore(), from);
  return [stage(boundary, to, false), ...(boundary > from ? [stage(from, Math.min(to, boundary - 1), true)] : [])];
}

/** An index is eventually consistent, so the job may have changed since the entry. */
export function matches(job: Job, filter: JobFilter): boolean {
  const within = ({ from, to }: TimeRange, time: EpochMs) => (from ?? 0) <= time && time <= (to ?? Infinity);
  return (
    job.appId === filter.appId &&
    (filter.status === undefined || job.status === filter.status) &&
    (filter.executionType === undefined || job.executionType === filter.executionType) &&
    (!filter.memberOf || isMember(job, filter.memberOf)) &&
    within(filter.created, job.createdAt)
  );
}

function isMember({ memberOf }: Job, { id, createdAt }: GroupRef): boolean {
  return memberOf?.id === id && memberOf.createdAt === createdAt;
}
