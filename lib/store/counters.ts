import { QueryCommand, UpdateItemCommand, type AttributeValue } from "@aws-sdk/client-dynamodb";
import { marshall, unmarshall } from "@aws-sdk/util-dynamodb";
import { askOf } from "../aws.ts";
import { SECOND, type EpochMs } from "../clock.ts";
import type { Table } from "./table.ts";
import { jobOf, type Item } from "./job-item.ts";
import type { Job } from "../job/job.ts";

// Counters of an app by time, from the table's stream: no job's own path writes them. A stream delivers at least
// once, so they are approximate.

/** A job's item before and after a change of the table, as the stream shows it. */
export interface Change {
  readonly before: Image | undefined;
  readonly after: Image | undefined;
}

/** An item in DynamoDB's JSON. */
type Image = Readonly<Record<string, object>>;

/** How much each counter of an item grows, by its name. */
export type Increments = Map<string, number>;

/** Durations are told apart by a factor of 2^(1/4), 19 %. */
const STEPS_PER_DOUBLING = 4;
const TABLE = "The jobs table";

export type Counters = ReturnType<typeof createCounters>;

/** Items that hold counters: `pk` names whose, `sk` the time, as text that sorts. */
export function createCounters(parts: { table: Table }) {
  const table = parts.table.name;
  const { dynamodb } = parts.table;

  async function add(pk: string, sk: string, increments: Increments, expiresAt: EpochMs): Promise<void> {
    const counters = [...increments].filter(([, by]) => by !== 0);
    if (counters.length === 0) return;
    const command = new UpdateItemCommand({
      TableName: table,
      Key: marshall({ pk, sk }),
      UpdateExpression: `SET expiresAt = :expiry ADD ${counters.map((_, at) => `#c${at} :c${at}`).join(", ")}`,
      ExpressionAttributeNames: Object.fromEntries(counters.map(([name], at) => [`#c${at}`, name])),
      ExpressionAttributeValues: marshall({
        ":expiry": Math.ceil(expiresAt / SECOND),
        ...Object.fromEntries(counters.map(([, by], at) => [`:c${at}`, by])),
      }),
    });
    await askOf(TABLE, dynamodb().send(command));
  }

  /** The items from one time to another, both included, oldest first. What is not a counter, the reader must not know. */
  async function between(pk: string, from: string, to: string): Promise<{ at: string; counters: Item }[]> {
    const found: Item[] = [];
    let ExclusiveStartKey: Record<string, AttributeValue> | undefined;
    do {
      const query = new QueryCommand({
        TableName: table,
        KeyConditionExpression: "pk = :pk AND sk BETWEEN :from AND :to",
        ExpressionAttributeValues: marshall({ ":pk": pk, ":from": from, ":to": to }),
        ...(ExclusiveStartKey && { ExclusiveStartKey }),
      });
      const page = await askOf(TABLE, dynamodb().send(query));
      found.push(...(page.Items ?? []).map((item): Item => unmarshall(item)));
      ExclusiveStartKey = page.LastEvaluatedKey;
    } while (ExclusiveStartKey);
    return found.map((counters) => ({ at: String(counters["sk"]), counters }));
  }

  return { add, between };
}

/** Adds counters to those of a key. */
export function grow(items: Map<string, Increments>, key: string, by: Iterable<readonly [string, number]>): void {
  const item: Increments = items.get(key) ?? new Map<string, number>();
  items.set(key, item);
  for (const [name, count] of by) item.set(name, (item.get(name) ?? 0) + count);
}

export function jobIn(image: Image): Job {
  return jobOf(unmarshall(image as Record<string, AttributeValue>));
}

/** The step of a duration in ms: each is counted by its step. */
export function stepOf(ms: number): number {
  return Math.max(0, Math.ceil(Math.log2(Math.max(ms, 1)) * STEPS_PER_DOUBLING));
}

/** The upper end of the step in which a percentile lies, in ms. */
export function percentile(steps: readonly (readonly [step: number, count: number])[], share: number): number | null {
  const sorted = steps.toSorted(([a], [b]) => a - b);
  let left = share * sorted.reduce((sum, [, count]) => sum + count, 0);
  if (left === 0) return null;
  for (const [step, count] of sorted) {
    left -= count;
    if (left <= 0) return Math.round(2 ** (step / STEPS_PER_DOUBLING));
  }
  return null;
}
