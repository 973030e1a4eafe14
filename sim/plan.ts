import { createHash } from "node:crypto";
import { MINUTE, SECOND } from "../lib/clock.ts";
import type { Service } from "./models/faults.ts";
import { createRandom, type Random } from "./random.ts";

// What a seed has happen: who asks for what and when, and what goes wrong. Plain data, so that it can be shrunk.

export interface Plan {
  readonly seed: string;
  readonly actions: readonly Action[];
  /** How often a call of a service goes wrong, until faults end. */
  readonly faultRate: number;
  /** After this, nothing goes wrong any more, and everything has to end. In ms from the start. */
  readonly faultsEndAt: number;
}

export type Action = { readonly at: number } & (
  | { readonly kind: "post"; readonly n: number; readonly app: number; readonly body: object; readonly times: number }
  /** What a person does to the job that the nth post made. */
  | { readonly kind: "person"; readonly does: PersonDoes; readonly post: number }
  | { readonly kind: "settings"; readonly app: number; readonly settings: object }
  | { readonly kind: "target"; readonly destination: number; readonly mood: Mood }
  /** A process dies, or stands still. */
  | { readonly kind: "kill" | "freeze"; readonly ms: number }
  | { readonly kind: "outage"; readonly service: Service; readonly ms: number }
  /** A queue forgets what it holds. */
  | { readonly kind: "empty"; readonly queue: string }
);

export type PersonDoes = "cancel" | "deadletter" | "retry" | "delete";

/** How a target behaves. `gone` answers 410, `silent` never answers. */
export type Mood = "well" | "failing" | "flaky" | "slow" | "silent" | "busy" | "gone";

export const APPS = ["550e8400-e29b-41d4-a716-446655440000", "6fa459ea-ee8a-4ca4-894e-db77e160355e"] as const;
export const DESTINATIONS = ["https://a.example", "https://b.example", "https://c.example"] as const;
export const QUEUES = ["JobsFairQueue", "JobsMainQueue"] as const;

const POSTING = 12 * MINUTE;
export const MOST_RETRIES = 3;

export function planOf(seed: string): Plan {
  const random = createRandom(`${seed}/plan`);
  const posts = 3 + random.below(8);
  const faultRate = random.pick([0, 0.005, 0.02, 0.06]);
  const faultsEndAt = POSTING + random.between(2, 15) * MINUTE;
  // Half of them at about the same time, and of one app: they meet in lanes, at destinations, in batches.
  const burst = random.chance(0.5) ? { at: random.between(1, 8) * MINUTE, app: random.below(APPS.length) } : undefined;
  const actions: Action[] = [];
  const add = (action: Action) => actions.push(action);
  const posted = Array.from({ length: posts }, (_, n) => post(random, n, burst));
  if (random.chance(0.06)) for (const action of outageOf(random, posts)) add(action);
  for (const each of posted) add(each);
  for (let n = random.below(6); n > 0; n -= 1) {
    const { n: of, at: postedAt } = random.pick(posted);
    // Soon after, while it waits and runs, or whenever.
    const at = random.chance(0.6) ? postedAt + random.between(0, 90) * SECOND : random.between(0, faultsEndAt);
    const does = random.pick(["cancel", "cancel", "deadletter", "retry", "retry", "delete"] as const);
    add({ at, kind: "person", does, post: of });
  }
  for (let n = random.below(5); n > 0; n -= 1) {
    const mood = random.pick(["well", "failing", "flaky", "slow", "slow", "silent", "busy", "gone"] as const);
    const at = random.chance(0.5) ? 0 : random.between(0, POSTING);
    add({ at, kind: "target", destination: random.below(DESTINATIONS.length), mood });
  }
  for (let n = random.below(5); n > 0; n -= 1) {
    const kind = random.pick(["kill", "kill", "freeze"] as const);
    add({ at: around(random, burst?.at, faultsEndAt), kind, ms: random.between(1, 180) * SECOND });
  }
  if (random.chance(0.4)) {
    const service = random.pick(["dynamodb", "dynamodb", "sqs", "s3", "scheduler"] as const);
    add({ at: around(random, burst?.at, POSTING), kind: "outage", service, ms: random.between(5, 300) * SECOND });
  }
  if (random.chance(0.2)) {
    add({ at: around(random, burst?.at, POSTING), kind: "empty", queue: random.pick(QUEUES) });
  }
  if (random.chance(0.3)) add(settings(random, burst));
  return { seed, actions: actions.toSorted((a, b) => a.at - b.at), faultRate, faultsEndAt };
}

