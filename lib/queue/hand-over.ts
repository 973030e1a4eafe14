import { reasonOf } from "../errors.ts";
import type { Job } from "../job/job.ts";
import { logged, type Log } from "../log.ts";
import type { Departure, Queue } from "./queue.ts";

/** The next attempt of a job, to arrive when it may start. */
export function departure(job: Job): Departure {
  return { job, notBefore: job.startAt };
}

/** Sends next attempts. What the queue refuses, the sweep sends again: each of these jobs is due. Throws nothing. */
export async function handOver(
  departures: readonly Departure[],
  { queue, log }: { readonly queue: Pick<Queue, "sendAttempts">; readonly log: Log },
): Promise<void> {
  try {
    const refused = await queue.sendAttempts(departures);
    for (const { job } of refused) log("warn", "job.not-sent", { ...logged(job), error: "The queue refused it" });
  } catch (error) {
    for (const { job } of departures) log("warn", "job.not-sent", { ...logged(job), error: reasonOf(error) });
  }
}
