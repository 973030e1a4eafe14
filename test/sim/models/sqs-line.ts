import type { EpochMs } from "../../../lib/clock.ts";
import { firstAt } from "./sorted-rows.ts";
import { createHeap } from "./heap.ts";

// The order of a queue's messages: which may be received now, and when the next one may. A call costs about the same
// whatever the number of messages. A message of a standard queue is a group of its own.

/** A message of a queue. It is hidden until `visibleAt`, because it is delayed or in flight. */
export interface Message {
  readonly id: string;
  readonly body: string;
  readonly groupId: string | undefined;
  readonly deduplicationId: string | undefined;
  readonly sequence: number;
  readonly sentAt: EpochMs;
  readonly visibleAt: EpochMs;
  readonly receiveCount: number;
  readonly firstReceivedAt: EpochMs | undefined;
  /** Of the last receive. */
  readonly receiptHandle: string | undefined;
  /** Of a dead letter: the resource name of its source queue. */
  readonly deadFrom?: string;
}

export type Stored = { -readonly [Field in keyof Message]: Message[Field] };

export type Line = ReturnType<typeof createLine>;

interface Group {
  readonly messages: Stored[];
  /** How many of them are hidden. */
  hidden: number;
  /** The place of its first message while the group is among those that are free. */
  freeAt: number | undefined;
}

/** A message in the line. */
interface Entry {
  readonly message: Stored;
  readonly place: number;
  readonly group: string;
  isHidden: boolean;
}

export function createLine(isFifo: boolean) {
  const entries = new Map<string, Entry>();
  const groups = new Map<string, Group>();
  /** In the order of their first messages. */
  const free: Group[] = [];
  const hidden = createHeap<{ readonly at: EpochMs; readonly entry: Entry }>((a, b) => a.at < b.at);
  let places = 0;

  const placeOf = ({ id }: Stored) => entries.get(id)?.place ?? 0;
  const freeFrom = (place: number) => firstAt(free, ({ freeAt = 0 }) => freeAt >= place);

  /** Changes a group, and then puts it where it belongs among those that are free. */
  function change(name: string, by: (group: Group) => void): void {
    let group = groups.get(name);
    if (!group) groups.set(name, (group = { messages: [], hidden: 0, freeAt: undefined }));
    if (group.freeAt !== undefined) free.splice(freeFrom(group.freeAt), 1);
    group.freeAt = undefined;
    by(group);
    const [first] = group.messages;
    if (!first) groups.delete(name);
    else if (group.hidden === 0) {
      group.freeAt = placeOf(first);
      free.splice(freeFrom(group.freeAt), 0, group);
    }
  }

  function setHidden(entry: Entry, isHidden: boolean): void {
    if (entry.isHidden === isHidden) return;
    entry.isHidden = isHidden;
    change(entry.group, (group) => void (group.hidden += isHidden ? 1 : -1));
  }

  function settle(now: EpochMs): void {
    for (let next = hidden.first(); next; next = hidden.first()) {
      const { at, entry } = next;
      const isValid = entries.get(entry.message.id) === entry && entry.message.visibleAt === at;
      if (isValid && at > now) return;
      hidden.take();
      if (isValid) setHidden(entry, false);
    }
  }

  function hide(message: Stored): void {
    const entry = entries.get(message.id);
    if (!entry) return;
    setHidden(entry, true);
    hidden.add({ at: message.visibleAt, entry });
  }

  return {
    add: (message: Stored): void => {
      const group = isFifo ? (message.groupId ?? "") : message.id;
      entries.set(message.id, { message, place: (places += 1), group, isHidden: false });
      change(group, ({ messages }) => void messages.push(message));
      hide(message);
    },
    remove: (id: string): void => {
      const entry = entries.get(id);
      if (!entry) return;
      change(entry.group, (group) => {
        const at = firstAt(group.messages, (one) => placeOf(one) >= entry.place);
        group.messages.splice(at, 1);
        if (entry.isHidden) group.hidden -= 1;
      });
      entries.delete(id);
    },
    /** A message is hidden until its `visibleAt`. */
    hide,
    /** The first groups none of whose messages is hidden, with their messages. */
    free: (now: EpochMs, most: number): Stored[][] => {
      settle(now);
      return free.slice(0, most).map(({ messages }) => [...messages]);
    },
    nextVisibleAt: (now: EpochMs): EpochMs | undefined => {
      settle(now);
      return hidden.first()?.at;
    },
  };
}
