import { expect, test } from "vitest";
import { DAY, HOUR, MINUTE, SECOND } from "../../lib/clock.ts";
import { retryAfterMs } from "../../lib/outbound/retry-after.ts";
import { HEAD_START, nextAttempt, type Mode, type WaitingJob, type RunningJob } from "../../lib/job/job.ts";
import { backoffDelay } from "../../lib/job/backoff.ts";
import { after } from "../../lib/job/move.ts";
import { claim, end, expire, becomeDue, type Ending } from "../../lib/job/moves.ts";
import type { Metadata } from "../../lib/job/message.ts";
import { accept } from "../../lib/job/accept.ts";
import type { Outcome } from "../../lib/job/attempt.ts";

const NOW = Date.parse("2026-01-01T12:00:00Z");
const payload = { at: "inline", bytes: new Uint8Array() } as const;

const TERMS = { destination: "https://a.example", timeoutMs: 30_000 };

function accepted(metadata: Metadata = {}, mode: Mode = "both"): WaitingJob {
  const message = { execution: { type: "rest-api" }, metadata };
  return accept({ appId: "app", mode, message }, TERMS, payload, NOW, "id");
}

function running(metadata: Metadata = {}, attempts = 1): RunningJob {
  const job = { ...accepted(metadata), attempts: attempts - 1 };
  return after(job, claim(nextAttempt(job), NOW, NOW + 45 * SECOND));
}

function ending(outcome: Outcome): Ending {
  return { outcome, now: NOW, durationMs: 5, chance: 0, retention: 0 };
}

const failed: Outcome = { kind: "retry", error: "HTTP 500", httpStatus: 500 };

test("the ten delays are those of the specification, in minutes", () => {
  const delays = Array.from({ length: 10 }, (_, n) => backoffDelay(n + 1) / MINUTE);
  expect(delays).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
});

test("a delay never passes 24 hours", () => {
  expect(backoffDelay(11)).toBe(17 * HOUR + 4 * MINUTE);
  expect(backoffDelay(12)).toBe(DAY);
  expect(backoffDelay(50)).toBe(DAY);
});

test("a job's own policy sets base, maximum and jitter", () => {
  const policy = { baseDelaySeconds: 10, maxDelaySeconds: 35, jitter: 0.5 };
  expect([1, 2, 3].map((n) => backoffDelay(n, policy) / SECOND)).toEqual([10, 20, 35]);
  expect(backoffDelay(1, policy, 0.999)).toBeGreaterThanOrEqual(5 * SECOND);
  expect(backoffDelay(1, policy, 0.999)).toBeLessThan(5.1 * SECOND);
});

test.each<[readonly string[] | undefined, number | undefined]>([
  [["120"], 2 * MINUTE],
  [["120.9"], 121 * SECOND],
  [["120.0"], 2 * MINUTE],
  [["120", "120"], 2 * MINUTE],
  [["300, 600"], 10 * MINUTE],
  [["600, 300"], 10 * MINUTE],
  [["60", "300"], 5 * MINUTE],
  [["Thu, 01 Jan 2026 12:05:00 GMT"], 5 * MINUTE],
  [["Thursday, 01-Jan-26 12:05:00 GMT"], 5 * MINUTE],
  [["60, Thu, 01 Jan 2026 12:05:00 GMT"], 5 * MINUTE],
  [["Thu, 01 Jan 2026 12:05:00 GMT, Thu, 01 Jan 2026 12:10:00 GMT, 60"], 10 * MINUTE],
  [["Thu, 01 Jan 2026 11:00:00 GMT"], 0],
  [["99999999"], DAY],
  // A time since 1970 in seconds or milliseconds.
  [[String((NOW + 5 * MINUTE) / SECOND)], 5 * MINUTE],
  [[String(NOW + 5 * MINUTE)], 5 * MINUTE],
  [[String((NOW - MINUTE) / SECOND)], 0],
  [["9".repeat(400)], DAY],
  [["soon, 60"], MINUTE],
  [["soon"], undefined],
  [["-5"], undefined],
  [["1e3"], undefined],
  [["12 monkeys"], undefined],
  [["120 s"], undefined],
  [[""], undefined],
  [[","], undefined],
  [undefined, undefined],
])(
  "Retry-After %j is read as seconds or dates, the latest, at most a day, and ignored if it is neither",
  (values, ms) => {
    expect(retryAfterMs(values, NOW / SECOND)).toBe(ms);
  },
);

test("Retry-After counts only when it is later than the backoff", () => {
  const later = end(running(), ending({ ...failed, kind: "retry", retryAfterMs: HOUR }));
  expect(later.set.startAt).toBe(NOW + HOUR);
  const sooner = end(running(), ending({ ...failed, kind: "retry", retryAfterMs: 5 * SECOND }));
  expect(sooner.set.startAt).toBe(NOW + MINUTE);
});

