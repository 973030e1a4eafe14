import { DAY, SECOND } from "../../lib/clock.ts";
import type { ItemChange } from "../../lib/store/payloads.ts";
import { passes } from "../../local/table-stream.ts";
import type { Template } from "../../local/template.ts";
import type { Item } from "./models/dynamodb-value.ts";
import type { Invoke } from "./process.ts";
import type { Random } from "./random.ts";
import type { Time } from "./time.ts";

// The table's stream and its mapping to remove-payloads: every change that passes the filters comes once or twice,
// in order, up to ten seconds late, and again if the function dies or throws.

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

export type Stream = ReturnType<typeof createStream>;

export function createStream({ time, random, template, invoke, isRough, trace }: Parts) {
  const filters = filtersIn(template);
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
    const batch = waiting;
    const handled = await invoke("remove-payloads", async ({ parts }) => {
      await parts.store.removeLeft(batch);
      return true;
    });
    trace(`the stream gives ${batch.length} changes: ${handled ? "handled" : "not handled"}`);
    if (handled && !(isRough() && random.chance(0.1))) waiting = waiting.slice(batch.length);
    isReading = waiting.length > 0;
    if (isReading) time.after(SECOND, () => void read());
  }

  return { written, isQuiet: () => waiting.length === 0 };
}

interface AfterwardsParts {
  readonly time: Time;
  readonly cloud: { readonly dynamodb: { readonly removeExpired: () => readonly Item[] } };
  readonly stream: Stream;
}

/** Has all that expires be gone, and the stream read. */
export async function forget({ time, cloud, stream }: AfterwardsParts): Promise<void> {
  time.skip(AFTERWARDS);
  cloud.dynamodb.removeExpired();
  await time.run(stream.isQuiet);
}

function filtersIn({ functions }: Template): readonly unknown[] {
  const mapped = functions.find(({ name }) => name === "removePayloads")?.streams[0];
  if (!mapped) throw new Error("serverless.yml maps no stream to removePayloads");
  return mapped.filters;
}
