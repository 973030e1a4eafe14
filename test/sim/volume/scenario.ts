import { MINUTE, SECOND } from "../../../lib/clock.ts";
import type { Template } from "../../../local/template.ts";
import type { JobCount } from "./counts.ts";
import type { VolumePlant } from "./volume-plant.ts";

// A scenario runs worlds and gives a figure for each rule. The rules are about outcomes, not about how they come.

export interface Figure {
  readonly rule: string;
  readonly bound: string;
  readonly measured: string;
  readonly ok: boolean;
}

/** `gate`: seconds for the whole; `usual`: minutes; `long`: as long as it takes. */
export type Size = "gate" | "usual" | "long";

export interface Given {
  readonly template: Template;
  readonly jobs: number;
  readonly plant?: VolumePlant | undefined;
}

export interface Scenario {
  readonly name: string;
  readonly jobs: Readonly<Record<Size, number>>;
  readonly run: (given: Given) => Promise<readonly Figure[]>;
}

export function atMost(rule: string, bound: number, measured: number, unit = ""): Figure {
  const shown = (value: number) => `${Number.isInteger(value) ? value : value.toFixed(value < 10 ? 2 : 0)}${unit}`;
  return { rule, bound: `≤ ${shown(bound)}`, measured: shown(measured), ok: measured <= bound };
}

/** `example`: one of those that there are. */
export function none(rule: string, count: number, example = ""): Figure {
  const measured = count === 0 ? "none" : `${count} ${example.slice(0, 24)}`;
  return { rule, bound: "none", measured, ok: count === 0 };
}

export function within(rule: string, boundMs: number, measuredMs: number): Figure {
  return atMost(rule, boundMs / MINUTE, Math.max(measuredMs, 0) / MINUTE, " min");
}

export function highest<T>(of: readonly T[], value: (one: T) => number): number {
  return of.reduce((most, one) => Math.max(most, value(one)), 0);
}

/** The messages that a job may have: repeats come at 5, 10, 20, 40 … minutes of waiting. */
export function messagesOver(job: JobCount, now: number): number {
  const minutes = ((job.starts.at(-1) ?? now) - job.createdAt) / MINUTE;
  return job.messages - (2 + job.retries + Math.log2(Math.max(minutes, 1)));
}

/**
 * The writes that a job may have: it is put, claimed and ended, perhaps put off by a look while it runs, and each repeat
 * of its message is written as it is sent and refused as it comes.
 */
export function writesOver({ writes, messages }: JobCount): number {
  return writes - (4 + 2 * (messages - 1));
}

/** The reads that a job may have: the sweep looks at it as a repeat is due, and perhaps a minute before. */
export function readsOver({ reads, messages }: JobCount): number {
  return reads - 2 * messages;
}

/** The longest time by which a job started after one that was accepted `apartMs` after it. */
export function longestPassing(jobs: readonly JobCount[], now: number, apartMs: number): number {
  return highest(passings(jobs, now, apartMs), (ms) => ms);
}

/** The times by which jobs started after one that was accepted `apartMs` after them; of others, 0 or less. */
export function passings(jobs: readonly JobCount[], now: number, apartMs: number): number[] {
  const inOrder = jobs.toSorted((a, b) => a.createdAt - b.createdAt);
  const startOf = (job: JobCount) => job.starts.at(-1) ?? now;
  let [firstLater, later] = [Infinity, inOrder.length - 1];
  return inOrder.toReversed().map((job) => {
    for (let next = inOrder[later]; next && next.createdAt >= job.createdAt + apartMs; next = inOrder[later]) {
      firstLater = Math.min(firstLater, startOf(next));
      later -= 1;
    }
    return startOf(job) - firstLater;
  });
}

/** The most starts within so many seconds. */
export function mostStarts(jobs: readonly JobCount[], seconds: number): number {
  const starts = jobs.flatMap((job) => job.starts).toSorted((a, b) => a - b);
  let [most, from] = [0, 0];
  for (const [at, start] of starts.entries()) {
    while ((starts[from] ?? start) <= start - seconds * SECOND) from += 1;
    most = Math.max(most, at - from + 1);
  }
  return most;
}

export interface Span {
  readonly from: number;
  readonly to: number;
}

/** The most spans that have begun and not ended. */
export function mostAtOnce(spans: readonly Span[]): number {
  const changes = spans.flatMap(({ from, to }) => [
    { at: from, by: 1 },
    { at: to, by: -1 },
  ]);
  let running = 0;
  return highest(
    changes.toSorted((a, b) => a.at - b.at || a.by - b.by),
    ({ by }) => (running += by),
  );
}
