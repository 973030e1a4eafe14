import type { Caller } from "../../lib/api/http/auth.ts";
import type { createEngine } from "../../lib/engine/engine.ts";
import type { RunningAttempt } from "../../lib/executors/executor.ts";
import type { Job } from "../../lib/job/job.ts";
import type { Move } from "../../lib/job/move.ts";
import type { OneOff } from "../../lib/queue/scheduler.ts";
import type { Outcome } from "../../lib/job/attempt.ts";
import type { createPace } from "../../local/pace.ts";

// A planted bug: a wrapper around a part of the engine, or around a move.

export type Parts = Parameters<typeof createEngine>[0];

export interface Plant {
  readonly name: string;
  /** A seed that finds it, where few do: it is tried first. */
  readonly seed?: number;
  readonly parts?: (parts: Parts) => Partial<Parts>;
  /** Changes the caller as the API sees it. */
  readonly caller?: (caller: Caller) => Caller;
  /** Changes the attempt that a request is made of. */
  readonly shown?: (attempt: RunningAttempt) => RunningAttempt;
  /** Changes the outcome that an executor returns. */
  readonly outcome?: (outcome: Outcome) => Outcome;
  /** A mapping deletes messages before they are handled, or also those that failed. */
  readonly acknowledges?: "before" | "all";
  /** How a process of the local stack waits before it takes a batch. */
  readonly pace?: typeof createPace;
}

export const ANY = ["PENDING", "RUNNING", "RETRYING", "SUCCEEDED", "FAILED", "DEAD", "CANCELLED"] as const;

export function foundBy(seed: number, plant: Plant): Plant {
  return { ...plant, seed };
}

/** Changes moves. */
export function moving(name: string, change: (move: Move) => Move): Plant {
  return {
    name,
    parts: ({ store }) => ({
      store: {
        ...store,
        apply: (of, move, op) => store.apply(of, change(move), op),
        createWith: (job, of, move) => store.createWith(job, of, change(move)),
      },
    }),
  };
}

/** Changes the creation of schedules that carry their target. */
export function carrying(name: string, create: (wanted: OneOff, parts: Parts) => Promise<"created" | "other">): Plant {
  return {
    name,
    parts: (parts) => {
      const { scheduler } = parts;
      const isCarrying = ({ event }: OneOff) => event.startsWith('{"fire":{"target"');
      return {
        scheduler: {
          ...scheduler,
          create: (wanted) => (isCarrying(wanted) ? create(wanted, parts) : scheduler.create(wanted)),
        },
      };
    },
  };
}

/** Changes the jobs whose attempts are sent. */
export function sending(name: string, change: (job: Job) => Job): Plant {
  return {
    name,
    parts: ({ queue }) => ({
      queue: {
        ...queue,
        sendAttempts: (all) => queue.sendAttempts(all.map((one) => ({ ...one, job: change(one.job) }))),
      },
    }),
  };
}

/** Changes jobs that are created. */
export function putting(name: string, change: (job: Job, parts: Parts) => Job): Plant {
  return {
    name,
    parts: (parts) => {
      const { store } = parts;
      return {
        store: {
          ...store,
          create: (job) => store.create(change(job, parts)),
          createWith: (job, of, move) => store.createWith(change(job, parts), of, move),
        },
      };
    },
  };
}

export const isClaim = ({ to, set }: Move) => to === "RUNNING" && set.attempts !== undefined;
export const isFinal = ({ to }: Move) => to !== "PENDING" && to !== "RUNNING" && to !== "RETRYING";
export const endsAttempt = ({ from, to }: Move) => from.includes("RUNNING") && to !== "RUNNING";
export const isLook = ({ from, to, set }: Move) => from[0] === to && Object.keys(set).join() === "dueAt";
/** A person's retry of a job that waits. */
export const isHastening = ({ from, to, set }: Move) =>
  from[0] === to && set.startAt !== undefined && set.updatedAt !== undefined && set.runs === undefined;
export const without = (move: Move, ...fields: string[]) => ({
  ...move,
  when: move.when.filter(([field]) => !fields.includes(field)),
});
export const unfenced = (move: Move): Move => ({ ...move, from: ANY, when: [] });
