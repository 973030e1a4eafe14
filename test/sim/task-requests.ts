import { SECOND } from "../../lib/clock.ts";
import type { Random } from "./random.ts";

// Requests for tasks: by themselves, as follow-ups and by schedules.

/** How a task runs, by the first word of its payload. */
export type Manner = "short" | "brief" | "flaky" | "steps" | "long" | "endless";

/** The execution of a task. */
export function taskExecution(random: Random, manners: readonly Manner[] = ["short", "short", "flaky", "steps"]) {
  const payload = { words: [random.pick(manners)] };
  return { type: "task", jobType: "example", payload, priority: random.below(11) };
}

/** A request for a task, as a message or as a user's: for now, or for a time until `latest`. */
export function taskRequest(random: Random, n: number, hasKey: boolean, latest: number): object {
  const execution = taskExecution(random, ["short", "flaky", "steps", "steps", "long"]);
  const maxRetries = random.below(3);
  if (random.chance(0.3)) {
    const startAt = `+${Math.round(random.between(0, latest) / SECOND) * SECOND}`;
    const key = hasKey ? { key: `key-${n}` } : {};
    return { execution, maxRetries, ...key, ...(random.chance(0.6) && { startAt }) };
  }
  const retry = { baseDelaySeconds: random.pick([1, 5, 30]), maxDelaySeconds: 120, jitter: 0 };
  const key = hasKey ? { idempotencyKey: `key-${n}` } : {};
  const mode = random.pick(["both", "both", "db"] as const);
  return { mode, message: { execution, metadata: { ...key, maxRetries, retry } } };
}
