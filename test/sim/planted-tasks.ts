import { HOUR } from "../../lib/clock.ts";
import { isTask, rankOf } from "../../lib/job/job.ts";
import type { Move } from "../../lib/job/move.ts";
import type { Departure } from "../../lib/queue/queue.ts";
import { ANY, endsAttempt, foundBy, isClaim, isLook, moving, without, type Parts, type Plant } from "./plant.ts";

// Bugs that the simulator must find: in the slots of tasks, in their line and in their heartbeats.

const isExpiry = (move: Move) => endsAttempt(move) && move.when.some(([field]) => field === "leaseUntil");
const isExtension = ({ to, set }: Move) =>
  to === "RUNNING" && set.leaseUntil !== undefined && set.attempts === undefined;

/** A move that leaves the slots alone. */
function withoutSlot(move: Move): Move {
  const { slot: _, ...rest } = move;
  return rest;
}

/** Without a condition on the end of the lease. */
function unless(move: Move, by: ">" | "<="): Move {
  return { ...move, when: move.when.filter(([field, compared]) => field !== "leaseUntil" || compared !== by) };
}

/** Tasks are in line under changed ranks. */
function inLineAs(name: string, change: (rank: string) => string): Plant {
  return {
    name,
    parts: ({ slots }) => ({
      slots: {
        ...slots,
        enter: async (appId, rank) => slots.enter(appId, change(rank)),
        leave: async (appId, ranks) => slots.leave(appId, [...new Set([...ranks, ...ranks.map(change)])]),
      },
    }),
  };
}

/** Whether the departure calls the next task in line; one that the sweep sends has a later `notBefore`. */
async function isCalled({ slots }: Parts, { job, notBefore }: Departure): Promise<boolean> {
  if (!isTask(job) || notBefore !== job.startAt) return false;
  return (await slots.look(job.appId, 100)).first.includes(rankOf(job));
}

export const TASK_PLANTS: readonly Plant[] = [
  moving("a slot is not given back when a lease is over", (move) => (isExpiry(move) ? withoutSlot(move) : move)),
  moving("a slot is not given back when an attempt fails", (move) =>
    endsAttempt(move) && move.to === "RETRYING" ? withoutSlot(move) : move,
  ),
  foundBy(
    120,
    moving("a task starts whether or not there is a slot", (move) =>
      isClaim(move) && move.slot ? { ...move, slot: { of: 100 } } : move,
    ),
  ),
  moving("a task takes no slot", (move) => (isClaim(move) ? withoutSlot(move) : move)),
  {
    name: "a slot is given back though the attempt has not ended",
    seed: 307,
    parts: ({ store }) => ({
      store: {
        ...store,
        apply: async (of, move, op) => {
          const applied = await store.apply(of, move, op);
          const { job } = applied;
          if (applied.won || move.slot !== "back" || !job) return applied;
          await store.apply(job, { from: ANY, to: job.status, when: [], set: {}, remove: [], slot: "back" });
          return applied;
        },
      },
    }),
  },
  moving("a heartbeat extends a lease that is over", (move) => (isExtension(move) ? unless(move, ">") : move)),
  foundBy(
    246,
    moving("a heartbeat that comes late takes back another", (move) => (isExtension(move) ? unless(move, "<=") : move)),
  ),
  moving("a heartbeat extends whatever attempt runs", (move) =>
    isExtension(move) ? without(unless(move, ">"), "attempts") : move,
  ),
  moving("a heartbeat extends a lease by an hour", (move) =>
    isExtension(move) ? { ...move, set: { ...move.set, leaseUntil: (move.set.leaseUntil ?? 0) + HOUR } } : move,
  ),
  moving("what a task saves is not kept", (move) => {
    const { saved: _, ...set } = move.set;
    return isExtension(move) ? { ...move, set } : move;
  }),
  moving("a claim forgets what was saved", (move) =>
    isClaim(move) && move.slot ? { ...move, remove: [...move.remove, "saved"] } : move,
  ),
  inLineAs("the line goes by age alone", (rank) => rank.replace(/^../, "05")),
  inLineAs("who comes later stands before who waits", (rank) => rank.replace(/^../, "99")),
  {
    name: "nobody is called when a slot is given back",
    parts: (parts) => ({
      queue: {
        ...parts.queue,
        sendAttempts: async (all) => {
          const called = await Promise.all(all.map(async (one) => isCalled(parts, one)));
          return parts.queue.sendAttempts(all.filter((_, at) => !called[at]));
        },
      },
    }),
  },
  {
    name: "who waits for a slot is not in the line, and is looked at an hour later",
    parts: ({ slots, store }) => ({
      slots: { ...slots, enter: async () => {} },
      store: {
        ...store,
        apply: async (of, move, op) => {
          const isWait = isLook(move) && "executionType" in of && isTask(of);
          const dueAt = (move.set.dueAt ?? 0) + HOUR;
          return store.apply(of, isWait ? { ...move, set: { dueAt } } : move, op);
        },
      },
    }),
  },
  {
    name: "that somebody has left the line is known to one process alone",
    parts: ({ slots }) => {
      const left = new Set<string>();
      return {
        slots: {
          ...slots,
          leave: async (_, ranks) => {
            for (const rank of ranks) left.add(rank);
          },
          look: async (appId, limit) => {
            const { first, ...found } = await slots.look(appId, limit + left.size);
            return { ...found, first: first.filter((rank) => !left.has(rank)).slice(0, limit) };
          },
        },
      };
    },
  },
];
