import { HEAD_START, type Job } from "../../../lib/job/job.ts";
import type { Move } from "../../../lib/job/move.ts";
import { DUE_SHARDS } from "../../../lib/store/job-keys.ts";
import type { JobStore } from "../../../lib/store/job-store.ts";
import { payloadKey } from "../../../lib/store/payloads.ts";
import type { Parts } from "../plant.ts";
import { moving } from "./moving.ts";
import { COSTS_PLANTS } from "./planted-costs.ts";
import { READS_PLANTS } from "./planted-reads.ts";
import { STARTS_PLANTS } from "./planted-starts.ts";
import { unlimited, type VolumePlant } from "./volume-plant.ts";

// Bugs that the volume scenarios must find.

/** Reads a shard only after those before it have nothing due. */
function oneAfterTheOther({ due }: JobStore): JobStore["due"] {
  let busy: string | undefined;
  let last: Promise<unknown> = Promise.resolve();
  return (shard, ...asked) => {
    if (!DUE_SHARDS.includes(shard)) return due(shard, ...asked);
    const read = last.then(async () => {
      if (shard === DUE_SHARDS[0]) busy = undefined;
      if (busy !== undefined && busy !== shard) return { entries: [], complete: true };
      const page = await due(shard, ...asked);
      if (page.entries.length > 0) busy = shard;
      return page;
    });
    last = read.catch(() => {});
    return read;
  };
}

function notUrgent(job: Job): Job {
  const { isUrgent: _, ...rest } = job;
  return rest;
}

function staysDue(move: Move, { clock }: Parts): Move {
  return move.set.backlog === undefined ? move : { ...move, set: { dueAt: clock.now() + HEAD_START } };
}

const FAIRNESS = "one app's backlog beside other apps";
const WAITING = "a pause, a hold and an outage of two hours";
const RETENTION = "nothing is left after retention";
const NEIGHBOUR = "a hostile app beside other apps";

