import { HOUR, MINUTE, SECOND, type EpochMs } from "../clock.ts";
import { reasonOf } from "../errors.ts";
import { COUNT_MISMATCH, SEAL_TIMEOUT, type GroupPass } from "../job/group.ts";
import { asGroup, close, counted, endGroup, letGo, seal, type Found, type Group } from "../job/group-moves.ts";
import { HEAD_START, LONGEST_MESSAGE_DELAY, isFinished, isWaiting, type Job, type WaitingJob } from "../job/job.ts";
import type { Move } from "../job/move.ts";
import { logged } from "../log.ts";
import { lookSoon } from "../queue/hand-over.ts";
import type { GroupLook } from "../queue/delivery.ts";
import { endedIn } from "../store/group-store.ts";
import { stopJob } from "./admin-actions.ts";
import { goOn } from "./follow-through.ts";
import { beginPass, countPage, failedIn, isLongWalk, releasePage, submitWalk } from "./group-pass.ts";
import type { EngineParts } from "./engine-parts.ts";
import type { Ran } from "./tally.ts";

// Groups: jobs that end once all their members have. The stream's counters say when it is worth a look, a count of the
// members decides. A count that the index is late for can delay the end, and never makes it early.

/**
 * How long after the seal the members are counted whose number nobody has told, and again. A request that found the group
 * open has ended by then: its function has 29 seconds, and a call that it made arrives within seconds.
 */
const COUNTED_AFTER_MS = MINUTE;
/** The first wait for an index that is behind. It doubles. */
const BEHIND_FOR = 10 * SECOND;
const MOST_TRIES = 8;
/** How many members are cancelled at once. */
const AT_ONCE = 10;

type OpenGroup = Group<WaitingJob>;

/** Looks whether a group is to end, and ends it. Whoever else changes it meanwhile wins, and has it looked at again. */
export async function lookAtGroup(look: GroupLook, parts: EngineParts): Promise<Ran> {
  const found = openGroup(await parts.store.get(look.id));
  if (found?.fanIn.isReopened && parts.retention > 0) await walk(found, look, parts);
  const free = found && (await freed(found, parts));
  const closed = free && (await closedByFailure(free, parts));
  if (!closed) return "skipped";
  const { sealedAt, sealBy } = closed.fanIn;
  const sealed = sealedAt === undefined ? await sealedByLast(closed, look, parts) : await withNumber(closed, parts);
  if (sealed) return walk(sealed, look, parts);
  return sealedAt === undefined && sealBy <= parts.clock.now() ? walk(closed, look, parts) : "skipped";
}

function openGroup(job: Job | undefined): OpenGroup | undefined {
  return job && isWaiting(job) ? asGroup(job) : undefined;
}

/** The group as a move left it; undefined if somebody else was faster. */
async function moved(group: OpenGroup, move: Move, { store }: EngineParts): Promise<OpenGroup | undefined> {
  const applied = await store.apply(group, move);
  return applied.won ? openGroup(applied.job) : undefined;
}

/** Undefined while a bulk action holds the group. */
async function freed(group: OpenGroup, parts: EngineParts): Promise<OpenGroup | undefined> {
  const { heldBy } = group.fanIn;
  if (heldBy === undefined) return group;
  const now = parts.clock.now();
  const action = await parts.store.get(heldBy);
  // The group is held before the action is submitted.
  const isHeld = action ? !isFinished(action) : group.updatedAt + HEAD_START > now;
  return isHeld ? undefined : moved(group, letGo(group, now), parts);
}

/** At the first failure, a group that was asked to cancels its other members. */
async function closedByFailure(group: OpenGroup, parts: EngineParts): Promise<OpenGroup | undefined> {
  const { cancelOnFailure, cancels } = group.fanIn;
  if (!cancelOnFailure || cancels) return group;
  const { failed, dead } = await parts.groups.countsOf(group);
  return failed + dead > 0 ? moved(group, close(group, parts.clock.now(), "failure"), parts) : group;
}

/** Seals a group that has all the members it was to have. Undefined if there is nothing to walk over yet. */
async function sealedByLast(group: OpenGroup, look: GroupLook, parts: EngineParts): Promise<OpenGroup | undefined> {
  const { expected } = group.fanIn;
  if (expected === undefined) return undefined;
  const [shown, told] = await Promise.all([parts.store.countMembers(group), parts.groups.countsOf(group)]);
  if (shown >= expected) {
    const sealed = await moved(group, seal(group, parts.clock.now(), expected), parts);
    // Most members may have yet to run. The stream tells of the seal too, and of the last end.
    return endedIn(told) >= expected || !isLongWalk(shown, parts) ? sealed : undefined;
  }
  if (told.total >= expected) await lookAgain(group, look.tries, parts);
  return undefined;
}

/** A sealed group whose number of members is known, or whose members are to be cancelled whatever their number. */
async function withNumber(group: OpenGroup, parts: EngineParts): Promise<OpenGroup | undefined> {
  if (group.fanIn.expected !== undefined) return group;
  const known = await countedTwice(group, parts);
  if (known || !group.fanIn.cancels) return known;
  return openGroup(await parts.store.get(group.id));
}

