import {
  DescribeStreamCommand,
  DynamoDBStreamsClient,
  GetRecordsCommand,
  GetShardIteratorCommand,
  ListStreamsCommand,
} from "@aws-sdk/client-dynamodb-streams";
import { readFileSync, rmSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import { json } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { lean } from "../lib/aws.ts";
import type { Runner } from "./event-sources.ts";
import type { Invoke } from "./lambda.ts";

// The event source mappings of a table's stream. Only one process of a stack runs them, so each record is handled once.

export interface Stream {
  readonly endpoint: string;
  readonly table: string;
  /** Keeps the position, so that a start continues with the records written while the stack was down. */
  readonly positionFile: string;
}

/** A function that handles records of a stream. */
export interface Consumer {
  readonly batchSize: number;
  /** A record passes if it matches one of the filters, or if there is none. */
  readonly filters: readonly unknown[];
  readonly invoke: Invoke;
}

/** Real time. On AWS, a batch waits up to ten seconds. */
const POLL_MS = 500;
const SHORTEST_PAUSE_MS = 50;
/** Records that are read at a time: a request to the gateway, which has the same event loop, waits while they are parsed. */
const PAGE = 25;

/** Reads each record once, for all consumers. */
export function startStreamMappings(stream: Stream, consumers: readonly Consumer[]): Runner {
  const client = new DynamoDBStreamsClient({ maxAttempts: 1, endpoint: stream.endpoint });
  const records = createReader(stream.endpoint);
  const stopped = new AbortController();
  const limit = Math.min(...consumers.map(({ batchSize }) => batchSize));

  async function poll(): Promise<void> {
    while (!stopped.signal.aborted) {
      try {
        await follow();
      } catch (error) {
        if (/Trimmed|Validation/.test((error as Error).name)) rmSync(stream.positionFile, { force: true });
        tell(error);
      }
      await pause(POLL_MS);
    }
  }

  async function follow(): Promise<void> {
    let iterator = await iteratorAfter(client, stream.table, readPosition(stream.positionFile));
    while (iterator && !stopped.signal.aborted) {
      const { batch, next } = await readBatch(iterator);
      const handled = await Promise.all(consumers.map(async (consumer) => handle(batch, consumer)));
      if (handled.includes(false)) return;
      const last = batch.at(-1)?.dynamodb.SequenceNumber;
      if (last !== undefined) await writePosition(stream.positionFile, last);
      iterator = next;
      await pause(batch.length < limit ? POLL_MS : SHORTEST_PAUSE_MS);
    }
  }

  /** As many records as a batch takes, or all that there are. */
  async function readBatch(from: string): Promise<{ batch: readonly StreamRecord[]; next: string | undefined }> {
    const batch: StreamRecord[] = [];
    let next: string | undefined = from;
    while (next !== undefined && batch.length < limit) {
      const atMost = Math.min(limit - batch.length, PAGE);
      const { Records = [], NextShardIterator } = await records.read(next, atMost);
      batch.push(...Records);
      next = NextShardIterator;
      if (Records.length < atMost) break;
    }
    return { batch, next };
  }

  /** Calls a consumer until it has handled the records; the others have theirs once. False if it was stopped. */
  async function handle(all: readonly StreamRecord[], { filters, invoke }: Consumer): Promise<boolean> {
    const wanted = all.filter((record) => passes(record, filters));
    while (wanted.length > 0) {
      try {
        await invoke({ Records: wanted });
        return true;
      } catch (error) {
        if (stopped.signal.aborted) return false;
        tell(error);
        await pause(POLL_MS);
      }
    }
    return true;
  }

  function tell(error: unknown): void {
    if (!stopped.signal.aborted) process.stderr.write(`The stream of ${stream.table}: ${String(error)}\n`);
  }

  async function pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: stopped.signal }).catch(() => {});
  }

  const polling = poll();
  return {
    stop: async () => {
      stopped.abort();
      await polling;
      client.destroy();
      records.end();
    },
  };
}

/** The emulator has one shard. Without a position, it is read from its oldest record. */
async function iteratorAfter(
  client: DynamoDBStreamsClient,
  table: string,
  position: string | undefined,
): Promise<string | undefined> {
  const { Streams = [] } = await client.send(new ListStreamsCommand({ TableName: table }));
  const StreamArn = Streams.at(-1)?.StreamArn;
  if (!StreamArn) return undefined;
  const { StreamDescription } = await client.send(new DescribeStreamCommand({ StreamArn }));
  const ShardId = StreamDescription?.Shards?.at(-1)?.ShardId;
  if (!ShardId) return undefined;
  const from =
    position === undefined
      ? ({ ShardIteratorType: "TRIM_HORIZON" } as const)
      : ({ ShardIteratorType: "AFTER_SEQUENCE_NUMBER", SequenceNumber: position } as const);
  const { ShardIterator } = await client.send(new GetShardIteratorCommand({ StreamArn, ShardId, ...from }));
  return ShardIterator;
}

/** A record as a function gets it: its images are DynamoDB's JSON, with bytes as Base64. */
interface StreamRecord {
  readonly dynamodb: { readonly SequenceNumber: string };
}

interface RecordPage {
  readonly Records?: readonly StreamRecord[];
  readonly NextShardIterator?: string;
}

/**
 * Reads records as they come over the wire, which is how Lambda hands them to functions. The SDK would turn each
 * attribute into an object of its own, which costs more time than the rest of the local gateway.
 */
function createReader(endpoint: string) {
  const client = lean(new DynamoDBStreamsClient({ maxAttempts: 1, endpoint }));
  client.middlewareStack.remove("deserializerMiddleware");
  client.middlewareStack.add(
    (next) => async (args) => {
      const { response } = await next(args);
      const { statusCode, body } = response as { readonly statusCode: number; readonly body: Readable };
      const page = (await json(body)) as RecordPage & { readonly __type?: string };
      if (statusCode === 200) return { response, output: { ...page, $metadata: {} } };
      throw Object.assign(new Error(`GetRecords answered ${statusCode}`), { name: String(page.__type) });
    },
    { step: "deserialize" },
  );
  return {
    read: async (ShardIterator: string, Limit: number): Promise<RecordPage> =>
      (await client.send(new GetRecordsCommand({ ShardIterator, Limit }))) as unknown as RecordPage,
    end: () => client.destroy(),
  };
}

/** Supports two kinds of Lambda's filter patterns: lists of allowed values, and of prefixes. */
export function passes(record: unknown, filters: readonly unknown[]): boolean {
  return filters.length === 0 || filters.some((filter) => matches(record, filter));
}

function matches(value: unknown, pattern: unknown): boolean {
  if (Array.isArray(pattern)) return pattern.some((one) => isAllowed(value, one));
  const fields = Object.entries(pattern as Record<string, unknown>);
  return fields.every(([name, inner]) => matches((value as Record<string, unknown> | undefined)?.[name], inner));
}

function isAllowed(value: unknown, rule: unknown): boolean {
  if (typeof rule !== "object" || rule === null) return value === rule;
  if (!("prefix" in rule)) throw new Error(`The local stack knows no filter ${JSON.stringify(rule)}: use a prefix`);
  return typeof value === "string" && value.startsWith(String(rule.prefix));
}

function readPosition(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

async function writePosition(file: string, position: string): Promise<void> {
  await writeFile(`${file}.new`, position);
  await rename(`${file}.new`, file);
}
