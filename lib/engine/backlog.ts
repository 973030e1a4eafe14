import { reasonOf } from "../errors.ts";
import type { Admitted, Freed } from "../flow/flow-control.ts";
import type { Gate } from "../flow/gates.ts";
import { turnForSlot } from "../flow/limits.ts";
import type { NoRoom } from "../flow/kept-slots.ts";
import { isShare, shareByTimeout } from "../flow/shares.ts";
import { keptSlots, textOf, type Slot } from "../flow/slots.ts";
import { arrival, waiting, type Wait } from "../flow/wait.ts";
import { CLOCK_SKEW, isLate, isWaiting, nextAttempt, type Job, type WaitingJob } from "../job/job.ts";
import { backlogTo, destinationOf, type BacklogName, type BacklogRef } from "../job/backlog.ts";
import { asCall, type AttemptRef, type Outcome, type Turn } from "../job/attempt.ts";
import { leaveBacklog, type Given } from "../job/moves.ts";
import { handOver } from "../queue/hand-over.ts";
import { LARGEST_SEND, type Departure } from "../queue/queue.ts";
import { backlogKey } from "../store/job-keys.ts";
import type { IndexEntry } from "../store/job-item.ts";
import type { Applied } from "../store/job-store.ts";
import type { EngineParts } from "./engine-parts.ts";
import { endLate } from "./follow-through.ts";
import { ranAs, type Ran } from "./tally.ts";

// How jobs enter backlogs, and who lets them go: an attempt that ends, and the sweep. A wait costs a job two writes,
// however long it lasts, and as a rule three more at most where it waits for two limits.

/** The most jobs of a backlog that are read at once. */
export const PAGE = 100;
/** Jobs of a backlog that are read beside those which may go: the first ones may have no room elsewhere. */
const SPARE = 20;
/** A job that has just come shows in the index a moment later. The sweep finds what takes longer. */
const SHOWS_WITHIN_MS = 500;
export const ALL = Number.MAX_SAFE_INTEGER;

/** Makes a job wait: in its queue, or in a backlog that the sweep knows of. `taken`: slots that were taken for it now. */
export async function makeWait(
  job: Job,
  wait: Wait,
  parts: EngineParts,
  taken: readonly Slot[] = [],
): Promise<Applied> {
  const move = waiting(job, wait, parts.clock.now());
  const { backlog } = move.set;
  const moved = await writeWaiting(job, parts, taken, async () => {
    await announce({ appId: job.appId, backlog }, parts);
    // A message that comes twice writes nothing.
    if (backlog !== undefined && job.backlog === backlog) return { won: false, job };
    return parts.store.apply(job, move);
  });
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
  const inOrder = [...oldest.slice(skipped), ...oldest.slice(0, skipped)];
  const going: Going = { ref, gate, noRoom: new Map(notFor && [[notFor, "full" as const]]) };
  // Mostly the first one goes. Others may have no room elsewhere.
  for (let some = 1; inOrder.length > 0; some *= 4) {
    const jobs = await jobsIn(ref, inOrder.splice(0, some), parts);
    const { released, isFull } = await letGo(jobs, going, 1, parts);
    if (released > 0 || isFull) return;
  }
}

/** Writes a job that waits. Slots of it, and those `taken` for it now, that it then does not name are given back. */
async function writeWaiting(job: Job, parts: EngineParts, taken: readonly Slot[], write: () => Promise<Applied>) {
  if (job.slots === undefined && taken.length === 0) return write();
  const written = await write().catch(async (error: unknown) => {
    const ref = nextAttempt(job);
    // It may have been written all the same. The table may be down: nobody is called now.
    await parts.flow.giveBack(asCall(ref), notNamedBy(await parts.store.get(job.id), ref, taken));
    throw error;
  });
  await giveBackAfter(job, written.job, parts, taken);
  return written;
}

/** Ends a job that it is too late to start. */
export async function giveUp(job: WaitingJob, parts: EngineParts): Promise<void> {
  await writeWaiting(job, parts, [], async () => endLate(job, parts));
}

/**
 * Gives back the slots that a job had before, and those `taken` for it, unless it names them now, and calls those that wait
 * for them elsewhere. Whoever lets jobs go from where it waited goes on with the next ones.
 */
export async function giveBackAfter(
  before: Job,
  now: Job | undefined,
  parts: EngineParts,
  taken: readonly Slot[] = [],
): Promise<void> {
  const ref = nextAttempt(before);
  const freed = await parts.flow.giveBack(asCall(ref), notNamedBy(now, ref, taken));
  const others = freed.filter(({ backlog }) => backlog !== before.backlog);
  await callFreed(others, parts);
}

/** Gives back the slots that a message names and its job does not: as it is `now`, by default as it is stored. */
export async function giveBack(ref: AttemptRef, parts: EngineParts, now?: Job): Promise<void> {
  if (ref.slots === undefined) return;
  const slots = notNamedBy(now ?? (await parts.store.get(ref.id)), ref);
  await callFreed(await parts.flow.giveBack(asCall(ref), slots), parts);
}

function notNamedBy(job: Job | undefined, ref: AttemptRef, taken: readonly Slot[] = []): Slot[] {
  const named = new Set(job?.slots?.split(","));
  return [...keptSlots(asCall(ref)), ...taken].filter((slot) => !named.has(textOf([slot])));
}

