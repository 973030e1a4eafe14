import type { BacklogName } from "../job/backlog.ts";
import type { Change } from "./counters.ts";
import type { Table } from "./table.ts";

// How many jobs wait in each of an app's backlogs, in an item for each that jobs have lately come into.

export interface BacklogCount {
  readonly backlog: BacklogName;
  readonly count: number;
}

/** The backlogs that one batch of changes counts, those that changed most. The correction counts the others' jobs. */
const MOST_COUNTED = 50;
const MOST_READ = 1_000;

export type BacklogCounts = ReturnType<typeof createBacklogCounts>;

export function createBacklogCounts({ table }: { readonly table: Table }) {
  /** A write for each backlog that jobs came into or left. */
  async function count(changes: readonly Change[]): Promise<void> {
    const most = [...backlogsOf(changes)]
      .filter(([, by]) => by !== 0)
      .toSorted(([, a], [, b]) => Math.abs(b) - Math.abs(a))
      .slice(0, MOST_COUNTED);
    const adding = most.map(async ([key, by]) => {
      const space = key.indexOf(" ");
      const name = keyOf(key.slice(0, space), key.slice(space + 1) as BacklogName);
      await table.update(name, { UpdateExpression: "ADD n :n", values: { ":n": by } });
    });
    await Promise.all(adding);
  }

  async function read(appId: string): Promise<BacklogCount[]> {
    const { items } = await table.query({
      KeyConditionExpression: "pk = :pk",
      values: { ":pk": pkOf(appId) },
      Limit: MOST_READ,
    });
    return items.map((item) => ({ backlog: String(item["sk"]) as BacklogName, count: Number(item["n"]) }));
  }

  /** Sets the number of jobs in a backlog, unless it has changed since it was read. */
  async function set(appId: string, { backlog, count: was }: BacklogCount, is: number): Promise<void> {
    const key = keyOf(appId, backlog);
    const asRead = { ConditionExpression: "n = :was", values: { ":was": was } };
    if (is === 0) await table.remove(key, asRead);
    else if (is !== was)
      await table.update(key, { ...asRead, UpdateExpression: "SET n = :is", values: { ":was": was, ":is": is } });
  }

  return { count, read, set };
}

function pkOf(appId: string): string {
  return `WAITING#${appId}`;
}

function keyOf(appId: string, backlog: BacklogName) {
  return { pk: pkOf(appId), sk: backlog };
}

/** How many more jobs are in each backlog, by its app and name. */
function backlogsOf(changes: readonly Change[]): Map<string, number> {
  const backlogs = new Map<string, number>();
  for (const { before, after } of changes) {
    for (const [job, by] of [[before, -1] as const, [after, 1] as const]) {
      if (job?.backlog === undefined) continue;
      const key = `${job.appId} ${job.backlog}`;
      backlogs.set(key, (backlogs.get(key) ?? 0) + by);
    }
  }
  return backlogs;
}