export const VOLUME_PLANTS: readonly VolumePlant[] = [
  ...STARTS_PLANTS,
  ...READS_PLANTS,
  ...COSTS_PLANTS,
  {
    name: "the sweep drains one shard after the other",
    scenario: FAIRNESS,
    breaks: "1: every shard",
    parts: ({ store }) => ({ store: { ...store, due: oneAfterTheOther(store) } }),
  },
  {
    name: "the sweep takes jobs as it finds them, whosever they are",
    scenario: FAIRNESS,
    breaks: "1: share of one app",
    parts: ({ store }) => ({
      store: {
        ...store,
        due: async (...asked) => {
          const { entries, ...page } = await store.due(...asked);
          const mixed = entries.map((entry) => (entry.backlog === undefined ? { ...entry, appId: "any" } : entry));
          return { ...page, entries: mixed };
        },
      },
    }),
  },
  {
    name: "what a sweep has left waits for the next minute",
    scenario: "a million jobs due at once",
    breaks: "1: pause after a sweep",
    parts: () => ({ sweepMore: async () => {} }),
  },
  {
    name: "a job that waits stays due, and is looked at every five minutes",
    scenario: WAITING,
    breaks: "2: writes of waiting of a paused app's",
    parts: moving(staysDue),
  },
  {
    name: "a job that waits for a turn stays due, and is looked at every five minutes",
    scenario: "a destination with a rate of 1/s, then 2/s, then 0.5/s",
    breaks: "10: writes of waiting of a job",
    parts: moving(staysDue),
  },
  {
    name: "a person's hold is overlooked",
    scenario: WAITING,
    breaks: "2: starts while a person holds",
    parts: ({ destinations }) => ({
      destinations: {
        ...destinations,
        circuitOf: async (ref) => {
          const circuit = await destinations.circuitOf(ref);
          return circuit?.lastError === undefined ? undefined : circuit;
        },
      },
    }),
  },
  {
    name: "a group is looked at whenever one of its members changes",
    scenario: "the members of one group",
    breaks: "11: reads of a member",
    parts: ({ groups }) => ({
      groups: {
        ...groups,
        count: async (changes) => {
          await groups.count(changes);
          const found = changes.flatMap(({ after }) =>
            after?.memberOf ? [{ id: after.memberOf.id, appId: after.appId }] : [],
          );
          return found.slice(0, 1);
        },
      },
    }),
  },
  {
    name: "payloads in the bucket are never deleted",
    scenario: RETENTION,
    breaks: "4: objects left",
    parts: ({ store }) => ({ store: { ...store, removeLeft: async () => {} } }),
  },
  {
    name: "the payloads of messages that have been handled are never given up",
    scenario: RETENTION,
    breaks: "4: objects left",
    parts: ({ store }) => ({ store: { ...store, giveUpPayload: async () => {} } }),
  },
  {
    name: "the payload of a put that lost is left",
    scenario: RETENTION,
    breaks: "4: objects left",
    parts: ({ store, files }) => ({
      store: {
        ...store,
        create: async (job) => {
          const created = await store.create(job);
          if (!created.won && job.payload.at === "inline")
            await files.put(payloadKey(job.id, "lost"), job.payload.bytes);
          return created;
        },
      },
    }),
  },
  {
    name: "tasks that were cancelled stay in line, and are read one by one",
    scenario: "lines of tasks",
    breaks: "5: calls of an end",
    parts: ({ store, slots }) => {
      const stopped = new Set<string>();
      const leave: Parts["slots"]["leave"] = async (appId, ranks) => {
        for (const rank of ranks) {
          const job = await store.get(rank.slice(rank.lastIndexOf("#") + 1));
          // The process that stopped it.
          const isLeft = job?.status === "CANCELLED" && ranks.length === 1 && !stopped.has(rank);
          if (isLeft) stopped.add(rank);
          else await slots.leave(appId, [rank]);
        }
      };
      return { slots: { ...slots, leave } };
    },
  },
  {
    name: "bulk actions take the app's slots",
    scenario: "lines of tasks",
    breaks: "5: the start of a task",
    parts: ({ store, queue }) => ({
      store: { ...store, create: async (job) => store.create(notUrgent(job)) },
      queue: {
        ...queue,
        sendAttempts: async (all) => queue.sendAttempts(all.map((one) => ({ ...one, job: notUrgent(one.job) }))),
      },
    }),
  },
  {
    name: "newcomers take turns before the backlog",
    scenario: "a destination with a rate of 1/s, then 2/s, then 0.5/s",
    breaks: "10: passing by jobs that came later",
    parts: ({ capacity }) => ({
      capacity: {
        ...capacity,
        takeTurn: async (ref, asked) => {
          await capacity.markRow(ref, false);
          return capacity.takeTurn(ref, asked);
        },
      },
    }),
  },
  {
    name: "newcomers take slots before the backlog",
    scenario: "a destination with four attempts at once",
    breaks: "10: passing by jobs that came later",
    parts: ({ capacity }) => ({
      capacity: { ...capacity, takeSlot: async (slot, most) => capacity.takeSlot(slot, most, true) },
    }),
  },
  {
    name: "a slot that is given back calls nobody",
    scenario: "a destination with four attempts at once",
    breaks: "10: all have run",
    parts: ({ capacity }) => ({
      capacity: {
        ...capacity,
        leaveSlot: async (slot, tookMs) => {
          await capacity.leaveSlot(slot, tookMs);
          return false;
        },
      },
    }),
  },
  {
    name: "an app's slow attempts are not limited",
    scenario: NEIGHBOUR,
    breaks: "neighbour: start of others' webhooks",
    parts: unlimited("(slow)"),
  },
  {
    name: "an app's attempts of ten minutes are not limited",
    scenario: NEIGHBOUR,
    breaks: "neighbour: start of others' tasks",
    parts: unlimited("(long)"),
  },
  {
    name: "all apps have one share",
    scenario: NEIGHBOUR,
    breaks: "neighbour: start of others' webhooks of 8 s",
    parts: ({ capacity }) => ({
      capacity: {
        ...capacity,
        takeSlot: async (slot, ...asked) => capacity.takeSlot({ ...slot, appId: "any" }, ...asked),
        leaveSlot: async (slot, ...asked) => capacity.leaveSlot({ ...slot, appId: "any" }, ...asked),
      },
    }),
  },
];
