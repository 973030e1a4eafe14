import { SECOND, type Clock } from "../clock.ts";
import { ClientError } from "../errors.ts";
import type { LimitName, SettingsInForce } from "./app-settings.ts";
import { remember } from "../job/remember.ts";
import type { ItemKey, Table } from "./table.ts";

// The requests of an app, counted by the second of real time.

/** What counts towards `requestsPerSecond`, what towards `readsPerSecond`, and what towards `changesPerSecond`. */
export type Budget = "requests" | "reads" | "changes";

const LIMIT_OF = {
  requests: "requestsPerSecond",
  reads: "readsPerSecond",
  changes: "changesPerSecond",
} as const satisfies Record<Budget, LimitName>;

/** The sort keys of the counters. */
const SORT_KEYS: Readonly<Record<Budget, string>> = { requests: "RATE", reads: "READS", changes: "CHANGES" };

/** The retention of a counter of requests after its second. */
const RATE_KEPT_SECONDS = 60;

interface Parts {
  readonly table: Table;
  readonly clock: Clock;
  readonly settingsOf: (appId: string) => Promise<SettingsInForce>;
}

export function createRates({ table, clock, settingsOf }: Parts) {
  /** The seconds in which an app was refused. */
  const exceeded = new Map<string, true>();

  /** Throws TOO_MANY_REQUESTS when an app that has a limit has reached it in this second. */
  async function admit(appId: string, budget: Budget = "requests", requests = 1): Promise<void> {
    const name = LIMIT_OF[budget];
    const most = (await settingsOf(appId))[name];
    if (most === null || requests === 0) return;
    const second = Math.floor(clock.realNow() / SECOND);
    const reached = `The app's ${name} of ${most} is reached; try again in a second`;
    const over = new ClientError("TOO_MANY_REQUESTS", reached, [], { reason: "rate_limited" });
    const key = rateKey(appId, second, budget);
    // An excess that this container has seen needs no further count.
    if (exceeded.has(keyText(key))) throw over;
    const count = {
      UpdateExpression: "SET expiresAt = :expiry ADD requests :one",
      values: { ":expiry": second + RATE_KEPT_SECONDS, ":one": requests },
    };
    const { item } = await table.update(key, count, "ALL_NEW");
    if (Number(item?.["requests"]) <= most) return;
    remember(exceeded, keyText(key), true);
    throw over;
  }

  return { admit };
}

/** Apart from the app's settings, so that counting does not contend with the reads of its deliveries. */
function rateKey(appId: string, second: number, budget: Budget): ItemKey {
  return { pk: `RATE#${appId}#${second}`, sk: SORT_KEYS[budget] };
}

function keyText({ pk, sk }: ItemKey): string {
  return `${pk} ${sk}`;
}
