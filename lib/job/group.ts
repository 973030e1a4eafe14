import type { EpochMs } from "../clock.ts";

// A group is a job that ends once its members have ended. It is counted, not run.

/** The execution type of groups. */
export const GROUP = "group";

/** The most members of failed groups that are named. */
export const MOST_FAILED_SHOWN = 1_000;

/** The group of a member. A group that was deleted and made again with its key has another time. */
export interface GroupRef {
  readonly id: string;
  readonly createdAt: EpochMs;
}

/** The fields of groups and of their members. */
export interface GroupFields {
  /** Set for a member. */
  readonly memberOf?: GroupRef;
  /** Set for a member whose group has ended: from then on it may expire. The `checks` that the group then had. */
  readonly released?: number;
  /** Set for a group. */
  readonly fanIn?: FanIn;
  /** Set for a group: the number of changes that a count of its members must not have missed. Its fence. */
  readonly checks?: number;
}

export interface FanIn {
  /** A group that has not all its members by then fails. */
  readonly sealBy: EpochMs;
  /** The number of members. Absent while it is unknown. */
  readonly expected?: number;
  /** Since then nothing becomes a member any more. */
  readonly sealedAt?: EpochMs;
  /** The last count of the index after a seal without a number. */
  readonly seen?: { readonly count: number; readonly at: EpochMs };
  readonly cancelOnFailure?: true;
  /** Set once the members that have not ended are to be cancelled, for a person or after a failure. */
  readonly cancels?: "person" | "failure";
  /** Set if the group has ended before: members that were let go are kept again. */
  readonly isReopened?: true;
  /** The bulk action during which the group does not end. */
  readonly heldBy?: string;
  /** Of an ended group. */
  readonly members?: MemberCounts;
  readonly failedJobIds?: readonly string[];
}

/** Members by their final status. */
export interface MemberCounts {
  readonly total: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly dead: number;
  readonly cancelled: number;
}

export function isGroup({ executionType }: { readonly executionType: string }): boolean {
  return executionType === GROUP;
}

/** Whether the job may not expire yet: its group counts it. */
export function isKeptByGroup({ memberOf, released }: GroupFields): boolean {
  return memberOf !== undefined && released === undefined;
}

/** Why a request for a member is refused. */
export const GROUP_SEALED = "group_sealed";

/** Why a group failed that has ended with other members than it was to have. */
export const SEAL_TIMEOUT = "seal_timeout";
export const COUNT_MISMATCH = "count_mismatch";

/** A walk over a group's members, page by page: to count them, or to give those that have ended their expiry date. */
export interface GroupPass {
  readonly work: "count" | "release";
  readonly group: GroupRef;
  /** The number of the group's changes at its beginning. */
  readonly checks: number;
  /** The looks before it that found the index behind. */
  readonly tries: number;
  /** The partition of the index that comes next, and the last member that was read in it. */
  readonly partition: number;
  readonly after?: { readonly id: string; readonly at: EpochMs };
  readonly isDone: boolean;
  readonly counts: MemberCounts;
  /** Members that have not ended, or, in a release, that can't be given a date yet. */
  readonly open: number;
  /** Those that this attempt has seen. */
  readonly failedJobIds: readonly string[];
}

export const NO_MEMBERS: MemberCounts = { total: 0, succeeded: 0, failed: 0, dead: 0, cancelled: 0 };
