import type { AppStore, DestinationLimits } from "../store/app-store.ts";
import { PROBE_EVERY, afterFailure, nextLook, type Circuit, type FailedAttempt } from "./circuit.ts";
import { remember } from "../store/cached.ts";
import { MINUTE, SECOND, type Clock, type EpochMs } from "../clock.ts";
import type { CapacityStore, Slot } from "./capacity-store.ts";
import { keyOf, type DestinationRef, type DestinationStore } from "./destination-store.ts";
import { Unavailable, reasonOf } from "../errors.ts";
import type { JobStore } from "../store/job-store.ts";
import {
  LEASE_MARGIN_MS,
  LONGEST_MESSAGE_DELAY,
  isSchedule,
  isTask,
  type AttemptRef,
  type Job,
  type Outcome,
} from "../job/job.ts";
import type { Log } from "../log.ts";
import type { Wait } from "./wait.ts";

/** An attempt that may start, or one that has to wait. */
export type Entry = Admitted | Wait;

export interface Admitted {
  readonly kind: "admitted";
  /** Runs the attempt, gives back what it took, and notes what came of it; nothing if it did not start. */
  during(attempt: () => Promise<Outcome | undefined>): Promise<Outcome | undefined>;
}

interface Parts {
  readonly clock: Clock;
  readonly store: Pick<JobStore, "get">;
  readonly apps: Pick<AppStore, "settingsOf">;
  readonly destinations: Omit<DestinationStore, "list" | "read">;
  readonly capacity: CapacityStore;
  readonly log: Log;
}

/** A turn counts for so long: what comes later, or the sweep brought, takes another. */
const TURN_KEPT = MINUTE + 15 * SECOND;
/** A shorter wait is spent in the function; a queue's delays are of whole seconds. */
const SHORT_WAIT_MS = SECOND;
/** DNS has no longer names, so nothing answers there. */
const LONGEST_DESTINATION = 300;

