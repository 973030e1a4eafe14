import { SECOND, type Clock } from "../clock.ts";
import { reasonOf } from "../errors.ts";
import type { Log } from "../log.ts";
import type { AppStore } from "../store/app-store.ts";
import type { CapacityStore, Slot } from "./capacity-store.ts";

// The requests of an app that are held open until there is news. Each takes an execution of the account.

interface Waiter {
  end(): Promise<void>;
}

interface Parts {
  readonly clock: Clock;
  readonly apps: Pick<AppStore, "settingsOf">;
  readonly capacity: Pick<CapacityStore, "takeSlot" | "leaveSlot">;
  readonly log: Log;
}

/** A function that serves requests has ended after 29 s: a waiter that is held longer was killed. */
const HELD_AT_MOST_MS = 30 * SECOND;
/** Not an origin and not the name of a function, so no destination of jobs has this slot. */
const SLOTS = "(waiters)";

export function createWaiters(parts: Parts) {
  return {
    /** Undefined when the app has as many waiters as it may, or when they can't be counted. */
    begin: async (appId: string): Promise<Waiter | undefined> => begin(parts, appId),
  };
}

async function begin(parts: Parts, appId: string): Promise<Waiter | undefined> {
  const { clock, apps, capacity } = parts;
  const since = clock.now();
  const until = since + clock.during(HELD_AT_MOST_MS);
  const slot: Slot = { appId, destination: SLOTS, holder: clock.operationId(), since, until };
  try {
    const { waitersPerApp: most } = await apps.settingsOf(appId);
    if (most === null) return { end: async () => {} };
    if ((await capacity.takeSlot(slot, most, true)) !== "taken") return undefined;
  } catch (error) {
    notCounted(parts, appId, error);
    return undefined;
  }
  return {
    end: async () => void (await capacity.leaveSlot(slot).catch((error: unknown) => notCounted(parts, appId, error))),
  };
}

/** An answer does not depend on the count: a slot that was not given back is free again after 30 s. */
function notCounted({ log }: Parts, appId: string, error: unknown): void {
  log("warn", "waiter.not-counted", { appId, error: reasonOf(error) });
}
