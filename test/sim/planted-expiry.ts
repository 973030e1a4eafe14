import { DAY } from "../../lib/clock.ts";
import { isFinal, moving, type Plant } from "./plant.ts";

// Bugs of expiry: what goes too soon, and what is never gone.

export const EXPIRY_PLANTS: readonly Plant[] = [
  { name: "what is finished is forgotten too soon", parts: ({ retention }) => ({ retention: retention / 2 }) },
  moving("what owes something expires", (move) => {
    const { dueAt, updatedAt = 0 } = move.set;
    return isFinal(move) && dueAt !== undefined ? { ...move, set: { ...move.set, expiresAt: updatedAt + DAY } } : move;
  }),
  {
    name: "what hangs on a job is kept for good",
    parts: ({ store }) => ({ store: { ...store, expireAttachments: async () => {} } }),
  },
  {
    name: "what hangs on a job goes before it",
    parts: ({ store }) => ({
      store: {
        ...store,
        expireAttachments: async (job) =>
          store.expireAttachments(job.expiresAt === undefined ? job : { ...job, expiresAt: job.updatedAt }),
      },
    }),
  },
  {
    name: "what a job or a put leaves behind is kept for good",
    parts: ({ store }) => ({ store: { ...store, removeLeft: async () => {} } }),
  },
  {
    name: "an object goes with its intent, whatever names it",
    parts: ({ store }) => ({
      store: {
        ...store,
        removeLeft: async (changes) =>
          store.removeLeft(
            changes.map((change) => {
              const { pk = {}, sk, at } = change.before ?? {};
              if (!sk?.S?.startsWith("W#") || at?.S !== "s3") return change;
              return { before: { pk, sk: { S: "J" }, payload: { S: `s3:${sk.S.slice(2)}` } }, after: undefined };
            }),
          ),
      },
    }),
  },
];
