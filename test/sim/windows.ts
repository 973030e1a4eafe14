import { MINUTE, SECOND } from "../../lib/clock.ts";
import type { Action } from "./action.ts";
import { createRandom, type Random } from "./random.ts";

// Delays and time limits of webhooks: drawn by themselves, so that the rest of a seed's plan stays what it was.

interface Body {
  readonly mode?: string;
  readonly message?: { readonly execution: { readonly type: string }; readonly metadata?: object };
}

/** The actions of a plan, some of whose webhooks have a time before or after which they do not start. */
export function withWindows(seed: string, actions: readonly Action[]): readonly Action[] {
  // A quarter of the seeds: the others find what they have always found.
  if (createRandom(`${seed}/clock`).chance(0.75)) return actions;
  const drawn = new Map<number, object>();
  return actions.map((action) => {
    if (action.kind !== "post") return action;
    const body = action.body as Body;
    if (body.mode === "sqs" || body.message?.execution.type !== "rest-api") return action;
    const window = drawn.get(action.n) ?? windowOf(createRandom(`${seed}/window ${action.n}`), action.at);
    drawn.set(action.n, window);
    const { message } = body;
    return { ...action, body: { ...body, message: { ...message, metadata: { ...message.metadata, ...window } } } };
  });
}

function windowOf(random: Random, at: number): object {
  if (random.chance(0.5)) return {};
  // Some wait longer than a message can.
  const wait = random.pick([random.between(1, 60) * SECOND, random.between(1, 20) * MINUTE]);
  const delay = random.pick([
    {},
    { delaySeconds: Math.ceil(wait / SECOND) },
    { notBefore: `+${Math.ceil((at + wait) / SECOND) * SECOND}` },
  ]);
  const isDelayed = Object.keys(delay).length > 0;
  const until = at + (isDelayed ? wait : 0) + random.pick([10 * SECOND, MINUTE, 5 * MINUTE]);
  const notAfter = { notAfter: `+${Math.ceil(until / SECOND) * SECOND}` };
  return { ...delay, ...(isDelayed && random.chance(0.5) ? {} : notAfter) };
}
