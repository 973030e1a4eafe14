import { DAY, type Clock, type EpochMs } from "../clock.ts";
import type { GroupRef, MemberCounts } from "../job/group.ts";
import { isFinished, type Job } from "../job/job.ts";
import type { FinalStatus } from "../job/status.ts";
import type { Change } from "./counters.ts";
import { groupCountsKey } from "./job-keys.ts";
import { expirySeconds, type Item, type Table } from "./table.ts";

// How many members a group has, and how many of them have ended, as the table's stream tells it: for people, and to know
// when a count of the members themselves is worth its reads. A stream delivers at least once, so nothing is decided by
// these counters.

export type GroupStore = ReturnType<typeof createGroupStore>;

/** A group whose members seem to have come, or to have ended, as they were to. */
export interface RipeGroup {
  readonly id: string;
  readonly appId: string;
}

interface Parts {
  readonly table: Table;
  readonly clock: Pick<Clock, "now">;
  /** The retention of finished jobs in ms; 0 is forever. */
  readonly retention: number;
}

const COUNTED = {
  SUCCEEDED: "succeeded",
  FAILED: "failed",
  DEAD: "dead",
  CANCELLED: "cancelled",
} as const satisfies Record<FinalStatus, keyof MemberCounts>;
const NAMES = ["total", ...Object.values(COUNTED)] as const;
/** How much longer than its members the counters of a group are kept. */
const KEPT_LONGER = 30 * DAY;

export function createGroupStore({ table, clock, retention }: Parts) {
  /** Counts what a batch of the stream says: one write for each group in it. Returns the groups to look at. */
  async function count(changes: readonly Change[]): Promise<readonly RipeGroup[]> {
    const growths = [...growthsOf(changes).values()];
    const looked = await Promise.all(growths.map(add));
    return growths.filter((_, at) => looked[at]).map(({ ref, appId }) => ({ id: ref.id, appId }));
  }

  /** Whether the group is to be looked at. */
  async function add(growth: Growth): Promise<boolean> {
    const { held, item } = await table.update(groupCountsKey(growth.ref), expressionsOf(growth, expiry()), "ALL_NEW");
    return held && item !== undefined && isRipe(growth, item);
  }

  function expiry(): EpochMs | undefined {
    return retention > 0 ? clock.now() + retention + KEPT_LONGER : undefined;
  }

  /** Approximate. */
  async function countsOf(ref: GroupRef): Promise<MemberCounts> {
    return countsIn((await table.get(groupCountsKey(ref))) ?? {});
  }

  return { count, countsOf };
}

/** The changes of a group within a batch. */
interface Growth {
  readonly ref: GroupRef;
  readonly appId: string;
  readonly by: Record<keyof MemberCounts, number>;
  /** The group as its last change has left it. */
  group?: Job;
}

function growthsOf(changes: readonly Change[]): Map<string, Growth> {
  const growths = new Map<string, Growth>();
  const growthOf = ({ id, createdAt }: GroupRef, appId: string): Growth => {
    const name = `${id} ${createdAt}`;
    const by = { total: 0, succeeded: 0, failed: 0, dead: 0, cancelled: 0 };
    const growth = growths.get(name) ?? { ref: { id, createdAt }, appId, by };
    growths.set(name, growth);
    return growth;
  };
  for (const { before, after } of changes) {
    // What is gone was counted, and is counted on.
    if (!after) continue;
    if (after.fanIn) growthOf(after, after.appId).group = after;
    if (!after.memberOf) continue;
    const { by } = growthOf(after.memberOf, after.appId);
    // An expired job whose key is used again is replaced by a new one.
    const was = before?.createdAt === after.createdAt ? before : undefined;
    if (!was) by.total += 1;
    if (was && isFinished(was)) by[COUNTED[was.status]] -= 1;
    if (isFinished(after)) by[COUNTED[after.status]] += 1;
  }
  for (const [name, { by, group }] of growths) {
    if (!group && Object.values(by).every((each) => each === 0)) growths.delete(name);
  }
  return growths;
}

/** What the group is waiting for goes beside its counters, so that whoever adds to them sees both. */
function expressionsOf({ by, group }: Growth, expiresAt: EpochMs | undefined) {
  const { expected, cancelOnFailure, sealedAt, cancels } = group?.fanIn ?? {};
  const isOpen = group !== undefined && !isFinished(group);
  const sets: [name: string, value: unknown][] = [
    ...(isOpen && expected !== undefined ? [["expected", expected] as [string, unknown]] : []),
    ...(isOpen && cancelOnFailure && !cancels ? [["cancelOnFailure", true] as [string, unknown]] : []),
    ...(isOpen && sealedAt === undefined ? [["isOpen", true] as [string, unknown]] : []),
    ...(expiresAt === undefined ? [] : [["expiresAt", expirySeconds(expiresAt)] as [string, unknown]]),
  ];
  const removes = group ? WAITED_FOR.filter((name) => !sets.some(([set]) => set === name)) : [];
  const setting = sets.length > 0 ? `SET ${sets.map((_, at) => `#s${at} = :s${at}`).join(", ")}` : "";
  const removing = removes.length > 0 ? ` REMOVE ${removes.map((_, at) => `#r${at}`).join(", ")}` : "";
  return {
    UpdateExpression: `ADD ${NAMES.map((name) => `#${name} :${name}`).join(", ")} ${setting}${removing}`,
    ExpressionAttributeNames: {
      ...Object.fromEntries(NAMES.map((name) => [`#${name}`, name])),
      ...Object.fromEntries(sets.map(([name], at) => [`#s${at}`, name])),
      ...Object.fromEntries(removes.map((name, at) => [`#r${at}`, name])),
    },
    values: {
      ...Object.fromEntries(NAMES.map((name) => [`:${name}`, by[name]])),
      ...Object.fromEntries(sets.map(([, value], at) => [`:s${at}`, value])),
    },
  };
}

const WAITED_FOR = ["expected", "cancelOnFailure", "isOpen"] as const;

/** Whether members have come or ended in this batch that the group was waiting for. */
function isRipe({ by, group }: Growth, item: Item): boolean {
  const counts = countsIn(item);
  const { total, failed, dead } = counts;
  if (item["cancelOnFailure"] === true && failed + dead > 0 && (by.failed + by.dead > 0 || group)) return true;
  if (item["expected"] === undefined) return false;
  const expected = Number(item["expected"]);
  // It seals itself with the last of them.
  const hasCome = item["isOpen"] === true && total >= expected && (by.total > 0 || group !== undefined);
  const ended = endedIn(counts);
  return hasCome || (ended >= expected && (endedIn(by) !== 0 || group !== undefined));
}

/** How many have ended. */
export function endedIn({ succeeded, failed, dead, cancelled }: MemberCounts): number {
  return succeeded + failed + dead + cancelled;
}

function countsIn(item: Item): MemberCounts {
  const of = (name: string) => Math.max(Number(item[name] ?? 0), 0);
  return {
    total: of("total"),
    succeeded: of("succeeded"),
    failed: of("failed"),
    dead: of("dead"),
    cancelled: of("cancelled"),
  };
}
