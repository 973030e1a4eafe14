import { DAY, type Clock, type EpochMs } from "../clock.ts";
import { slotsKey } from "../store/job-keys.ts";
import { expirySeconds, type Table } from "../store/table.ts";

/** The slots of an app's tasks. A claim takes one and an end gives one back, in the transaction of the job's move. */
export interface Slots {
  readonly taken: number;
  /** The ids of the tasks that have them. */
  readonly holders: ReadonlySet<string>;
  /** The ranks of the tasks that wait, in order, and of those that have a slot and are about to leave the line. */
  readonly first: readonly string[];
  /** Since when each of them is in line. */
  readonly since: ReadonlyMap<string, EpochMs>;
  /** The calls of those of them that have been called since they came into line: their messages are on their way. */
  readonly calls: ReadonlyMap<string, Call>;
}

/** When a task in line was first called, and when last. */
export interface Call {
  readonly at: EpochMs;
  readonly lastAt: EpochMs;
}

export type TaskSlots = ReturnType<typeof createTaskSlots>;

/** A rank that is never taken out of the line expires; its job is due anyway, and joins the line again. */
const KEPT_IN_LINE = 7 * DAY;

/** The line of an app's tasks that wait for a slot, in the order of their ranks. */
export function createTaskSlots({ table, clock }: { table: Table; clock: Clock }) {
  /** A consistent read, with the first `limit` tasks in line. */
  async function look(appId: string, limit: number): Promise<Slots> {
    const [slots, line] = await Promise.all([
      table.get(slotsKey(appId)),
      table.query({
        KeyConditionExpression: "pk = :pk",
        values: { ":pk": linePk(appId) },
        ConsistentRead: true,
        Limit: limit,
      }),
    ]);
    const holders = (slots?.["holders"] as Set<string> | undefined) ?? new Set();
    const calls = line.items.flatMap(({ sk, calledAt, lastCalledAt }) =>
      calledAt === undefined ? [] : [[String(sk), { at: Number(calledAt), lastAt: Number(lastCalledAt) }] as const],
    );
    const since = new Map(line.items.map((item) => [String(item["sk"]), Number(item["since"] ?? 0)] as const));
    return { taken: holders.size, holders, first: [...since.keys()], since, calls: new Map(calls) };
  }

  /** One that is in line keeps its time there. It waits for another call: its message has come. */
  async function enter(appId: string, rank: string): Promise<void> {
    await table.update(lineKey(appId, rank), {
      UpdateExpression: "SET since = if_not_exists(since, :now), expiresAt = :expiresAt REMOVE calledAt, lastCalledAt",
      values: { ":now": clock.now(), ":expiresAt": expirySeconds(clock.now() + KEPT_IN_LINE) },
    });
  }

  /**
   * Notes that a task is called, of which `seen` are the calls so far. False if another process has called it meanwhile,
   * or it is not in line.
   */
  async function call(appId: string, rank: string, seen?: Call): Promise<boolean> {
    const { held } = await table.update(lineKey(appId, rank), {
      UpdateExpression: "SET calledAt = if_not_exists(calledAt, :now), lastCalledAt = :now",
      ConditionExpression: seen ? "lastCalledAt = :seen" : "attribute_exists(pk) AND attribute_not_exists(calledAt)",
      values: { ":now": clock.now(), ...(seen && { ":seen": seen.lastAt }) },
    });
    return held;
  }

  async function leave(appId: string, ranks: readonly string[]): Promise<void> {
    await table.removeMany(ranks.map((rank) => lineKey(appId, rank)));
  }

  return { look, enter, call, leave };
}

function linePk(appId: string): string {
  return `WAIT#${appId}`;
}

function lineKey(appId: string, rank: string) {
  return { pk: linePk(appId), sk: rank };
}
