import { MINUTE, type EpochMs } from "../clock.ts";
import { CLOCK_SKEW, rankOf, type WaitingJob } from "../job/job.ts";
import type { BacklogRef } from "../job/backlog.ts";
import type { IndexEntry } from "../store/job-item.ts";
import { backlogKey, type Place } from "../store/job-keys.ts";
import { ALL, PAGE, jobsIn, letGo, type Going } from "./backlog.ts";
import type { EngineParts } from "./engine-parts.ts";

// The sweep's looks at backlogs.

/** Some that were to go may have ended. */
const SPARE = 5;
/** The sweep of each minute finds what is due within the next one. One beside it, so short a time later, does not look again. */
const DUE_WITHIN = MINUTE / 2;

/** `next`: where the look goes on, at once. */
export interface Looked {
  readonly sent: number;
  readonly next?: Page;
  /** Why no job may go, where that is not for want of room: the app is paused, or the destination is held or fails. */
  readonly shut?: "app" | "destination";
}

/**
 * A page of a look after the first. `gone`: the jobs that went before it, which have taken no slots yet, or probe. `stays`:
 * some before it stay, for want of room elsewhere: `noRoom`. `lookUntil`: the look's name.
 */
export interface Page extends Place {
  readonly gone: number;
  readonly stays: boolean;
  readonly noRoom: Going["noRoom"];
  readonly lookUntil: EpochMs;
  /** The next look, as the first page has set it. */
  readonly nextLook: EpochMs;
}

/**
 * Looks at a page of a backlog that is due, lets those of its jobs go that may, and sets the next look. Of two sweeps at a
 * time, one looks: both would take turns for the same jobs.
 */
export async function lookAtBacklog(ref: BacklogRef, from: Page | undefined, parts: EngineParts): Promise<Looked> {
  const { clock, store, flow, backlogs } = parts;
  const now = clock.now();
  const nextLook = from?.nextLook ?? Math.round(now + MINUTE);
  const lookUntil = from
    ? await backlogs.goOnLooking(ref, from.lookUntil)
    : await backlogs.beginLook(ref, Math.round(now + DUE_WITHIN), nextLook);
  if (lookUntil === undefined) return { sent: 0 };
  const shut = await flow.shutBy(ref);
  if (shut) return { sent: 0, shut: shut === "paused" ? "app" : "destination" };
  const page = await store.due(backlogKey(ref), ALL, PAGE, from);
  if (ref.backlog === "slot") {
    const nextAt = await callTasks(ref.appId, await jobsIn(ref, page.entries, parts), parts);
    if (page.entries.length === 0) return atRest(0);
    if (nextAt > nextLook) await backlogs.lookAgain(ref, nextLook, nextAt);
    return { sent: 0 };
  }
  const { gone: before = 0, noRoom = new Map() } = from ?? {};
  const { sent, gone, isOver, isOpen, ...went } = await letGoOf(ref, page.entries, { gone: before, noRoom }, parts);
  const stays = went.stays || from?.stays === true;
  const last = page.entries.at(-1);
  if (!isOver && !page.complete && last) return { sent, next: { ...last, gone, stays, noRoom, lookUntil, nextLook } };
  await flow.markBacklog(ref, isOver || stays);
  if (!isOver && !stays) return atRest(sent);
  await backlogs.endLook(ref, lookUntil);
  return { sent, ...(isOpen && { shut: "destination" as const }) };

  async function atRest(count: number): Promise<Looked> {
    await backlogs.rest(ref, nextLook);
    return { sent: count };
  }
}

/**
 * Lets the first jobs of a page go that may, after `gone` others. `stays`: some have no room elsewhere; `isOver`: there is no
 * room for more, which are not even read.
 */
async function letGoOf(
  ref: BacklogRef,
  entries: readonly IndexEntry[],
  { gone, noRoom }: Pick<Page, "gone" | "noRoom">,
  parts: EngineParts,
) {
  const { flow } = parts;
  let [sent, sofar, rest, stays] = [0, gone, entries, false];
  while (rest.length > 0) {
    const room = await flow.roomOf(ref, rest.length, sofar);
    if (room.free === 0) return { sent, gone: sofar, stays, isOver: true, isOpen: room.isOpen };
    // Behind those that stay, as many more may go.
    const some = stays ? rest : rest.slice(0, room.free + SPARE);
    const jobs = await jobsIn(ref, some, parts);
    const gate = jobs.length > 0 ? await flow.gateOf(ref, jobs.length, sofar) : { free: 0 };
    const those = gate.keepsSlots ? jobs : jobs.slice(0, gate.free);
    const went = await letGo(those, { ref, gate, noRoom }, gate.free, parts);
    sent += went.sent;
    stays ||= went.stay > 0;
    const next = jobs[went.asked];
    if (went.isFull || (next && went.released === gate.free))
      return { sent, gone: sofar, stays, isOver: true, isOpen: room.isOpen };
    sofar += went.uncounted;
    rest = rest.slice(next ? some.findIndex(({ id }) => id === next.id) : some.length);
  }
  return { sent, gone: sofar, stays, isOver: false, isOpen: undefined };
}

/** Calls the tasks that are next, and puts those in line whose place was lost. Returns when to look again. */
async function callTasks(
  appId: string,
  tasks: readonly WaitingJob[],
  { clock, slots, line }: EngineParts,
): Promise<EpochMs> {
  const { first } = await slots.look(appId, PAGE);
  const last = first.length < PAGE ? undefined : first.at(-1);
  const isLost = (job: WaitingJob) =>
    job.startAt <= clock.now() + CLOCK_SKEW &&
    !first.includes(rankOf(job)) &&
    (last === undefined || rankOf(job) < last);
  for (const job of tasks.filter(isLost)) await line.wait(job);
  return Math.round((await line.callDue(appId, clock.now() + DUE_WITHIN)) ?? 0);
}
