import { DAY, SECOND } from "../../lib/clock.ts";
import { countMembers } from "../../lib/engine/group-counts.ts";
import { changesIn } from "../../lib/store/counters.ts";
import type { ItemChange } from "../../lib/store/payloads.ts";
import { passes } from "../../local/table-stream.ts";
import type { Template } from "../../local/template.ts";
import type { Item } from "./models/dynamodb-value.ts";
import type { Container, FunctionName, Invoke } from "./process.ts";
import type { Random } from "./random.ts";
import type { Time } from "./time.ts";

// The table's stream and its mappings to remove-payloads and count-jobs: every change that passes the filters of one comes
// once or twice, in order, up to ten seconds late, and again if the function dies or throws.

interface Parts {
  readonly time: Time;
  readonly random: Random;
  readonly template: Template;
  readonly invoke: Invoke;
  /** Whether a batch may come twice now. */
  readonly isRough: () => boolean;
  readonly trace: (line: string) => void;
}

/** Longer than a message that carries a job can wait, and than anything expires. */
const AFTERWARDS = 60 * DAY;

export interface Stream {
  readonly written: (before: Item | undefined, after: Item | undefined) => void;
  readonly isQuiet: () => boolean;
}

/** Of a function: what it does with a batch. */
interface Consumer {
  readonly name: FunctionName;
  /** In serverless.yml. */
  readonly of: string;
  /** The largest batch, and how long a smaller one is waited for. */
  readonly most: number;
  readonly windowMs: number;
  readonly handle: (container: Container, batch: readonly ItemChange[]) => Promise<unknown>;
}

const REMOVING: Consumer = {
  name: "remove-payloads",
  of: "removePayloads",
  most: Infinity,
  windowMs: SECOND,
  handle: async ({ parts }, batch) => parts.store.removeLeft(batch),
};
const COUNTING: Consumer = {
  name: "count-jobs",
  of: "countJobs",
  most: 1_000,
  windowMs: 10 * SECOND,
  handle: async ({ parts }, batch) => {
    const changes = changesIn(batch.map(({ before, after }) => ({ OldImage: before, NewImage: after })));
    return countMembers(changes, parts);
  },
};

/** `isCounting`: with the mapping by which the members of groups are counted. */
export function createStream(parts: Parts, isCounting = false): Stream {
  const removing = createMapping(parts, REMOVING);
  if (!isCounting) return removing;
  const counting = createMapping({ ...parts, random: parts.random.fork("counting") }, COUNTING);
  return {
    written: (before, after) => {
      removing.written(before, after);
      counting.written(before, after);
    },
    isQuiet: () => removing.isQuiet() && counting.isQuiet(),
  };
}

function createMapping({ time, random, template, invoke, isRough, trace }: Parts, consumer: Consumer): Stream {
  const filters = filtersIn(template, consumer.of);
  let waiting: ItemChange[] = [];
  let isReading = false;

  function written(before: Item | undefined, after: Item | undefined): void {
    const Keys = { sk: (after ?? before)?.["sk"] };
    const eventName = after ? (before ? "MODIFY" : "INSERT") : "REMOVE";
    if (!passes({ eventName, dynamodb: { Keys, OldImage: before, NewImage: after } }, filters)) return;
    waiting.push({ before, after });
    if (!isReading) time.after(random.between(0, 10) * SECOND, () => void read());
    isReading = true;
  }

  async function read(): Promise<void> {
    const batch = waiting.slice(0, consumer.most);
    const handled = await invoke(consumer.name, async (container) => {
      await consumer.handle(container, batch);
      return true;
    });
    const to = consumer === REMOVING ? "" : ` ${consumer.name}`;
    trace(`the stream gives${to} ${batch.length} changes: ${handled ? "handled" : "not handled"}`);
    if (handled && !(isRough() && random.chance(0.1))) waiting = waiting.slice(batch.length);
    isReading = waiting.length > 0;
    if (isReading) time.after(waiting.length >= consumer.most ? SECOND : consumer.windowMs, () => void read());
  }

  return { written, isQuiet: () => waiting.length === 0 };
}

interface AfterwardsParts {
  readonly time: Time;
  readonly cloud: { readonly dynamodb: { readonly removeExpired: () => readonly Item[] } };
  readonly stream: Stream;
}

/** Has all that has expired after `ms` be gone, and the stream read. */
export async function forget({ time, cloud, stream }: AfterwardsParts, ms: number = AFTERWARDS): Promise<void> {
  time.skip(ms);
  cloud.dynamodb.removeExpired();
  await time.run(stream.isQuiet);
}

function filtersIn({ functions }: Template, of: string): readonly unknown[] {
  const mapped = functions.find(({ name }) => name === of)?.streams[0];
  if (!mapped) throw new Error(`serverless.yml maps no stream to ${of}`);
  return mapped.filters;
}
