import { MINUTE, SECOND } from "../../lib/clock.ts";
import { crowd } from "./crowd.ts";
import { groupsOf } from "./group-plans.ts";
import { createRandom, type Random } from "./random.ts";
import { APPS, DESTINATIONS, POSTING, request } from "./requests.ts";
import { scheduleScene } from "./schedule-scene.ts";
import { MOST_IN_SCENE, sceneOf } from "./scenes.ts";
import { withWindows } from "./windows.ts";
import type { Action, PersonDoes } from "./action.ts";

// The plan of a seed: the requests, their times, and the faults. Plain data, so that it can be shrunk.

export interface Plan {
  readonly seed: string;
  readonly actions: readonly Action[];
  /** How often a call of a service has a fault, until faults end. */
  readonly faultRate: number;
  /** After this, in ms from the start, there are no faults, and every job has to end. */
  readonly faultsEndAt: number;
  /** How long finished jobs are kept; 0 keeps them for good. */
  readonly retentionMs: number;
}

const DOINGS = [
  "read",
  "cancel",
  "cancel",
  "deadletter",
  "retry",
  "retry",
  "retry once",
  "delete",
] as const satisfies readonly PersonDoes[];

const FAULTS: ReadonlySet<Action["kind"]> = new Set(["kill", "freeze", "outage", "empty"]);

/** The plan without its faults. The moods of targets stay, since they decide outcomes. */
export function withoutFaults(plan: Plan): Plan {
  return { ...plan, faultRate: 0, actions: plan.actions.filter(({ kind }) => !FAULTS.has(kind)) };
}

export const QUEUES = ["JobsFairQueue", "JobsMainQueue", "JobsTasksQueue"] as const;

export function planOf(seed: string): Plan {
  const random = createRandom(`${seed}/plan`);
  const isCrowded = random.chance(0.25);
  const posts = (isCrowded ? 1 : 3) + random.below(isCrowded ? 4 : 7);
  // Some have no faults: anything left behind is then a mistake of lib/.
  const isCalm = random.chance(0.1);
  const faultRate = isCalm ? 0 : random.pick([0, 0.005, 0.02, 0.06]);
  const faultsEndAt = POSTING + random.between(2, 15) * MINUTE;
  const retentionMs = isCalm ? RETENTION : random.pick([0, 0, RETENTION]);
  // Half of them at about the same time, of one app: they meet in lanes, at destinations, in batches.
  const burst = random.chance(0.5) ? { at: random.between(1, 8) * MINUTE, app: random.below(APPS.length) } : undefined;
  const posted = Array.from({ length: posts }, (_, n) => postsOf(random, n, posts, burst, retentionMs)).flat();
  const scene = isCalm ? [] : sceneOf(random, 2 * posts);
  const tasks = isCrowded ? crowd(random, 2 * posts + MOST_IN_SCENE, isCalm) : [];
  const actions: Action[] = [...scene, ...tasks, ...posted];
  const busyAt = tasks.find(({ kind }) => kind === "post")?.at ?? burst?.at;
  const seen = [...posted, ...tasks.filter((action) => action.kind === "post")];
  const add = (action: Action) => actions.push(action);
  for (let n = random.below(7); n > 0; n -= 1) {
    const { n: of, at: postedAt, app: owner } = random.pick(seen);
    // Soon after, while it waits and runs, or at any time.
    const at = random.chance(0.6) ? postedAt + random.between(0, 90) * SECOND : random.between(0, faultsEndAt);
    const does = random.pick(DOINGS);
    const app = random.chance(0.2) ? random.below(APPS.length) : owner;
    add({ at, kind: "person", app, does, post: of });
  }
  for (let n = random.below(5); n > 0; n -= 1) {
    const mood = random.pick(["well", "failing", "flaky", "slow", "slow", "silent", "busy", "gone"] as const);
    const at = random.chance(0.5) ? 0 : random.between(0, POSTING);
    add({ at, kind: "target", destination: random.below(DESTINATIONS.length), mood });
  }
  for (let n = isCalm ? 0 : random.below(5); n > 0; n -= 1) {
    const kind = random.pick(["kill", "kill", "freeze"] as const);
    add({ at: around(random, busyAt, faultsEndAt), kind, ms: random.between(1, 180) * SECOND });
  }
  if (!isCalm && random.chance(0.4)) {
    const service = random.pick(["dynamodb", "dynamodb", "sqs", "s3", "scheduler"] as const);
    add({ at: around(random, busyAt, POSTING), kind: "outage", service, ms: random.between(5, 300) * SECOND });
  }
  if (random.chance(0.2)) {
    add({ at: around(random, busyAt, POSTING), kind: "empty", queue: random.pick(QUEUES) });
  }
  if (random.chance(0.3)) add(settings(random, burst));
  actions.push(...groupsOf(seed, faultsEndAt));
  actions.push(...scheduleScene(seed));
  const sorted = actions.toSorted((a, b) => a.at - b.at);
  return { seed, actions: withWindows(seed, sorted), faultRate, faultsEndAt, retentionMs };
}

/** Near the burst, or at any time. */
function around(random: Random, at: number | undefined, end: number): number {
  return at !== undefined && random.chance(0.7) ? at + random.between(-5, 60) * SECOND : random.between(0, end);
}

interface Burst {
  readonly at: number;
  readonly app: number;
}

/** Longer than an old message can still come again after its worker died. */
const RETENTION = 45 * MINUTE;

type Post = Action & { readonly kind: "post" };

/** A post, perhaps several times at once, again when the job may have ended, and by another app with its key. */
function postsOf(random: Random, n: number, posts: number, burst: Burst | undefined, retentionMs: number): Post[] {
  const app = burst?.app ?? random.below(APPS.length);
  const at = burst && random.chance(0.8) ? burst.at + random.between(0, 3) * SECOND : random.between(0, POSTING);
  const { body, hasKey, isStored } = request(random, n);
  const post: Post = { at, kind: "post", n, app, body, times: hasKey ? 1 + random.below(3) : 1 };
  if (!hasKey) return [post];
  const isForgotten = random.chance(0.5);
  const again: Post = { ...post, at: at + random.between(0, 10) * MINUTE + (isForgotten ? retentionMs : 0), times: 1 };
  const elsewhere: Post = { ...post, n: n + posts, app: (app + 1) % APPS.length, times: 1 };
  // A job that is not stored is deduplicated by its key for five minutes alone.
  return [post, ...(isStored && random.chance(0.2) ? [again] : []), ...(random.chance(0.1) ? [elsewhere] : [])];
}

export function settings(random: Random, burst: Burst | undefined): Action {
  const destination = random.pick(DESTINATIONS);
  const limits = random.pick([{ maxConcurrency: 1 }, { rateLimitPerSecond: 0.2 }, { maxConcurrency: 2 }]);
  const whole = { rateLimitPerSecond: null, maxConcurrency: null, ...limits, destination };
  const wanted = random.chance(0.4) ? { paused: true } : { destinations: [whole] };
  const app = burst?.app ?? random.below(APPS.length);
  return { at: random.chance(0.5) ? 0 : random.between(0, POSTING), kind: "settings", app, settings: wanted };
}
