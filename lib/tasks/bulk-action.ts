import * as z from "../zod.ts";
import type { EpochMs } from "../clock.ts";
import type { JobPage } from "../store/job-list.ts";
import { BULK_ACTION, isFinished, isWaiting, type Job } from "../job/job.ts";
import { anyOf, filterFields, filterOf, type JobFilter } from "../job/job-filter.ts";
import { defineTask, done, failed } from "./task.ts";

export type BulkKind = "redrive" | "cancel";

/** The filter of lists, with the statuses that an action may change. */
export const bulkFields = () => ({
  ...filterFields(),
  status: z.optional(
    anyOf(z.enum(["PENDING", "RUNNING", "RETRYING", "FAILED", "DEAD"])).check(
      z.describe("Default: FAILED and DEAD for a redrive, those unfinished for a cancel."),
    ),
  ),
});

export const bulkFilter = z.lazy(() =>
  z.strictObject(bulkFields()).check(
    z.refine((filter) => Object.values(filter).some((value) => value !== undefined), {
      error: "expected at least one condition: an empty filter would take all jobs of the app",
    }),
  ),
);

export type BulkFilter = z.infer<typeof bulkFilter>;

const payload = z.strictObject({ action: z.enum(["redrive", "cancel"]), filter: bulkFilter });

/** The checkpoint: the counts so far, and the position. */
export interface BulkProgress {
  /** The counts of jobs read, of those that match the filter, and of those that were changed. */
  readonly looked: number;
  readonly matched: number;
  readonly changed: number;
  readonly from?: NonNullable<JobPage["next"]>;
  /** All jobs have been read. */
  readonly isRead?: true;
  /** Where the jobs go that it has redriven: the first destinations, by which people are told of those that fail. */
  readonly to?: readonly string[];
}

export const NOTHING_DONE: BulkProgress = { looked: 0, matched: 0, changed: 0 };
const AT_ONCE = 10;
const MOST_DESTINATIONS = 10;

/** Redrives or cancels the app's jobs that match a filter and have not changed since the request. */
export const bulkAction = defineTask({
  jobType: BULK_ACTION,
  summary: "Redrives or cancels many jobs, for administrators",
  payload,
  // No user has this permission by default; administrators have all.
  permission: "jobs.bulk_actions",
  isUrgent: true,

  async run({ action, filter }, context) {
    const { jobs, job, signal } = context;
    let so = soFar(context.saved);
    if (so.isRead) return done(countsOf(so));
    const asked = wantedBy(action, job.appId, filter, job.createdAt);
    const group = asked.group?.length === 1 ? await jobs.get(asked.group[0] ?? "") : undefined;
    if (asked.group?.length === 1 && !group?.fanIn) return failed("There is no such group");
    const wanted = { ...asked, ...(group && { memberOf: { id: group.id, createdAt: group.createdAt } }) };
    const isHeld = group?.fanIn?.heldBy === job.id;
    const change = async (each: Job) => (action === "redrive" ? jobs.redrive(each, isHeld) : jobs.cancel(each));
    for await (const page of jobs.pages(wanted, so.from)) {
      signal.throwIfAborted();
      const fit = page.jobs.filter((each) => mayChange(each, action) && isAsOf(job.createdAt, each));
      const changed = await inTurn(fit, change);
      const to = action === "redrive" ? destinationsOf(so, changed) : [];
      so = {
        looked: so.looked + page.jobs.length,
        matched: so.matched + fit.length,
        changed: so.changed + changed.length,
        ...(to.length > 0 && { to }),
        ...(page.next ? { from: page.next } : { isRead: true }),
      };
      await context.checkpoint(so);
      await context.progress(so.isRead ? 1 : 0, 1, { label: `${so.changed} jobs changed` });
    }
    return done(countsOf(so));
  },
});

/** A checkpoint of an earlier version names a listing: it begins anew, and finds what it has changed to be changed. */
function soFar(saved: unknown): BulkProgress {
  if (saved === undefined) return NOTHING_DONE;
  const so = saved as BulkProgress & { readonly listing?: number };
  return so.listing === undefined ? so : countsOf(so);
}

/** The result. */
function countsOf({ looked, matched, changed }: BulkProgress) {
  return { looked, matched, changed };
}

function destinationsOf({ to = [] }: BulkProgress, changed: readonly Job[]): readonly string[] {
  const all = new Set([...to, ...changed.flatMap(({ destination }) => destination ?? [])]);
  return [...all].slice(0, MOST_DESTINATIONS);
}

/** The jobs that an action looks at: those that were created up to a time and fit. */
export function wantedBy(action: BulkKind, appId: string, filter: BulkFilter, until: EpochMs): JobFilter {
  const wanted = filterOf(appId, filter);
  const { from, to = Infinity } = wanted.created;
  const status = wanted.status ?? (action === "redrive" ? ["FAILED", "DEAD"] : ["PENDING", "RUNNING", "RETRYING"]);
  return { ...wanted, status, created: { ...(from !== undefined && { from }), to: Math.min(until, to) } };
}

/** Whether an action may change a job. A redrive takes one that waits for its time only where the filter names its status. */
export function mayChange(job: Job, action: BulkKind): boolean {
  // A bulk action must not cancel or redrive another one, or itself.
  if (job.jobType === BULK_ACTION) return false;
  if (action === "cancel") return !isFinished(job);
  return isWaiting(job) || job.status === "FAILED" || job.status === "DEAD";
}

/** Whether a job has not changed since a time. */
function isAsOf(time: EpochMs, job: Job): boolean {
  // A running task renews its lease every few seconds, which changes `updatedAt`.
  return (job.status === "RUNNING" ? (job.startedAt ?? 0) : job.updatedAt) <= time;
}

/** The jobs that were changed. */
async function inTurn(jobs: readonly Job[], change: (job: Job) => Promise<boolean>): Promise<readonly Job[]> {
  const changed: Job[] = [];
  for (let at = 0; at < jobs.length; at += AT_ONCE) {
    const some = jobs.slice(at, at + AT_ONCE);
    const results = await Promise.all(some.map(change));
    changed.push(...some.filter((_, n) => results[n]));
  }
  return changed;
}
