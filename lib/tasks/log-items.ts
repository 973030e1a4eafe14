import { deflateRawSync, inflateRawSync } from "node:zlib";
import { DAY, type Clock, type EpochMs } from "../clock.ts";
import type { Job } from "../job/job.ts";
import { expirySeconds, hasExpired, type Condition, type Item, type ItemKey, type Table } from "../store/table.ts";
import type { LogDetail, LogLevel } from "./task.ts";

// The items of a log: chunks of lines of one level, and an index that names the chunks of each level.

export interface LogLine extends LogDetail {
  /** From 0, over all attempts of the job. */
  readonly number: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly at: EpochMs;
}

/** One chunk in the index: its attempt, its number, the number of its first line and the count of its lines. */
export type ChunkEntry = [attempt: number, chunk: number, first: number, count: number];

export interface Chunk {
  readonly level: LogLevel;
  readonly entry: ChunkEntry;
  readonly lines: LogLine[];
  bytes: number;
}

/** `createdAt` tells apart the jobs that have had one id, one after the other. */
export type LoggingJob = Pick<Job, "id" | "createdAt">;

export interface LogIndex {
  readonly lines: number;
  readonly chunks: Readonly<Record<LogLevel, readonly ChunkEntry[]>>;
}

const KEPT = 30 * DAY;
const REMOVED_AT_ONCE = 25;
const INDEX = "M";
export const EMPTY_INDEX: LogIndex = { lines: 0, chunks: { debug: [], info: [], warning: [], error: [] } };

export type LogItems = ReturnType<typeof createLogItems>;

export function createLogItems({ table, clock }: { table: Table; clock: Clock }) {
  async function readIndex(job: LoggingJob): Promise<LogIndex> {
    const item = await get({ pk: logPk(job), sk: INDEX });
    if (!item) return EMPTY_INDEX;
    return { lines: Number(item["lines"]), chunks: JSON.parse(String(item["parts"])) as LogIndex["chunks"] };
  }

  async function readChunk(job: LoggingJob, level: LogLevel, entry: ChunkEntry): Promise<LogLine[]> {
    const item = await get(chunkKey(job, level, entry));
    if (!item) return [];
    const lines = JSON.parse(inflateRawSync(item["lines"] as Uint8Array).toString()) as Omit<LogLine, "level">[];
    // A chunk is written before the index and may hold more lines than the index knows.
    return lines.slice(0, entry[3]).map((line) => ({ ...line, level }));
  }

  async function get(key: ItemKey): Promise<Item | undefined> {
    const item = await table.get(key);
    return item && !hasExpired(item, clock.now()) ? item : undefined;
  }

  async function putChunk(job: LoggingJob, { level, entry, lines }: Chunk): Promise<void> {
    const bytes = deflateRawSync(JSON.stringify(lines.map((line) => ({ ...line, level: undefined }))));
    await put({ ...chunkKey(job, level, entry), lines: bytes });
  }

  /** Changes nothing when the index is of a later attempt: one that has lost its lease may still write. */
  async function putIndex(job: LoggingJob, attempt: number, { lines, chunks }: LogIndex): Promise<void> {
    await put(
      { pk: logPk(job), sk: INDEX, attempt, lines, parts: JSON.stringify(chunks) },
      { ConditionExpression: "attribute_not_exists(pk) OR attempt <= :attempt", values: { ":attempt": attempt } },
    );
  }

  async function put(item: Item, when?: Condition): Promise<void> {
    await table.put({ ...item, expiresAt: expirySeconds(clock.now() + KEPT) }, when);
  }

  /** The index, its chunks, and the chunks that no index names. */
  async function remove(job: LoggingJob): Promise<void> {
    let after: Item | undefined;
    do {
      const { items, next } = await table.query({
        KeyConditionExpression: "pk = :pk",
        values: { ":pk": logPk(job) },
        ProjectionExpression: "pk, sk",
        ConsistentRead: true,
        after,
      });
      const keys = items.map(({ pk, sk }) => ({ pk: String(pk), sk: String(sk) }));
      for (let at = 0; at < keys.length; at += REMOVED_AT_ONCE) {
        await Promise.all(keys.slice(at, at + REMOVED_AT_ONCE).map(async (key) => table.remove(key)));
      }
      after = next;
    } while (after);
  }

  return { readIndex, readChunk, putChunk, putIndex, remove };
}

function logPk({ id, createdAt }: LoggingJob): string {
  return `L#${id}#${createdAt}`;
}

function chunkKey(job: LoggingJob, level: LogLevel, [attempt, chunk]: ChunkEntry): ItemKey {
  return { pk: logPk(job), sk: `${level}#${attempt}#${chunk}` };
}
