import { createHash } from "node:crypto";
import { DAY, HOUR, MINUTE, type Clock, type EpochMs } from "../clock.ts";
import type { BacklogName } from "../job/backlog.ts";
import { remember } from "./cached.ts";
import type { Change, Increments } from "./counters.ts";
import { hourOf, isGauge, type Hour, type Hours } from "./hours.ts";
import type { Item, Table } from "./table.ts";

// How many jobs an app has now, by status, and how many wait, by reason. A gauge is what the last correction has found,
// and the changes of the hours since; each backlog has a gauge of its own.

/** `backlogs`: those in which jobs are known to wait. */
export interface CountsNow {
  readonly gauges: Increments;
  /** How many attempts of an execution type run: not by its gauge. */
  readonly running: (executionType: string) => number;
  readonly backlogs: readonly BacklogCount[];
  /** When the gauges were last corrected. */
  readonly correctedAt?: EpochMs;
}

export interface BacklogCount {
  readonly backlog: BacklogName;
  readonly count: number;
}

/** The found gauges of an app, from `since`, the start of an hour. */
export interface Base {
  readonly appId: string;
  readonly since: EpochMs;
  readonly gauges: Increments;
  readonly correctedAt?: EpochMs;
}

/** An app's item is in the partition of one minute of the hour, in which it is corrected. */
const PARTITIONS = 60;
/** An app that has done nothing for a day is corrected once a day. */
const QUIET_AFTER = DAY;
/** Sweeps do not come to the second. */
const EARLY = HOUR / 2;
/** The backlogs that one batch of changes counts, those that changed most. The correction counts the others' jobs. */
const MOST_BACKLOGS_COUNTED = 50;
const MOST_BACKLOGS_READ = 1_000;

export type Counts = ReturnType<typeof createCounts>;

