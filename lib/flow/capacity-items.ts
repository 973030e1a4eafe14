import { DAY, type Clock } from "../clock.ts";
import { expirySeconds, type Expressions, type Table } from "../store/table.ts";
import type { DestinationRef } from "./destination-store.ts";

// The items that hold the turns and slots of destinations with limits, apart from the app's, which every delivery reads.

export const MOST_TRIES = 5;
/** Met while no job waits in the destination's backlog. */
export const BEHIND_NOBODY = " AND attribute_not_exists(hasBacklog)";

export function itemOf({ appId, destination }: DestinationRef, sk: string) {
  return { pk: `FLOW#${appId}#${destination}`, sk };
}

type Key = ReturnType<typeof itemOf>;

/** `item`: after the write, or the one that did not meet its condition. */
export async function updateItem(table: Table, key: Key, by: Expressions) {
  const { held, item = {} } = await table.update(key, by, "ALL_NEW");
  return { held, item };
}

/** Says whether jobs wait in the destination's backlog. Returns whether that is new. */
export async function markWaiters(
  { table, clock }: { readonly table: Table; readonly clock: Clock },
  key: Key,
  isWaiting: boolean,
): Promise<boolean> {
  const { held } = await table.update(
    key,
    isWaiting
      ? {
          UpdateExpression: "SET hasBacklog = :yes, expiresAt = :expiresAt",
          ConditionExpression: "attribute_not_exists(hasBacklog)",
          values: { ":yes": true, ":expiresAt": expirySeconds(clock.now() + DAY) },
        }
      : { UpdateExpression: "REMOVE hasBacklog", ConditionExpression: "attribute_exists(hasBacklog)" },
  );
  return held;
}
