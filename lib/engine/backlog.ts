import { MINUTE, type EpochMs } from "../clock.ts";
import { arrival, waiting, type Wait } from "../flow/wait.ts";
import { CLOCK_SKEW, HEAD_START, isWaiting, rankOf, type Job, type WaitingJob } from "../job/job.ts";
import type { BacklogName, BacklogRef } from "../job/backlog.ts";
import { release } from "../job/moves.ts";
import { handOver } from "../queue/hand-over.ts";
import { LARGEST_SEND, type Departure } from "../queue/queue.ts";
import { backlogKey, type Place } from "../store/job-keys.ts";
import type { Applied } from "../store/job-store.ts";
import type { EngineParts } from "./engine-parts.ts";

// How jobs enter backlogs, and how the sweep lets them go: a wait costs a job two writes, however long it lasts.

const PAGE = 100;
const ALL = Number.MAX_SAFE_INTEGER;

/** Makes a job wait: in its queue, or in a backlog that the sweep knows of. */
export async function makeWait(job: Job, wait: Wait, parts: EngineParts): Promise<Applied> {
  const move = waiting(job, wait, parts.clock.now());
  const { backlog } = move.set;
  await announce({ appId: job.appId, backlog }, parts);
  // A message that comes twice writes nothing.
  if (backlog !== undefined && job.backlog === backlog) return { won: false, job };
  return parts.store.apply(job, move);
}

/** To be called before a job is written that waits in a backlog. */
export async function announce(
  { appId, backlog }: { readonly appId: string; readonly backlog?: BacklogName | undefined },
  { backlogs }: EngineParts,
): Promise<void> {
  if (backlog !== undefined) await backlogs.announce({ appId, backlog });
}

/** `next`: the place after which the look goes on, at once. */
export interface Looked {
  readonly sent: number;
  readonly next?: Place;
}

/** Looks at a page of a backlog that was due at `seen`, lets those of its jobs go that may, and sets the next look. */
export async function lookAtBacklog(
  ref: BacklogRef,
  seen: EpochMs,
  from: Place | undefined,
  parts: EngineParts,
): Promise<Looked> {
  const { clock, store, flow, backlogs } = parts;
  if (await flow.isShut(ref)) return laterAt(MINUTE);
  const page = await store.due(backlogKey(ref), ALL, PAGE, from);
  const ids = page.entries.map(({ id }) => id);
  const jobs = (await store.getMany(ids, { consistent: true })).filter((job) => isIn(ref, job));
  if (ref.backlog === "slot") {
    await callTasks(ref.appId, jobs, parts);
    return page.entries.length > 0 ? laterAt(HEAD_START) : atRest();
  }
  const { free, starts } = jobs.length > 0 ? await flow.gateOf(ref, jobs.length) : { free: 0 };
  const sent = await letGo(jobs.slice(0, free), starts, parts);
  if (free < jobs.length) {
    await flow.markBacklog(ref, true);
    return { ...(await laterAt(MINUTE)), sent };
  }
  const last = page.entries.at(-1);
  if (!page.complete && last) return { sent, next: last };
  await flow.markBacklog(ref, false);
  return { ...(await atRest()), sent };

  async function laterAt(ms: number): Promise<Looked> {
    await backlogs.lookAgain(ref, seen, clock.now() + ms);
    return { sent: 0 };
  }

  async function atRest(): Promise<Looked> {
    await backlogs.rest(ref, seen);
    return { sent: 0 };
  }
}

function isIn({ backlog }: BacklogRef, job: Job): job is WaitingJob {
  return isWaiting(job) && job.backlog === backlog;
}

/** Takes jobs out of their backlog and sends their next attempts. Returns the number of messages. */
async function letGo(
  jobs: readonly Job[],
  starts: readonly EpochMs[] | undefined,
  parts: EngineParts,
): Promise<number> {
  const { clock, store } = parts;
  let sent = 0;
  for (let at = 0; at < jobs.length; at += LARGEST_SEND) {
    const batch = jobs.slice(at, at + LARGEST_SEND);
    const moves = await Promise.all(
      batch.map(async (job, n) => store.apply(job, release(job, clock.now(), starts?.[at + n]))),
    );
    const departures = moves.flatMap(({ won, job }): Departure[] =>
      won ? [{ job, notBefore: arrival(job, clock) }] : [],
    );
    sent += await handOver(departures, parts);
  }
  return sent;
}

/** Calls the tasks that are next, and puts those in line whose place was lost. */
async function callTasks(
  appId: string,
  tasks: readonly WaitingJob[],
  { clock, slots, line }: EngineParts,
): Promise<void> {
  const { first } = await slots.look(appId, PAGE);
  const last = first.length < PAGE ? undefined : first.at(-1);
  const isLost = (job: WaitingJob) =>
    job.startAt <= clock.now() + CLOCK_SKEW &&
    !first.includes(rankOf(job)) &&
    (last === undefined || rankOf(job) < last);
  for (const job of tasks.filter(isLost)) await line.wait(job);
  await line.callNext(appId);
}
