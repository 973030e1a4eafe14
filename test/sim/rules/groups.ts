import { SECOND, type EpochMs } from "../../../lib/clock.ts";
import { MOST_FAILED_SHOWN, SEAL_TIMEOUT, COUNT_MISMATCH, type GroupRef } from "../../../lib/job/group.ts";
import { isFinished, type Job } from "../../../lib/job/job.ts";
import type { Judge } from "./rule.ts";

// The rules of groups: none ends early, each ends, none leaves a member out.

interface Options extends Judge {
  readonly jobs: ReadonlyMap<string, Job>;
  readonly hasExpired: (job: Job) => boolean;
}

/** A request that found the group open: its function's time, and that of a call that came late. */
const LONGEST_REQUEST = 40 * SECOND;

export function createGroupRules({ now, holds, jobs, hasExpired }: Options) {
  /** The members that were ever stored, by group. */
  const members = new Map<string, Set<string>>();
  const sealedAt = new Map<string, EpochMs>();
  const reopened = new Set<string>();
  /** By the id of the group: the members whose clients know that they are accepted. */
  const known = new Map<string, Set<string>>();
  /** Groups that were to have another number of members than were posted. */
  const mistaken = new Set<string>();
  const sealed = new Set<string>();

  function expects(id: string, expected: number, posted: number): void {
    if (expected !== posted) mistaken.add(id);
  }

  /** A client was told that a group is sealed, and has told the right number, or none. */
  function isSealed(id: string): void {
    sealed.add(id);
  }

  /** A client was told that a job is a member. */
  function accepted(id: string, member: string, isAfterSeal: boolean): void {
    holds("nothing becomes a member after the seal", !isAfterSeal, () => `${member} of ${id}`);
    known.set(id, (known.get(id) ?? new Set()).add(member));
  }

  function isOpen({ id, createdAt }: GroupRef): boolean {
    const group = jobs.get(id);
    return group !== undefined && group.createdAt === createdAt && !isFinished(group);
  }

  function created({ id, memberOf }: Job): void {
    if (!memberOf) return;
    const name = nameOf(memberOf);
    members.set(name, (members.get(name) ?? new Set()).add(id));
    const since = sealedAt.get(name);
    const told = () => `${id} comes to ${memberOf.id} ${now() - (since ?? 0)} ms after its seal`;
    holds("nothing becomes a member after the seal", since === undefined || now() <= since + LONGEST_REQUEST, told);
  }

  function written(old: Job | undefined, job: Job, told: () => string): void {
    const { memberOf, fanIn } = job;
    if (memberOf && job.expiresAt !== undefined && old?.expiresAt === undefined) {
      const mayExpire = !isOpen(memberOf) || reopened.has(nameOf(memberOf));
      holds("a member stays until its group has ended", mayExpire, told);
    }
    if (!fanIn) return;
    const name = nameOf(job);
    if (fanIn.sealedAt !== undefined && !sealedAt.has(name)) sealedAt.set(name, now());
    if (old && isFinished(old) && !isFinished(job)) reopened.add(name);
    if (!old || isFinished(old) || !isFinished(job) || mistaken.has(job.id)) return;
    const own = [...(members.get(name) ?? [])].flatMap((member) => jobs.get(member) ?? []);
    const all = own.filter((member) => member.memberOf?.createdAt === job.createdAt && !hasExpired(member));
    judgeEnd(job, all, sealed.has(job.id), { holds, told });
  }

  function removed({ memberOf }: Job, told: () => string): void {
    if (!memberOf) return;
    holds("a member stays until its group has ended", !isOpen(memberOf) || reopened.has(nameOf(memberOf)), told);
  }

  /** No client has a member that its group has not counted. */
  function atTheEnd(): void {
    for (const [id, ids] of known) {
      const stored = [...members].filter(([name]) => name.startsWith(id)).flatMap(([, of]) => [...of]);
      const isIn = [...ids].every((member) => stored.includes(member));
      holds("a group leaves no member out", isIn, () => `${id}: ${[...ids].join()}`);
    }
  }

  return { expects, isSealed, accepted, created, written, removed, atTheEnd };
}

/** `isSealed`: its client knows that it is sealed, with the right number or none. */
function judgeEnd(
  group: Job,
  all: readonly Job[],
  isSealed: boolean,
  { holds, told }: Pick<Judge, "holds"> & { readonly told: () => string },
): void {
  const { fanIn, reason, status } = group;
  const of = (...statuses: Job["status"][]) => all.filter((one) => statuses.includes(one.status)).length;
  const counts = {
    total: all.length,
    succeeded: of("SUCCEEDED"),
    failed: of("FAILED"),
    dead: of("DEAD"),
    cancelled: of("CANCELLED"),
  };
  const what = () => `${told()}, ${reason}: counted ${JSON.stringify(fanIn?.members)} of ${JSON.stringify(counts)}`;
  if (reason === SEAL_TIMEOUT) {
    const hasAll = fanIn?.expected === counts.total && all.every(isFinished);
    return holds("a group that has all its members does not time out", !hasAll && !isSealed, what);
  }
  holds("a group that has all its members does not fail for their number", reason !== COUNT_MISMATCH, what);
  holds("a group ends when all its members have, not before", all.every(isFinished), what);
  const isWhole = JSON.stringify(sorted(fanIn?.members)) === JSON.stringify(sorted(counts));
  holds("a group leaves no member out", isWhole, what);
  const failed = all.filter((one) => one.status === "FAILED" || one.status === "DEAD").map((one) => one.id);
  const named = new Set(fanIn?.failedJobIds ?? []);
  const areNamed = named.size === Math.min(failed.length, MOST_FAILED_SHOWN) && failed.every((one) => named.has(one));
  holds("a group names the members that failed", areNamed, what);
  const hasSucceeded = counts.succeeded === counts.total;
  const isRight = status === "CANCELLED" ? fanIn?.cancels === "person" : (status === "SUCCEEDED") === hasSucceeded;
  holds("a group ends as its members did", isRight, what);
}

function sorted(counts: object | undefined): [string, unknown][] {
  return Object.entries(counts ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function nameOf({ id, createdAt }: GroupRef): string {
  return `${id} ${createdAt}`;
}
