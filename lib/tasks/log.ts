import {
  ConditionalCheckFailedException,
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  type QueryCommandOutput,
} from "@aws-sdk/client-dynamodb";
import { marshall, unmarshall } from "@aws-sdk/util-dynamodb";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { askOf } from "../aws.ts";
import { DAY, SECOND, type Clock, type EpochMs } from "../clock.ts";
import type { Table } from "../store/table.ts";
import { expirySeconds, hasExpired, type Item } from "../store/job-item.ts";
import type { Job } from "../job/job.ts";
import type { LogDetail, LogLevel } from "./task.ts";

// The lines that tasks log, in chunks: an index names the chunks of each level, so that a page is read
// without those before it. Lines are numbered as they come, over all attempts of a job.

export interface LogLine extends LogDetail {
  /** From 0. */
  readonly number: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly at: EpochMs;
}

export interface LogPage {
  readonly level?: LogLevel | undefined;
  readonly newestFirst?: boolean;
  readonly offset: number;
  readonly limit: number;
}

/** What one attempt writes. */
export interface LogWriter {
  /** Waits while lines come faster than they can be kept. */
  line(level: LogLevel, message: string, detail?: LogDetail): Promise<void>;
  /** Keeps what has been written so far. Throws `Unavailable`; nothing is lost by that. */
  flush(): Promise<void>;
}

/** Where the lines of a level are: attempt and number of a chunk, its first line and how many it has. */
type Part = [attempt: number, chunk: number, first: number, count: number];

interface Chunk {
  readonly level: LogLevel;
  readonly part: Part;
  readonly lines: LogLine[];
  bytes: number;
}

/** A job that is made anew under the id of one that was deleted has a log of its own. */
type LoggingJob = Pick<Job, "id" | "createdAt">;

interface LogIndex {
  readonly lines: number;
  readonly parts: Readonly<Record<LogLevel, readonly Part[]>>;
}

export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const satisfies readonly LogLevel[];

const TABLE = "The jobs table";
const CHUNK_LINES = 200;
/** Before it is compressed: far below the largest item, however badly it compresses. */
const CHUNK_BYTES = 200 * 1_024;
const LONGEST_MESSAGE = 2_000;
const LARGEST_META = 4_000;
const MOST_LINES = 200_000;
const KEPT = 30 * DAY;
const FLUSHED_EVERY_MS = 2 * SECOND;
const REMOVED_AT_ONCE = 25;
const INDEX = "M";
const NOTHING: LogIndex = { lines: 0, parts: { debug: [], info: [], warning: [], error: [] } };

export type TaskLog = ReturnType<typeof createTaskLog>;