export function createCounts({ table, hours, clock }: { table: Table; hours: Hours; clock: Clock }) {
  const touched = new Map<string, EpochMs>();

  /** A write for each app every hour, one for each app's hour, and one for each backlog that jobs went into or left. */
  async function count(changes: readonly Change[]): Promise<void> {
    const apps = new Set(changes.map(({ before, after }) => (after ?? before)?.appId ?? ""));
    // First: a gauge is read from the hour on in which its app was noted.
    await Promise.all([...apps].map(note));
    await Promise.all([hours.count(changes), countBacklogs(changes)]);
  }

  async function note(appId: string): Promise<void> {
    const now = clock.now();
    if (now - (touched.get(appId) ?? -Infinity) < HOUR) return;
    await table.update(keyOf(appId), {
      UpdateExpression: "SET touchedAt = :now, countedSince = if_not_exists(countedSince, :hour)",
      values: { ":now": now, ":hour": hourOf(now) },
    });
    remember(touched, appId, now);
  }

  async function countBacklogs(changes: readonly Change[]): Promise<void> {
    const most = [...backlogsOf(changes)]
      .filter(([, by]) => by !== 0)
      .toSorted(([, a], [, b]) => Math.abs(b) - Math.abs(a))
      .slice(0, MOST_BACKLOGS_COUNTED);
    const adding = most.map(async ([key, by]) => {
      const { appId, backlog } = refOf(key);
      await table.update(backlogKeyOf(appId, backlog), { UpdateExpression: "ADD n :n", values: { ":n": by } });
    });
    await Promise.all(adding);
  }

  /** Reads an item, one for each hour since the last correction, and those of backlogs. */
  async function read(appId: string): Promise<CountsNow> {
    const item = await table.get(keyOf(appId));
    const base = item && baseIn(item);
    if (!base) return { gauges: new Map(), running: () => 0, backlogs: [] };
    const [now, backlogs] = await Promise.all([since(base), readBacklogs(appId)]);
    const running = (executionType: string) => hours.running(now.hours, executionType);
    return {
      gauges: now.gauges,
      running,
      backlogs,
      ...(base.correctedAt !== undefined && { correctedAt: base.correctedAt }),
    };
  }

  /** The gauges as they are now, and the hours that they were counted in: at least this one and the last. */
  async function since(base: Base): Promise<{ readonly gauges: Increments; readonly hours: readonly Hour[] }> {
    const now = clock.now();
    const found = await hours.between(base.appId, Math.min(base.since, now - HOUR), now);
    const gauges = new Map(base.gauges);
    for (const { at, counters } of found) {
      if (at < base.since) continue;
      for (const [name, by] of counters) if (isGauge(name)) gauges.set(name, (gauges.get(name) ?? 0) + by);
    }
    return { gauges, hours: found };
  }

  async function readBacklogs(appId: string): Promise<BacklogCount[]> {
    const { items } = await table.query({
      KeyConditionExpression: "pk = :pk",
      values: { ":pk": backlogsPk(appId) },
      Limit: MOST_BACKLOGS_READ,
    });
    return items.map((item) => ({ backlog: String(item["sk"]) as BacklogName, count: Number(item["n"]) }));
  }

  /** Sets the number of jobs in a backlog, unless it has changed since it was read. */
  async function setBacklog(appId: string, { backlog, count: was }: BacklogCount, is: number): Promise<void> {
    const key = backlogKeyOf(appId, backlog);
    const asRead = { ConditionExpression: "n = :was", values: { ":was": was } };
    if (is === 0) await table.remove(key, asRead);
    else if (is !== was)
      await table.update(key, { ...asRead, UpdateExpression: "SET n = :is", values: { ":was": was, ":is": is } });
  }

  /** The apps to correct in this minute, longest uncorrected first. */
  async function dueNow(): Promise<readonly Base[]> {
    const now = clock.now();
    const items = await table.queryAll({
      KeyConditionExpression: "pk = :pk",
      values: { ":pk": pkOf(Math.floor(now / MINUTE) % PARTITIONS) },
    });
    const due = items.filter(({ correctedAt = 0, touchedAt = 0 }) => {
      const every = now - Number(touchedAt) > QUIET_AFTER ? DAY : HOUR;
      return now - Number(correctedAt) >= every - EARLY;
    });
    return due.map(baseIn).toSorted((a, b) => (a.correctedAt ?? 0) - (b.correctedAt ?? 0));
  }

  /** Starts the gauges of an app anew: with what was found now, and this hour's changes until now. */
  async function restart(appId: string, found: Increments, read: readonly Hour[], at: EpochMs): Promise<void> {
    const hour = hourOf(at);
    const counted = read.find((one) => one.at === hour)?.counters;
    const gauges = [...found].flatMap(([name, is]) => {
      const from = is - (counted?.get(name) ?? 0);
      return from === 0 ? [] : [[name, from] as const];
    });
    await table.update(keyOf(appId), {
      UpdateExpression: "SET gauges = :gauges, countedSince = :hour, correctedAt = :at",
      values: { ":gauges": Object.fromEntries(gauges), ":hour": hour, ":at": at },
    });
  }

  return { count, read, since, readBacklogs, setBacklog, dueNow, restart };
}

function pkOf(partition: number): string {
  return `COUNTS#${String(partition).padStart(2, "0")}`;
}

function keyOf(appId: string) {
  return { pk: pkOf(createHash("sha256").update(appId).digest().readUInt32BE() % PARTITIONS), sk: appId };
}

function backlogsPk(appId: string): string {
  return `WAITING#${appId}`;
}

function backlogKeyOf(appId: string, backlog: BacklogName) {
  return { pk: backlogsPk(appId), sk: backlog };
}

function baseIn({ sk, countedSince, gauges, correctedAt }: Item): Base {
  return {
    appId: String(sk),
    since: Number(countedSince),
    gauges: new Map(Object.entries((gauges ?? {}) as Record<string, number>)),
    ...(correctedAt !== undefined && { correctedAt: Number(correctedAt) }),
  };
}

/** How many more jobs are in each backlog, by its app and name. */
export function backlogsOf(changes: readonly Change[]): Map<string, number> {
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

function refOf(key: string): { readonly appId: string; readonly backlog: BacklogName } {
  const space = key.indexOf(" ");
  return { appId: key.slice(0, space), backlog: key.slice(space + 1) as BacklogName };
}
