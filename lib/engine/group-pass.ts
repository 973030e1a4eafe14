import { derivedUuid } from "../clock.ts";
import { MOST_FAILED_SHOWN, NO_MEMBERS, type GroupPass, type MemberCounts } from "../job/group.ts";
import { isFinished, TASK, GROUP_AUDIT, type EndedJob, type Job } from "../job/job.ts";
import { after } from "../job/move.ts";
import { keepMember, releaseMember } from "../job/moves.ts";
import type { FinalStatus } from "../job/status.ts";
import type { Group } from "../job/group-moves.ts";
import { groupPartitions } from "../store/job-keys.ts";
import type { EngineParts } from "./engine-parts.ts";
import { submit } from "./submit.ts";

// A walk over the members of a group. The index names them, late at times, and each is read consistently: what a walk
// has seen as ended had ended.

/** Keys of the index that are read at a time. */
const PAGE = 1_000;
/** A walk over more members is a task's. */
const MOST_INLINE = 1_000;
/** A release waits for members that have not ended: 1, 2, 4 … minutes, later a day. */
const PATIENT = { maxRetries: 50, retry: { baseDelaySeconds: 60, maxDelaySeconds: 86_400, jitter: 0 } };

export function beginPass(group: Group, work: GroupPass["work"], tries = 0): GroupPass {
  const { id, createdAt, checks = 0 } = group;
  const none = { partition: 0, isDone: false, counts: NO_MEMBERS, open: 0, failedJobIds: [] };
  return { work, group: { id, createdAt }, checks, tries, ...none };
}

/** Whether a walk over so many members is too long for a message or a request. */
export function isLongWalk(members: number, { mostInline = MOST_INLINE }: EngineParts): boolean {
  return members > mostInline;
}

/** Reads the next page. */
export async function readPage(
  pass: GroupPass,
  { store }: EngineParts,
): Promise<{ readonly pass: GroupPass; readonly members: readonly Job[] }> {
  const partitions = groupPartitions(pass.group);
  const key = partitions[pass.partition] ?? "";
  const { entries, complete } = await store.newest({ index: "byGroup", key }, {}, PAGE, pass.after);
  const ids = entries.map(({ id }) => id);
  const members = await store.getMany(ids, { consistent: true });
  const last = entries.at(-1);
  const { after: _, ...rest } = pass;
  const isEnd = complete || !last;
  const next = isEnd
    ? { partition: pass.partition + 1, isDone: pass.partition + 1 >= partitions.length }
    : { after: { id: last.id, at: last.at } };
  return { pass: { ...rest, ...next }, members };
}

/** A page of a count. A member that was let go after an earlier end of its group is kept again. */
export async function countPage(
  pass: GroupPass,
  parts: EngineParts,
): Promise<{ readonly pass: GroupPass; readonly open: readonly Job[] }> {
  const { pass: next, members } = await readPage(pass, parts);
  const isIts = ({ memberOf }: Job) => memberOf?.id === pass.group.id && memberOf.createdAt === pass.group.createdAt;
  const own = members.filter(isIts);
  // One that was let go since this walk began belongs to a later end.
  const letGo = own.filter(({ released }) => released !== undefined && released < pass.checks);
  await Promise.all(letGo.map(async (member) => keep(member, parts)));
  const open = own.filter((member) => !isFinished(member));
  const failed = own.filter(({ status }) => status === "FAILED" || status === "DEAD").map(({ id }) => id);
  return {
    open,
    pass: {
      ...next,
      counts: own.reduce(countIn, pass.counts),
      open: pass.open + open.length,
      failedJobIds: [...pass.failedJobIds, ...failed].slice(0, MOST_FAILED_SHOWN),
    },
  };
}

async function keep(member: Job, { store }: EngineParts): Promise<void> {
  await store.keepAttachments(member);
  const kept = await store.apply(member, keepMember(member));
  // Another walk has kept it, and the group has ended since.
  if (!kept.won && kept.job?.released !== undefined) await store.expireAttachments(kept.job);
}

const NAMES = {
  SUCCEEDED: "succeeded",
  FAILED: "failed",
  DEAD: "dead",
  CANCELLED: "cancelled",
} as const satisfies Record<FinalStatus, keyof MemberCounts>;

function countIn(counts: MemberCounts, member: Job): MemberCounts {
  const total = { ...counts, total: counts.total + 1 };
  if (!isFinished(member)) return total;
  const name = NAMES[member.status];
  return { ...total, [name]: counts[name] + 1 };
}

/** The failed members of a group that a resumed walk has not all seen itself. */
export async function failedIn(pass: GroupPass, parts: EngineParts): Promise<readonly string[]> {
  const { failed, dead } = pass.counts;
  const wanted = Math.min(failed + dead, MOST_FAILED_SHOWN);
  if (pass.failedJobIds.length >= wanted) return pass.failedJobIds;
  let walk: GroupPass = { ...pass, partition: 0, isDone: false, failedJobIds: [] };
  while (!walk.isDone && walk.failedJobIds.length < wanted) ({ pass: walk } = await countPage(walk, parts));
  return walk.failedJobIds;
}

/**
 * Lets the members of a group expire that has ended: those that have ended too, at once or by a task, which waits for the
 * others.
 */
export async function releaseMembers(group: Group<EndedJob>, parts: EngineParts): Promise<void> {
  if (parts.retention === 0) return;
  const isLong = isLongWalk(group.fanIn.members?.total ?? 0, parts);
  if (isLong || (await releaseAll(group, parts)) > 0) {
    await submitWalk(group, "release", String(group.checks), parts);
  }
}

/** Returns how many were not ready. */
async function releaseAll(group: Group, parts: EngineParts): Promise<number> {
  let pass = beginPass(group, "release");
  while (!pass.isDone) pass = await releasePage(pass, parts);
  return pass.open;
}

export async function releasePage(pass: GroupPass, parts: EngineParts): Promise<GroupPass> {
  const { pass: next, members } = await readPage(pass, parts);
  const left = members.filter(({ released }) => released === undefined);
  const released = await Promise.all(left.map(async (member) => release(member, pass.checks, parts)));
  return { ...next, open: pass.open + released.filter((isReleased) => !isReleased).length };
}

/** False for a member that has not ended, or still owes something. */
async function release(member: Job, checks: number, { store, clock, retention }: EngineParts): Promise<boolean> {
  if (!isFinished(member) || member.dueAt !== undefined) return false;
  const move = releaseMember(member, checks, clock.now(), retention);
  await store.expireAttachments(after(member, move));
  return (await store.apply(member, move)).won;
}

/** Has a task walk over the members. `name`: tells the walk from others of the group. */
export async function submitWalk(
  group: Group,
  work: GroupPass["work"],
  name: string,
  parts: EngineParts,
  tries = 0,
): Promise<void> {
  const { id, createdAt, appId, createdBy } = group;
  const execution = { type: TASK, jobType: GROUP_AUDIT, payload: { group: id, work, tries }, priority: 0 };
  const message = { execution, metadata: PATIENT };
  await submit({ appId, mode: "both", message, createdBy }, parts, derivedUuid(id, String(createdAt), work, name));
}
