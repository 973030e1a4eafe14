import { MINUTE } from "../../lib/clock.ts";
import type { Job } from "../../lib/job/job.ts";
import type { Move } from "../../lib/job/move.ts";
import { moving, without, type Plant } from "./plant.ts";

// Bugs of schedules that people edit, pause and have run.

const isEdit = ({ set }: Move) => set.edits !== undefined;
const isFiring = ({ set }: Move) => set.runs !== undefined;

/** Changes edits. */
function editing(name: string, change: (move: Move) => Move): Plant {
  return {
    name,
    parts: ({ store }) => {
      const changed = (move: Move) => (isEdit(move) ? change(move) : move);
      return {
        store: {
          ...store,
          apply: (of, move, op) => store.apply(of, changed(move), op),
          edit: (of, move, message) => store.edit(of, changed(move), message),
        },
      };
    },
  };
}

export const SCHEDULE_PLANTS: readonly Plant[] = [
  {
    name: "the pause of a schedule is overlooked",
    parts: ({ store }) => {
      const unpaused = (job: Job) => ({ ...job, pausedAt: undefined }) as unknown as Job;
      const due = (move: Move): Move =>
        move.set.pausedAt === undefined ? move : { ...move, set: { ...move.set, dueAt: move.set.startAt ?? 0 } };
      return {
        store: {
          ...store,
          apply: (of, move, op) => store.apply(of, due(move), op),
          getMany: async (...asked) => (await store.getMany(...asked)).map(unpaused),
          whole: async (id) => {
            const found = await store.whole(id);
            return found && { ...found, job: unpaused(found.job) };
          },
        },
      };
    },
  },
  editing("an edit keeps the next run of before", (move) => {
    const { startAt, dueAt, ...set } = move.set;
    return move.set.pausedAt === undefined && !move.remove.includes("expiresAt") && startAt !== undefined
      ? { ...move, set: { ...set, ...(dueAt !== undefined && { dueAt }) } }
      : move;
  }),
  editing("what a pause has missed is made up for unasked", (move) => {
    const { startAt = 0 } = move.set;
    if (!move.remove.includes("pausedAt") || move.set.owedUntil !== undefined) return move;
    return { ...move, set: { ...move.set, startAt: startAt - 4 * MINUTE, dueAt: startAt - 4 * MINUTE } };
  }),
  moving("a run and an edit don't exclude each other", (move) =>
    isFiring(move) ? without(move, "steps", "runs", "targetJobId") : move,
  ),
  {
    name: "a run that is asked for is another one at each repeat",
    parts: ({ store, clock }) => ({
      store: {
        ...store,
        createWith: (job, of, move) => {
          if (move.set.asked === undefined) return store.createWith(job, of, move);
          const id = clock.uuid();
          return store.createWith({ ...job, id }, of, { ...move, set: { ...move.set, targetJobId: id } });
        },
      },
    }),
  },
  {
    name: "the last run counts as ended",
    parts: ({ store }) => ({
      store: {
        ...store,
        get: async (id) => {
          const job = await store.get(id);
          return job?.isRun ? ({ ...job, status: "SUCCEEDED" } as Job) : job;
        },
      },
    }),
  },
  {
    name: "a run that waits for the last one is forgotten",
    parts: ({ store }) => {
      const forgotten = (move: Move): Move =>
        move.set.owedUntil !== undefined && !isEdit(move)
          ? { ...move, set: { ...move.set, dueAt: Number.MAX_SAFE_INTEGER } }
          : move;
      const unheld = (job: Job) => {
        const { holds: _, ...rest } = job;
        return rest as Job;
      };
      return {
        store: {
          ...store,
          apply: (of, move, op) => store.apply(of, forgotten(move), op),
          createWith: (job, of, move) => store.createWith(unheld(job), of, move),
        },
      };
    },
  },
];
