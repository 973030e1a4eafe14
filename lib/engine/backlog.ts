import { MINUTE, type EpochMs } from "../clock.ts";
import { reasonOf } from "../errors.ts";
import type { Admitted, Freed } from "../flow/flow-control.ts";
import { shareByTimeout } from "../flow/shares.ts";
import { arrival, waiting, type Wait } from "../flow/wait.ts";
import { CLOCK_SKEW, HEAD_START, isLate, isWaiting, rankOf, type Job, type WaitingJob } from "../job/job.ts";
import type { BacklogName, BacklogRef } from "../job/backlog.ts";
import type { Outcome, Turn } from "../job/attempt.ts";
import { leaveBacklog } from "../job/moves.ts";
import { handOver } from "../queue/hand-over.ts";
import { LARGEST_SEND, type Departure } from "../queue/queue.ts";
import { backlogKey, type Place } from "../store/job-keys.ts";
import type { IndexEntry } from "../store/job-item.ts";
import type { Applied } from "../store/job-store.ts";
import type { EngineParts } from "./engine-parts.ts";
import { endLate } from "./follow-through.ts";
import { ranAs, type Ran } from "./tally.ts";

// How jobs enter backlogs, and who lets them go: an attempt that ends, and the sweep. A wait costs a job two writes,
// however long it lasts.

const PAGE = 100;
/** Some that were to go may have ended. */
const SPARE = 5;
/** The sweep of each minute finds what is due within the next one. One beside it, so short a time later, does not look again. */
const DUE_WITHIN = MINUTE / 2;
/** A job that has just come shows in the index a moment later. The sweep finds what takes longer. */
const SHOWS_WITHIN_MS = 500;
const ALL = Number.MAX_SAFE_INTEGER;

/** Makes a job wait: in its queue, or in a backlog that the sweep knows of. */
export async function makeWait(job: Job, wait: Wait, parts: EngineParts): Promise<Applied> {
  const move = waiting(job, wait, parts.clock.now());
  const { backlog } = move.set;
  await announce({ appId: job.appId, backlog }, parts);
  // A message that comes twice writes nothing.
  if (backlog !== undefined && job.backlog === backlog) return { won: false, job };
  const moved = await parts.store.apply(job, move);
  if (moved.won) await callIfFirst(moved.job, wait, parts);
  return moved;
}

/**
 * Calls the next job of a backlog for slots, once the first one waits there: when a slot was given back
 * before that, no job was called.
 */
export async function callIfFirst(job: Job, wait: Wait, parts: EngineParts): Promise<void> {
  const { appId, backlog } = job;
  if (!("isFirst" in wait) || backlog === undefined) return;
  const ref = { appId, backlog };
  if (await parts.flow.markBacklog(ref, true)) await callNext(ref, parts);
}

/** Runs an attempt, and then calls the next jobs that wait for its slots. */
export async function runAdmitted(
  entry: Admitted,
  parts: EngineParts,
  attempt: () => Promise<Outcome | undefined>,
): Promise<Ran> {
  const { ended, freed } = await entry.during(attempt);
  await callFreed(freed, parts);
  if (ended.status === "rejected") throw ended.reason;
  return ranAs(ended.value);
}

/** Calls the next job of each backlog. */
export async function callFreed(backlogs: readonly Freed[], parts: EngineParts): Promise<void> {
  for (const ref of backlogs) {
    await callNext(ref, parts).catch((error: unknown) => {
      // The sweep looks at the backlog within a minute.
      parts.log("warn", "backlog.not-called", { appId: ref.appId, error: reasonOf(error) });
    });
  }
}

