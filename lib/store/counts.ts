import { createHash } from "node:crypto";
import { DAY, HOUR, MINUTE, type Clock, type EpochMs } from "../clock.ts";
import type { BacklogCount, BacklogCounts } from "./backlog-counts.ts";
import { remember } from "../job/remember.ts";
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
export type Counts = ReturnType<typeof createCounts>;

interface Parts {
  readonly table: Table;
  readonly hours: Hours;
  readonly backlogs: BacklogCounts;
  readonly clock: Clock;
}

export function createCounts({ table, hours, backlogs, clock }: Parts) {
  const touched = new Map<string, EpochMs>();

  /** A write for each app every hour, one for each app's hour, and one for each backlog that jobs went into or left. */
  async function count(changes: readonly Change[]): Promise<void> {
    const apps = new Set(changes.map(({ before, after }) => (after ?? before)?.appId ?? ""));
    // First: a gauge is read from the hour on in which its app was noted.
    await Promise.all([...apps].map(note));
    await Promise.all([hours.count(changes), backlogs.count(changes)]);
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

  /** Reads an item, one for each hour since the last correction, and those of backlogs. */
  async function read(appId: string): Promise<CountsNow> {
    const item = await table.get(keyOf(appId));
    const base = item && baseIn(item);
    if (!base) return { gauges: new Map(), running: () => 0, backlogs: [] };
    const [now, inBacklogs] = await Promise.all([since(base), backlogs.read(appId)]);
    const running = (executionType: string) => hours.running(now.hours, executionType);
    return {
      gauges: now.gauges,
      running,
      backlogs: inBacklogs,
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

  return { count, read, since, dueNow, restart };
}

function pkOf(partition: number): string {
  return `COUNTS#${String(partition).padStart(2, "0")}`;
}

function keyOf(appId: string) {
  return { pk: pkOf(createHash("sha256").update(appId).digest().readUInt32BE() % PARTITIONS), sk: appId };
}

function baseIn({ sk, countedSince, gauges, correctedAt }: Item): Base {
  return {
    appId: String(sk),
    since: Number(countedSince),
    gauges: new Map(Object.entries((gauges ?? {}) as Record<string, number>)),
    ...(correctedAt !== undefined && { correctedAt: Number(correctedAt) }),
  };
}
