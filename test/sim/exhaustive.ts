import { MINUTE, SECOND } from "../../lib/clock.ts";
import type { Mishap } from "./fates.ts";
import type { Plan } from "./plan.ts";
import { DESTINATIONS } from "./requests.ts";
import type { Manner } from "./task-requests.ts";
import type { Ran } from "./world.ts";
import type { Action } from "./action.ts";

// Every write of the life of a job at which a process can die or an answer be lost, and every pair of such writes.

const target = DESTINATIONS[0];
const webhook = {
  lambdaProxyMessage: { body: "{}", path: "/", httpMethod: "POST" },
  execution: { type: "rest-api", baseUrl: target },
  metadata: { maxRetries: 2, retry: { baseDelaySeconds: 1, maxDelaySeconds: 1 } },
};
/** The target fails until its recovery. */
const recovers: readonly Action[] = [
  { at: 0, kind: "target", destination: 0, mood: "failing" },
  { at: SECOND + 500, kind: "target", destination: 0, mood: "well" },
];

function life(body: object, ...actions: readonly Action[]): Plan {
  return {
    seed: "exhaustive",
    actions: [...actions, post(0, body)].toSorted((a, b) => a.at - b.at),
    faultRate: 0,
    faultsEndAt: MINUTE,
    retentionMs: 0,
  };
}

function post(n: number, body: object): Action {
  return { at: SECOND + n, kind: "post", n, app: 0, body, times: 1 };
}

/** The app has one slot, so that the other task waits for it. */
const oneSlot: Action = { at: 0, kind: "settings", app: 0, settings: { maxConcurrentTasks: 1 } };
const task = (manner: Manner) => ({
  mode: "both",
  message: {
    execution: { type: "task", jobType: "example", payload: { words: [manner] } },
    metadata: { maxRetries: 2, retry: { baseDelaySeconds: 1, maxDelaySeconds: 1 } },
  },
});
const inLane = { ...webhook, metadata: { ...webhook.metadata, messageGroupId: "lane" } };

export const LIVES: Readonly<Record<string, Plan>> = {
  "stored and sent, fails once": life({ mode: "both", message: webhook }, ...recovers),
  "stored and left to the sweep": life({ mode: "db", message: webhook }),
  "sent only, fails once": life({ mode: "sqs", message: webhook }, ...recovers),
  "a schedule": life({
    message: { execution: { type: "schedule", scheduledAt: `+${2 * MINUTE}`, targetJob: webhook } },
  }),
  "with a callback": life({ mode: "db", message: webhook, onComplete: { url: `${target}/done` } }),
  "a chain": life({ mode: "both", message: webhook, onSuccess: { message: webhook } }),
  "two of a lane": life({ mode: "both", message: inLane }, post(1, { mode: "both", message: inLane })),
  "two tasks and one slot": life(task("brief"), post(500, task("short")), oneSlot),
  cancelled: life({ mode: "both", message: webhook }, ...recovers, {
    at: SECOND + 200,
    kind: "person",
    app: 0,
    does: "cancel",
    post: 0,
  }),
};

/** `number`: 0 to `of` - 1. */
export interface Part {
  readonly number: number;
  readonly of: number;
}

export const WHOLE: Part = { number: 0, of: 1 };

/** `0/3` as a part; undefined if it is none. */
export function partOf(text: string): Part | undefined {
  const [number = NaN, of = NaN] = text.split("/").map(Number);
  return Number.isInteger(number) && Number.isInteger(of) && number >= 0 && number < of ? { number, of } : undefined;
}

export const FATES = ["dies before", "dies after", "lost"] as const satisfies readonly Mishap["fate"][];

/**
 * Runs a life with every mishap of a kind, alone and with every other one after it. With `part`, only that part of the
 * pairs; all parts together are all pairs.
 */
export async function* everyMishap(
  life: string,
  fate: Mishap["fate"],
  simulate: (plan: Plan, mishaps: readonly Mishap[]) => Promise<Ran>,
  part: Part = WHOLE,
): AsyncGenerator<{ readonly mishaps: readonly Mishap[]; readonly ran: Ran }> {
  const plan = LIVES[life];
  if (!plan) throw new Error(`There is no life "${life}"; there are ${Object.keys(LIVES).join(", ")}`);
  const { writes } = await simulate(plan, []);
  for (let write = 1; write <= writes; write += 1) {
    const first: Mishap = { write, fate };
    const ran = await simulate(plan, [first]);
    yield { mishaps: [first], ran };
    for (let next = write + 1; next <= ran.writes; next += 1) {
      for (const [at, then] of FATES.entries()) {
        if ((write + next + at) % part.of !== part.number) continue;
        const mishaps = [first, { write: next, fate: then }];
        yield { mishaps, ran: await simulate(plan, mishaps) };
      }
    }
  }
}