/** Lets one of the oldest jobs of a backlog go, if its destination has room; newcomers pass an empty backlog again. */
async function callNext({ notFor, ...ref }: Freed, parts: EngineParts): Promise<void> {
  const { flow, clock } = parts;
  if (await flow.shutBy(ref)) return;
  const { free, turns, atOnce = 1 } = await flow.gateOf(ref, 1);
  if (free === 0) return;
  const oldest = await oldestOf(ref, atOnce, parts);
  if (oldest.length === 0) await flow.markBacklog(ref, false);
  // Attempts that end at the same moment call different jobs.
  const skipped = Math.floor(clock.random() * Math.min(oldest.length, atOnce / 4));
  for (const entry of [...oldest.slice(skipped), ...oldest.slice(0, skipped)]) {
    const jobs = (await jobsIn(ref, [entry], parts)).filter((job) => !needs(job, notFor));
    const { released } = await letGo(jobs, turns, parts);
    if (released > 0) return;
  }
}

function needs({ timeoutMs }: Job, share: Freed["notFor"]): boolean {
  return share !== undefined && shareByTimeout(timeoutMs) === share;
}

/** About as many of the oldest jobs of a backlog as attempts may end at once. */
async function oldestOf(ref: BacklogRef, atOnce: number, parts: EngineParts): Promise<readonly IndexEntry[]> {
  const { clock, store } = parts;
  const read = async () => (await store.due(backlogKey(ref), ALL, Math.min(2 * atOnce, PAGE))).entries;
  const entries = await read();
  if (entries.length > 0) return entries;
  await clock.sleep(SHOWS_WITHIN_MS);
  return read();
}

/** The jobs of a backlog that may still start. Those that are too late end here, and take no slot from others. */
async function jobsIn(ref: BacklogRef, entries: readonly IndexEntry[], parts: EngineParts): Promise<WaitingJob[]> {
  const { store, clock } = parts;
  const ids = entries.map(({ id }) => id);
  const jobs = (await store.getMany(ids, { consistent: true })).filter((job) => isIn(ref, job));
  const now = clock.now();
  const late = jobs.filter((job) => isLate(job, now));
  await Promise.all(late.map(async (job) => endLate(job, parts)));
  return jobs.filter((job) => !late.includes(job));
}

/** To be called before a job is written that waits in a backlog. */
export async function announce(
  { appId, backlog }: { readonly appId: string; readonly backlog?: BacklogName | undefined },
  { backlogs }: EngineParts,
): Promise<void> {
  if (backlog !== undefined) await backlogs.announce({ appId, backlog });
}

/** `next`: where the look goes on, at once. */
export interface Looked {
  readonly sent: number;
  readonly next?: Page;
  /** Why no job may go, where that is not for want of room: the app is paused, or the destination is held or fails. */
  readonly shut?: "app" | "destination";
}

/** A page of a look after the first. `gone`: the jobs that went before it, whose slots may not be taken yet. */
export interface Page extends Place {
  readonly gone: number;
  /** The next look, as the page before has set it. */
  readonly nextLook: EpochMs;
}

/**
 * Looks at a page of a backlog that is due, lets those of its jobs go that may, and sets the next look. Of two sweeps at a
 * time, one looks: both would take turns for the same jobs.
 */
export async function lookAtBacklog(ref: BacklogRef, from: Page | undefined, parts: EngineParts): Promise<Looked> {
  const { clock, store, flow, backlogs } = parts;
  const now = clock.now();
  const nextLook = Math.round(now + MINUTE);
  if (from) await backlogs.lookAgain(ref, from.nextLook, nextLook);
  else if (!(await backlogs.beginLook(ref, Math.round(now + DUE_WITHIN), nextLook))) return { sent: 0 };
  const shut = await flow.shutBy(ref);
  if (shut) return { sent: 0, shut: shut === "paused" ? "app" : "destination" };
  const page = await store.due(backlogKey(ref), ALL, PAGE, from);
  if (ref.backlog === "slot") {
    const first = await callTasks(ref.appId, await jobsIn(ref, page.entries, parts), parts);
    if (page.entries.length === 0) return atRest(0);
    // A task that is called may lie in its queue: the same one is called again after 5, 10, 20, 40 … minutes.
    const wait = Math.max(HEAD_START, await backlogs.calledFor(ref, first));
    await backlogs.lookAgain(ref, nextLook, Math.round(clock.now() + wait));
    return { sent: 0 };
  }
  const { sent, gone, left, isOpen } = await letGoOf(ref, page.entries, from?.gone ?? 0, parts);
  if (left) {
    await flow.markBacklog(ref, true);
    return { sent, ...(isOpen && { shut: "destination" as const }) };
  }
  const last = page.entries.at(-1);
  if (!page.complete && last) return { sent, next: { ...last, gone, nextLook } };
  await flow.markBacklog(ref, false);
  return atRest(sent);

  async function atRest(count: number): Promise<Looked> {
    await backlogs.rest(ref, nextLook);
    return { sent: count };
  }
}

