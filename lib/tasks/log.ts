import type { Clock } from "../clock.ts";
import type { Table } from "../store/table.ts";
import {
  EMPTY_INDEX,
  createLogItems,
  type LogIndex,
  type LogItems,
  type LogLine,
  type LoggingJob,
} from "./log-items.ts";
import { createLogWriter, type LogWriter } from "./log-writer.ts";
import { LOG_LEVELS, type LogLevel } from "./task.ts";

// The log of a task. An index names the chunks of each level, so that reading a page needs no chunk before it. Lines
// are numbered in the order in which they were written, over all attempts of a job.

export interface LogPage {
  readonly level?: LogLevel | undefined;
  readonly newestFirst?: boolean;
  readonly offset: number;
  readonly limit: number;
}

/** The lines from one place to another; the second is not included. */
interface Range {
  readonly from: number;
  readonly to: number;
}

export type TaskLog = ReturnType<typeof createTaskLog>;

export function createTaskLog({ table, clock }: { table: Table; clock: Clock }) {
  const items = createLogItems({ table, clock });

  /** The writer continues the log of the attempts before. Lines of an attempt that another has followed are dropped. */
  async function open(job: LoggingJob, attempt: number): Promise<LogWriter> {
    const before = attempt > 1 ? await items.readIndex(job) : EMPTY_INDEX;
    return createLogWriter({ clock, items }, { job, attempt, before });
  }

  /** A page of a job's lines, and the number of all lines of its level. */
  async function read(job: LoggingJob, { level, newestFirst = false, offset, limit }: LogPage) {
    const index = await items.readIndex(job);
    const total = level ? countOf(index, level) : index.lines;
    const to = Math.max(0, newestFirst ? total - offset : Math.min(total, offset + limit));
    const from = Math.max(0, newestFirst ? to - limit : offset);
    const lines = await (level
      ? ofLevel(items, job, index, level, { from, to })
      : ofAll(items, job, index, { from, to }));
    return { lines: newestFirst ? lines.toReversed() : lines, total };
  }

  /** How many lines of a level, or of all, are among the first lines of a job: at most one chunk is read. */
  async function countAmong(job: LoggingJob, level: LogLevel | undefined, first: number): Promise<number> {
    const { lines, chunks } = await items.readIndex(job);
    if (!level) return Math.min(first, lines);
    const begun = chunks[level].filter(([, , begin]) => begin < first);
    const last = begun.pop();
    const before = begun.reduce((sum, [, , , count]) => sum + count, 0);
    if (!last) return before;
    const ofLast = await items.readChunk(job, level, last);
    return before + ofLast.filter(({ number }) => number < first).length;
  }

  return { open, read, countAmong, remove: items.remove };
}

/** Lines of all levels: the place of a line is its number. */
async function ofAll(items: LogItems, job: LoggingJob, { chunks }: LogIndex, { from, to }: Range): Promise<LogLine[]> {
  const wanted = LOG_LEVELS.flatMap((level) =>
    chunks[level]
      .filter(([, , first], at) => first < to && (chunks[level][at + 1]?.[2] ?? Infinity) > from)
      .map((entry) => ({ level, entry })),
  );
  const found = await Promise.all(wanted.map(async ({ level, entry }) => items.readChunk(job, level, entry)));
  return found
    .flat()
    .filter(({ number }) => number >= from && number < to)
    .toSorted((a, b) => a.number - b.number);
}

/** Lines of one level: the place of a line is the count of those of its level before it. */
async function ofLevel(
  items: LogItems,
  job: LoggingJob,
  { chunks }: LogIndex,
  level: LogLevel,
  { from, to }: Range,
): Promise<LogLine[]> {
  let before = 0;
  const wanted: Promise<LogLine[]>[] = [];
  for (const entry of chunks[level]) {
    const begin = before;
    before += entry[3];
    if (begin >= to || before <= from) continue;
    const lines = items.readChunk(job, level, entry);
    wanted.push(lines.then((all) => all.slice(Math.max(0, from - begin), to - begin)));
  }
  return (await Promise.all(wanted)).flat();
}

function countOf({ chunks }: LogIndex, level: LogLevel): number {
  return chunks[level].reduce((sum, [, , , count]) => sum + count, 0);
}
