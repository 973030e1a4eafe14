import { reasonOf } from "../errors.ts";
import { lookSoon } from "../queue/hand-over.ts";
import type { Change } from "../store/counters.ts";
import type { EngineParts } from "./engine-parts.ts";

/**
 * Counts the members of groups in a batch of the table's stream, and has the groups looked at that waited for them. What
 * fails is left to the looks of the sweep: nothing else in the batch is counted twice for it.
 */
export async function countMembers(
  changes: readonly Change[],
  { groups, queue, log }: Pick<EngineParts, "groups" | "queue" | "log">,
): Promise<void> {
  try {
    for (const group of await groups.count(changes)) await lookSoon(group, 0, { queue, log });
  } catch (error) {
    log("warn", "group.not-counted", { error: reasonOf(error) });
  }
}
