import type { Shown } from "./clients.ts";
import { SPEED } from "./stack.ts";
import type { ChaosTarget } from "./target.ts";
import type { Accepted } from "./work.ts";

// How long the jobs of ordinary apps take beside a neighbour, as a multiple of what they take alone.

export interface Times {
  readonly count: number;
  /** In ms. */
  readonly p50: number;
  readonly p95: number;
}

export interface Comparison {
  readonly what: string;
  readonly alone: Times;
  readonly beside: Times;
  /** The multiples that are judged, and are beyond what may be. */
  readonly beyond: readonly string[];
}

export const MOST_TIMES = 2;
/** Of fewer jobs, the slowest of twenty are chance; the slowest of a hundred are those that a fault of the run hit. */
const FOR_P95 = 100;
const FOR_P50 = 10;

type Seen = ReadonlyMap<string, Shown>;

/** From the request's first byte to its answer, and from there to the first delivery or to the end. */
function timesOf(jobs: readonly Accepted[], seen: Seen, { received }: Pick<ChaosTarget, "received">) {
  const endedMs = ({ id }: Accepted) => {
    const { status, createdAt, updatedAt } = seen.get(id) ?? {};
    if (status !== "SUCCEEDED") return Infinity;
    return (Date.parse(updatedAt ?? "") - Date.parse(createdAt ?? "")) / SPEED;
  };
  const deliveredMs = ({ id, acceptedAt }: Accepted) =>
    Math.max((received.get(id)?.[0]?.at ?? Infinity) - acceptedAt, 0);
  const some = (kinds: readonly Accepted["kind"][], ms: (job: Accepted) => number) =>
    jobs.filter(({ kind }) => kinds.includes(kind)).map(ms);
  const answeredMs = (job: Accepted) => job.answeredMs ?? Infinity;
  return {
    "accepted (webhooks, schedules, tasks, long PDFs)": some(ASKED, answeredMs),
    "webhooks, from accepted to delivered": some(["webhook"], deliveredMs),
    "tasks, from accepted to ended": some(["example", "import_csv", "export_report", "bulk_action"], endedMs),
    "long PDFs, from accepted to ended": some(["long PDF"], endedMs),
    "quick PDFs, from asked to answered": some(["quick PDF"], answeredMs),
  };
}

const ASKED: readonly Accepted["kind"][] = [
  "webhook",
  "schedule",
  "example",
  "import_csv",
  "export_report",
  "bulk_action",
  "long PDF",
];

export function compared(
  alone: readonly Accepted[],
  beside: readonly Accepted[],
  seen: Seen,
  target: Pick<ChaosTarget, "received">,
): Comparison[] {
  const [before, after] = [timesOf(alone, seen, target), timesOf(beside, seen, target)];
  return Object.entries(before).map(([what, ms]) => {
    const [own, others] = [summary(ms), summary(after[what as keyof typeof after])];
    const few = Math.min(own.count, others.count);
    const judged = [...(few >= FOR_P50 ? (["p50"] as const) : []), ...(few >= FOR_P95 ? (["p95"] as const) : [])];
    const beyond = judged.filter((rank) => !(others[rank] <= MOST_TIMES * own[rank]));
    return {
      what,
      alone: own,
      beside: others,
      beyond: beyond.map((rank) => `${what}: ${rank} ${multiple(own[rank], others[rank])}`),
    };
  });
}

function summary(ms: readonly number[]): Times {
  const inOrder = ms.toSorted((a, b) => a - b);
  const at = (share: number) => inOrder[Math.max(Math.ceil(share * inOrder.length) - 1, 0)] ?? 0;
  return { count: ms.length, p50: at(0.5), p95: at(0.95) };
}

function multiple(own: number, others: number): string {
  return `${(others / own).toFixed(2)} times`;
}

/** The lines of a table. */
export function shown(comparisons: readonly Comparison[]): string[] {
  const cells = ({ p50, p95 }: Times) => `${p50.toFixed(0)} / ${p95.toFixed(0)}`.padStart(16);
  const head = "ms, p50 / p95".padEnd(50) + "alone".padStart(16) + "beside".padStart(16) + "times".padStart(14);
  const rows = comparisons.map(
    ({ what, alone, beside }) =>
      `  ${what}`.padEnd(50) +
      cells(alone) +
      cells(beside) +
      `${(beside.p50 / alone.p50).toFixed(2)} / ${(beside.p95 / alone.p95).toFixed(2)}`.padStart(14),
  );
  return [head, ...rows];
}
