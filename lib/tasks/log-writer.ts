import { SECOND, type Clock } from "../clock.ts";
import type { Chunk, ChunkEntry, LogIndex, LogItems, LoggingJob } from "./log-items.ts";
import { maskedJson, maskedText } from "../job/masking.ts";
import { LOG_LEVELS, type LogDetail, type LogLevel } from "./task.ts";

/** The log of one attempt, as it is written. */
export interface LogWriter {
  /** Waits while lines come faster than they can be kept. */
  line(level: LogLevel, message: string, detail?: LogDetail): Promise<void>;
  /** Keeps all lines written so far. Throws `Unavailable`, and the next call keeps them. */
  flush(): Promise<void>;
}

const CHUNK_LINES = 200;
/** Before compression: well below the 400 KB of an item, however badly it compresses. */
const CHUNK_BYTES = 200 * 1_024;
const LONGEST_MESSAGE = 2_000;
const LARGEST_META = 4_000;
const MOST_LINES = 200_000;
const FLUSHED_EVERY_MS = 2 * SECOND;

interface Parts {
  readonly clock: Clock;
  readonly items: LogItems;
}

/** Continues the log that the attempts before have left: `before` is its index. */
export function createLogWriter(
  { clock, items }: Parts,
  { job, attempt, before }: { job: LoggingJob; attempt: number; before: LogIndex },
): LogWriter {
  const chunks = Object.fromEntries(LOG_LEVELS.map((level) => [level, [...before.chunks[level]]])) as Record<
    LogLevel,
    ChunkEntry[]
  >;
  /** Chunks that take more lines. */
  const growing = new Map<LogLevel, Chunk>();
  /** Chunks with lines that the table does not have. */
  const unkept = new Set<Chunk>();
  let next = before.lines;
  let indexed = before.lines;
  let flushedAt = clock.realNow();
  let writing: Promise<void> = Promise.resolve();

  async function line(level: LogLevel, message: string, detail: LogDetail = {}): Promise<void> {
    if (next >= MOST_LINES) return;
    const text = textOf(message, next);
    const written = { number: next, level, message: text, at: clock.now(), ...kept(detail) };
    next += 1;
    const chunk = growing.get(level) ?? begin(level, written.number);
    chunk.lines.push(written);
    chunk.entry[3] += 1;
    chunk.bytes += Buffer.byteLength(JSON.stringify(written));
    unkept.add(chunk);
    if (chunk.lines.length === CHUNK_LINES || chunk.bytes >= CHUNK_BYTES) {
      growing.delete(level);
      await inTurn(async () => keep(chunk));
    }
    if (clock.realNow() - flushedAt >= FLUSHED_EVERY_MS) await flush();
  }

  function begin(level: LogLevel, first: number): Chunk {
    const number = chunks[level].filter(([of]) => of === attempt).length;
    const entry: ChunkEntry = [attempt, number, first, 0];
    chunks[level].push(entry);
    const chunk = { level, entry, lines: [], bytes: 0 };
    growing.set(level, chunk);
    return chunk;
  }

  async function flush(): Promise<void> {
    flushedAt = clock.realNow();
    await inTurn(async () => {
      if (indexed === next) return;
      const index = { lines: next, chunks: structuredClone(chunks) };
      // The index names only chunks that are there, so they are written first.
      for (const chunk of unkept) await keep(chunk);
      await items.putIndex(job, attempt, index);
      indexed = index.lines;
    });
  }

  async function keep(chunk: Chunk): Promise<void> {
    if (!unkept.delete(chunk)) return;
    await items.putChunk(job, chunk).catch((error: unknown) => {
      unkept.add(chunk);
      throw error;
    });
  }

  /** One write after the other: an earlier state must not replace a later one. */
  async function inTurn(write: () => Promise<void>): Promise<void> {
    const turn = writing.then(write);
    writing = turn.catch(() => {});
    return turn;
  }

  return { line, flush };
}

/** The last line that fits into a log says that it is the last. */
function textOf(message: string, number: number): string {
  if (number === MOST_LINES - 1) return `The log ends here: a job's log holds ${MOST_LINES} lines`;
  // Masked first: a URL that is cut before its @ shows no more that it has a user's part.
  return maskedText(message.slice(0, 2 * LONGEST_MESSAGE))
    .slice(0, LONGEST_MESSAGE)
    .toWellFormed();
}

/** Drops a `meta` that is too large. */
function kept({ rowNumber, meta: given }: LogDetail): LogDetail {
  const meta = maskedJson(given) as LogDetail["meta"];
  const isSmall = meta !== undefined && Buffer.byteLength(JSON.stringify(meta)) <= LARGEST_META;
  return { ...(rowNumber !== undefined && { rowNumber }), ...(isSmall && { meta }) };
}