/** More of the oldest jobs of a backlog than attempts may end at once, a page at most. */
async function oldestOf(ref: BacklogRef, atOnce: number, parts: EngineParts): Promise<readonly IndexEntry[]> {
  const { clock, store } = parts;
  const read = async () => (await store.due(backlogKey(ref), ALL, Math.min(2 * atOnce + SPARE, PAGE))).entries;
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
  await Promise.all(late.map(async (job) => giveUp(job, parts)));
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
 * What lets jobs go: a backlog's gate. `noRoom`: other limits, of which jobs may need one, that are known to have no room, or
 * none but for jobs that have waited there before.
 */
export interface Going {
  readonly ref: BacklogRef;
  readonly gate: Gate;
  readonly noRoom: Map<string, "full" | "behind">;
}

/**
 * Takes at most `most` jobs out of their backlog and sends their next attempts. `asked`: how many of the jobs it has asked;
 * `released`, `sent`: how many were taken out, and sent; `uncounted`: how many of them have taken no slots yet; `stay`: how
 * many have no room elsewhere. `isFull`: the gate had no room after all.
 */
export async function letGo(jobs: readonly WaitingJob[], going: Going, most: number, parts: EngineParts) {
  const { clock } = parts;
  const all = { asked: 0, released: 0, sent: 0, uncounted: 0, stay: 0, isFull: false };
  while (all.asked < jobs.length && all.released < most && !all.isFull) {
    const batch = jobs.slice(all.asked, all.asked + Math.min(LARGEST_SEND, most - all.released));
    const from = all.asked;
    const settled = await Promise.allSettled(batch.map(async (job, n) => letOneGo(job, going, from + n, parts)));
    const steps = settled.flatMap((step) => (step.status === "fulfilled" ? [step.value] : []));
    const left = steps.filter((step) => typeof step === "object");
    all.asked += batch.length;
    all.released += left.length;
    all.uncounted += left.filter(({ slots }) => slots === undefined).length;
    all.stay += steps.filter((step) => step === "stays").length;
    all.isFull = steps.includes("full");
    all.sent += await handOver(
      left.map((job): Departure => ({ job, notBefore: arrival(job, clock) })),
      parts,
    );
    // Those that have left are on their way.
    for (const step of settled) if (step.status === "rejected") throw step.reason;
  }
  return all;
}

/**
 * What becomes of a job that may go: it has left its backlog, as it then is; `stays`: it needs room elsewhere, too, for which
 * others wait already; `moved`: it waits there now; `full`: there is no room for it here; `lost`: it has changed meanwhile.
 */
type Step = Job | "stays" | "moved" | "full" | "lost";

/** Takes a job out of its backlog, with the slots that it needs. */
async function letOneGo(job: WaitingJob, going: Going, at: number, parts: EngineParts): Promise<Step> {
  const { clock } = parts;
  const { ref, gate, noRoom } = going;
  const turn = turnFor(job, gate.turns?.[gate.keepsSlots ? 0 : at]);
  const isLater = turn !== undefined && turn.at > clock.now() + CLOCK_SKEW;
  // The message of a lane's job waits behind others in its queue.
  if (!gate.keepsSlots || job.lane !== undefined || isLater) return leave(job, { turn }, parts);
  const isAtOwn = destinationOf(ref.backlog) === job.destination;
  const fullAt = [...noRoom].find(([name, why]) => needs(job, name) && !mayAsk(job, isAtOwn, why))?.[0];
  if (fullAt === undefined) return leaveWithSlots(job, turn, going, parts);
  return isAtOwn ? "stays" : waitElsewhere(job, ref, { fullAt, isFirst: false }, parts);
}

async function leave(job: WaitingJob, given: Given, parts: EngineParts, taken: readonly Slot[] = []) {
  const move = leaveBacklog(job, parts.clock.now(), given);
  const left = await writeWaiting(job, parts, taken, async () => parts.store.apply(job, move));
  return left.won ? left.job : ("lost" as const);
}

async function leaveWithSlots(job: WaitingJob, turn: Turn | undefined, { ref, noRoom }: Going, parts: EngineParts) {
  const kept = await parts.flow.keepSlots(job, ref);
  const { taken, fullAt } = kept;
  if (fullAt === undefined) return leave(job, { turn, slots: kept.slots }, parts, taken);
  if (backlogTo(fullAt) === ref.backlog) {
    await giveBackAfter(job, job, parts, taken);
    return "full";
  }
  noRoom.set(fullAt, kept.isFirst ? "full" : "behind");
  return waitElsewhere(job, ref, kept, parts);
}

/**
 * Whether a job may get on though a limit has had no room for another one: it holds a slot there, or has waited there before
 * and is first, or may hold that of its destination now.
 */
function mayAsk({ turn, slots }: Job, isAtOwn: boolean, why: "full" | "behind"): boolean {
  return slots !== undefined || (turn !== undefined && (isAtOwn || why === "behind"));
}

/** A job that has room at one limit goes on to wait for the other, and says that it has waited here. */
async function waitElsewhere(
  job: WaitingJob,
  { backlog }: BacklogRef,
  { fullAt, isFirst, held, taken }: Pick<NoRoom, "fullAt" | "isFirst"> & Partial<NoRoom>,
  parts: EngineParts,
): Promise<"moved" | "lost"> {
  const here = turnForSlot(destinationOf(backlog) ?? "", parts.clock);
  const mark: Turn = job.turn ? { ...here, both: true } : here;
  const wait = { reason: "concurrency", at: fullAt, mark, ...(isFirst && { isFirst }), ...(held && { held }) } as const;
  return (await makeWait(job, wait, parts, taken)).won ? "moved" : "lost";
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
