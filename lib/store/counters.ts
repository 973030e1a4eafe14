import { setImmediate as nextTurn } from "node:timers/promises";
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { unmarshall } from "@aws-sdk/util-dynamodb";
import type { EpochMs } from "../clock.ts";
import type { Job } from "../job/job.ts";
import { jobOf } from "./job-item.ts";
import { expirySeconds, type Item, type Table } from "./table.ts";

// Counters of an app by time. They follow the table's stream, so that no job writes them on its own path. A stream
// delivers at least once, so they are approximate.

/** A job before and after a change of the table, without its payload. */
export interface Change {
  readonly before: Job | undefined;
  readonly after: Job | undefined;
}

/** Items in DynamoDB's JSON, as a record of the stream has them. */
export interface Images {
  readonly OldImage?: Image | undefined;
  readonly NewImage?: Image | undefined;
}

type Image = Readonly<Record<string, object>>;

/** The growth of each counter, by its name. */
export type Increments = Map<string, number>;

/** Durations are counted in steps of a factor of 2^(1/4): 19 %. */
const STEPS_PER_DOUBLING = 4;

export type Counters = ReturnType<typeof createCounters>;

/** Items that hold counters: `pk` names the owner, `sk` the time, as text that sorts. */
export function createCounters({ table }: { table: Table }) {
  async function add(pk: string, sk: string, increments: Increments, expiresAt: EpochMs): Promise<void> {
    const counters = [...increments].filter(([, by]) => by !== 0);
    if (counters.length === 0) return;
    await table.update(
      { pk, sk },
      {
        UpdateExpression: `SET expiresAt = :expiry ADD ${counters.map((_, at) => `#c${at} :c${at}`).join(", ")}`,
        ExpressionAttributeNames: Object.fromEntries(counters.map(([name], at) => [`#c${at}`, name])),
        values: {
          ":expiry": expirySeconds(expiresAt),
          ...Object.fromEntries(counters.map(([, by], at) => [`:c${at}`, by])),
        },
      },
    );
  }

  /** The items from one time to another, both included, oldest first. An item has attributes beside its counters. */
  async function between(pk: string, from: string, to: string): Promise<{ at: string; counters: Item }[]> {
    const found = await table.queryAll({
      KeyConditionExpression: "pk = :pk AND sk BETWEEN :from AND :to",
      values: { ":pk": pk, ":from": from, ":to": to },
    });
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

/** The changes of a batch, in pieces: who shares the event loop, as the local gateway does, gets a turn after each. */
export async function changesOf(records: readonly Images[]): Promise<Change[]> {
  const left = new Map<unknown, Job>();
  const changes: Change[] = [];
  for (let from = 0; from < records.length; from += AT_A_TIME) {
    await nextTurn();
    changes.push(...changesIn(records.slice(from, from + AT_A_TIME), left));
  }
  return changes;
}

const AT_A_TIME = 25;

/** The changes in the order of the stream: what one has left of a job is what the next one has found. */
export function changesIn(records: readonly Images[], left = new Map<unknown, Job>()): Change[] {
  return records.map((record) => {
    const { pk } = record.NewImage ?? record.OldImage ?? {};
    const key = (pk as { readonly S?: string })?.S;
    const change = changeIn(record, left.get(key));
    if (change.after) left.set(key, change.after);
    else left.delete(key);
    return change;
  });
}

/** `found`: the job before the change, where it is known. */
export function changeIn({ OldImage, NewImage }: Images, found?: Job): Change {
  return { before: OldImage && (found ?? jobIn(OldImage)), after: NewImage && jobIn(NewImage) };
}

/** Nothing counts what the payload holds, and it is the largest part of most items. */
function jobIn(image: Image): Job {
  return jobOf(unmarshall({ ...image, payload: NO_PAYLOAD }));
}

const NO_PAYLOAD: AttributeValue = { B: new Uint8Array() };

/** The step that a duration in ms counts for. */
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
