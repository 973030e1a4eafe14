import type { Clock } from "../clock.ts";
import { reasonOf } from "../errors.ts";
import { atFirstUse } from "../job/at-first-use.ts";
import type { Job } from "../job/job.ts";
import { logged, type Log } from "../log.ts";
import type { JobStore } from "../store/job-store.ts";
import type { GroupLook } from "./delivery.ts";
import type { Departure, Queue } from "./queue.ts";

interface Parts {
  readonly queue: Pick<Queue, "sendAttempts">;
  readonly store: Pick<JobStore, "apply">;
  readonly clock: Clock;
  readonly log: Log;
}

/** SQS refuses single entries when it is busy. A call that fails as a whole has been repeated by the SDK already. */
const MOST_TRIES = 3;
const REFUSED = "The queue refused it";

/** The next attempt of a job, to arrive when it may start. */
export function departure(job: Job): Departure {
  return { job, notBefore: job.startAt };
}

/**
 * Sends next attempts. Those that can't be sent become due again, so that the next sweep sends them. Returns the number
 * of messages sent. Throws nothing.
 */
export async function handOver(departures: readonly Departure[], parts: Parts): Promise<number> {
  const { left, error } = await sendAll(departures, parts);
  for (const { job } of left) parts.log("warn", "job.not-sent", { ...logged(job), error });
  await Promise.all(left.map(async ({ job, notBefore }) => dueAgain(job, notBefore, parts)));
  return departures.length - left.length;
}

async function sendAll(
  departures: readonly Departure[],
  { queue, clock }: Parts,
): Promise<{ readonly left: readonly Departure[]; readonly error: string }> {
  let left = departures;
  try {
    for (let tries = 1; left.length > 0 && tries <= MOST_TRIES; tries += 1) {
      if (tries > 1) await clock.sleep(clock.random() * 100 * tries);
      left = await queue.sendAttempts(left);
    }
    return { left, error: REFUSED };
  } catch (error) {
    return { left, error: reasonOf(error) };
  }
}

const moves = atFirstUse(async () => import("../job/moves.ts"));

/** Without this write, the sweep looks at the job at its `dueAt`, minutes after the time at which it was to start. */
async function dueAgain(job: Job, notBefore: number, { store, clock, log }: Parts): Promise<void> {
  const { becomeDue } = await moves();
  await store.apply(job, becomeDue(job, Math.max(clock.now(), notBefore))).catch((error: unknown) => {
    log("warn", "job.not-due", { ...logged(job), error: reasonOf(error) });
  });
}

/** Has a group looked at after a while. If the message can't be sent, the sweep looks, later. */
export async function lookSoon(
  { id, appId }: Pick<Job, "id" | "appId">,
  delayMs: number,
  { queue, log }: { readonly queue: Pick<Queue, "sendLook">; readonly log: Log },
  tries?: number,
): Promise<void> {
  const look: GroupLook = { id, ...(tries !== undefined && { tries }) };
  await queue.sendLook(appId, look, delayMs).catch((error: unknown) => {
    log("warn", "group.look-not-sent", { jobId: id, appId, error: reasonOf(error) });
  });
}
