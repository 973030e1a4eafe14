import { SECOND, type Clock, type EpochMs } from "../clock.ts";
import { COUNTED, type Counted, type Counts, type Measured, type SweepFigures } from "./measures.ts";
import type { Item, ItemKey, Table } from "./table.ts";

// The figures of the metrics, in two small items: for `GET /metrics`, which reads them.

/** The figures so far. */
export interface Totals {
  readonly counts: readonly { readonly executionType: string; readonly counts: Required<Counts> }[];
  readonly latency: { readonly below: readonly (readonly [seconds: number, count: number])[] } & Sum;
  readonly sweep: (SweepFigures & { readonly at: EpochMs }) | undefined;
}

interface Sum {
  readonly count: number;
  readonly seconds: number;
}

/** The upper ends of the histogram's buckets. */
const BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600] as const;

const COUNTS: ItemKey = { pk: "METRICS", sk: "counts" };
const SWEEP: ItemKey = { pk: "METRICS", sk: "sweep" };

export function createTotals({ table, clock }: { table: Table; clock: Clock }) {
  /** Adds what a batch of the stream says: one write. */
  async function add(measured: Measured): Promise<void> {
    const by = [...incrementsOf(measured)];
    if (by.length === 0) return;
    await table.update(COUNTS, {
      UpdateExpression: `ADD ${by.map((_, at) => `#c${at} :c${at}`).join(", ")}`,
      ExpressionAttributeNames: Object.fromEntries(by.map(([name], at) => [`#c${at}`, name])),
      values: Object.fromEntries(by.map(([, count], at) => [`:c${at}`, count])),
    });
  }

  /** Notes the latest sweep, or adds a part of it: one write. */
  async function noteSweep({ oldestDueMs, lostAttempts, scheduleLateMs, ...gauges }: SweepFigures): Promise<void> {
    const { left, destinationsShut, pausedApps } = gauges;
    const values = { ":lost": lostAttempts, ":left": left, ":shut": destinationsShut, ":paused": pausedApps };
    if (oldestDueMs === undefined) {
      await table.update(SWEEP, {
        UpdateExpression: `${scheduleLateMs > 0 ? "SET late = :late " : ""}ADD lost :lost, remaining :left, shut :shut, paused :paused`,
        values: { ...values, ...(scheduleLateMs > 0 && { ":late": scheduleLateMs }) },
      });
      return;
    }
    await table.update(SWEEP, {
      UpdateExpression:
        "SET sweptAt = :at, oldest = :oldest, late = :late, remaining = :left, shut = :shut, paused = :paused ADD lost :lost",
      values: { ...values, ":at": clock.now(), ":oldest": oldestDueMs, ":late": scheduleLateMs },
    });
  }

  /** Two reads. */
  async function read(): Promise<Totals> {
    const [counts = {}, sweep] = await Promise.all([table.get(COUNTS), table.get(SWEEP)]);
    return { counts: countsIn(counts), latency: latencyIn(counts), sweep: sweep && sweepIn(sweep) };
  }

  return { add, noteSweep, read };
}

function incrementsOf({ counts, latenciesMs }: Measured): Map<string, number> {
  const by = new Map<string, number>();
  const grow = (name: string, count: number) => by.set(name, (by.get(name) ?? 0) + count);
  for (const [executionType, of] of counts)
    for (const name of COUNTED) if (of[name]) grow(`${name}:${executionType}`, of[name]);
  for (const ms of latenciesMs) {
    grow("latency:count", 1);
    grow("latency:ms", ms);
    const bucket = BUCKETS.find((seconds) => ms <= seconds * SECOND);
    if (bucket !== undefined) grow(`latency:${bucket}`, 1);
  }
  return by;
}

function countsIn(item: Item): Totals["counts"] {
  const types = Object.keys(item).flatMap((name) => /^Accepted:(.+)$/.exec(name)?.[1] ?? []);
  return types.toSorted().map((executionType) => ({
    executionType,
    counts: Object.fromEntries(COUNTED.map((name) => [name, Number(item[`${name}:${executionType}`] ?? 0)])) as Record<
      Counted,
      number
    >,
  }));
}

function latencyIn(item: Item): Totals["latency"] {
  let sum = 0;
  const below = BUCKETS.map((seconds) => [seconds, (sum += Number(item[`latency:${seconds}`] ?? 0))] as const);
  return { below, count: Number(item["latency:count"] ?? 0), seconds: Number(item["latency:ms"] ?? 0) / SECOND };
}

function sweepIn(item: Item): Totals["sweep"] {
  const of = (name: string) => Number(item[name] ?? 0);
  return {
    at: of("sweptAt"),
    oldestDueMs: of("oldest"),
    left: of("remaining"),
    lostAttempts: of("lost"),
    destinationsShut: of("shut"),
    pausedApps: of("paused"),
    scheduleLateMs: of("late"),
  };
}