test("a job handed to a queue is due five minutes after it should start; one in mode db now", () => {
  expect(accepted({}, "both").dueAt).toBe(NOW + HEAD_START);
  expect(accepted({}, "db").dueAt).toBe(NOW);
});

test("a retry within 15 minutes travels in the queue, a later one waits for the sweep", () => {
  const fourth = after(running(), end({ ...running(), retryCount: 3 }, ending(failed)));
  expect(fourth).toMatchObject({ status: "RETRYING", retryCount: 4, startAt: NOW + 8 * MINUTE });
  expect(fourth.dueAt).toBe(NOW + 8 * MINUTE + HEAD_START);
  const fifth = after(running(), end({ ...running(), retryCount: 4 }, ending(failed)));
  expect(fifth.startAt).toBe(NOW + 16 * MINUTE);
  expect(fifth.dueAt).toBe(NOW + 16 * MINUTE);
});

test("a retry in a lane always waits for the sweep, for a FIFO queue takes no delay", () => {
  const job = running({ messageGroupId: "orders" });
  expect(job.lane).toBe("orders");
  expect(end(job, ending(failed)).set.dueAt).toBe(NOW + MINUTE);
});

test("a message group that is just the execution type asks for no order", () => {
  expect(accepted({ messageGroupId: "rest-api" }).lane).toBeUndefined();
});

test("the last retry's failure makes a job DEAD, and nothing is due any more", () => {
  const dead = after(running(), end({ ...running(), retryCount: 10 }, ending(failed)));
  expect(dead).toMatchObject({ status: "DEAD", lastError: "HTTP 500" });
  expect(dead.dueAt).toBeUndefined();
  expect(dead.leaseUntil).toBeUndefined();
});

test("what would not help again makes a job FAILED, or DEAD when no retry is left", () => {
  const rejected: Outcome = { kind: "rejected", error: "blocked" };
  expect(end(running(), ending(rejected)).to).toBe("FAILED");
  expect(end(running({ maxRetries: 0 }), ending(rejected)).to).toBe("DEAD");
});

test("a success keeps its duration and HTTP status and is due no more", () => {
  const done = after(running(), end(running(), ending({ kind: "succeeded", httpStatus: 204 })));
  expect(done).toMatchObject({ status: "SUCCEEDED", success: { durationMs: 5, httpStatus: 204 } });
  expect(done.dueAt).toBeUndefined();
});

test("whoever ends an attempt names it", () => {
  for (const outcome of [failed, { kind: "succeeded" }, { kind: "rejected", error: "no" }] as Outcome[]) {
    const move = end(running({}, 3), ending(outcome));
    expect(move.from).toEqual(["RUNNING"]);
    expect(move.when).toContainEqual(["attempts", "=", 3]);
  }
});

test("only an attempt whose lease is over can be expired, and that uses up a retry", () => {
  const move = expire(running(), { now: NOW + MINUTE, chance: 0, retention: 0 });
  expect(move.when).toContainEqual(["leaseUntil", "<=", NOW + MINUTE]);
  expect(after(running(), move)).toMatchObject({ status: "RETRYING", retryCount: 1 });
});

test("a claim names the attempt before it and waits for the start time", () => {
  const job = accepted();
  const move = claim(nextAttempt(job), NOW, NOW + MINUTE);
  expect(move.from).toEqual(["PENDING", "RETRYING"]);
  expect(move.when).toEqual([
    ["attempts", "=", 0],
    ["startAt", "<=", NOW + 999],
    ["slots", "absent"],
  ]);
  expect(after(job, move)).toMatchObject({ status: "RUNNING", attempts: 1, leaseUntil: NOW + MINUTE });
});

test("putting a job off leaves its status and is fenced on what was seen", () => {
  const job = accepted();
  const move = becomeDue(job, NOW + HOUR);
  expect(move.to).toBe("PENDING");
  expect(move.when).toContainEqual(["dueAt", "=", NOW + HEAD_START]);
});

test("retention sets the expiry of a finished job; by default there is none", () => {
  expect(end(running(), ending({ kind: "succeeded" })).set.expiresAt).toBeUndefined();
  const kept = end(running(), { ...ending({ kind: "succeeded" }), retention: 7 * DAY });
  expect(kept.set.expiresAt).toBe(NOW + 7 * DAY);
});

test("an idempotency key gives one id per app", () => {
  const one = accepted({ idempotencyKey: "k" });
  expect(accepted({ idempotencyKey: "k" }).id).toBe(one.id);
  expect(accepted({ idempotencyKey: "l" }).id).not.toBe(one.id);
  expect(accepted().id).toBe("id");
  expect(one.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
