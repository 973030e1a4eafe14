import { MINUTE } from "../clock.ts";
import { GROUP_SEALED } from "../job/group.ts";
import { asGroup, hold, seal, type Group } from "../job/group-moves.ts";
import { isFinished, type Job } from "../job/job.ts";
import { lookSoon } from "../queue/hand-over.ts";
import { conflict, moveJob, reopening } from "./admin-actions.ts";
import type { EngineParts } from "./engine-parts.ts";
import { settle } from "./follow-ups.ts";

// The actions of people on groups. Undefined if there is no such group. A cancel is that of any job.

/**
 * Lets nothing become a member any more. `expected`: how many members there are; by default they are counted. Throws
 * CONFLICT for a group that was sealed with another number, or has ended.
 */
export async function sealGroup(
  id: string,
  expected: number | undefined,
  parts: EngineParts,
): Promise<Job | undefined> {
  const before = asGroup(await parts.store.get(id));
  if (!before) return undefined;
  if (isSealedSo(before, expected)) return before;
  const sealed = await moveJob(id, parts, (job) => {
    const group = asGroup(job);
    if (!group || isFinished(job) || group.fanIn.sealedAt !== undefined) throw sealedOtherwise(job);
    return seal(group, parts.clock.now(), expected);
  });
  if (sealed) await lookSoon(sealed, expected === undefined ? parts.clock.during(MINUTE) : 0, parts);
  return sealed;
}

/** Whether a seal would change nothing: a repeated request, or one for a group that its last member has sealed. */
function isSealedSo({ fanIn }: Group, expected: number | undefined): boolean {
  return fanIn.sealedAt !== undefined && (expected === undefined || fanIn.expected === expected);
}

function sealedOtherwise({ fanIn, status }: Job) {
  const how = fanIn?.expected === undefined ? "without a number" : `with ${fanIn.expected} members`;
  return conflict(`The group is sealed already, ${how}; it is ${status}`, GROUP_SEALED);
}

/**
 * Has a group counted anew once a bulk action has ended, which tries its failed members again: a failed group goes on
 * towards another end. Throws CONFLICT for a group that has ended otherwise.
 */
export async function redriveGroup(id: string, bulkActionId: string, parts: EngineParts): Promise<Job | undefined> {
  const redriven = await moveJob(id, parts, async (job) => {
    const group = asGroup(job);
    if (!group) throw conflict("The job is no group", "not_a_group");
    if (!isFinished(group)) return hold(group, bulkActionId, parts.clock.now());
    if (group.status !== "FAILED")
      throw conflict(
        `Only a group that is PENDING or FAILED can be redriven; this one is ${group.status}`,
        "group_not_failed",
      );
    if (group.dueAt !== undefined) return settle(group, parts);
    return reopening(group, parts, bulkActionId);
  });
  // Its members that were let go are kept again.
  if (redriven && parts.retention > 0) await lookSoon(redriven, 0, parts);
  return redriven;
}
