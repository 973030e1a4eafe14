import * as z from "../zod.ts";
import { DAY, type EpochMs } from "../clock.ts";
import type { FileInfo } from "../files/file-store.ts";
import type { JobPage } from "../store/job-list.ts";
import { isFinished, isUnsettled, type Job } from "../job/job.ts";
import { defineTask, done, type TaskContext } from "./task.ts";

const payload = z.lazy(() =>
  z.strictObject({
    olderThanDays: z.int().check(z.minimum(1), z.maximum(3_650)),
    dryRun: z._default(z.boolean(), true).check(z.describe("Only counts what would be deleted.")),
  }),
);

interface Counts {
  readonly jobs: number;
  readonly files: number;
  readonly fileBytes: number;
}

/** The checkpoint between attempts. */
interface Saved {
  readonly counts: Counts;
  /** The next position in the listing of jobs; absent once the listing has ended. */
  readonly jobsFrom?: NonNullable<JobPage["next"]>;
  /** The limit of age, fixed at the first attempt, since jobs age while the task runs. */
  readonly before: EpochMs;
  readonly step: "jobs" | "files";
}

const CONCURRENCY = 10;
/** Their keys take about 30 MB of memory. */
const MOST_UPLOADS = 100_000;
const STEPS = 3;

/** Deletes the app's old finished jobs with their logs and files, and the leftovers of lost imports. */
export const cleanup = defineTask({
  jobType: "cleanup",
  summary: "Deletes an app's old finished jobs and their files",
  payload,
  // The task deletes jobs of all users.
  permission: "jobs.clean_up",

  async run({ olderThanDays, dryRun }, context) {
    const { jobs, files, datasets, job } = context;
    const begun: Saved = {
      counts: { jobs: 0, files: 0, fileBytes: 0 },
      before: context.now() - olderThanDays * DAY,
      step: "jobs",
    };
    let saved = (context.saved as Saved | undefined) ?? begun;
    const { before } = saved;

    if (saved.step === "jobs") {
      await context.progress(0, STEPS, { label: "jobs" });
      for await (const page of jobs.pages({ created: { to: before } }, saved.jobsFrom)) {
        const old = page.jobs.filter((each) => each.id !== job.id && isOld(each, before));
        const removed = dryRun ? old.length : await inTurn(old, async (each) => jobs.remove(each));
        const { jobsFrom: _, ...rest } = saved;
        const counts = { ...saved.counts, jobs: saved.counts.jobs + removed };
        saved = page.next ? { ...rest, counts, jobsFrom: page.next } : { ...rest, counts, step: "files" };
        await context.checkpoint(saved);
      }
    }

    await context.progress(1, STEPS, { label: "files" });
    const uploads = uploadsNamed(before, context);
    for await (const page of files.list()) {
      const old = await withoutJob(page, before, uploads, context);
      if (!dryRun) await files.remove(old.map(({ key }) => key));
      const { counts } = saved;
      const fileBytes = old.reduce((sum, { bytes }) => sum + bytes, counts.fileBytes);
      saved = { ...saved, counts: { ...counts, files: counts.files + old.length, fileBytes } };
      // A dry run deletes nothing, so another attempt would count the same jobs again.
      if (!dryRun) await context.checkpoint(saved);
    }

    await context.progress(2, STEPS, { label: "lost rows" });
    const isUnfinished = async (id: string) => {
      const found = await jobs.get(id);
      return found !== undefined && !isFinished(found);
    };
    const datasetFiles = await datasets.removeLost(before, isUnfinished, dryRun);
    await context.progress(STEPS, STEPS);
    return done({ dryRun, ...saved.counts, datasetFiles });
  },
});

/** True for a job that ended before the time and owes no follow-up. */
function isOld(job: Job, before: EpochMs): boolean {
  return isFinished(job) && !isUnsettled(job) && job.updatedAt < before;
}

/**
 * The uploads that jobs name which are not old, collected at the first call. `undefined` if there are too many to
 * hold in memory: then all uploads stay.
 */
function uploadsNamed(before: EpochMs, { jobs, log }: TaskContext): () => Promise<ReadonlySet<string> | undefined> {
  const find = async () => {
    const named = new Set<string>();
    for await (const page of jobs.pages({ created: {} })) {
      const keys = await Promise.all(page.jobs.map(async (each) => (isOld(each, before) ? [] : jobs.fileKeys(each))));
      for (const key of keys.flat()) named.add(key);
      if (named.size <= MOST_UPLOADS) continue;
      await log.warning(`More than ${MOST_UPLOADS} jobs have uploaded files: no upload was deleted`);
      return undefined;
    }
    return named;
  };
  let found: ReturnType<typeof find> | undefined;
  return () => (found ??= find());
}

/** The old files whose job is gone or old. The key of a file names its job; an upload is named by its job. */
async function withoutJob(
  page: readonly FileInfo[],
  before: EpochMs,
  uploads: () => Promise<ReadonlySet<string> | undefined>,
  { jobs, job }: TaskContext,
): Promise<readonly FileInfo[]> {
  const kept = new Map<string, boolean>();
  const old: FileInfo[] = [];
  for (const file of page) {
    const [, , id = ""] = file.key.split("/");
    if (file.modifiedAt >= before || id === job.id) continue;
    if (id === "uploads") {
      const named = await uploads();
      if (named && !named.has(file.key)) old.push(file);
      continue;
    }
    if (!kept.has(id)) {
      const found = await jobs.get(id);
      kept.set(id, found !== undefined && !isOld(found, before));
    }
    if (!kept.get(id)) old.push(file);
  }
  return old;
}

/** The count of those that were true. */
async function inTurn(of: readonly Job[], remove: (job: Job) => Promise<boolean>): Promise<number> {
  let removed = 0;
  for (let from = 0; from < of.length; from += CONCURRENCY) {
    const results = await Promise.all(of.slice(from, from + CONCURRENCY).map(remove));
    removed += results.filter(Boolean).length;
  }
  return removed;
}
