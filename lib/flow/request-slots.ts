import { SECOND, type Clock } from "../clock.ts";
import { reasonOf } from "../errors.ts";
import type { Log } from "../log.ts";
import type { LimitName } from "../store/app-settings.ts";
import type { AppStore } from "../store/app-store.ts";
import type { CapacityStore } from "./capacity-store.ts";
import type { Slot } from "./slots.ts";

// The requests of an app that take executions of the account for long. Each takes a slot.

/** `news`: requests that are held open until there is news. `quick PDF`: those that wait for a PDF. */
export type LongRequest = "news" | "quick PDF";

/** A slot, to be given back when the request ends. */
export interface Held {
  end(): Promise<void>;
}

interface Parts {
  readonly clock: Clock;
  readonly apps: Pick<AppStore, "settingsOf">;
  readonly capacity: Pick<CapacityStore, "takeSlot" | "leaveSlot">;
  readonly log: Log;
}

interface Slots {
  /** Neither an origin nor the name of a function, so no destination of jobs has these slots. */
  readonly destination: string;
  readonly limit: LimitName;
  /** Longer than the function may run: a slot that is held longer is that of a function that was killed. */
  readonly heldAtMostMs: number;
}

const SLOTS: Readonly<Record<LongRequest, Slots>> = {
  news: { destination: "(waiters)", limit: "waitersPerApp", heldAtMostMs: 30 * SECOND },
  "quick PDF": { destination: "(quick)", limit: "quickPdfsPerApp", heldAtMostMs: 41 * SECOND },
};

export function createRequestSlots(parts: Parts) {
  return {
    /** `full`: the app holds as many as it may. `uncounted`: the table can't count them now. */
    take: async (appId: string, what: LongRequest): Promise<Held | "full" | "uncounted"> => take(parts, appId, what),
  };
}

async function take(parts: Parts, appId: string, what: LongRequest): Promise<Held | "full" | "uncounted"> {
  const { clock, apps, capacity } = parts;
  const { destination, limit, heldAtMostMs } = SLOTS[what];
  const since = clock.now();
  const until = since + clock.during(heldAtMostMs);
  const slot: Slot = { appId, destination, holder: clock.operationId(), since, until };
  try {
    const most = (await apps.settingsOf(appId))[limit];
    if (most === null) return { end: async () => {} };
    if ((await capacity.takeSlot(slot, most, true)) !== "taken") return "full";
  } catch (error) {
    notCounted(parts, slot, error);
    return "uncounted";
  }
  return {
    end: async () => void (await capacity.leaveSlot(slot).catch((error: unknown) => notCounted(parts, slot, error))),
  };
}

/** An answer does not depend on the count: a slot that was not given back is free again when its time is over. */
function notCounted({ log }: Parts, { appId }: Slot, error: unknown): void {
  log("warn", "request.not-counted", { appId, error: reasonOf(error) });
}
