import { MINUTE, SECOND } from "../../lib/clock.ts";
import type { Action, ScheduleDoes } from "./action.ts";
import { createRandom, type Random } from "./random.ts";
import { APPS, DESTINATIONS, POSTING, noise } from "./requests.ts";

// A schedule by its key, and what people do to it: edits, pauses and runs around the times at which it fires. Its draws
// are its own, so that a seed without it stays as it is.

const SEEDS_WITH_ONE = 0.15;
const EVERY = 4;

/** Of most seeds, none. */
export function scheduleScene(seed: string): Action[] {
  const random = createRandom(`${seed}/schedule`);
  if (!random.chance(SEEDS_WITH_ONE)) return [];
  const app = random.below(APPS.length);
  const key = "scheduled";
  const overlap = random.pick(["allow", "skip", "queue", "replace"]);
  const act = (at: number, does: ScheduleDoes, body: object = {}, times = 1): Action => ({
    at: Math.max(at, 0),
    kind: "schedule",
    app,
    key,
    does,
    body,
    times,
  });
  const begins = random.between(0, 2) * MINUTE;
  const actions = [act(begins, "put", putBody(random, overlap), 1 + random.below(2))];
  for (let n = 2 + random.below(6); n > 0; n -= 1) {
    const at = Math.max(begins + random.between(5, 60) * SECOND, atSomeFiring(random));
    const [does, body, times] = doing(random, overlap);
    actions.push(act(at, does, body, times));
  }
  // The jobs of its runs take long, so that runs meet.
  if (random.chance(0.6)) {
    const mood = random.pick(["failing", "flaky", "slow"] as const);
    actions.push({ at: 0, kind: "target", destination: DESTINATIONS.length - 1, mood });
  }
  return actions;
}

/** Often in the seconds around a minute, where it fires. */
function atSomeFiring(random: Random): number {
  const minute = random.below(POSTING / MINUTE) * MINUTE;
  return random.chance(0.7) ? minute + random.between(-2, 4) * SECOND : minute + random.between(0, 60) * SECOND;
}

function doing(random: Random, overlap: string): [does: ScheduleDoes, body: object, times: number] {
  const does = random.pick(["pause", "resume", "resume", "patch", "patch", "run", "run", "put"] as const);
  switch (does) {
    case "pause":
      return [does, random.chance(0.5) ? { reason: "closed" } : {}, 1];
    case "resume":
      return [does, random.chance(0.5) ? {} : { missed: random.pick(["skip", "once", "all"]) }, 1];
    case "patch":
      return [does, random.chance(0.7) ? { expression: expression(random) } : { job: { body: size(random) } }, 1];
    case "run":
      return [does, {}, 1 + random.below(2)];
    case "put":
      return [does, putBody(random, overlap), 1];
    default:
      return does satisfies never;
  }
}

/** The times of two expressions are no others' unless they are the same. */
function expression(random: Random): string {
  return `cron(${random.below(EVERY)}/${EVERY} * * * ? *)`;
}

function putBody(random: Random, overlap: string): object {
  const job = {
    url: `${DESTINATIONS.at(-1)}/schedules/scheduled`,
    body: size(random),
    timeoutSeconds: random.pick([10, 55]),
    maxRetries: random.below(3),
    retry: { baseDelaySeconds: random.pick([5, 60]), maxDelaySeconds: 240, jitter: 0 },
  };
  return {
    expression: expression(random),
    maxRuns: 2 + random.below(2),
    overlap,
    missed: random.pick(["once", "once", "skip", "all"]),
    ...(random.chance(0.3) && { windowSeconds: 60 }),
    ...(random.chance(0.1) && { paused: true }),
    job,
  };
}

function size(random: Random): string {
  return random.chance(0.3) ? noise(random, 1_500) : "{}";
}