/** Counts the members whose number nobody has told, until it was the same twice. Undefined until then. */
async function countedTwice(group: OpenGroup, parts: EngineParts): Promise<OpenGroup | undefined> {
  const { clock, store, groups } = parts;
  const { sealedAt = 0, seen } = group.fanIn;
  const now = clock.now();
  const wait = clock.during(COUNTED_AFTER_MS);
  const countAt = (seen?.at ?? sealedAt) + wait;
  if (now < countAt) {
    await lookSoon(group, countAt - now, parts);
    return undefined;
  }
  const [count, told] = await Promise.all([store.countMembers(group), groups.countsOf(group)]);
  // The stream may tell of members that the index does not show yet; or it has told of some twice.
  const isBehind = count < told.total && now < sealedAt + HOUR;
  const isFinal = count === seen?.count && !isBehind;
  const noted = await moved(group, counted(group, count, isFinal, now), parts);
  if (isFinal) return noted;
  await lookSoon(group, wait, parts);
  return undefined;
}

/** Walks over the members, here or by a task. */
async function walk(group: OpenGroup, { tries = 0 }: GroupLook, parts: EngineParts): Promise<Ran> {
  const told = await parts.groups.countsOf(group);
  const members = group.fanIn.expected ?? told.total;
  let pass = beginPass(group, "count", tries);
  while (!pass.isDone && !isLongWalk(Math.max(members, pass.counts.total), parts)) pass = await stepPass(pass, parts);
  if (pass.isDone) return concludePass(pass, parts);
  // A message that comes twice starts one walk. Another end is another walk.
  await submitWalk(group, "count", `${group.checks} ${group.dueAt} ${tries} ${endedIn(told)}`, parts, tries);
  return "skipped";
}

/** A walk of a task over the members of a group of its app. Undefined if there is nothing to do. */
export async function beginWalk(
  appId: string,
  asked: { readonly id: string; readonly work: GroupPass["work"]; readonly tries: number },
  { store }: EngineParts,
): Promise<GroupPass | undefined> {
  const group = asGroup(await store.get(asked.id));
  if (!group || group.appId !== appId || isFinished(group) !== (asked.work === "release")) return undefined;
  return beginPass(group, asked.work, asked.tries);
}

/** The next page of a walk. */
export async function stepPass(pass: GroupPass, parts: EngineParts): Promise<GroupPass> {
  if (pass.work === "release") return releasePage(pass, parts);
  const { pass: next, open } = await countPage(pass, parts);
  if (open.length > 0 && asGroup(await parts.store.get(pass.group.id))?.fanIn.cancels) await cancelAll(open, parts);
  return next;
}

async function cancelAll(members: readonly Job[], parts: EngineParts): Promise<void> {
  for (let from = 0; from < members.length; from += AT_ONCE) {
    const some = members.slice(from, from + AT_ONCE).filter((member) => !member.stopAs);
    await Promise.all(
      some.map(async ({ id }) => stopJob(id, "CANCELLED", parts).catch((error: unknown) => left(id, error, parts))),
    );
  }
}

/** The next look tries again. */
function left(jobId: string, error: unknown, { log }: EngineParts): void {
  log("warn", "group.member-not-cancelled", { jobId, error: reasonOf(error) });
}

/** Ends the group of a walk that is over, if it is to end. */
export async function concludePass(pass: GroupPass, parts: EngineParts): Promise<Ran> {
  const group = openGroup(await parts.store.get(pass.group.id));
  if (!group || group.createdAt !== pass.group.createdAt) return "skipped";
  if ((group.checks ?? 0) !== pass.checks) {
    await lookAgain(group, pass.tries, parts);
    return "skipped";
  }
  const verdict = verdictOn(group, pass, parts.clock.now());
  if (verdict === "open") return "skipped";
  if (verdict === "behind") {
    await lookAgain(group, pass.tries, parts);
    return "skipped";
  }
  const { counts } = pass;
  const found: Found = {
    counts,
    failedJobIds: await failedIn(pass, parts),
    ...(verdict !== "complete" && { reason: verdict }),
  };
  const applied = await parts.store.apply(group, endGroup(group, found, parts.clock.now(), parts.retention));
  if (!applied.won) return "skipped";
  parts.log("info", "group.ended", { ...logged(applied.job), status: applied.job.status, count: counts.total });
  await goOn(applied, parts);
  return "succeeded";
}

type Verdict = "open" | "behind" | "complete" | NonNullable<Found["reason"]>;

/** `open`: members have yet to end, which the stream tells; `behind`: the index has yet to show some. */
function verdictOn({ fanIn }: OpenGroup, { counts, open }: GroupPass, now: EpochMs): Verdict {
  const { expected, sealedAt, sealBy } = fanIn;
  const hasAll = expected !== undefined && counts.total >= expected;
  if (sealedAt === undefined && hasAll) return "behind";
  if (sealedAt === undefined) return sealBy <= now ? SEAL_TIMEOUT : "open";
  if (open > 0 || expected === undefined) return "open";
  if (counts.total === expected) return "complete";
  if (counts.total > expected) return COUNT_MISMATCH;
  // An index is behind for seconds, not for an hour: so many members there never were.
  return Math.max(sealBy, sealedAt + HOUR) <= now ? SEAL_TIMEOUT : "behind";
}

/** Has the group looked at again soon, and ever later. The sweep looks within hours. */
async function lookAgain(group: OpenGroup, tries: number | undefined, parts: EngineParts): Promise<void> {
  const before = tries ?? 0;
  if (before >= MOST_TRIES) return;
  const delayMs = Math.min(BEHIND_FOR * 2 ** before, LONGEST_MESSAGE_DELAY);
  await lookSoon(group, parts.clock.during(delayMs), parts, before + 1);
}
