import type { Clock, EpochMs } from "../clock.ts";
import { backlogTo } from "../job/backlog.ts";
import type { Job } from "../job/job.ts";
import type { Log } from "../log.ts";
import type { Backlogs } from "../store/backlogs.ts";
import { remember } from "../job/remember.ts";
import { afterFailure, type Circuit, type FailedAttempt } from "./circuit.ts";
import { LONGEST_DESTINATION, keyOf, type DestinationRef, type DestinationStore } from "./destination-store.ts";
import type { Wait } from "./wait.ts";
import type { CallRef, Outcome } from "../job/attempt.ts";

// The circuits of destinations: which attempts they make wait, which one probes, and how outcomes change them.

interface Parts {
  readonly clock: Clock;
  readonly destinations: Pick<DestinationStore, "circuitOf" | "change" | "takeProbe">;
}

interface OutcomeParts extends Parts {
  readonly backlogs: Pick<Backlogs, "wake">;
  readonly log: Log;
}

/** Waits at circuits that are held or open. */
export function createCircuitWaits({ clock, destinations }: Parts) {
  async function circuitOf(ref: DestinationRef): Promise<Circuit | undefined> {
    return ref.destination.length > LONGEST_DESTINATION ? undefined : destinations.circuitOf(ref);
  }

  /** The wait of an attempt that is about to be claimed; undefined when it may start. */
  async function waitAt(ref: CallRef, circuit: Circuit): Promise<Wait | "probe" | undefined> {
    if (circuit.state === "closed") return undefined;
    if (circuit.state === "held") return { reason: "held" };
    if ((circuit.probeAt ?? 0) <= clock.now() && (await destinations.takeProbe(ref))) return "probe";
    // `takeProbe` has read the circuit anew: it may be closed again.
    const current = await destinations.circuitOf(ref);
    if (current?.state === "held") return { reason: "held" };
    return current?.state === "open" ? { reason: "outage" } : undefined;
  }

  /** For a probe that can't start: the next attempt probes. */
  async function giveProbeBack(ref: CallRef): Promise<void> {
    await destinations.change(ref, (circuit) =>
      circuit?.state === "open" ? { ...circuit, probeAt: clock.now() } : circuit,
    );
  }

  /** The wait of a due job that is about to be sent to its queue. */
  async function waitOfDue({ appId, destination }: Job): Promise<Wait | undefined> {
    if (destination === undefined) return undefined;
    const circuit = await circuitOf({ appId, destination });
    if (circuit?.state === "held") return { reason: "held" };
    return circuit?.state === "open" ? { reason: "outage" } : undefined;
  }

  return { circuitOf, waitAt, giveProbeBack, waitOfDue };
}

/** Changes circuits by the outcomes of attempts. */
export function createOutcomes({ clock, destinations, backlogs, log }: OutcomeParts) {
  const succeededAt = new Map<string, EpochMs>();
  const unwritten = new Map<string, FailedAttempt[]>();

  /** A failure is counted, and a success ends the count. */
  async function note(ref: CallRef, outcome: Outcome): Promise<void> {
    if (ref.destination.length > LONGEST_DESTINATION) return;
    const circuit = await destinations.circuitOf(ref);
    if (isAlive(outcome)) {
      remember(succeededAt, keyOf(ref), clock.now());
      // Only a person ends a hold.
      if (circuit) await close(ref);
    } else if (isFailure(outcome) && changes(circuit, outcome)) {
      await noteFailure(ref, outcome);
    }
  }

  async function close(ref: CallRef): Promise<void> {
    let wasOpen = false;
    await destinations.change(ref, (known) => {
      wasOpen = known?.state === "open";
      return known?.state === "held" ? known : undefined;
    });
    if (wasOpen) await backlogs.wake({ appId: ref.appId, backlog: backlogTo(ref.destination) });
  }

  /** In an outage many attempts fail at once: failures that come during a write are written together after it. */
  async function noteFailure(ref: CallRef, failure: FailedAttempt): Promise<void> {
    const key = keyOf(ref);
    const batch = unwritten.get(key);
    if (batch) return void batch.push(failure);
    const failures = [failure];
    unwritten.set(key, failures);
    try {
      while (failures.length > 0) await writeFailures(ref, failures.splice(0));
    } finally {
      unwritten.delete(key);
    }
  }

  async function writeFailures(ref: CallRef, failures: readonly FailedAttempt[]): Promise<void> {
    const now = clock.now();
    const lastSuccessAt = succeededAt.get(keyOf(ref));
    const changed = await destinations.change(ref, (circuit) =>
      failures.reduce<Circuit | undefined>(
        (known, failure) => afterFailure(known, failure, now, lastSuccessAt),
        circuit,
      ),
    );
    if (!changed || changed.state === "closed" || changed.since !== now) return;
    const { id: jobId, appId, attempt } = ref;
    log("warn", "destination.shut", { jobId, appId, attempt, status: changed.state });
  }

  return { note };
}

/** Whether the destination works: it has taken a request, or says that the request is wrong. */
function isAlive(outcome: Outcome): boolean {
  if (outcome.kind === "succeeded") return true;
  return outcome.kind === "rejected" && outcome.httpStatus !== undefined && outcome.httpStatus < FAULT_OF_SERVER;
}

/** A failure that may be repeated, or that its sender takes for final though it is the destination's. */
function isFailure(outcome: Outcome): outcome is Extract<Outcome, FailedAttempt> {
  if (outcome.kind === "retry") return !outcome.isOurs;
  return outcome.kind === "rejected" && outcome.httpStatus !== undefined;
}

const FAULT_OF_SERVER = 500;

/** A circuit that is open or held counts no further failures, but an open one is held by a 410. */
function changes(circuit: Circuit | undefined, failure: FailedAttempt): boolean {
  return !circuit || afterFailure(circuit, failure, 0) !== circuit;
}
