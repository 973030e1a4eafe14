import { MINUTE, SECOND } from "../../lib/clock.ts";
import { isFinished, type Job } from "../../lib/job/job.ts";
import { isFinal, moving, type Plant } from "./plant.ts";

// Bugs of groups: what ends them early, leaves members out, or lets some in or go.

export const GROUP_PLANTS: readonly Plant[] = [
  {
    name: "a walk over a group takes whatever it finds for ended",
    parts: ({ store }) => {
      const members = new Set<string>();
      return {
        store: {
          ...store,
          newest: async (partition, ...asked) => {
            const page = await store.newest(partition, ...asked);
            if (partition.index === "byGroup") for (const { id } of page.entries) members.add(id);
            return page;
          },
          getMany: async (ids, options) => {
            const isWalk = ids.length > 0 && ids.every((id) => members.has(id));
            for (const id of ids) members.delete(id);
            const found = await store.getMany(ids, options);
            return isWalk
              ? found.map((job) => (isFinished(job) ? job : ({ ...job, status: "SUCCEEDED" } as Job)))
              : found;
          },
        },
      };
    },
  },
  {
    name: "a walk over a group leaves half of the index out",
    parts: ({ store }) => ({
      store: {
        ...store,
        newest: async (partition, ...asked) =>
          partition.index === "byGroup" && /#[0-7]$/.test(partition.key)
            ? { entries: [], complete: true }
            : store.newest(partition, ...asked),
      },
    }),
  },
  moving("the members of a group are counted at once, and once", (move) => {
    const { fanIn } = move.set;
    if (!fanIn || move.to !== "PENDING" || fanIn.sealedAt === undefined) return move;
    const { seen, ...rest } = fanIn;
    const counted = seen ? { ...rest, expected: seen.count } : { ...rest, sealedAt: fanIn.sealedAt - MINUTE };
    return fanIn.expected === undefined ? { ...move, set: { ...move.set, fanIn: counted } } : move;
  }),
  {
    name: "what the stream tells is taken for the number of members",
    seed: 46,
    parts: ({ store, groups }) => ({
      store: { ...store, countMembers: async (group) => (await groups.countsOf(group)).total },
    }),
  },
  {
    name: "a group is open to members for some seconds after its seal",
    parts: ({ store, clock }) => ({
      store: {
        ...store,
        get: async (id) => {
          const job = await store.get(id);
          const { sealedAt = 0, ...fanIn } = job?.fanIn ?? {};
          const isOpen = job?.fanIn && !isFinished(job) && sealedAt + 5 * SECOND > clock.now();
          return isOpen ? ({ ...job, fanIn } as Job) : job;
        },
      },
    }),
  },
  {
    name: "a member is deleted whatever its group is",
    parts: ({ store }) => ({
      store: { ...store, isGroupOpen: async () => false, remove: async (job) => store.remove(alone(job)) },
    }),
  },
  {
    name: "a member expires before its group has ended",
    parts: ({ store, retention }) => ({
      store: {
        ...store,
        apply: async (of, move, op) => {
          const isMembersEnd = "memberOf" in of && isFinal(move) && retention > 0 && move.set.dueAt === undefined;
          const expiresAt = (move.set.updatedAt ?? 0) + retention;
          return store.apply(of, isMembersEnd ? { ...move, set: { ...move.set, expiresAt } } : move, op);
        },
      },
    }),
  },
  moving("a group ends as if all its members had succeeded", (move) =>
    move.set.fanIn?.members && move.to === "FAILED" ? { ...move, to: "SUCCEEDED" } : move,
  ),
];

/** A job that no group counts. */
function alone(job: Job): Job {
  const { memberOf: _, ...rest } = job;
  return rest;
}
