import type { Clock } from "../clock.ts";
import { Unavailable, reasonOf } from "../errors.ts";
import { backlogTo, type BacklogRef } from "../job/backlog.ts";
import { isGroup } from "../job/group.ts";
import { isSchedule, type Job, type WaitingJob } from "../job/job.ts";
import type { Log } from "../log.ts";
import type { AppStore } from "../store/app-store.ts";
import type { Backlogs } from "../store/backlogs.ts";
import type { JobStore } from "../store/job-store.ts";
import type { CapacityStore } from "./capacity-store.ts";
import { createCircuitWaits, createOutcomes } from "./circuits.ts";
import type { DestinationStore } from "./destination-store.ts";
import { createGates } from "./gates.ts";
import { keepSlots } from "./kept-slots.ts";
import { makeRoom } from "./limits.ts";
import { isShare, limitsOf, shareByTimeout, tightestFirst, type Share } from "./shares.ts";
import { keptSlots, slotFor, type Slot } from "./slots.ts";
import { SLOW_AFTER_MS, createSlowness, type Amount } from "./slowness.ts";
import type { Wait } from "./wait.ts";
import type { CallRef, Outcome } from "../job/attempt.ts";

/** An attempt that may start, or one that has to wait. */
export type Entry = Admitted | Deferred;

export interface Admitted {
  /**
   * Runs the attempt, gives back its slots, and notes its outcome; an attempt that did not start has none. It calls
   * `started` if it is the one that the slots in its message were kept for. `ended`: what came of the call. `freed`: the
   * backlogs whose next jobs may have the slots, also if the service failed.
   */
  during(attempt: (started: () => void) => Promise<Outcome | undefined>): Promise<{
    readonly ended: PromiseSettledResult<Outcome | undefined>;
    readonly freed: readonly BacklogRef[];
  }>;
}

/**
 * `freed`: the backlogs whose next jobs may have the slots that the attempt held until it had to wait. Those that were kept
 * for it are not given back: see `giveBack`.
 */
export interface Deferred {
  readonly wait: Wait;
  readonly freed: readonly Freed[];
}

/** A backlog whose next job may have a slot. `notFor`: not one that needs a slot of this share, too. */
export interface Freed extends BacklogRef {
  readonly notFor?: Share;
}

interface Parts {
  readonly clock: Clock;
  readonly store: Pick<JobStore, "get">;
  readonly apps: Pick<AppStore, "settingsOf">;
  readonly destinations: Omit<DestinationStore, "list" | "read" | "circuitsOf">;
  readonly capacity: CapacityStore;
  readonly backlogs: Pick<Backlogs, "wake">;
  readonly log: Log;
}

export type FlowControl = ReturnType<typeof createFlowControl>;

/**
 * Decides which attempts may start: those whose app is not paused and has room in its share of the queue, and whose
 * destination works and has room.
 */
export function createFlowControl(parts: Parts) {
  const { clock, apps, capacity } = parts;
  const circuits = createCircuitWaits(parts);
  const runs = createRuns(parts);

  /** The decision for an attempt that is about to be claimed. */
  async function enter(ref: CallRef): Promise<Entry> {
    const [settings, circuit] = await Promise.all([apps.settingsOf(ref.appId), circuits.circuitOf(ref)]);
    if (settings.paused) return deferred({ reason: "paused" });
    const wait = circuit && (await circuits.waitAt(ref, circuit));
    if (typeof wait === "object") return { wait, freed: passedOn(ref) };
    const share = await runs.shareOf(ref);
    const slots: Slot[] = [];
    try {
      const both = [share ?? [], ref.destination].flat();
      for (const limits of tightestFirst(both.flatMap((name) => limitsOf(name, settings) ?? []))) {
        const room = await makeRoom(parts, ref, limits, wait === "probe");
        if ("reason" in room) {
          if (wait === "probe") await circuits.giveProbeBack(ref);
          const left = await runs.leave(ref, slots);
          return { wait: room, freed: [...forOthers(limits.destination, left), ...passedOn(ref, slots)] };
        }
        if (room.slot) slots.push(room.slot);
      }
    } catch (error) {
      await runs.leave(ref, slots);
      throw error;
    }
    const keptFor = keptSlots(ref).map(({ destination }) => destination);
    return runs.admitted(ref, slots, share ?? keptFor.find(isShare));
  }

  /** The decision for a job that only its message holds. It may start during an outage of the table. */
  async function enterCarried(ref: CallRef): Promise<Entry> {
    return enter(ref).catch((error: unknown) => {
      if (!(error instanceof Unavailable)) throw error;
      return runs.admitted(ref, []);
    });
  }

  /** The wait of a due job that the sweep is about to send to its queue. */
  async function waitOf(job: Job): Promise<Wait | undefined> {
    if (isSchedule(job) || isGroup(job) || job.isUrgent) return undefined;
    if ((await apps.settingsOf(job.appId)).paused) return { reason: "paused" };
    return circuits.waitOfDue(job);
  }

  return {
    enter,
    enterCarried,
    waitOf,
    ...createGates({ clock, apps, capacity, circuits }),
    /** Takes the slots that a job of a backlog needs, and keeps them until its message comes. */
    keepSlots: async (job: WaitingJob, at: BacklogRef) => keepSlots(job, at, { ...parts, shareOf: runs.shareOf }),
    /** Gives back slots that were kept for an attempt which does not start. Returns the backlogs whose next jobs may have them. */
    giveBack: async (ref: CallRef, slots: readonly Slot[] = keptSlots(ref)) => runs.leave(ref, slots),
  };
}

function deferred(wait: Wait): Deferred {
  return { wait, freed: [] };
}

