import { createHash } from "node:crypto";
import { MINUTE, SECOND } from "../../lib/clock.ts";
import type { Random } from "./random.ts";
import { taskExecution, taskRequest } from "./task-requests.ts";

// The requests of clients. The nth goes to the path /n, so that a receiver can tell them apart.

export const APPS = ["550e8400-e29b-41d4-a716-446655440000", "6fa459ea-ee8a-4ca4-894e-db77e160355e"] as const;
export const DESTINATIONS = ["https://a.example", "https://b.example", "https://c.example"] as const;

/** The time of the last post, in ms from the start. */
export const POSTING = 12 * MINUTE;
export const MOST_RETRIES = 3;

export interface Request {
  readonly body: object;
  readonly hasKey: boolean;
  readonly isStored: boolean;
}

export function request(random: Random, n: number): Request {
  const mode = random.pick(["both", "both", "both", "db", "sqs"] as const);
  const hasKey = random.chance(0.5);
  if (random.chance(0.12)) return { body: taskRequest(random, n, hasKey, POSTING), hasKey, isStored: true };
  const key = hasKey ? { idempotencyKey: `key-${n}` } : {};
  const asked = random.chance(0.2)
    ? { message: { execution: schedule(random, mode, n), metadata: key } }
    : delivery(random, mode, n, key);
  return { body: { mode, ...asked }, hasKey, isStored: mode !== "sqs" };
}

function delivery(random: Random, mode: string, n: number, key: object): object {
  // The lanes of a seed are few, so that several jobs are in one.
  const lane = random.chance(0.3) ? { messageGroupId: `lane-${random.below(2)}` } : {};
  const metadata = {
    ...key,
    ...lane,
    maxRetries: random.below(MOST_RETRIES + 1),
    retry: { baseDelaySeconds: random.pick([1, 5, 60]), maxDelaySeconds: 240, jitter: random.pick([0, 0.5]) },
  };
  const follow = mode === "sqs" ? {} : followUps(random, n);
  return { message: { ...webhook(random, `/${n}`, anySize(random, n)), metadata }, ...follow };
}

/** A job to a destination, perhaps with a `webhook-id` header of the client's own, which the service must replace. */
export function webhook(random: Random, path: string, body: string) {
  const headers = random.chance(0.2) ? { "Webhook-Id": "own" } : {};
  return {
    lambdaProxyMessage: { body, path, httpMethod: "POST", headers },
    execution: {
      type: "rest-api",
      baseUrl: random.pick(DESTINATIONS),
      timeoutSeconds: random.pick([1, 10, 30]),
    },
  };
}

/** Some are too large for their job's item, a few for the table. */
function anySize(random: Random, n: number): string {
  const size = random.next();
  if (size < 0.01) return hugeNoise(random);
  return size < 0.2 ? noise(random, 1_500) : `{"n":${n}}`;
}

/** Over 256 KB when compressed. */
function hugeNoise(random: Random): string {
  const start = random.next();
  const line = (n: number) => createHash("sha512").update(`${start} ${n}`).digest("base64");
  return Array.from({ length: 4_500 }, (_, n) => line(n)).join("");
}

/** Text that can't be compressed much. */
export function noise(random: Random, length: number): string {
  return Array.from({ length }, () => random.below(36).toString(36)).join("");
}

export function schedule(random: Random, mode: string, n: number): object {
  // Every run goes there, so that the path is not one job's.
  const path = `/schedules/${n}`;
  const body = random.chance(0.2) ? noise(random, 1_500) : `{"n":${n}}`;
  const key = random.chance(0.4) ? { idempotencyKey: `run-${n}` } : {};
  const target =
    mode !== "sqs" && random.chance(0.15) ? { execution: taskExecution(random) } : webhook(random, path, body);
  const targetJob = { ...target, metadata: { ...key, maxRetries: random.below(3) } };
  const at = offset(random.between(POSTING, POSTING + 10 * MINUTE));
  const once = random.pick([{ scheduledAt: at }, { scheduleExpression: `at(${at})` }]);
  const recurring = { scheduleExpression: random.pick(["rate(2 minutes)", "rate(3 minutes)"]) };
  const onTheHour = {
    scheduleExpression: random.pick(["cron(0/2 * * * ? *)", "cron(0/4 * * * ? *)"]),
    scheduleExpressionTimezone: random.pick(["UTC", "Asia/Kolkata"]),
  };
  const until = random.pick([
    { maxRuns: 1 + random.below(3) },
    { endsAt: offset(POSTING + random.between(4, 9) * MINUTE) },
    { maxRuns: 3, endsAt: offset(POSTING + random.between(4, 9) * MINUTE) },
  ]);
  const when =
    mode === "sqs" ? once : random.pick([once, once, { ...recurring, ...until }, { ...onTheHour, ...until }]);
  return { type: "schedule", ...when, targetJob };
}

function followUps(random: Random, n: number): object {
  const onComplete = { url: `${random.pick(DESTINATIONS)}/done` };
  const work = () => (random.chance(0.2) ? { execution: taskExecution(random) } : webhook(random, `/after/${n}`, "{}"));
  const next = () => ({ message: { ...work(), metadata: { maxRetries: 1 } } });
  return {
    ...(random.chance(0.2) && { onComplete }),
    ...(random.chance(0.15) && { onSuccess: next() }),
    ...(random.chance(0.15) && { onFailure: next() }),
  };
}

/** A placeholder for a time, since plans know no dates. */
function offset(at: number): string {
  return `+${Math.round(at / SECOND) * SECOND}`;
}
