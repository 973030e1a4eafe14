import { HEAD_START } from "../../lib/job/job.ts";
import { isClaim, isHastening, isLook, moving, putting, unfenced, without, type Plant } from "./plant.ts";

// Bugs of when attempts start: too soon, too late, or though somebody wants them sooner.

export const START_PLANTS: readonly Plant[] = [
  {
    name: "nobody looks whether it is time",
    parts: ({ store, queue }) => ({
      store: {
        ...store,
        apply: (of, move, op) => store.apply(of, isClaim(move) ? without(move, "startAt") : move, op),
      },
      queue: { ...queue, sendAttempts: (all) => queue.sendAttempts(all.map((one) => ({ ...one, notBefore: 0 }))) },
    }),
  },
  putting("a delay is forgotten", (job) =>
    job.scheduledAt === undefined ? job : { ...job, startAt: job.createdAt, dueAt: job.createdAt + HEAD_START },
  ),
  putting("what is too late starts all the same", (job) => {
    const { notAfter: _, ...rest } = job;
    return rest;
  }),
  moving("a look of the sweep puts a job forward", (move) =>
    isLook(move) ? { ...move, set: { ...move.set, startAt: 0 } } : move,
  ),
  moving("a retry of a job that waits is not fenced", (move) => (isHastening(move) ? unfenced(move) : move)),
];
