import * as z from "../zod.ts";
import { iso } from "../clock.ts";
import { GROUP } from "../job/group.ts";
import { nextLookAtGroup } from "../job/group-moves.ts";
import { DEFAULT_TIMEOUT_MS } from "../job/job.ts";
import { dateTime } from "../job/date-time.ts";
import type { Execution } from "../job/message.ts";
import type { ExecutionType } from "./executor.ts";

// A group ends once its members have (lib/engine/groups.ts). It has an endpoint of its own, and stands in no other job.

export interface GroupExecution extends Execution {
  readonly type: typeof GROUP;
  readonly expected?: number;
  readonly sealBy: string;
  readonly cancelOnFailure: boolean;
}

/** More members than this are a mistake, or take days to be accepted. */
export const MOST_MEMBERS = 10_000_000;

export const expectedMembers = z
  .int()
  .check(
    z.minimum(0),
    z.maximum(MOST_MEMBERS),
    z.describe("How many members the group has: distinct jobs, so that a replayed request counts once."),
  );

export const cancelOnFailure = z
  ._default(z.boolean(), false)
  .check(z.describe("The first member that is FAILED or DEAD seals the group and has the others cancelled."));

export const groupSchema = z
  .strictObject({
    type: z.literal(GROUP),
    expected: z.optional(expectedMembers),
    sealBy: dateTime,
    cancelOnFailure,
  })
  .register(z.globalRegistry, { id: "GroupExecution", description: "Ends once all its members have ended." });

export const group: ExecutionType<GroupExecution> = {
  type: GROUP,
  proxyMessage: "optional",

  terms: ({ expected, sealBy, cancelOnFailure: cancels }, now) => {
    const fanIn = {
      sealBy: Date.parse(sealBy),
      ...(expected !== undefined && { expected }),
      ...(cancels && { cancelOnFailure: true as const }),
    };
    const lookAt = nextLookAtGroup({ startAt: now, fanIn }, now);
    return { timeoutMs: DEFAULT_TIMEOUT_MS, maxRetries: 0, fanIn, lookAt };
  },

  refuse: ({ execution }, { now }) => {
    const isPast = Date.parse(execution.sealBy) <= now;
    return isPast ? [{ field: "execution.sealBy", message: `must be in the future: it is now ${iso(now)}` }] : [];
  },
};
