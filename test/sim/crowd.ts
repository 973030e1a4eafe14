import { MINUTE, SECOND } from "../../lib/clock.ts";
import type { Random } from "./random.ts";
import { APPS } from "./requests.ts";
import { taskExecution, type Manner } from "./task-requests.ts";
import type { Action } from "./action.ts";

/** More tasks of an app than it has slots; their number changes while tasks wait. Posts are numbered from `from`. */
export function crowd(random: Random, from: number, isCalm: boolean): Action[] {
  const app = random.below(APPS.length);
  const at = random.between(0, 5) * MINUTE;
  const within = random.pick([2, 20, 90]) * SECOND;
  const manners = random.pick<readonly Manner[]>([
    ["short", "flaky"],
    ["steps", "short"],
    ["long", "steps", "short"],
    ["long", "flaky", "endless"],
  ]);
  const slots = (when: number): Action => {
    const settings = { maxConcurrentTasks: random.pick([1, 1, 2, 3]) };
    return { at: when, kind: "settings", app, settings };
  };
  const posted = Array.from({ length: 4 + random.below(4) }, (_, index): Action => {
    const retry = { baseDelaySeconds: random.pick([1, 5]), maxDelaySeconds: 30, jitter: 0 };
    const message = { execution: taskExecution(random, manners), metadata: { maxRetries: random.below(3), retry } };
    const body = { mode: "both", message };
    return { at: at + random.between(0, within), kind: "post", n: from + index, app, body, times: 1 };
  });
  const people = Array.from({ length: random.pick([0, 0, 1, 3]) }, (): Action => {
    const does = random.pick(["cancel", "cancel", "deadletter", "retry once"] as const);
    const post = from + random.below(posted.length);
    return { at: at + random.between(0, within + 30 * SECOND), kind: "person", app, does, post };
  });
  // About as long as a lease, so that the sweep may or may not find it over.
  const freeze = {
    at: at + random.between(0, 60) * SECOND,
    kind: "freeze",
    ms: random.between(50, 130) * SECOND,
  } as const;
  return [
    slots(0),
    ...posted,
    ...people,
    ...(random.chance(0.3) ? [slots(at + random.between(0, 3) * MINUTE)] : []),
    ...(!isCalm && random.chance(0.4) ? [freeze] : []),
  ];
}
