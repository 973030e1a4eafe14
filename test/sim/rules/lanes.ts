import type { Job } from "../../../lib/job/job.ts";
import type { Message } from "../models/sqs.ts";
import type { Judge } from "./rule.ts";

// Jobs of one group are first attempted in the order in which their queue took them, however often each was sent.

interface Options extends Pick<Judge, "now" | "holds"> {
  readonly jobs: ReadonlyMap<string, Job>;
  /** The messages of the FIFO queue, in its order. */
  readonly inQueue: () => readonly Message[];
}

export function createLaneRules({ now, holds, jobs, inQueue }: Options) {
  /** Messages whose job was postponed: the sweep sends it later. */
  const spent = new Set<string>();

  /** The messages of first attempts of a lane, in the order of the queue. */
  function messagesOf({ appId, lane }: Job): { readonly message: Message; readonly id: string }[] {
    return inQueue().flatMap((message) => {
      const { attempt } = JSON.parse(message.body) as { attempt?: { id: string; attempt: number } };
      const job = attempt?.attempt === 1 ? jobs.get(attempt.id) : undefined;
      return job && job.appId === appId && job.lane === lane ? [{ message, id: job.id }] : [];
    });
  }

  /** A job was postponed. `byWorker`: its message has been handled, and is deleted soon. */
  function postponed(job: Job, byWorker: boolean): void {
    for (const { message, id } of messagesOf(job)) {
      const isTaken = message.receiptHandle !== undefined && message.visibleAt > now();
      if (id === job.id && (byWorker || isTaken)) spent.add(message.id);
    }
  }

  /** A first attempt starts. */
  function started(job: Job): void {
    const messages = messagesOf(job);
    const own = messages.findIndex(({ id }) => id === job.id);
    const overtaken = messages.slice(0, Math.max(own, 0)).filter(({ message, id }) => {
      const other = jobs.get(id);
      return other?.status === "PENDING" && other.attempts === 0 && !spent.has(message.id);
    });
    const behind = () => `${job.id} before ${overtaken.map(({ id }) => id).join(", ")} in ${job.lane}`;
    holds("a lane keeps its order", overtaken.length === 0, behind);
  }

  return { postponed, started };
}