/**
 * Those that wait for a slot which could not be used, for want of one of a share: those that need that share would not use
 * it either. At a slow destination, that is all.
 */
function forOthers(full: string, freed: readonly BacklogRef[]): Freed[] {
  if (!isShare(full)) return [...freed];
  return full === "(slow)" ? [] : freed.map((ref) => ({ ...ref, notFor: full }));
}

/** The backlog of the share whose slot was for an attempt that has not taken it: the next one may have it. */
function passedOn(ref: CallRef, slots: readonly Slot[] = []): BacklogRef[] {
  const { appId, turn: { share } = {} } = ref;
  if (share === undefined || [...slots, ...keptSlots(ref)].some(({ destination }) => destination === share)) return [];
  return [{ appId, backlog: backlogTo(share) }];
}

/** Why the wait for a slow attempt ends. An error of its own for each would be made with a stack. */
const OVER = new Error("The attempt is over");

/** The attempts that have been admitted: their slots, their outcomes, and whether they are slow. */
function createRuns(parts: Parts) {
  const { clock, capacity, log } = parts;
  const outcomes = createOutcomes(parts);
  const slowness = createSlowness(parts);
  const amounts = createAmounts(parts);

  /** The share of a queue that the attempt takes a slot of. */
  async function shareOf(ref: CallRef): Promise<Share | undefined> {
    return shareByTimeout(ref.timeoutMs) ?? ((await slowness.isSlow(ref)) ? "(slow)" : undefined);
  }

  function admitted(ref: CallRef, slots: readonly Slot[], share?: Share): Admitted {
    const during: Admitted["during"] = async (attempt) => {
      const stop = new AbortController();
      const watched = watch(ref, stop.signal, share);
      const held = [...slots];
      const replaced: Promise<BacklogRef[]>[] = [];
      const started = () => {
        for (const kept of keptSlots(ref)) {
          if (slots.some(({ destination }) => destination === kept.destination)) replaced.push(leave(ref, [kept]));
          else held.push(kept);
        }
      };
      const [ended] = await Promise.allSettled([attempt(started)]);
      const outcome = ended.status === "fulfilled" ? ended.value : undefined;
      stop.abort(OVER);
      const [late, freed] = [await watched, await leave(ref, held, outcome)];
      freed.push(...(late ? await leave(ref, [late]) : []), ...(await Promise.all(replaced)).flat());
      return { ended, freed: [...freed, ...passedOn(ref, slots)] };
    };
    return { during };
  }

  /**
   * An attempt that turns out to be slow takes a slot late, also beyond the limit: the next ones then wait. One over a
   * minute says nothing of those in the other queues.
   */
  async function watch(ref: CallRef, isOver: AbortSignal, share: Share | undefined): Promise<Slot | undefined> {
    if (share === "(long)") return undefined;
    const isSlow = await clock.sleep(SLOW_AFTER_MS, isOver).then(
      () => true,
      () => false,
    );
    if (!isSlow) {
      slowness.noteQuick(ref);
      return undefined;
    }
    const slot = share === undefined ? slotFor(ref, "(slow)", clock) : undefined;
    try {
      await slowness.noteSlow(ref, slot ? await amounts.beyond(slot) : await amounts.atLimit(ref));
    } catch (error) {
      notNoted(ref, error);
    }
    return slot;
  }

  /** Returns the backlogs of the jobs that wait for the slots. */
  async function leave(ref: CallRef, slots: readonly Slot[], outcome?: Outcome): Promise<BacklogRef[]> {
    const noted = outcome && outcomes.note(ref, outcome).catch((error: unknown) => notNoted(ref, error));
    const freed = destinationsFirst(slots).map(async (slot): Promise<BacklogRef[]> => {
      try {
        const isAwaited = await capacity.leaveSlot(slot, outcome && clock.now() - slot.since);
        return isAwaited ? [{ appId: slot.appId, backlog: backlogTo(slot.destination) }] : [];
      } catch (error) {
        // A slot that is not given back is free once the attempt is certainly over.
        notNoted(ref, error);
        return [];
      }
    });
    const all = await Promise.all(freed);
    await noted;
    return all.flat();
  }

  function notNoted({ id: jobId, appId, attempt }: CallRef, error: unknown): void {
    log("warn", "destination.not-noted", { jobId, appId, attempt, error: reasonOf(error) });
  }

  return { shareOf, admitted, leave };
}

/** Who waits at a destination, and has waited for its app's share before, is before those that wait for the share alone. */
function destinationsFirst(slots: readonly Slot[]): Slot[] {
  return slots.toSorted((a, b) => Number(isShare(a.destination)) - Number(isShare(b.destination)));
}

/** How many slow attempts an app has, by its share. */
function createAmounts({ apps, capacity }: Pick<Parts, "apps" | "capacity">) {
  /** Takes the slot. Where that fails, the destination is noted all the same. */
  async function beyond(slot: Slot): Promise<Amount> {
    try {
      const taken = await capacity.addSlot(slot);
      return taken > (await mostSlow(slot.appId)) ? "beyond" : "within";
    } catch (error) {
      if (error instanceof Unavailable) return "within";
      throw error;
    }
  }

  async function atLimit({ appId }: CallRef): Promise<Amount> {
    const free = await capacity.freeSlots({ appId, destination: "(slow)" }, await mostSlow(appId));
    return free === 0 ? "at limit" : "within";
  }

  async function mostSlow(appId: string): Promise<number> {
    return limitsOf("(slow)", await apps.settingsOf(appId))?.maxConcurrency ?? Infinity;
  }

  return { beyond, atLimit };
}
