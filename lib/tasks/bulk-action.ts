import * as z from "zod";
import type { EpochMs } from "../clock.ts";
import type { JobPage } from "../store/job-list.ts";
import { dateTime } from "../job/date-time.ts";
import { BULK_ACTION, isFinished, type Job } from "../job/job.ts";
import { HALF_PAIR } from "../job/well-formed.ts";
import { defineTask, done, failed } from "./task.ts";
import type { Status } from "../job/status.ts";

/** The audit log holds the filter as given, and the table can't hold half a surrogate pair. */
const text = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .refine((value) => value.isWellFormed(), HALF_PAIR);

/** A job must meet all conditions that are given. */
export const bulkFilter = z
  .strictObject({
    status: z.enum(["PENDING", "RUNNING", "RETRYING", "FAILED", "DEAD"]).optional(),
    executionType: text(64).optional(),
    host: text(255).describe("Of the destination: a host, or a function's name.").optional(),
    group: z.guid().toLowerCase().describe("The id of a group: its members.").optional(),
    createdAfter: dateTime.optional(),
    createdBefore: dateTime.optional(),
    errorContains: text(200).describe("In the last error, by its letters.").optional(),
  })
  .refine((filter) => Object.values(filter).some((value) => value !== undefined), {
    error: "expected at least one condition: an empty filter would take all jobs of the app",
  });

export type BulkFilter = z.infer<typeof bulkFilter>;

const payload = z.strictObject({ action: z.enum(["redrive", "cancel"]), filter: bulkFilter });

/** The checkpoint: the counts so far, and the positions. */
export interface BulkProgress {
  /** The counts of jobs read, of those that match the filter, and of those that were changed. */
  readonly looked: number;
  readonly matched: number;
  readonly changed: number;
  /** The next position in the present listing; the listings before it are done. */
  readonly listing: number;
  readonly from?: NonNullable<JobPage["next"]>;
}

export const NOTHING_DONE: BulkProgress = { looked: 0, matched: 0, changed: 0, listing: 0 };
const AT_ONCE = 10;

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
    let so = (context.saved as BulkProgress | undefined) ?? NOTHING_DONE;
    const group = filter.group === undefined ? undefined : await jobs.get(filter.group);
    if (filter.group !== undefined && !group?.fanIn) return failed("There is no such group");
    const memberOf = group && { id: group.id, createdAt: group.createdAt };
    const listings = memberOf ? [filter.status] : listingsOf(action, filter);
    const created = {
      ...(filter.createdAfter !== undefined && { from: Date.parse(filter.createdAfter) }),
      to: Math.min(job.createdAt, filter.createdBefore === undefined ? Infinity : Date.parse(filter.createdBefore)),
    };
    const isHeld = group?.fanIn?.heldBy === job.id;
    const change = async (each: Job) => (action === "redrive" ? jobs.redrive(each, isHeld) : jobs.cancel(each));
    for (let listing = so.listing; listing < listings.length; listing += 1) {
      const wanted = { created, status: listings[listing], executionType: filter.executionType, memberOf };
      for await (const page of jobs.pages(wanted, so.from)) {
        signal.throwIfAborted();
        const fit = page.jobs.filter((each) => each.id !== job.id && fits(each, action, filter, job.createdAt));
        const changed = await inTurn(fit, change);
        const { from: _, ...counts } = so;
        so = {
          ...counts,
          looked: so.looked + page.jobs.length,
          matched: so.matched + fit.length,
          changed: so.changed + changed,
          listing: page.next ? listing : listing + 1,
          ...(page.next && { from: page.next }),
        };
        await context.checkpoint(so);
        await context.progress(listing, listings.length, { label: `${so.changed} jobs changed` });
      }
    }
    return done({ looked: so.looked, matched: so.matched, changed: so.changed });
  },
});

/** One listing for each status that has an index of its own, or one of all jobs. */
function listingsOf(action: "redrive" | "cancel", { status }: BulkFilter): (Status | undefined)[] {
  if (status !== undefined) return [status];
  return action === "redrive" ? ["FAILED", "DEAD"] : [undefined];
}

function fits(job: Job, action: "redrive" | "cancel", filter: BulkFilter, before: EpochMs): boolean {
  const isOpen = action === "redrive" ? job.status === "FAILED" || job.status === "DEAD" : !isFinished(job);
  return (
    isOpen &&
    // A running task renews its lease every few seconds, which changes `updatedAt`.
    (job.status === "RUNNING" ? (job.startedAt ?? 0) : job.updatedAt) <= before &&
    // A bulk action must not cancel or redrive another one.
    job.jobType !== BULK_ACTION &&
    (filter.status === undefined || job.status === filter.status) &&
    (filter.group === undefined || job.memberOf?.id === filter.group) &&
    (filter.host === undefined || hostOf(job) === filter.host.toLowerCase()) &&
    (filter.errorContains === undefined || (job.lastError ?? "").includes(filter.errorContains))
  );
}

function hostOf({ destination = "" }: Job): string {
  return URL.canParse(destination) ? new URL(destination).hostname : destination.toLowerCase();
}

async function inTurn(jobs: readonly Job[], change: (job: Job) => Promise<boolean>): Promise<number> {
  let changed = 0;
  for (let at = 0; at < jobs.length; at += AT_ONCE) {
    const results = await Promise.all(jobs.slice(at, at + AT_ONCE).map(change));
    changed += results.filter(Boolean).length;
  }
  return changed;
}
