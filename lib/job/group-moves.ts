import { HOUR, type EpochMs } from "../clock.ts";
import { COUNT_MISMATCH, MOST_FAILED_SHOWN, SEAL_TIMEOUT, type FanIn, type MemberCounts } from "./group.ts";
import { HEAD_START, type FailedJob, type Job, type WaitingJob } from "./job.ts";
import type { Condition, Move } from "./move.ts";
import { ended, type EndField } from "./moves.ts";

// The moves of a group. Each names the number of changes that it has seen, so that no count misses a change: a member
// that is tried again raises that number in the transaction that restarts it.

/** A job of type `group`. */
export type Group<J extends Job = Job> = J & { readonly fanIn: FanIn };

/** For jobs of which a group is wanted; undefined for others. */
export function asGroup<J extends Job>(job: J | undefined): Group<J> | undefined {
  return job?.fanIn ? (job as Group<J>) : undefined;
}

type Change = Move<"PENDING", "fanIn" | "checks" | "startAt" | "dueAt" | "updatedAt">;

/** Lets nothing become a member any more. Without `expected`, the members are counted. */
export function seal(group: Group, now: EpochMs, expected?: number): Change {
  const { expected: _, seen: __, ...rest } = group.fanIn;
  return change(group, { ...rest, sealedAt: now, ...(expected !== undefined && { expected }) }, now);
}

/** Seals a group of which all members are to be cancelled that have not ended. */
export function close(group: Group, now: EpochMs, cancels: "person" | "failure"): Change {
  const { expected: _, seen: __, ...rest } = group.fanIn;
  return change(group, { ...rest, sealedAt: rest.sealedAt ?? now, cancels }, now);
}

/** Notes a count of a sealed group's members. The same count twice is their number. */
export function counted(group: Group, count: number, isFinal: boolean, now: EpochMs): Change {
  const { seen: _, ...rest } = group.fanIn;
  return change(group, { ...rest, ...(isFinal ? { expected: count } : { seen: { count, at: now } }) }, now);
}

/** Keeps a group from ending during a bulk action. */
export function hold(group: Group, heldBy: string, now: EpochMs): Change {
  return change(group, { ...group.fanIn, heldBy }, now);
}

/** Lets the bulk action go that has ended. */
export function letGo(group: Group, now: EpochMs): Change {
  const { heldBy: _, ...rest } = group.fanIn;
  return change(group, rest, now);
}

function change(group: Group, fanIn: FanIn, now: EpochMs): Change {
  const startAt = fanIn.sealedAt === group.fanIn.sealedAt ? group.startAt : now;
  const dueAt = nextLookAtGroup({ startAt, fanIn }, now);
  return {
    from: ["PENDING"],
    to: "PENDING",
    when: [fence(group)],
    set: { fanIn, checks: checksOf(group) + 1, startAt, dueAt, updatedAt: now },
    remove: [],
  };
}

/** Counts the members of a failed group anew, towards another end with its follow-ups. `heldBy`: as in `hold`. */
export function reopen(group: Group<FailedJob>, now: EpochMs, heldBy?: string): Change {
  const { sealBy, cancelOnFailure } = group.fanIn;
  const fanIn = {
    sealBy,
    ...(cancelOnFailure && { cancelOnFailure }),
    sealedAt: now,
    isReopened: true as const,
    ...(heldBy !== undefined && { heldBy }),
  };
  return {
    from: ["FAILED", "DEAD"],
    to: "PENDING",
    // Its follow-ups are submitted first.
    when: [fence(group), ["dueAt", "absent"]],
    set: {
      fanIn,
      checks: checksOf(group) + 1,
      startAt: now,
      dueAt: nextLookAtGroup({ startAt: now, fanIn }, now),
      updatedAt: now,
    },
    remove: ["expiresAt", "lastError", "reason"],
  };
}

/** The members that a count has found. */
export interface Found {
  readonly counts: MemberCounts;
  readonly failedJobIds: readonly string[];
  /** Set if they are not those that the group was to have. */
  readonly reason?: typeof SEAL_TIMEOUT | typeof COUNT_MISMATCH;
}

type GroupEnd = Move<"SUCCEEDED" | "FAILED" | "CANCELLED", EndField | "fanIn" | "checks" | "lastError" | "reason">;

/** Ends a group whose members have been counted since its last change. */
export function endGroup(group: Group<WaitingJob>, found: Found, now: EpochMs, retention: number): GroupEnd {
  const { counts, failedJobIds, reason } = found;
  const { seen: _, heldBy: __, ...rest } = group.fanIn;
  const fanIn = {
    ...rest,
    sealedAt: rest.sealedAt ?? now,
    members: counts,
    ...(failedJobIds.length > 0 && { failedJobIds: failedJobIds.slice(0, MOST_FAILED_SHOWN) }),
  };
  const hasSucceeded = reason === undefined && counts.succeeded === counts.total;
  const to = rest.cancels === "person" ? "CANCELLED" : hasSucceeded ? "SUCCEEDED" : "FAILED";
  const { set, remove } = ended({ ...group, fanIn }, to, now, retention);
  return {
    from: ["PENDING"],
    to,
    when: [fence(group)],
    set: {
      ...set,
      fanIn,
      checks: checksOf(group) + 1,
      ...(to === "FAILED" && { lastError: problemOf(group, found) }),
      ...(reason !== undefined && to === "FAILED" && { reason }),
    },
    remove,
  };
}

function problemOf({ fanIn }: Group, { counts, reason }: Found): string {
  const { total, failed, dead, cancelled } = counts;
  const { expected, sealedAt } = fanIn;
  if (reason === COUNT_MISMATCH) return `The group was to have ${expected} members; it has ${total}`;
  if (reason === SEAL_TIMEOUT && (sealedAt !== undefined || expected !== undefined))
    return `The group was to have ${expected} members by its sealBy; it had ${total}`;
  if (reason === SEAL_TIMEOUT) return "The group was not sealed by its sealBy";
  const counted = Object.entries({ FAILED: failed, DEAD: dead, CANCELLED: cancelled }).filter(([, count]) => count > 0);
  return `Of ${total} members: ${counted.map(([status, count]) => `${count} ${status}`).join(", ")}`;
}

/**
 * The next look of the sweep at a group: soon while its members are to be counted, else when its seal is late, and
 * after 1, 2, 4 … hours. The table's stream tells before that when they have all ended.
 */
export function nextLookAtGroup({ startAt, fanIn }: Pick<Group, "startAt" | "fanIn">, now: EpochMs): EpochMs {
  const { sealedAt, expected, sealBy, heldBy } = fanIn;
  if (sealedAt === undefined ? sealBy <= now : expected === undefined || heldBy !== undefined) return now + HEAD_START;
  const later = now + Math.max(HOUR, now - startAt);
  return sealBy > now ? Math.min(later, sealBy) : later;
}

function fence(group: Job): Condition {
  return ["checks", "=", checksOf(group)];
}

function checksOf({ checks = 0 }: Job): number {
  return checks;
}
