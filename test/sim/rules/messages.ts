import { MINUTE, type EpochMs } from "../../../lib/clock.ts";
import { isFinished, type Job } from "../../../lib/job/job.ts";
import { decodeMessage } from "../../../lib/job/payload.ts";
import type { Judge } from "./rule.ts";
import type { QueueRecord } from "../../../lib/queue/delivery.ts";

// The messages of queues: in mode `sqs`, a message is the only place of a job until its first attempt is over.

/** A job that only SQS holds: when and how often it was sent as new, without repeats within five minutes. */
interface Carried {
  readonly appId: string;
  readonly takenAt: EpochMs;
  readonly times: number;
}

/** The body of a message, which EventBridge's dead letters wrap in `Payload`. */
interface Body {
  readonly attempt?: { readonly id: string };
  readonly job?: {
    readonly id: string;
    readonly appId: string;
    readonly payload: unknown;
    readonly parentJobId?: string;
  };
  readonly group?: { readonly id: string };
  readonly fire?: { readonly id?: string; readonly target?: { readonly id: string } };
  readonly Payload?: string;
}

interface Options extends Judge {
  readonly jobs: ReadonlyMap<string, Job>;
  readonly deleted: ReadonlySet<string>;
  /** Whether a job that only a message holds has succeeded. */
  readonly isDelivered: (id: string) => boolean;
}

const DEDUPLICATED_FOR = 5 * MINUTE;

export function createMessageRules({ now, holds, jobs, deleted, isDelivered }: Options) {
  const carried = new Map<string, Carried>();
  /** The messages that fire a target which nothing else holds, by its id. */
  const firings = new Map<string, number>();
  /** The jobs that were sent to a target, by its path. */
  const carriedTo = new Map<string, Set<string>>();

  /** A message was taken by a queue. */
  function queued(body: string): void {
    const { job, fire } = JSON.parse(body) as Body;
    if (fire?.target) firings.set(fire.target.id, (firings.get(fire.target.id) ?? 0) + 1);
    if (!job) return;
    const { takenAt = -Infinity, times = 0 } = carried.get(job.id) ?? {};
    const isNew = takenAt + DEDUPLICATED_FOR <= now();
    // The target of a schedule that is sent again is no new one.
    const isFirst = times === 0 || job.parentJobId === undefined;
    carried.set(job.id, {
      appId: job.appId,
      takenAt: isNew ? now() : takenAt,
      times: times + (isNew && isFirst ? 1 : 0),
    });
    if (typeof job.payload !== "string") return;
    const { lambdaProxyMessage } = decodeMessage(Buffer.from(job.payload, "base64"));
    const target = `${job.appId} ${lambdaProxyMessage?.path}`;
    carriedTo.set(target, (carriedTo.get(target) ?? new Set()).add(job.id));
  }

  /** Messages were deleted. */
  function acknowledged(records: readonly QueueRecord[]): void {
    for (const { body, eventSourceARN } of records) {
      const { id, isCarried = false } = subjectOf(body);
      const job = jobs.get(id);
      const isKept = job ? isFinished(job) || job.dueAt !== undefined : deleted.has(id);
      const isDone = isCarried && isDelivered(id);
      // A job that EventBridge could not fire, or fired early, is sent in a message of its own.
      const isFiring = /^\{"(?:Payload"|fire":\{"target")/.test(body);
      // A dead letter of EventBridge, or of Lambda, was not counted.
      if (!eventSourceARN.endsWith("-schedules-dead")) firings.set(id, (firings.get(id) ?? 0) - 1);
      // One that came early by the clock of its receiver as well has come again.
      const isSent = isFiring && (carried.has(id) || (firings.get(id) ?? 0) > 0);
      holds("a message is acknowledged only when its job is kept or done", isKept || isDone || isSent, () => id);
    }
  }

  function atTheEnd(): void {
    for (const id of carried.keys()) {
      const isDone = jobs.has(id) || deleted.has(id) || isDelivered(id);
      holds("no accepted job is lost", isDone, () => `${id} (mode sqs)`);
    }
  }

  return {
    queued,
    acknowledged,
    atTheEnd,
    carries: (id: string) => carried.has(id),
    appOf: (id: string) => carried.get(id)?.appId,
    /** How often SQS took a job as a new one. */
    timesOf: (id: string) => carried.get(id)?.times ?? 1,
    /** How many jobs were carried to a target, as far as they travelled whole. */
    countTo: (target: string) => carriedTo.get(target)?.size ?? 0,
  };
}

function subjectOf(body: string): { readonly id: string; readonly isCarried?: true } {
  const { attempt, job, group, fire, Payload } = JSON.parse(body) as Body;
  if (Payload !== undefined) return subjectOf(Payload);
  if (job) return { id: job.id, isCarried: true };
  return { id: attempt?.id ?? group?.id ?? fire?.target?.id ?? fire?.id ?? "" };
}
