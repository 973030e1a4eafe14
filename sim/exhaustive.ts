import { MINUTE, SECOND } from "../lib/clock.ts";
import type { Kill } from "./cloud.ts";
import { DESTINATIONS, type Action, type Plan } from "./plan.ts";
import type { Ran } from "./world.ts";

// Every place at which a process can die in the life of a job, and every pair of such places.

export interface Death {
  readonly life: string;
  readonly kills: readonly Kill[];
}

const target = DESTINATIONS[0];
const webhook = {
  lambdaProxyMessage: { body: "{}", path: "/", httpMethod: "POST" },
  execution: { type: "rest-api", baseUrl: target },
  metadata: { maxRetries: 2, retry: { baseDelaySeconds: 1, maxDelaySeconds: 1 } },
};
/** It fails once, or whenever it is tried before this. */
const recovers: readonly Action[] = [
  { at: 0, kind: "target", destination: 0, mood: "failing" },
  { at: SECOND + 500, kind: "target", destination: 0, mood: "well" },
];

function life(body: object, ...actions: readonly Action[]): Plan {
  const post: Action = { at: SECOND, kind: "post", n: 0, app: 0, body, times: 1 };
  return {
    seed: "exhaustive",
    actions: [...actions, post].toSorted((a, b) => a.at - b.at),
    faultRate: 0,
    faultsEndAt: MINUTE,
  };
}

export const LIVES: Readonly<Record<string, Plan>> = {
  "stored and sent, fails once, with a callback": life(
    { mode: "both", message: webhook, onComplete: { url: `${target}/done` } },
    ...recovers,
  ),
  "stored and left to the sweep": life({ mode: "db", message: webhook }),
  "sent only, fails once": life({ mode: "sqs", message: webhook }, ...recovers),
  "a schedule": life({
    message: { execution: { type: "schedule", scheduledAt: `+${2 * MINUTE}`, targetJob: webhook } },
  }),
  cancelled: life({ mode: "both", message: webhook }, ...recovers, {
    at: SECOND + 200,
    kind: "person",
    does: "cancel",
    post: 0,
  }),
};

const WHEN = ["before", "after"] as const;

/** Runs a life with every single death and every pair of deaths. `onRun` hears of each. */
export async function* everyDeath(
  simulate: (plan: Plan, kills: readonly Kill[]) => Promise<Ran>,
): AsyncGenerator<Death & { readonly ran: Ran }> {
  for (const [name, plan] of Object.entries(LIVES)) {
    const { writes } = await simulate(plan, []);
    for (let first = 1; first <= writes; first += 1) {
      for (const when of WHEN) {
        const one: Kill = { write: first, when };
        const ran = await simulate(plan, [one]);
        yield { life: name, kills: [one], ran };
        for (let second = first + 1; second <= ran.writes; second += 1) {
          for (const then of WHEN) {
            const kills = [one, { write: second, when: then }];
            yield { life: name, kills, ran: await simulate(plan, kills) };
          }
        }
      }
    }
  }
}
