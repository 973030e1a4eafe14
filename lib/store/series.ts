import { DAY, HOUR, MINUTE, type EpochMs } from "../clock.ts";
import { percentile } from "./counters.ts";
import { FLOWS, LATENCY, type Flow, type Hour, type Hours } from "./hours.ts";
import type { Counted, Stats } from "./stats.ts";
import type { createTroubles } from "./troubles.ts";

// What an app's jobs did over time, by hour or day; of the last two days, by five minutes, what became of the jobs that were
// accepted then: more counters would make each hour's item, and its writes, larger.

export const STEPS = { "5m": 5 * MINUTE, "1h": HOUR, "1d": DAY } as const;
export type Step = keyof typeof STEPS;

/** `failed`: jobs that are `FAILED`; `dead`: `DEAD`. Latencies are exact to 19 %, in ms. */
export type Figures = Readonly<Record<Flow, number>> & {
  readonly latencyMs: { readonly p50: number | null; readonly p95: number | null };
};

export interface Point extends Figures {
  /** Its start. */
  readonly at: EpochMs;
}

export interface Series {
  readonly points: readonly Point[];
  readonly total: Figures;
  /** The most frequent kinds of errors of failed attempts. */
  readonly errors: readonly { readonly error: string; readonly count: number }[];
  /** Those where most attempts failed: `retried` are followed by another, `failed` are not. */
  readonly destinations: readonly {
    readonly destination: string;
    readonly retried: number;
    readonly failed: number;
    readonly dead: number;
  }[];
}

const MOST_SHOWN = 20;

interface Parts {
  readonly hours: Pick<Hours, "between">;
  readonly troubles: Pick<ReturnType<typeof createTroubles>, "between">;
  readonly stats: Pick<Stats, "between">;
}

export function createSeries({ hours, troubles, stats }: Parts) {
  /** The points from one to another: both are starts of a step, the latter is not included. */
  async function of(appId: string, from: EpochMs, to: EpochMs, step: Step): Promise<Series> {
    const [{ points, total }, trouble] = await Promise.all([
      step === "5m" ? byCreation(appId, from, to) : byHour(appId, from, to, step),
      troubles.between(appId, from, to - 1),
    ]);
    const errors = [...trouble.errors].map(([error, count]) => ({ error, count }));
    const destinations = [...trouble.destinations].map(([destination, counts]) => ({ destination, ...counts }));
    return {
      points,
      total,
      errors: errors.toSorted((a, b) => b.count - a.count).slice(0, MOST_SHOWN),
      destinations: destinations.toSorted((a, b) => b.retried + b.failed - a.retried - a.failed).slice(0, MOST_SHOWN),
    };
  }

  async function byHour(appId: string, from: EpochMs, to: EpochMs, step: Step): Promise<Figured> {
    const found = await hours.between(appId, from, to - 1);
    const byStep = Map.groupBy(found, ({ at }) => at - (at % STEPS[step]));
    return { points: pointsOf(from, to, step, (at) => figuresOf(byStep.get(at) ?? [])), total: figuresOf(found) };
  }

  async function byCreation(appId: string, from: EpochMs, to: EpochMs): Promise<Figured> {
    const { byStart, total } = await stats.between(appId, from, to - 1);
    return { points: pointsOf(from, to, "5m", (at) => figuresIn(byStart.get(at))), total: figuresIn(total) };
  }

  return { of };
}

type Figured = Pick<Series, "points" | "total">;

function pointsOf(from: EpochMs, to: EpochMs, step: Step, figures: (at: EpochMs) => Figures): Point[] {
  const points: Point[] = [];
  for (let at = from; at < to; at += STEPS[step]) points.push({ at, ...figures(at) });
  return points;
}

/** Of the jobs that were accepted in a window, by their present statuses. */
function figuresIn(counted: Counted | undefined): Figures {
  const { jobs = 0, byStatus, retries = 0, latencyMs = { p50: null, p95: null } } = counted ?? {};
  return {
    accepted: jobs,
    succeeded: byStatus?.SUCCEEDED ?? 0,
    failed: byStatus?.FAILED ?? 0,
    dead: byStatus?.DEAD ?? 0,
    cancelled: byStatus?.CANCELLED ?? 0,
    retried: retries,
    latencyMs,
  };
}

function figuresOf(hours: readonly Hour[]): Figures {
  const flows = Object.fromEntries(
    FLOWS.map((flow) => [flow, hours.reduce((sum, { counters }) => sum + (counters.get(flow) ?? 0), 0)]),
  ) as Record<Flow, number>;
  const steps = hours.flatMap(({ counters }) =>
    [...counters].flatMap(([name, count]) => {
      const [, step] = LATENCY.exec(name) ?? [];
      return step === undefined ? [] : [[Number(step), count] as const];
    }),
  );
  return { ...flows, latencyMs: { p50: percentile(steps, 0.5), p95: percentile(steps, 0.95) } };
}
