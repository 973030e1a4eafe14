import type { Clock } from "../clock.ts";
import { Unavailable, reasonOf } from "../errors.ts";
import { backlogTo, type BacklogRef } from "../job/backlog.ts";
import { isSchedule, type Job } from "../job/job.ts";
import type { Log } from "../log.ts";
import type { AppStore } from "../store/app-store.ts";
import type { Backlogs } from "../store/backlogs.ts";
import type { JobStore } from "../store/job-store.ts";
import type { CapacityStore, Slot } from "./capacity-store.ts";
import { createCircuitWaits, createOutcomes } from "./circuits.ts";
import type { DestinationStore } from "./destination-store.ts";
import { createGates } from "./gates.ts";
import { makeRoom } from "./limits.ts";
import type { Wait } from "./wait.ts";
import type { CallRef, Outcome } from "../job/attempt.ts";

/** An attempt that may start, or the reason why it has to wait. */
export type Entry = Admitted | Wait;

export interface Admitted {
  /**
   * Runs the attempt, gives back its slot, and notes its outcome; an attempt that did not start has none. `ended`: what
   * came of the call. `next`: the backlog whose next job may have the slot, also if the service failed.
   */
  during(attempt: () => Promise<Outcome | undefined>): Promise<{
    readonly ended: PromiseSettledResult<Outcome | undefined>;
    readonly next?: BacklogRef;
  }>;
}

interface Parts {
  readonly clock: Clock;
  readonly store: Pick<JobStore, "get">;
  readonly apps: Pick<AppStore, "settingsOf">;
  readonly destinations: Omit<DestinationStore, "list" | "read">;
  readonly capacity: CapacityStore;
  readonly backlogs: Pick<Backlogs, "wake">;
  readonly log: Log;
}

export type FlowControl = ReturnType<typeof createFlowControl>;

/** Decides which attempts may start: those whose app is not paused, and whose destination works and has room. */
export function createFlowControl(parts: Parts) {
  const { clock, apps, capacity, log } = parts;
  const circuits = createCircuitWaits(parts);
  const outcomes = createOutcomes(parts);

  /** The decision for an attempt that is about to be claimed. */
  async function enter(ref: CallRef): Promise<Entry> {
    const [settings, circuit] = await Promise.all([apps.settingsOf(ref.appId), circuits.circuitOf(ref)]);
    if (settings.paused) return { reason: "paused" };
    const wait = circuit && (await circuits.waitAt(ref, circuit));
    if (typeof wait === "object") return wait;
    const limits = settings.destinations.find(({ destination }) => destination === ref.destination);
    if (!limits) return admitted(ref);
    const room = await makeRoom(parts, ref, limits, wait === "probe");
    return "reason" in room ? room : admitted(ref, room.slot);
  }

  /** The decision for a job that only its message holds. It may start during an outage of the table. */
  async function enterCarried(ref: CallRef): Promise<Entry> {
    return enter(ref).catch((error: unknown) => {
      if (!(error instanceof Unavailable)) throw error;
      return admitted(ref);
    });
  }

  /** The wait of a due job that the sweep is about to send to its queue. */
  async function waitOf(job: Job): Promise<Wait | undefined> {
    if (isSchedule(job) || job.isUrgent) return undefined;
    if ((await apps.settingsOf(job.appId)).paused) return { reason: "paused" };
    return circuits.waitOfDue(job);
  }

  function admitted(ref: CallRef, slot?: Slot): Admitted {
    const during: Admitted["during"] = async (attempt) => {
      const [ended] = await Promise.allSettled([attempt()]);
      const outcome = ended.status === "fulfilled" ? ended.value : undefined;
      const isAwaited = await leave(ref, outcome, slot);
      const next = { appId: ref.appId, backlog: backlogTo(ref.destination) };
      return { ended, ...(isAwaited && { next }) };
    };
    return { during };
  }

  /** Returns whether jobs wait for the slot. */
  async function leave(ref: CallRef, outcome?: Outcome, slot?: Slot): Promise<boolean> {
    const left = slot && capacity.leaveSlot(slot, outcome && clock.now() - slot.since);
    const results = await Promise.allSettled([left, outcome && outcomes.note(ref, outcome)]);
    for (const result of results) {
      if (result.status === "fulfilled") continue;
      // A slot that is not given back is free once the attempt is certainly over.
      const { id: jobId, appId, attempt } = ref;
      log("warn", "destination.not-noted", { jobId, appId, attempt, error: reasonOf(result.reason) });
    }
    return results[0].status === "fulfilled" && results[0].value === true;
  }

  return { enter, enterCarried, waitOf, ...createGates({ clock, apps, capacity, circuits }) };
}
