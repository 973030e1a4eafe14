import {
  DescribeStreamCommand,
  DynamoDBStreamsClient,
  GetRecordsCommand,
  GetShardIteratorCommand,
  ListStreamsCommand,
} from "@aws-sdk/client-dynamodb-streams";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Runner } from "./event-sources.ts";
import type { Invoke } from "./lambda.ts";

// The event source mapping of a table's stream. Only one process of a stack runs it, so each record is handled once.

export interface StreamMapping {
  readonly endpoint: string;
  readonly table: string;
  readonly batchSize: number;
  /** A record passes if it matches one of the filters, or if there is none. */
  readonly filters: readonly unknown[];
  /** Keeps the position, so that a start continues with the records written while the stack was down. */
  readonly positionFile: string;
}

/** Real time. On AWS, a batch waits up to ten seconds. */
const POLL_MS = 500;
const SHORTEST_PAUSE_MS = 50;

export function startStreamMapping(mapping: StreamMapping, invoke: Invoke): Runner {
  const client = new DynamoDBStreamsClient({ maxAttempts: 1, endpoint: mapping.endpoint });
  const stopped = new AbortController();

  async function poll(): Promise<void> {
    while (!stopped.signal.aborted) {
      try {
        await follow();
      } catch (error) {
        if (/Trimmed|Validation/.test((error as Error).name)) rmSync(mapping.positionFile, { force: true });
        if (!stopped.signal.aborted) process.stderr.write(`The stream of ${mapping.table}: ${String(error)}\n`);
      }
      await pause(POLL_MS);
    }
  }

  async function follow(): Promise<void> {
    let iterator = await iteratorAfter(readPosition(mapping.positionFile));
    while (iterator && !stopped.signal.aborted) {
      const { Records = [], NextShardIterator } = await client.send(
        new GetRecordsCommand({ ShardIterator: iterator, Limit: mapping.batchSize }),
      );
      const wanted = Records.filter((record) => passes(record, mapping.filters));
      if (wanted.length > 0) await invoke({ Records: wanted });
      const last = Records.at(-1)?.dynamodb?.SequenceNumber;
      if (last !== undefined) writePosition(mapping.positionFile, last);
      iterator = NextShardIterator;
      await pause(Records.length === mapping.batchSize ? SHORTEST_PAUSE_MS : POLL_MS);
    }
  }

  /** The emulator has one shard. Without a position, it is read from its oldest record. */
  async function iteratorAfter(position: string | undefined): Promise<string | undefined> {
    const { Streams = [] } = await client.send(new ListStreamsCommand({ TableName: mapping.table }));
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

  async function pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: stopped.signal }).catch(() => {});
  }

  const polling = poll();
  return {
    stop: async () => {
      stopped.abort();
      await polling;
      client.destroy();
    },
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

function writePosition(file: string, position: string): void {
  writeFileSync(`${file}.new`, position);
  renameSync(`${file}.new`, file);
}
