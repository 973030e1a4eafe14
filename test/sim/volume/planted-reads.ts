import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { DAY, SECOND } from "../../../lib/clock.ts";
import type { JobStore } from "../../../lib/store/job-store.ts";
import type { Command } from "../models/client.ts";
import type { Item } from "../models/dynamodb-value.ts";
import type { Parts } from "../plant.ts";
import type { VolumePlant } from "./volume-plant.ts";

// Bugs of what is read and where it is written: lists, the audit log, the spread of indexes.

const AUDIT = "the audit log beside deliveries";
const OUTAGE = "an outage of one busy destination";
const LISTS = "lists of many jobs";
const LARGEST_BATCH = 100;
const MOST_LOOKED_AT = 10_000;

/** Says of the newest ten thousand jobs of a list that they are all. */
function endingEarly({ newest }: JobStore): JobStore["newest"] {
  const read = new Map<string, number>();
  return async (partition, range, limit, from) => {
    const isFirst = range.to === undefined || range.to === Number.MAX_SAFE_INTEGER;
    if (isFirst) read.delete(partition.key);
    const page = await newest(partition, range, limit, from);
    read.set(partition.key, (read.get(partition.key) ?? 0) + page.entries.length);
    const all = [...read.values()].reduce((sum, count) => sum + count, 0);
    return { ...page, complete: page.complete || all >= MOST_LOOKED_AT };
  };
}

type Attributes = Readonly<Record<string, AttributeValue>>;

/** Changes the items that are put, by themselves or in a transaction. */
function putting(change: (item: Attributes) => Attributes): (command: Command) => Command {
  return (command) => {
    const { Item, TransactItems } = command.input as { Item?: Item; TransactItems?: { Put?: { Item: Item } }[] };
    if (Item) return withInput(command, { Item: change(Item) });
    if (!TransactItems) return command;
    const changed = TransactItems.map(({ Put, ...other }) =>
      Put ? { Put: { ...Put, Item: change(Put.Item) } } : other,
    );
    return withInput(command, { TransactItems: changed });
  };
}

function withInput(command: Command, changed: object): Command {
  const input = { ...command.input, ...changed };
  return Object.assign(Object.create(Object.getPrototypeOf(command) as object) as Command, command, { input });
}

const isAudit = ({ pk }: Attributes) => pk?.S?.startsWith("AUDIT#") === true;

/** Bits of an id's end that choose a shard of the lists of its app, and two of those that choose one of the due jobs. */
const [LIST_BITS, DUE_BITS] = [0b1100_0000, 0b0011_0000];

/** New jobs get ids in which some bits are zero. */
function withoutBits(bits: number): (parts: Parts) => Partial<Parts> {
  const idOf = (id: string) => {
    const left = (Number.parseInt(id.slice(-8), 16) & ~bits) >>> 0;
    return id.slice(0, -8) + left.toString(16).padStart(8, "0");
  };
  return ({ store }) => ({
    store: { ...store, create: async (job) => store.create({ ...job, id: idOf(job.id) }) },
  });
}

function monthAfter({ at }: Attributes): AttributeValue {
  return { N: String(Math.floor((Number(at?.N) + 30 * DAY) / SECOND)) };
}

export const READS_PLANTS: readonly VolumePlant[] = [
  {
    name: "a user's list reads the jobs that it filters",
    scenario: LISTS,
    breaks: "7: BatchGets of a page",
    parts: ({ store }) => ({
      store: {
        ...store,
        newest: async (partition, ...asked) => {
          const page = await store.newest(partition, ...asked);
          const ids = partition.index === "byOwner" ? page.entries.map(({ id }) => id) : [];
          for (let from = 0; from < ids.length; from += LARGEST_BATCH)
            await store.getMany(ids.slice(from, from + LARGEST_BATCH), { consistent: false });
          return page;
        },
      },
    }),
  },
  {
    name: "a list asks every partition twice at once",
    scenario: LISTS,
    breaks: "7: queries of a round",
    parts: ({ store }) => ({
      store: {
        ...store,
        newest: async (...asked) => {
          const [page] = await Promise.all([store.newest(...asked), store.newest(...asked)]);
          return page;
        },
      },
    }),
  },
  {
    name: "jobs that are put off are in no list of their status",
    scenario: LISTS,
    breaks: "7: jobs that a list left out",
    parts: ({ store }) => ({
      store: {
        ...store,
        newest: async (partition, ...asked) => {
          // Of webhooks, the index has no others of that status.
          const isPutOff = partition.index === "byStatus" && /#rest-api#PENDING#/.test(partition.key);
          return isPutOff ? { entries: [], complete: true } : store.newest(partition, ...asked);
        },
      },
    }),
  },
  {
    name: "the total of the newest ten thousand is said to be exact",
    scenario: LISTS,
    breaks: "7: totals that say exact",
    parts: ({ store }) => ({ store: { ...store, newest: endingEarly(store) } }),
  },
  {
    name: "an entry of the audit log never expires",
    scenario: AUDIT,
    breaks: "8: audit entries without an expiry date",
    call: putting((item) => {
      const { expiresAt: _, ...forGood } = item;
      return isAudit(item) ? forGood : item;
    }),
  },
  {
    name: "the audit log expires like jobs",
    scenario: AUDIT,
    breaks: "8: audit entries that are gone before",
    call: putting((item) => (isAudit(item) ? { ...item, expiresAt: monthAfter(item) } : item)),
  },
  {
    name: "the audit log is in the partition of the settings",
    scenario: AUDIT,
    breaks: "8: audit entries in a partition that deliveries read",
    call: putting((item) =>
      isAudit(item)
        ? {
            ...item,
            pk: { S: (item["pk"]?.S ?? "").replace("AUDIT#", "APP#") },
            sk: { S: `AUDIT#${item["sk"]?.S}` },
          }
        : item,
    ),
  },
  {
    name: "two entries of an hour are one",
    scenario: AUDIT,
    breaks: "8: changes without an entry of their own",
    call: putting((item) =>
      isAudit(item) ? { ...item, sk: { S: `${item["sk"]?.S?.slice(0, 13)}:00:00.000Z#0` } } : item,
    ),
  },
  {
    name: "all jobs are in one partition of their list",
    scenario: OUTAGE,
    breaks: "9: the largest share of writes of a partition of byApp",
    parts: withoutBits(LIST_BITS),
  },
  {
    name: "all jobs of a status are in one partition",
    scenario: OUTAGE,
    breaks: "9: the largest share of writes of a partition of byStatus",
    parts: withoutBits(LIST_BITS),
  },
  {
    name: "due jobs are in 16 shards",
    scenario: OUTAGE,
    breaks: "9: the largest share of writes of a partition of due",
    parts: withoutBits(DUE_BITS),
  },
  {
    name: "every job that comes to a backlog writes the item of the backlog",
    scenario: OUTAGE,
    breaks: "9: writes of the entry of the backlog itself",
    parts: ({ backlogs }) => ({
      backlogs: {
        ...backlogs,
        announce: async (ref) => {
          await backlogs.announce(ref);
          await backlogs.wake(ref);
        },
      },
    }),
  },
];
