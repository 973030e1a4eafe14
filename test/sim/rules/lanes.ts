import { isLate, type Job } from "../../../lib/job/job.ts";
import type { Message } from "../models/sqs.ts";
import { SKEW, type Judge } from "./rule.ts";

// Jobs of one group are first attempted in the order in which their queue took them, however often each was sent.

interface Options extends Pick<Judge, "now" | "holds"> {
  readonly jobs: ReadonlyMap<string, Job>;
  /** The messages of the FIFO queue, in its order. */
  readonly inQueue: () => readonly Message[];
}

export function createLaneRules({ now, holds, jobs, inQueue }: Options) {
  /** Messages whose job was postponed: the sweep sends it later. */
  const spent = new Set<string>();
  /** Jobs of which a process had a message in hand when the queue was emptied: it goes on with them. */
  const inHand = new Set<string>();
  const isTaken = ({ receiptHandle, visibleAt }: Message) => receiptHandle !== undefined && visibleAt > now();

  /** The messages of first attempts of a lane, in the order of the queue. */
  function messagesOf({ appId, lane }: Job): { readonly message: Message; readonly id: string }[] {
    return inQueue().flatMap((message) => {
      const attempt = attemptIn(message);
      const job = attempt?.attempt === 1 ? jobs.get(attempt.id) : undefined;
      return job && job.appId === appId && job.lane === lane ? [{ message, id: job.id }] : [];
    });
  }

  /** A job was postponed. `byWorker`: its message has been handled, and is deleted soon. */
  function postponed(job: Job, byWorker: boolean): void {
    for (const { message, id } of messagesOf(job)) {
      if (id === job.id && (byWorker || isTaken(message))) spent.add(message.id);
    }
  }

  /** A queue has lost messages. */
  function emptied(lost: readonly Message[]): void {
    for (const { id } of lost.filter(isTaken).flatMap((message) => attemptIn(message) ?? [])) inHand.add(id);
  }

  /** A first attempt starts. */
  function started(job: Job): void {
    if (inHand.delete(job.id)) return;
    const messages = messagesOf(job);
    const own = messages.findIndex(({ id }) => id === job.id);
    const overtaken = messages.slice(0, Math.max(own, 0)).filter(({ message, id }) => {
      const other = jobs.get(id);
      // What is too late to start is passed; the sweep ends it.
      const mayStart = other?.status === "PENDING" && other.attempts === 0 && !isLate(other, now() + SKEW);
      return mayStart && !spent.has(message.id);
    });
    const behind = () => `${job.id} before ${overtaken.map(({ id }) => id).join(", ")} in ${job.lane}`;
    holds("a lane keeps its order", overtaken.length === 0, behind);
  }

  return { postponed, emptied, started };
}

function attemptIn({ body }: Message): { readonly id: string; readonly attempt: number } | undefined {
  return (JSON.parse(body) as { attempt?: { id: string; attempt: number } }).attempt;
}