/** A target that is down while more jobs come for it than it takes to open its circuit, and up again later. */
function outageOf(random: Random, from: number): Action[] {
  const at = random.between(0, 3) * MINUTE;
  const app = random.below(APPS.length);
  const execution = { type: "rest-api", baseUrl: DESTINATIONS[0], timeoutSeconds: 10 };
  const jobs = Array.from({ length: 24 + random.below(12) }, (_, n): Action => {
    const metadata = { maxRetries: random.below(3), retry: { baseDelaySeconds: 5, maxDelaySeconds: 60, jitter: 0 } };
    const message = { lambdaProxyMessage: { body: "{}", path: "/down", httpMethod: "POST" }, execution, metadata };
    const body = { mode: "both", message };
    return { at: at + random.between(0, 150) * SECOND, kind: "post", n: from + n, app, body, times: 1 };
  });
  const isUpAt = at + random.between(3, 9) * MINUTE;
  return [
    { at, kind: "target", destination: 0, mood: "failing" },
    ...jobs,
    { at: isUpAt, kind: "target", destination: 0, mood: random.pick(["well", "well", "gone"]) },
  ];
}

/** While most happens, or whenever. */
function around(random: Random, at: number | undefined, end: number): number {
  return at !== undefined && random.chance(0.7) ? at + random.between(-5, 60) * SECOND : random.between(0, end);
}

interface Burst {
  readonly at: number;
  readonly app: number;
}

function post(random: Random, n: number, burst: Burst | undefined): Action & { readonly kind: "post" } {
  const mode = random.pick(["both", "both", "both", "db", "sqs"] as const);
  const app = burst?.app ?? random.below(APPS.length);
  const at = burst && random.chance(0.8) ? burst.at + random.between(0, 3) * SECOND : random.between(0, POSTING);
  const isSchedule = random.chance(0.15);
  const hasKey = random.chance(0.5);
  // The lanes of a seed are few, so that several jobs are in one.
  const lane = !isSchedule && random.chance(0.3) ? `lane-${random.below(2)}` : undefined;
  const metadata = {
    ...(hasKey && { idempotencyKey: `key-${n}` }),
    ...(lane !== undefined && { messageGroupId: lane }),
    maxRetries: random.below(MOST_RETRIES + 1),
    retry: { baseDelaySeconds: random.pick([1, 5, 60]), maxDelaySeconds: 240, jitter: random.pick([0, 0.5]) },
  };
  const follow = mode === "sqs" ? {} : followUps(random);
  const message = isSchedule
    ? { execution: schedule(random, mode), metadata: hasKey ? { idempotencyKey: `key-${n}` } : {} }
    : { ...webhook(random, n), metadata };
  return {
    at,
    kind: "post",
    n,
    app,
    body: { mode, message, ...(isSchedule ? {} : follow) },
    times: hasKey ? 1 + random.below(3) : 1,
  };
}

function webhook(random: Random, n: number) {
  // Some too large for their job's item, a few for the table.
  const size = random.next();
  const body = size < 0.02 ? hugeNoise(random) : size < 0.2 ? noise(random, 1_500) : `{"n":${n}}`;
  return {
    lambdaProxyMessage: { body, path: `/${n}`, httpMethod: "POST" },
    execution: {
      type: "rest-api",
      baseUrl: random.pick(DESTINATIONS),
      timeoutSeconds: random.pick([1, 10, 30]),
    },
  };
}

/** Over 256 KB when compressed. */
function hugeNoise(random: Random): string {
  const start = random.next();
  return Array.from({ length: 6_000 }, (_, n) => createHash("sha256").update(`${start} ${n}`).digest("base64")).join(
    "",
  );
}

function noise(random: Random, length: number): string {
  return Array.from({ length }, () => random.below(36).toString(36)).join("");
}

function schedule(random: Random, mode: string) {
  const targetJob = { ...webhook(random, 99), metadata: { maxRetries: random.below(3) } };
  const at = random.between(POSTING, POSTING + 10 * MINUTE);
  if (mode === "sqs" || random.chance(0.5)) return { type: "schedule", scheduledAt: offset(at), targetJob };
  return { type: "schedule", scheduleExpression: "rate(2 minutes)", maxRuns: 1 + random.below(3), targetJob };
}

function followUps(random: Random): object {
  const onComplete = { url: `${random.pick(DESTINATIONS)}/done` };
  const next = () => ({ message: { ...webhook(random, 77), metadata: { maxRetries: 1 } } });
  return {
    ...(random.chance(0.2) && { onComplete }),
    ...(random.chance(0.15) && { onSuccess: next() }),
    ...(random.chance(0.15) && { onFailure: next() }),
  };
}

function settings(random: Random, burst: Burst | undefined): Action {
  const destination = random.pick(DESTINATIONS);
  const limits = random.pick([{ maxConcurrency: 1 }, { rateLimitPerSecond: 0.2 }, { maxConcurrency: 2 }]);
  const whole = { rateLimitPerSecond: null, maxConcurrency: null, ...limits, destination };
  const wanted = random.chance(0.4) ? { paused: true } : { destinations: [whole] };
  const app = burst?.app ?? random.below(APPS.length);
  return { at: random.chance(0.5) ? 0 : random.between(0, POSTING), kind: "settings", app, settings: wanted };
}

/** A time that the world puts in place of this: plans know no dates. */
function offset(at: number): string {
  return `+${Math.round(at)}`;
}