export function createTaskLog(parts: { table: Table; clock: Clock }) {
  const { clock } = parts;
  const table = parts.table.name;
  const { dynamodb } = parts.table;

  /** Goes on where the attempts before it have ended. What an attempt writes that another has followed is dropped. */
  async function open(job: LoggingJob, attempt: number): Promise<LogWriter> {
    const before = attempt > 1 ? await indexOf(job) : NOTHING;
    const done = Object.fromEntries(LOG_LEVELS.map((level) => [level, [...before.parts[level]]])) as Record<
      LogLevel,
      Part[]
    >;
    /** Those that take more lines. */
    const growing = new Map<LogLevel, Chunk>();
    /** Those that the table does not have as they are. */
    const unkept = new Set<Chunk>();
    let next = before.lines;
    let indexed = before.lines;
    let flushedAt = clock.realNow();
    let writing: Promise<void> = Promise.resolve();

    async function line(level: LogLevel, message: string, detail: LogDetail = {}): Promise<void> {
      if (next >= MOST_LINES) return;
      const isLast = next === MOST_LINES - 1;
      const text = isLast
        ? `The log ends here: a job's log holds ${MOST_LINES} lines`
        : message.slice(0, LONGEST_MESSAGE);
      const written = { number: next, level, message: text.toWellFormed(), at: clock.now(), ...kept(detail) };
      next += 1;
      const chunk = growing.get(level) ?? begin(level, written.number);
      chunk.lines.push(written);
      chunk.part[3] += 1;
      chunk.bytes += Buffer.byteLength(JSON.stringify(written));
      unkept.add(chunk);
      if (chunk.lines.length === CHUNK_LINES || chunk.bytes >= CHUNK_BYTES) {
        growing.delete(level);
        await inTurn(async () => keep(chunk));
      }
      if (clock.realNow() - flushedAt >= FLUSHED_EVERY_MS) await flush();
    }

    function begin(level: LogLevel, first: number): Chunk {
      const number = done[level].filter(([of]) => of === attempt).length;
      const part: Part = [attempt, number, first, 0];
      done[level].push(part);
      const chunk = { level, part, lines: [], bytes: 0 };
      growing.set(level, chunk);
      return chunk;
    }

    async function flush(): Promise<void> {
      flushedAt = clock.realNow();
      await inTurn(async () => {
        if (indexed === next) return;
        const index = { lines: next, parts: structuredClone(done) };
        // Before the index, which promises them.
        for (const chunk of unkept) await keep(chunk);
        await putIndex(job, attempt, index);
        indexed = index.lines;
      });
    }

    async function keep(chunk: Chunk): Promise<void> {
      if (!unkept.delete(chunk)) return;
      await putChunk(job, chunk).catch((error: unknown) => {
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

  /** A page of a job's lines, and how many there are of its level. */
  async function read(job: LoggingJob, { level, newestFirst = false, offset, limit }: LogPage) {
    const index = await indexOf(job);
    const total = level ? countOf(index.parts[level]) : index.lines;
    const to = Math.max(0, newestFirst ? total - offset : Math.min(total, offset + limit));
    const from = Math.max(0, newestFirst ? to - limit : offset);
    const lines = await (level ? ofLevel(job, index, level, from, to) : ofAll(job, index, from, to));
    return { lines: newestFirst ? lines.toReversed() : lines, total };
  }

  /** Of all levels, a line's place is its number. */
  async function ofAll(job: LoggingJob, { parts: of }: LogIndex, from: number, to: number): Promise<LogLine[]> {
    const wanted = LOG_LEVELS.flatMap((level) =>
      of[level]
        .filter(([, , first], at) => first < to && (of[level][at + 1]?.[2] ?? Infinity) > from)
        .map((part) => ({ level, part })),
    );
    const found = await Promise.all(wanted.map(async ({ level, part }) => chunkOf(job, level, part)));
    return found
      .flat()
      .filter(({ number }) => number >= from && number < to)
      .toSorted((a, b) => a.number - b.number);
  }

  async function ofLevel(job: LoggingJob, index: LogIndex, level: LogLevel, from: number, to: number) {
    let before = 0;
    const wanted: Promise<LogLine[]>[] = [];
    for (const part of index.parts[level]) {
      const begin = before;
      before += part[3];
      if (begin >= to || before <= from) continue;
      const lines = chunkOf(job, level, part);
      wanted.push(lines.then((all) => all.slice(Math.max(0, from - begin), to - begin)));
    }
    return (await Promise.all(wanted)).flat();
  }

  async function indexOf(job: LoggingJob): Promise<LogIndex> {
    const item = await get(job, INDEX);
    if (!item) return NOTHING;
    return { lines: Number(item["lines"]), parts: JSON.parse(String(item["parts"])) as LogIndex["parts"] };
  }

  async function chunkOf(job: LoggingJob, level: LogLevel, part: Part): Promise<LogLine[]> {
    const item = await get(job, chunkKey(level, part));
    if (!item) return [];
    const lines = JSON.parse(inflateRawSync(item["lines"] as Uint8Array).toString()) as Omit<LogLine, "level">[];
    // More may have been written since the index was.
    return lines.slice(0, part[3]).map((line) => ({ ...line, level }));
  }

  async function get(job: LoggingJob, sk: string): Promise<Item | undefined> {
    const Key = marshall({ pk: logPk(job), sk });
    const { Item: found } = await askOf(
      TABLE,
      dynamodb().send(new GetItemCommand({ TableName: table, Key, ConsistentRead: true })),
    );
    const item = found && unmarshall(found);
    return item && !hasExpired(item, clock.now()) ? item : undefined;
  }

  async function putChunk(job: LoggingJob, { level, part, lines }: Chunk): Promise<void> {
    const bytes = deflateRawSync(JSON.stringify(lines.map((line) => ({ ...line, level: undefined }))));
    await put({ pk: logPk(job), sk: chunkKey(level, part), lines: bytes });
  }

  async function putIndex(job: LoggingJob, attempt: number, { lines, parts: of }: LogIndex): Promise<void> {
    const item = { pk: logPk(job), sk: INDEX, attempt, lines, parts: JSON.stringify(of) };
    // An attempt that has lost its lease may still write.
    await put(item, {
      ConditionExpression: "attribute_not_exists(pk) OR attempt <= :attempt",
      ExpressionAttributeValues: marshall({ ":attempt": attempt }),
    });
  }

  async function put(item: Item, condition: object = {}): Promise<void> {
    const Item = marshall({ ...item, expiresAt: expirySeconds(clock.now() + KEPT) });
    try {
      await askOf(TABLE, dynamodb().send(new PutItemCommand({ TableName: table, Item, ...condition })));
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
    }
  }

  /** All that hangs on it, and what no index names any more. */
  async function remove(job: LoggingJob): Promise<void> {
    let from: QueryCommandOutput["LastEvaluatedKey"];
    do {
      const query = new QueryCommand({
        TableName: table,
        KeyConditionExpression: "pk = :pk",
        ExpressionAttributeValues: marshall({ ":pk": logPk(job) }),
        ProjectionExpression: "pk, sk",
        ConsistentRead: true,
        ...(from && { ExclusiveStartKey: from }),
      });
      const page: QueryCommandOutput = await askOf(TABLE, dynamodb().send(query));
      const { Items: keys = [] } = page;
      for (let at = 0; at < keys.length; at += REMOVED_AT_ONCE) {
        const some = keys.slice(at, at + REMOVED_AT_ONCE);
        const commands = some.map((Key) => new DeleteItemCommand({ TableName: table, Key }));
        await Promise.all(commands.map(async (command) => askOf(TABLE, dynamodb().send(command))));
      }
      from = page.LastEvaluatedKey;
    } while (from);
  }

  return { open, read, remove };
}

function logPk({ id, createdAt }: LoggingJob): string {
  return `L#${id}#${createdAt}`;
}

function chunkKey(level: LogLevel, [attempt, chunk]: Part): string {
  return `${level}#${attempt}#${chunk}`;
}

function countOf(parts: readonly Part[]): number {
  return parts.reduce((sum, [, , , count]) => sum + count, 0);
}

function kept({ rowNumber, meta }: LogDetail): LogDetail {
  const isSmall = meta !== undefined && Buffer.byteLength(JSON.stringify(meta)) <= LARGEST_META;
  return { ...(rowNumber !== undefined && { rowNumber }), ...(isSmall && { meta }) };
}
