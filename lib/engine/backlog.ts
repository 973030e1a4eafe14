import { reasonOf } from "../errors.ts";
import type { Admitted, Freed } from "../flow/flow-control.ts";
import type { Gate } from "../flow/gates.ts";
import { turnForSlot } from "../flow/limits.ts";
import { isShare, shareByTimeout } from "../flow/shares.ts";
import { arrival, waiting, type Wait } from "../flow/wait.ts";
import { CLOCK_SKEW, isLate, isWaiting, nextAttempt, type Job, type WaitingJob } from "../job/job.ts";
import { backlogTo, destinationOf, type BacklogName, type BacklogRef } from "../job/backlog.ts";
import { asCall, type AttemptRef, type Outcome, type Turn } from "../job/attempt.ts";
import { leaveBacklog } from "../job/moves.ts";
import { handOver } from "../queue/hand-over.ts";
import { LARGEST_SEND, type Departure } from "../queue/queue.ts";
import { backlogKey } from "../store/job-keys.ts";
import type { IndexEntry } from "../store/job-item.ts";
import type { Applied } from "../store/job-store.ts";
import type { EngineParts } from "./engine-parts.ts";
import { endLate } from "./follow-through.ts";
import { ranAs, type Ran } from "./tally.ts";

// How jobs enter backlogs, and who lets them go: an attempt that ends, and the sweep. A wait costs a job two writes,
// however long it lasts.

/** The most jobs of a backlog that are read at once. */
export const PAGE = 100;
/** A job that has just come shows in the index a moment later. The sweep finds what takes longer. */
const SHOWS_WITHIN_MS = 500;
export const ALL = Number.MAX_SAFE_INTEGER;

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
  attempt: (started: () => void) => Promise<Outcome | undefined>,
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
  const gate = await flow.gateOf(ref, 1);
  if (gate.free === 0) return;
  const { atOnce = 1 } = gate;
  const oldest = await oldestOf(ref, atOnce, parts);
  if (oldest.length === 0) await flow.markBacklog(ref, false);
  // Attempts that end at the same moment call different jobs.
  const skipped = Math.floor(clock.random() * Math.min(oldest.length, atOnce / 4));
  const going: Going = { ref, gate, full: new Map(notFor && [[notFor, "full" as const]]) };
  for (const entry of [...oldest.slice(skipped), ...oldest.slice(0, skipped)]) {
    const { released, isFull } = await letGo(await jobsIn(ref, [entry], parts), going, parts);
    if (released > 0 || isFull) return;
  }
}

/**
 * Gives back the slots that were kept for an attempt which has not started, unless they are another delivery's of its
 * message: that of the attempt that runs, or of one that is still to come.
 */
