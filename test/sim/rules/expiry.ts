import { SECOND } from "../../../lib/clock.ts";
import { payloadItemKey } from "../../../lib/store/job-keys.ts";
import { isFinished, type Job } from "../../../lib/job/job.ts";
import type { Item } from "../models/dynamodb-value.ts";
import { SKEW, type Judge } from "./rule.ts";

// Expiry: finished jobs and their parts go after the retention, and not before.

interface Options extends Judge {
  readonly jobs: ReadonlyMap<string, Job>;
  /** In ms; 0 keeps finished jobs for good. */
  readonly retention: number;
  /** The run has no faults: a process that dies between two writes may leave a part behind, which costs its storage. */
  readonly isCalm: boolean;
  readonly items: () => readonly Item[];
  readonly objects: () => Iterable<string>;
}

export function createExpiryRules({ now, holds, jobs, retention, isCalm, items, objects }: Options) {
  function written(job: Job, told: () => string): void {
    const { expiresAt } = job;
    if (expiresAt === undefined) return;
    const isDone = isFinished(job) && job.dueAt === undefined;
    holds("nothing expires that is unfinished, or owes something", isDone, told);
    holds("what is finished is kept as long as was said", expiresAt + SECOND + SKEW >= job.updatedAt + retention, told);
  }

  function hasExpired({ expiresAt }: Job): boolean {
    return expiresAt !== undefined && expiresAt <= now() + SKEW;
  }

  /** A part of a job was deleted. */
  function partRemoved(jobId: string, sk: string): void {
    const job = jobs.get(jobId);
    const isIts = job?.payload.at === "item" && payloadItemKey(jobId, job.payload.hash).sk === sk;
    holds("a job keeps its payload", !isIts || hasExpired(job), () => `${jobId} ${job?.status}`);
  }

  /** `wasStored`: false for a payload whose job was never created. */
  function atTheEnd(wasStored: (jobId: string) => boolean): void {
    if (retention === 0 || !isCalm) return;
    const intents = new Set(
      items().flatMap(({ pk, sk }) => (sk?.S?.startsWith("W#") ? [`${pk?.S} ${sk.S.replace("W#", "P#")}`] : [])),
    );
    for (const item of items()) {
      const [pk = "", sk = ""] = [item["pk"]?.S, item["sk"]?.S];
      const id = pk.slice("J#".length);
      if (!pk.startsWith("J#") || !wasStored(id)) continue;
      // A payload that an edit has replaced goes with its intent.
      const isReplaced = sk.startsWith("P#") && intents.has(`${pk} ${sk}`);
      const expires = item["expiresAt"] !== undefined || isReplaced;
      holds("what is finished expires, and all that hangs on it", expires, () => `${id} ${sk}`);
    }
  }

  /** An object was deleted. */
  function objectGone(key: string): void {
    const [, id = "", hash] = key.split("/");
    const job = jobs.get(id);
    const isIts = job?.payload.at === "s3" && job.payload.hash === hash;
    holds("a job keeps its payload", !isIts, () => `${id} ${job?.status}`);
  }

  /** All that expires is gone, and the stream is read. Whatever died, what is left is of jobs that are kept. */
  function afterwards(): void {
    for (const item of items()) {
      const [pk = "", sk = ""] = [item["pk"]?.S, item["sk"]?.S];
      if (!pk.startsWith("J#") || sk === "J") continue;
      const id = pk.slice("J#".length);
      const payload = jobs.get(id)?.payload;
      const isNamed = payload?.at === "item" && payloadItemKey(id, payload.hash).sk === sk;
      const isKept = sk.startsWith("A#") ? !isCalm || jobs.has(id) : isNamed;
      holds("nothing is left of a job that is gone, or never was", isKept, () => `${id} ${sk}`);
    }
    for (const key of objects()) {
      const [, id = "", hash] = key.split("/");
      const payload = jobs.get(id)?.payload;
      const isKept = payload?.at === "s3" && payload.hash === hash;
      holds("nothing is left of a job that is gone, or never was", isKept, () => key);
    }
  }

  return { written, hasExpired, partRemoved, objectGone, atTheEnd, afterwards };
}