/** Decides which attempts may start: those whose app is not paused, and whose destination works and has room. */
export function createFlowControl({ clock, store, apps, destinations, capacity, log }: Parts) {
  const succeededAt = new Map<string, EpochMs>();
  const probed = new Map<string, EpochMs>();
  /** How many of a destination's jobs this process has told within a minute to look again. */
  const looking = new Map<string, { readonly since: EpochMs; readonly length: number }>();
  const failing = new Map<string, FailedAttempt[]>();

  /** Asks for an attempt that is about to be claimed. */
  async function enter(ref: AttemptRef): Promise<Entry> {
    const [settings, circuit] = await Promise.all([apps.settingsOf(ref.appId), circuitOf(ref)]);
    if (settings.paused) return { kind: "person" };
    const wait = circuit && (await circuitWait(ref, circuit));
    if (typeof wait === "object") return wait;
    const limits = settings.destinations.find(({ destination }) => destination === ref.destination);
    return limits
      ? enterLimited(ref, wait === "probe" ? { ...limits, rateLimitPerSecond: null } : limits)
      : admitted(ref);
  }

  /** The same for a job that only its message holds: a table that is away must not cost it its first attempt. */
  async function enterCarried(ref: AttemptRef): Promise<Entry> {
    return enter(ref).catch((error: unknown) => {
      if (!(error instanceof Unavailable)) throw error;
      return admitted(ref);
    });
  }

  /** Why a due job is not to be handed to its queue yet. */
  async function waitOf(job: Job): Promise<Wait | undefined> {
    if (isSchedule(job)) return undefined;
    const now = clock.now();
    if (job.isUrgent) return undefined;
    if ((await apps.settingsOf(job.appId)).paused) return { kind: "person" };
    if (isTask(job)) return undefined;
    const circuit = await circuitOf(job);
    if (circuit?.state === "held") return { kind: "person" };
    if (circuit?.state !== "open") return undefined;
    const key = keyOf(job);
    const mayProbe = (circuit.probeAt ?? 0) <= Math.max(now, job.dueAt ?? now);
    // One job of many is enough to probe with; if it is lost, another one goes a minute later.
    if (!mayProbe || (probed.get(key) ?? 0) + PROBE_EVERY > now) return again(job, circuit);
    remember(probed, key, now);
    return undefined;
  }

  /** Why an attempt must wait, or that it is the one that probes. */
  async function circuitWait(ref: AttemptRef, circuit: Circuit): Promise<Wait | "probe" | undefined> {
    if (circuit.state === "closed") return undefined;
    if (circuit.state === "held") return { kind: "person" };
    if ((circuit.probeAt ?? 0) <= clock.now() && (await destinations.takeProbe(ref))) return "probe";
    // As it is now that this one was not let through: it may be closed again.
    const current = await destinations.circuitOf(ref);
    if (current?.state === "held") return { kind: "person" };
    return current?.state === "open" ? again(ref, current) : undefined;
  }

  async function circuitOf(ref: DestinationRef): Promise<Circuit | undefined> {
    return ref.destination.length > LONGEST_DESTINATION ? undefined : destinations.circuitOf(ref);
  }

  function again(ref: DestinationRef, circuit: Circuit): Wait {
    const now = clock.now();
    const key = keyOf(ref);
    const line = looking.get(key);
    const place = line && now - line.since < PROBE_EVERY ? line.length : 0;
    remember(looking, key, { since: place === 0 ? now : (line?.since ?? now), length: place + 1 });
    return { kind: "again", at: nextLook(circuit, now, place, clock.random()) };
  }

  async function enterLimited(ref: AttemptRef, limits: DestinationLimits): Promise<Entry> {
    const { rateLimitPerSecond: rate, maxConcurrency } = limits;
    const turnAt = rate === null ? 0 : await turnOf(ref, rate);
    if (turnAt === undefined) return afterTheRow(ref);
    const waitMs = clock.waitFor(turnAt - clock.now());
    if (waitMs > SHORT_WAIT_MS) return { kind: "turn", at: turnAt };
    if (waitMs > 0) await clock.sleep(waitMs);
    return maxConcurrency === null ? admitted(ref) : takeSlot(ref, maxConcurrency);
  }

  /** The turn that was kept for this attempt, or the next one. */
  async function turnOf(ref: AttemptRef, rate: number): Promise<EpochMs | undefined> {
    // A lane's message is the one that it came with first.
    const kept = ref.turnAt ?? (ref.ordered ? (await store.get(ref.id))?.turnAt : undefined);
    if (kept !== undefined && clock.now() - kept < clock.during(TURN_KEPT)) return kept;
    return capacity.takeTurn(ref, "rate", clock.during(SECOND / rate));
  }

  async function takeSlot(ref: AttemptRef, most: number): Promise<Entry> {
    const enteredAt = clock.now();
    const slot = {
      appId: ref.appId,
      destination: ref.destination,
      holder: clock.operationId(),
      since: enteredAt,
      until: enteredAt + clock.during(ref.timeoutMs + 2 * LEASE_MARGIN_MS),
    };
    const taken = await capacity.takeSlot(slot, most);
    if (taken === "taken") return admitted(ref, { slot, enteredAt });
    // Those that wait come back about as fast as places become free.
    const at = await capacity.takeTurn(ref, "slots", taken.tookMs / most);
    return at === undefined
      ? afterTheRow(ref)
      : { kind: "place", at: Math.max(at, clock.now() + clock.during(SHORT_WAIT_MS)) };
  }

  /** Where more wait than a queue can hold back, the rest wait in the table; but a lane, which keeps its order. */
  function afterTheRow({ ordered }: AttemptRef): Wait {
    return {
      kind: ordered ? "place" : "again",
      at: Math.round(clock.now() + LONGEST_MESSAGE_DELAY * (0.5 + clock.random() / 2)),
    };
  }

  function admitted(ref: AttemptRef, held?: { slot: Slot; enteredAt: EpochMs }): Admitted {
    const leave = async (outcome: Outcome | undefined) => {
      const left = held && capacity.leaveSlot(held.slot, outcome && clock.now() - held.enteredAt);
      const results = await Promise.allSettled([left, outcome && note(ref, outcome)]);
      for (const result of results) {
        if (result.status === "fulfilled") continue;
        // A place that is not given back is free when the attempt's time is over.
        const { id: jobId, appId, attempt } = ref;
        log("warn", "destination.not-noted", { jobId, appId, attempt, error: reasonOf(result.reason) });
      }
    };
    const during = async (attempt: () => Promise<Outcome | undefined>) => {
      let outcome: Outcome | undefined;
      try {
        return (outcome = await attempt());
      } finally {
        await leave(outcome);
      }
    };
    return { kind: "admitted", during };
  }

  /** Counts what failed, and forgets that with a success. */
  async function note(ref: AttemptRef, outcome: Outcome): Promise<void> {
    if (ref.destination.length > LONGEST_DESTINATION) return;
    const circuit = await destinations.circuitOf(ref);
    if (outcome.kind === "succeeded") {
      remember(succeededAt, keyOf(ref), clock.now());
      // Only a person ends a hold.
      if (circuit) await destinations.change(ref, (known) => (known?.state === "held" ? known : undefined));
    } else if (outcome.kind === "retry" && !outcome.isOurs && isNews(circuit, outcome)) {
      await noteFailure(ref, outcome);
    }
  }

  /** In an outage many fail at once: those that come while one is written down are written together, after it. */
  async function noteFailure(ref: AttemptRef, failure: FailedAttempt): Promise<void> {
    const key = keyOf(ref);
    const waiting = failing.get(key);
    if (waiting) return void waiting.push(failure);
    const failures = [failure];
    failing.set(key, failures);
    try {
      while (failures.length > 0) await writeFailures(ref, failures.splice(0));
    } finally {
      failing.delete(key);
    }
  }

  async function writeFailures(ref: AttemptRef, failures: readonly FailedAttempt[]): Promise<void> {
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

  return { enter, enterCarried, waitOf };
}

/** What a circuit that is open or held has not counted. */
function isNews(circuit: Circuit | undefined, failure: FailedAttempt): boolean {
  return !circuit || afterFailure(circuit, failure, 0) !== circuit;
}