export async function giveBack(ref: AttemptRef, parts: EngineParts, standing?: Job): Promise<void> {
  if (ref.slots === undefined) return;
  const job = standing ?? (await parts.store.get(ref.id));
  // It names them as long as they are its own.
  if (job?.slots === ref.slots) return;
  await callFreed(await parts.flow.giveBack(ref), parts);
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
export async function jobsIn(
  ref: BacklogRef,
  entries: readonly IndexEntry[],
  parts: EngineParts,
): Promise<WaitingJob[]> {
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

function isIn({ backlog }: BacklogRef, job: Job): job is WaitingJob {
  return isWaiting(job) && job.backlog === backlog;
}

/**
 * What lets jobs go: a backlog's gate. `full`: other limits, of which jobs may need one, that are known to have no room, or
 * none but for jobs that have waited there before.
 */
export interface Going {
  readonly ref: BacklogRef;
  readonly gate: Gate;
  readonly full: Map<string, "full" | "behind">;
}

/**
 * Takes jobs out of their backlog and sends their next attempts. Returns how many were taken out, how many were sent, and
 * how many stay that have no room elsewhere. `isFull`: the gate had no room after all.
 */
export async function letGo(jobs: readonly WaitingJob[], going: Going, parts: EngineParts) {
  const { clock } = parts;
  const all = { released: 0, sent: 0, stay: 0, isFull: false };
  for (let at = 0; at < jobs.length && !all.isFull; at += LARGEST_SEND) {
    const batch = jobs.slice(at, at + LARGEST_SEND);
    const settled = await Promise.allSettled(batch.map(async (job, n) => letOneGo(job, going, at + n, parts)));
    const steps = settled.flatMap((step) => (step.status === "fulfilled" ? [step.value] : []));
    const departures = steps.flatMap((job): Departure[] =>
      typeof job === "object" ? [{ job, notBefore: arrival(job, clock) }] : [],
    );
    all.released += departures.length;
    all.stay += steps.filter((step) => step === "stays").length;
    all.isFull = steps.includes("full");
    all.sent += await handOver(departures, parts);
    // Those that have left are on their way.
    for (const step of settled) if (step.status === "rejected") throw step.reason;
  }
  return all;
}

/**
 * Takes a job out of its backlog, as it then is. `stays`: it needs room elsewhere, too, for which others wait already;
 * `moved`: it waits there now; `full`: there is no room for it here; `lost`: it has changed meanwhile.
 */
async function letOneGo(
  job: WaitingJob,
  { ref, gate, full }: Going,
  at: number,
  parts: EngineParts,
): Promise<Job | "stays" | "moved" | "full" | "lost"> {
  const { clock, flow, store } = parts;
  const turn = turnFor(job, gate.turns?.[at]);
  const leave = async (slots?: string) => store.apply(job, leaveBacklog(job, clock.now(), { turn, slots }));
  // The message of a lane's job waits behind others in its queue.
  if (!gate.keepsSlots || job.lane !== undefined || (turn && turn.at > clock.now() + CLOCK_SKEW)) {
    const left = await leave();
    return left.won ? left.job : "lost";
  }
  const needed = [...full].find(([name, room]) => needs(job, name) && (room === "full" || job.turn === undefined))?.[0];
  if (needed !== undefined && destinationOf(ref.backlog) === job.destination) return "stays";
  const kept = needed === undefined ? await flow.keepSlots(job, ref) : { fullAt: needed, isFirst: false, freed: [] };
  if ("fullAt" in kept) {
    await callFreed(await flow.giveBack(asCall(nextAttempt(job)), kept.freed), parts);
    if (backlogTo(kept.fullAt) === ref.backlog) return "full";
    if (needed === undefined) full.set(kept.fullAt, kept.isFirst ? "full" : "behind");
    await waitElsewhere(job, ref, kept, parts);
    return "moved";
  }
  const left = await leave(kept.slots);
  if (left.won) return left.job;
  if (kept.slots !== undefined) await giveBack({ ...asCall(nextAttempt(job)), slots: kept.slots }, parts, left.job);
  return "lost";
}

/** A job that has room at one limit goes on to wait for the other, and says that it has waited here. */
async function waitElsewhere(
  job: WaitingJob,
  { backlog }: BacklogRef,
  { fullAt, isFirst }: { readonly fullAt: string; readonly isFirst: boolean },
  parts: EngineParts,
): Promise<void> {
  const here = turnForSlot(destinationOf(backlog) ?? "", parts.clock);
  const mark: Turn = job.turn ? { ...here, both: true } : here;
  await makeWait(job, { reason: "concurrency", at: fullAt, mark, ...(isFirst && { isFirst }) }, parts);
}

/** Whether a job needs a slot of a destination or a share. All jobs of a destination that is slow need one of that share. */
function needs({ timeoutMs, destination }: Job, name: string): boolean {
  if (!isShare(name)) return destination === name;
  return (shareByTimeout(timeoutMs) ?? "(slow)") === name;
}

/** Nothing starts before its time: a turn for a slot moves there, and one by a rate is lost. */
function turnFor(job: Job, given: Turn | undefined): Turn | undefined {
  // It was let go by one of two limits, and then waited for the other.
  const turn = given?.step === 0 && job.turn ? { ...given, both: true as const } : given;
  if (!turn || turn.at >= job.startAt) return turn;
  return turn.step === 0 ? { ...turn, at: job.startAt } : undefined;
}