/** Lets the first jobs of a page go that may, after `gone` others. `left`: some may not; they are not even read. */
async function letGoOf(ref: BacklogRef, entries: readonly IndexEntry[], gone: number, parts: EngineParts) {
  const { flow } = parts;
  let [sent, sofar, rest] = [0, gone, entries];
  while (rest.length > 0) {
    const room = await flow.roomOf(ref, rest.length, sofar);
    if (room.free === 0) return { sent, gone: sofar, left: true, isOpen: room.isOpen };
    const some = rest.slice(0, room.free + SPARE);
    const jobs = await jobsIn(ref, some, parts);
    const { free, turns } = jobs.length > 0 ? await flow.gateOf(ref, jobs.length, sofar) : { free: 0 };
    sent += (await letGo(jobs.slice(0, free), turns, parts)).sent;
    if (free < jobs.length) return { sent, gone: sofar, left: true, isOpen: room.isOpen };
    sofar += jobs.length;
    rest = rest.slice(some.length);
  }
  return { sent, gone: sofar, left: false };
}

function isIn({ backlog }: BacklogRef, job: Job): job is WaitingJob {
  return isWaiting(job) && job.backlog === backlog;
}

/** Takes jobs out of their backlog and sends their next attempts. Returns how many were taken out, and sent. */
async function letGo(jobs: readonly Job[], turns: readonly Turn[] | undefined, parts: EngineParts) {
  const { clock, store } = parts;
  let [released, sent] = [0, 0];
  for (let at = 0; at < jobs.length; at += LARGEST_SEND) {
    const batch = jobs.slice(at, at + LARGEST_SEND);
    const moves = await Promise.all(
      batch.map(async (job, n) => store.apply(job, leaveBacklog(job, clock.now(), turnFor(job, turns?.[at + n])))),
    );
    const departures = moves.flatMap(({ won, job }): Departure[] =>
      won ? [{ job, notBefore: arrival(job, clock) }] : [],
    );
    released += departures.length;
    sent += await handOver(departures, parts);
  }
  return { released, sent };
}

/** Nothing starts before its time: a turn for a slot moves there, and one by a rate is lost. */
function turnFor(job: Job, given: Turn | undefined): Turn | undefined {
  // It was let go by its destination, and then waited for its app's share.
  const turn = given?.share !== undefined && job.turn ? { ...given, both: true as const } : given;
  if (!turn || turn.at >= job.startAt) return turn;
  return turn.step === 0 ? { ...turn, at: job.startAt } : undefined;
}

/** Calls the tasks that are next, and puts those in line whose place was lost. Returns the rank of the first one. */
async function callTasks(
  appId: string,
  tasks: readonly WaitingJob[],
  { clock, slots, line }: EngineParts,
): Promise<string | undefined> {
  const { first } = await slots.look(appId, PAGE);
  const last = first.length < PAGE ? undefined : first.at(-1);
  const isLost = (job: WaitingJob) =>
    job.startAt <= clock.now() + CLOCK_SKEW &&
    !first.includes(rankOf(job)) &&
    (last === undefined || rankOf(job) < last);
  for (const job of tasks.filter(isLost)) await line.wait(job);
  return line.callAgain(appId);
}
