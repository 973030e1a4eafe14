import type { EpochMs } from "../../../lib/clock.ts";
import type { Command } from "../models/client.ts";
import type { Item } from "../models/dynamodb-value.ts";

// What each job costs and when it moves: messages, writes, reads, starts.

export interface JobCount {
  readonly id: string;
  readonly appId: string;
  /** Of a group. */
  readonly isMember: boolean;
  readonly createdAt: EpochMs;
  /** When it was first written, by no process's clock. */
  readonly acceptedAt: EpochMs;
  /** Messages that a queue accepted for it. */
  messages: number;
  firstSentAt: EpochMs | undefined;
  lastSentAt: EpochMs;
  /** Writes that changed neither its status nor its attempts, while it waited: those that failed too. */
  waits: number;
  /** All writes of its item and of those that hang on it. */
  writes: number;
  reads: number;
  /** The reads of it by the sweep. */
  looks: number;
  readonly starts: EpochMs[];
  retries: number;
  isOpen: boolean;
  dueAt: EpochMs | undefined;
  endedAt: EpochMs | undefined;
}

export type Counts = ReturnType<typeof createCounts>;

const FINAL: ReadonlySet<string | undefined> = new Set(["SUCCEEDED", "FAILED", "DEAD", "CANCELLED"]);

export function createCounts(now: () => EpochMs) {
  const jobs = new Map<string, JobCount>();
  /** Of items that belong to no single job, by the first part of their key. */
  const others = new Map<string, number>();
  /** By app: the most by which a job was due before it was written. */
  const late = new Map<string, number>();
  let open = 0;
  /** The ids of jobs whose status or attempts the present call has changed. */
  let moved = new Set<string>();

  /** A change of an item, within the call that makes it. */
  function written(before: Item | undefined, after: Item | undefined): void {
    const item = after ?? before;
    const pk = item?.["pk"]?.S ?? "";
    if (!pk.startsWith("J#") || item?.["sk"]?.S !== "J") return;
    const job = after ? (jobs.get(pk.slice(2)) ?? add(pk.slice(2), after)) : jobs.get(pk.slice(2));
    if (!job) return;
    const is = after?.["status"]?.S;
    if (before?.["status"]?.S !== is || isAttempt(before, after) || is === "RUNNING") moved.add(job.id);
    const overdue = now() - Number(before?.["dueAt"]?.N ?? Infinity);
    if (overdue > 0) late.set(job.appId, Math.max(late.get(job.appId) ?? 0, overdue));
    if (isAttempt(before, after)) job.starts.push(now());
    job.retries = Number(after?.["retryCount"]?.N ?? job.retries);
    job.dueAt = after?.["dueAt"] && Number(after["dueAt"].N);
    const isOpen = after !== undefined && !FINAL.has(is);
    if (isOpen !== job.isOpen) open += isOpen ? 1 : -1;
    job.isOpen = isOpen;
    job.endedAt = isOpen ? undefined : (job.endedAt ?? now());
  }

  function add(id: string, item: Item): JobCount {
    const job = born(id, item, now());
    jobs.set(id, job);
    open += 1;
    return job;
  }

  /** A call that a service is about to carry out. */
  function calling(): void {
    moved = new Set();
  }

  /** A call that a service has carried out, or refused. */
  function called(command: Command, isBySweep: boolean): void {
    const isRead = /^(Get|BatchGet|Query|Head)/.test(command.constructor.name);
    for (const { pk, sk } of keysOf(command)) {
      const job = pk.startsWith("J#") ? jobs.get(pk.slice(2)) : undefined;
      if (!job) {
        const name = pk.split("#")[0] ?? "";
        if (!isRead && !pk.startsWith("J#")) others.set(name, (others.get(name) ?? 0) + 1);
      } else if (isRead) {
        job.reads += 1;
        if (isBySweep && sk === "J") job.looks += 1;
      } else {
        job.writes += 1;
        if (sk === "J" && job.isOpen && !moved.has(job.id)) job.waits += 1;
      }
    }
  }

  /** What a queue has answered to a call that sends. */
  function sent(command: Command, answer: object): void {
    for (const id of sentIn(command, answer)) {
      const job = jobs.get(id);
      if (job) noteMessage(job, now());
    }
  }

  return {
    written,
    calling,
    called,
    sent,
    jobs,
    others,
    late,
    open: () => open,
    of: (...apps: readonly string[]) => [...jobs.values()].filter(({ appId }) => apps.includes(appId)),
  };
}

function isAttempt(before: Item | undefined, after: Item | undefined): boolean {
  return Number(after?.["attempts"]?.N ?? 0) > Number(before?.["attempts"]?.N ?? 0);
}

function noteMessage(job: JobCount, at: EpochMs): void {
  job.messages += 1;
  job.firstSentAt ??= at;
  job.lastSentAt = at;
}

function born(id: string, { byApp, byGroup, createdAt }: Item, now: EpochMs): JobCount {
  return {
    id,
    appId: (byApp?.S ?? "").split("#")[0] ?? "",
    isMember: byGroup !== undefined,
    createdAt: Number(createdAt?.N ?? now),
    acceptedAt: now,
    messages: 0,
    firstSentAt: undefined,
    lastSentAt: 0,
    waits: 0,
    writes: 0,
    reads: 0,
    looks: 0,
    starts: [],
    retries: 0,
    isOpen: true,
    dueAt: undefined,
    endedAt: undefined,
  };
}

interface Key {
  readonly pk: string;
  readonly sk: string;
}

/** The keys of the items that a call names. */
export function keysOf({ input }: Command): Key[] {
  const { Key, Item, TransactItems, RequestItems } = input as {
    Key?: Item | string;
    Item?: Item;
    TransactItems?: readonly Record<string, { Item?: Item; Key?: Item }>[];
    RequestItems?: Record<string, { Keys?: Item[] } | readonly Record<string, { Item?: Item; Key?: Item }>[]>;
  };
  const within = (writes: readonly Record<string, { Item?: Item; Key?: Item }>[]) =>
    writes.flatMap((write) => Object.values(write).map((one) => one.Item ?? one.Key));
  const items = [
    ...(typeof Key === "object" ? [Key] : []),
    ...(Item ? [Item] : []),
    ...within(TransactItems ?? []),
    ...Object.values(RequestItems ?? {}).flatMap((one) =>
      Array.isArray(one) ? within(one) : ((one as { Keys?: Item[] }).Keys ?? []),
    ),
  ];
  return items.flatMap((item) => (item ? [{ pk: item["pk"]?.S ?? "", sk: item["sk"]?.S ?? "" }] : []));
}

const ID = /"id":"([\da-f-]{36})"/;

/** The jobs of the messages that a call has sent. */
function sentIn({ input, constructor: { name } }: Command, answer: object): string[] {
  if (name !== "SendMessageBatchCommand") return [];
  const { Entries = [] } = input as { Entries?: { Id?: string; MessageBody?: string }[] };
  const { Failed = [] } = answer as { Failed?: { Id?: string }[] };
  const refused = new Set(Failed.map(({ Id }) => Id));
  return Entries.flatMap(({ Id, MessageBody = "" }) => (refused.has(Id) ? [] : (ID.exec(MessageBody)?.[1] ?? [])));
}
