// Over 300 lines: every move of one state machine.

import { expect, test } from "vitest";
import { DAY, HOUR, MINUTE, SECOND, iso } from "../../lib/clock.ts";
import {
  hasAttachments,
  isUnsettled,
  nextAttempt,
  nextRunOf,
  owed,
  rankOf,
  travels,
  type WaitingJob,
  type RunningJob,
  type EndedJob,
} from "../../lib/job/job.ts";
import { after } from "../../lib/job/move.ts";
import {
  becomeDue,
  claim,
  defer,
  take,
  end,
  expire,
  fire,
  lapse,
  resume,
  retry,
  settleEnd,
  stop,
  type Ending,
} from "../../lib/job/moves.ts";
import { STATUSES } from "../../lib/job/status.ts";
import type { Message } from "../../lib/job/message.ts";
import { accept, type NewJob } from "../../lib/job/accept.ts";
import type { Outcome } from "../../lib/job/attempt.ts";

const NOW = Date.parse("2026-01-01T12:00:00Z");
const payload = { at: "inline", bytes: new Uint8Array() } as const;
const TERMS = { destination: "https://a.example", timeoutMs: 30_000 };
const LEASE = 45 * SECOND;

const callback = { url: "https://a.example/done", headers: {}, on: ["SUCCEEDED", "CANCELLED"] } as const;
const follower = { message: { execution: { type: "rest-api" }, metadata: {} } };

function accepted(message: Partial<Message> = {}, request: Partial<NewJob> = {}): WaitingJob {
  const whole = { execution: { type: "rest-api" }, metadata: {}, ...message };
  return accept({ appId: "app", mode: "both", message: whole, ...request }, TERMS, payload, NOW, "id");
}

function running(message: Partial<Message> = {}): RunningJob {
  const job = accepted(message);
  return after(job, claim(nextAttempt(job), NOW, NOW + LEASE));
}

function ending(outcome: Outcome, given: Partial<Ending> = {}): Ending {
  return { outcome, now: NOW, durationMs: 5, chance: 0, retention: 0, ...given };
}

const LATER = NOW + HOUR;
const succeeded: Outcome = { kind: "succeeded", httpStatus: 200 };
const failed: Outcome = { kind: "retry", error: "HTTP 500" };
const rejected: Outcome = { kind: "rejected", error: "HTTP 400" };

test("an accepted job is this and no more", () => {
  expect(accepted()).toEqual({
    id: "id",
    appId: "app",
    executionType: "rest-api",
    destination: "https://a.example",
    status: "PENDING",
    payload,
    createdAt: NOW,
    updatedAt: NOW,
    startAt: NOW,
    dueAt: NOW + 5 * MINUTE,
    attempts: 0,
    retryCount: 0,
    maxRetries: 10,
    timeoutMs: 30_000,
  });
});

test("an accepted job keeps what the caller asked for", () => {
  const policy = { baseDelaySeconds: 5, maxDelaySeconds: 50, jitter: 0.1 };
  const metadata = { messageGroupId: "orders", idempotencyKey: "k", maxRetries: 0, retry: policy };
  const message = { metadata, onComplete: callback, onSuccess: follower, onFailure: follower };
  expect(accepted(message, { parentJobId: "parent" })).toMatchObject({
    maxRetries: 0,
    retry: policy,
    lane: "orders",
    idempotencyKey: "k",
    parentJobId: "parent",
    owes: { onComplete: ["SUCCEEDED", "CANCELLED"], onSuccess: ["SUCCEEDED"], onFailure: ["FAILED", "DEAD"] },
  });
  expect(accepted({ metadata }, { mode: "sqs" })).not.toHaveProperty("lane");
});

test("a task keeps who asked for it, and when, where and how urgently", () => {
  const request = { userId: "ann", dialect: "pdf", pdf: { inputType: "html" }, startAt: LATER } as const;
  const asked = { appId: "app", mode: "both", message: { execution: { type: "task" }, metadata: {} } } as const;
  const task = accept({ ...asked, ...request }, { ...TERMS, priority: 3 }, payload, NOW, "id");
  expect(task).toMatchObject({ ...request, scheduledAt: LATER, priority: 3 });
  const plain = accept(asked, { ...TERMS, priority: 0 }, payload, NOW, "id");
  for (const field of ["userId", "dialect", "pdf", "scheduledAt", "priority"]) expect(plain).not.toHaveProperty(field);
});

test("tasks stand in line by their priority, then by their age", () => {
  const at = (priority: number | undefined, createdAt: number) =>
    rankOf({ ...accepted(), id: "id", createdAt, ...(priority !== undefined && { priority }) });
  expect(at(3, 7)).toBe("07#000000000000007#id");
  expect([at(0, 9), at(10, 8), at(undefined, 8), at(2, 1)].toSorted()).toEqual([
    at(10, 8),
    at(2, 1),
    at(undefined, 8),
    at(0, 9),
  ]);
  expect(at(undefined, 1)).toBe(at(0, 1));
});

test("a claim that takes a slot is due when its lease is over, and starts its progress anew", () => {
  const ref = nextAttempt(accepted());
  expect(claim(ref, NOW, LATER, 5)).toMatchObject({
    set: { leaseUntil: LATER, dueAt: LATER },
    remove: ["turn", "waitsSince", "waitsFor", "progress"],
    slot: { of: 5 },
  });
  const without = claim(ref, NOW, LATER);
  expect(without).toMatchObject({ remove: ["turn", "waitsSince", "waitsFor"] });
  expect(without.set).not.toHaveProperty("dueAt");
  expect(without).not.toHaveProperty("slot");
});

test("an attempt gives back the slot that it has, and a quick job has none", () => {
  const task = { ...running(), executionType: "task" };
  expect(end(task, ending(succeeded))).toHaveProperty("slot", "back");
  expect(end({ ...task, quick: true }, ending(succeeded))).not.toHaveProperty("slot");
  expect(end(running(), ending(succeeded))).not.toHaveProperty("slot");
});

test("a schedule that runs once leaves EventBridge a head start; a recurring one is the sweep's from its first run", () => {
  const schedule = { execution: { type: "schedule" }, metadata: { messageGroupId: "orders" } };
  const asked = { appId: "app", mode: "db", message: schedule } as const;
  const once = accept(asked, { ...TERMS, startAt: LATER }, payload, NOW, "id");
  expect(once).toMatchObject({ startAt: LATER, dueAt: LATER + 5 * MINUTE });
  expect(once).not.toHaveProperty("recurring");
  expect(once).not.toHaveProperty("lane");
  const often = accept(asked, { ...TERMS, startAt: LATER, recurring: true }, payload, NOW, "id");
  expect(often).toMatchObject({ startAt: LATER, dueAt: LATER, recurring: true });
});

test("the next attempt is named with all that a queue and flow control need", () => {
  const job = { ...accepted(), attempts: 2 };
  const ref = { id: "id", appId: "app", destination: "https://a.example", timeoutMs: 30_000, attempt: 3 };
  expect(nextAttempt(job)).toEqual(ref);
  expect(nextAttempt({ ...job, lane: "orders", turn: { at: LATER, step: 1 } })).toEqual({
    ...ref,
    ordered: true,
    turn: { at: LATER, step: 1 },
  });
});

test("the next run is the one after the last", () => {
  expect(nextRunOf(accepted())).toEqual({ id: "id", run: 1 });
  expect(nextRunOf({ ...accepted(), runs: 4 })).toEqual({ id: "id", run: 5 });
});

test("a wait of 15 minutes travels in the queue, a longer one or one of a lane does not", () => {
  expect(travels(accepted(), 15 * MINUTE)).toBe(true);
  expect(travels(accepted(), 15 * MINUTE + 1)).toBe(false);
  expect(travels({ ...accepted(), lane: "orders" }, 0)).toBe(false);
});

test("parts hang on a job with a payload beside it, or with an attempt that did not succeed", () => {
  const job = { ...accepted(), attempts: 1 };
  expect(hasAttachments(job, "SUCCEEDED")).toBe(false);
  expect(hasAttachments(job, "DEAD")).toBe(true);
  expect(hasAttachments({ ...job, attempts: 2 }, "SUCCEEDED")).toBe(true);
  expect(hasAttachments({ ...job, attempts: 0 }, "CANCELLED")).toBe(false);
  expect(hasAttachments({ ...job, payload: { at: "item", hash: "h" } }, "SUCCEEDED")).toBe(true);
  expect(hasAttachments({ ...job, payload: { at: "s3", hash: "h" } }, "SUCCEEDED")).toBe(false);
});

test("only a finished job that is still due owes its follow-ups, those of its own end", () => {
  const job = accepted({ onComplete: callback, onFailure: follower });
  expect(owed(job)).toEqual([]);
  expect(owed({ ...job, status: "SUCCEEDED", success: { durationMs: 1 } })).toEqual(["onComplete"]);
  expect(owed({ ...job, status: "DEAD" })).toEqual(["onFailure"]);
  const { dueAt: _, ...settled } = { ...job, status: "DEAD" } as const;
  expect(isUnsettled(settled)).toBe(false);
  expect(owed(settled)).toEqual([]);
});

test("a claim sets the attempt, its start and its lease, and uses up the turn", () => {
  expect(claim(nextAttempt(accepted()), NOW, NOW + LEASE)).toEqual({
    from: ["PENDING", "RETRYING"],
    to: "RUNNING",
    when: [
      ["attempts", "=", 0],
      ["startAt", "<=", NOW + 999],
      ["slots", "absent"],
    ],
    set: { attempts: 1, startedAt: NOW, updatedAt: NOW, leaseUntil: NOW + LEASE },
    remove: ["turn", "waitsSince", "waitsFor"],
  });
});

test("a success ends whatever a person has wished", () => {
  for (const stopAs of [undefined, "CANCELLED"] as const) {
    const job = { ...running(), ...(stopAs && { stopAs, stopRequestedAt: NOW }) };
    expect(end(job, ending(succeeded, { now: LATER }))).toEqual({
      from: ["RUNNING"],
      to: "SUCCEEDED",
      when: [["attempts", "=", 1]],
      set: { updatedAt: LATER, success: { durationMs: 5, httpStatus: 200 } },
      remove: ["dueAt", "leaseUntil", "stopAs", "stopRequestedAt"],
    });
  }
});

test("a failure gives way to a person's wish, and is fenced on it", () => {
  const job: RunningJob = { ...running(), stopAs: "CANCELLED", stopRequestedAt: NOW };
  expect(end(job, ending(failed))).toEqual({
    from: ["RUNNING"],
    to: "CANCELLED",
    when: [
      ["attempts", "=", 1],
      ["stopAs", "=", "CANCELLED"],
    ],
    set: { updatedAt: NOW, lastError: "HTTP 500" },
    remove: ["dueAt", "leaseUntil", "stopAs", "stopRequestedAt"],
  });
});

test("a failure with retries left is retried, fenced on nobody's having asked to stop", () => {
  expect(end(running(), ending(failed))).toEqual({
    from: ["RUNNING"],
    to: "RETRYING",
    when: [
      ["attempts", "=", 1],
      ["stopAs", "absent"],
    ],
    set: {
      retryCount: 1,
      startAt: NOW + MINUTE,
      dueAt: NOW + 6 * MINUTE,
      lastError: "HTTP 500",
      updatedAt: NOW,
    },
    remove: ["leaseUntil"],
  });
});

test("an attempt that found no room uses up no retry, and comes again ever later", () => {
  const noRoom: Outcome = { kind: "retry", error: "no room", isOurs: true, isUncounted: true };
  const waits: number[] = [];
  let job = running({ metadata: { maxRetries: 0 } });
  for (let number = 1; number <= 8; number += 1) {
    const move = end(job, ending(noRoom));
    expect(move).toMatchObject({ to: "RETRYING", set: { retryCount: 0, lastError: "no room" } });
    waits.push(((move.set.startAt ?? 0) - NOW) / SECOND);
    const waiting = after(job, move);
    job = after(waiting, claim(nextAttempt(waiting as WaitingJob), NOW, NOW + LEASE));
    expect(job.attempts).toBe(number + 1);
  }
  expect(waits).toEqual([10, 20, 40, 80, 160, 300, 300, 300]);
  expect(end(job, ending(failed)).to).toBe("DEAD");
  expect(end({ ...job, stopAs: "CANCELLED" }, ending(noRoom)).to).toBe("CANCELLED");
  const chance = end(running(), ending(noRoom, { chance: 1 }));
  expect(chance.set.startAt).toBe(NOW + 5 * SECOND);
});

test("the job's own number of retries is kept to exactly", () => {
  const job = running({ metadata: { maxRetries: 2 } });
  const ends = [1, 2, 3].map((retryCount) => [
    end({ ...job, retryCount }, ending(failed)).to,
    end({ ...job, retryCount }, ending(rejected)).to,
  ]);
  expect(ends).toEqual([
    ["RETRYING", "FAILED"],
    ["DEAD", "DEAD"],
    ["DEAD", "DEAD"],
  ]);
  expect(end(running(), ending(rejected)).set.lastError).toBe("HTTP 400");
});

test("chance shortens a retry's wait by the job's jitter, and Retry-After lengthens it to a day at most", () => {
  const job = running({ metadata: { retry: { baseDelaySeconds: 100, maxDelaySeconds: 1_000, jitter: 0.5 } } });
  expect(end({ ...job, retryCount: 1 }, ending(failed, { chance: 0.5 })).set.startAt).toBe(NOW + 150 * SECOND);
  const asked = end(job, ending({ kind: "retry", error: "HTTP 503", retryAfterMs: 3 * DAY }));
  expect(asked.set.startAt).toBe(NOW + DAY);
});

test("a job that may not start later is claimed by then, not retried after it, and ends there if it waits", () => {
  const metadata = { notAfter: iso(NOW + 90 * SECOND), maxRetries: 3 };
  const job = accepted({ metadata, onFailure: follower });
  expect(claim(nextAttempt(job), NOW, LATER).when).toContainEqual(["notAfter", ">=", NOW]);
  const first = running({ metadata });
  expect(end(first, ending(failed)).to).toBe("RETRYING");
  const late = end(first, ending(failed, { now: NOW + 31 * SECOND }));
  expect(late).toMatchObject({ to: "FAILED", set: { lastError: "HTTP 500", reason: "expired" } });
  expect(late.set).not.toHaveProperty("retryCount");
  expect(lapse(job, LATER, DAY)).toMatchObject({
    from: ["PENDING", "RETRYING"],
    to: "FAILED",
    when: [
      ["attempts", "=", 0],
      ["slots", "absent"],
      ["endings", "absent"],
      ["notAfter", "<", LATER],
    ],
    set: { reason: "expired", updatedAt: LATER, endings: 1, dueAt: LATER + MINUTE },
  });
  expect(lapse({ ...job, lastError: "HTTP 500" }, LATER, DAY).set.lastError).toBe("HTTP 500");
});

test("a delay is counted from the acceptance, and a lane's job is the sweep's until it is due", () => {
  const metadata = { delaySeconds: 60 };
  expect(accepted({ metadata })).toMatchObject({
    startAt: NOW + MINUTE,
    scheduledAt: NOW + MINUTE,
    dueAt: NOW + 6 * MINUTE,
  });
  const later = { metadata: { notBefore: iso(LATER) } };
  expect(accepted(later)).toMatchObject({ startAt: LATER, dueAt: LATER });
  expect(accepted({ metadata: { ...metadata, messageGroupId: "orders" } }).dueAt).toBe(NOW + MINUTE);
  const past = accepted({ metadata: { notBefore: iso(NOW - DAY) } });
  expect(past).toMatchObject({ startAt: NOW, dueAt: NOW + 5 * MINUTE });
});

test("a lost attempt ends its job as a failure does, once its lease is over", () => {
  const move = expire(running(), { now: LATER, chance: 0, retention: 0 });
  expect(move.when).toEqual([
    ["attempts", "=", 1],
    ["stopAs", "absent"],
    ["leaseUntil", "<=", LATER],
  ]);
  expect(move.to).toBe("RETRYING");
  expect(move.set.lastError).toContain("lost");
  expect(expire({ ...running(), retryCount: 10 }, { now: LATER, chance: 0, retention: 0 }).to).toBe("DEAD");
});

test("a carried job goes on at once after an attempt of which nothing is known, without retries too", () => {
  const resumed = resume(running(), LATER);
  expect(resumed).toMatchObject({ to: "RETRYING", set: { retryCount: 1, startAt: LATER, dueAt: LATER + 5 * MINUTE } });
  const last = running({ metadata: { maxRetries: 0 } });
  expect(resume(last, LATER)).toMatchObject({ to: "RETRYING", set: { retryCount: 0, startAt: LATER } });
});

test("what becomes due changes nothing else, and only as it was seen", () => {
  expect(becomeDue({ ...accepted(), attempts: 3 }, LATER)).toEqual({
    from: ["PENDING"],
    to: "PENDING",
    when: [
      ["attempts", "=", 3],
      ["dueAt", "=", NOW + 5 * MINUTE],
      ["slots", "absent"],
    ],
    set: { dueAt: LATER },
    remove: [],
  });
});

test("a deferred job is the queue's until its turn if its message can wait so long, and else the sweep's", () => {
  const soon = NOW + 15 * MINUTE;
  const turnAt = (at: number) => ({ at, step: 1 });
  expect(take(accepted(), turnAt(soon), NOW)).toEqual({
    ...becomeDue(accepted(), soon + 5 * MINUTE),
    set: { dueAt: soon + 5 * MINUTE, startAt: soon, turn: turnAt(soon), waitsSince: NOW },
  });
  expect(take(accepted(), turnAt(LATER), NOW).set.dueAt).toBe(LATER);
  expect(take({ ...accepted(), lane: "orders" }, turnAt(LATER), NOW).set.dueAt).toBe(LATER + 5 * MINUTE);
  // A job that asks again loses its earlier turn.
  expect(defer(accepted(), soon, NOW, "c")).toMatchObject({
    set: { dueAt: soon + 5 * MINUTE, startAt: soon },
    remove: ["turn"],
  });
});

test("a running job is asked to stop, and goes on until its attempt ends", () => {
  expect(stop(running(), "DEAD", LATER, DAY)).toEqual({
    from: ["RUNNING"],
    to: "RUNNING",
    when: [["attempts", "=", 1]],
    set: { stopAs: "DEAD", stopRequestedAt: LATER },
    remove: [],
  });
});

test("a waiting job is stopped at once, and expires as every finished one", () => {
  expect(stop(accepted(), "CANCELLED", LATER, DAY)).toEqual({
    from: ["PENDING", "RETRYING"],
    to: "CANCELLED",
    when: [
      ["attempts", "=", 0],
      ["slots", "absent"],
    ],
    set: { updatedAt: LATER, expiresAt: LATER + DAY },
    remove: ["dueAt"],
  });
});

test("a stopped job that owes a callback stays due for it, and counts its ends", () => {
  const job = accepted({ onComplete: callback });
  expect(stop(job, "CANCELLED", LATER, DAY)).toMatchObject({
    when: [
      ["attempts", "=", 0],
      ["slots", "absent"],
      ["endings", "absent"],
    ],
    set: { updatedAt: LATER, endings: 1, dueAt: LATER + MINUTE },
    remove: [],
  });
  const again = stop({ ...job, endings: 1 }, "DEAD", LATER, DAY);
  expect(again.when).toContainEqual(["endings", "=", 1]);
  expect(again.set).toEqual({ updatedAt: LATER, endings: 2, expiresAt: LATER + DAY });
});

test("with a retention, an end that leaves attempts behind stays due until they have their dates", () => {
  const move = end(running(), ending(rejected, { retention: DAY }));
  expect(move.set).toEqual({ updatedAt: NOW, lastError: "HTTP 400", reason: "final", dueAt: NOW + MINUTE });
  expect(move.remove).toEqual(["leaseUntil"]);
  expect(end(running(), ending(rejected)).remove).toEqual(["dueAt", "leaseUntil"]);
});

test("a person's retry starts afresh, once nothing is left to do at the end; attempt numbers go on", () => {
  expect(retry({ ...accepted(), status: "DEAD", attempts: 11 }, LATER)).toEqual({
    from: ["FAILED", "DEAD"],
    to: "PENDING",
    when: [
      ["attempts", "=", 11],
      ["dueAt", "absent"],
    ],
    set: { retryCount: 0, startAt: LATER, dueAt: LATER + 5 * MINUTE, updatedAt: LATER },
    remove: ["expiresAt", "reason"],
  });
});

test("a schedule that is retried keeps its time, and is due at once if it has missed that", () => {
  const schedule = { ...accepted(), executionType: "schedule", status: "DEAD" } as const;
  expect(retry({ ...schedule, startAt: LATER }, NOW).set).toMatchObject({ startAt: LATER, dueAt: LATER });
  expect(retry({ ...schedule, startAt: NOW }, LATER).set).toMatchObject({ startAt: NOW, dueAt: LATER });
});

test("a run of a schedule is fenced on all that it was, and waits for its time", () => {
  const schedule = { ...accepted(), executionType: "schedule" };
  const run = { now: LATER, targetJobId: "target", next: undefined, retention: DAY };
  expect(fire(schedule, run)).toEqual({
    from: ["PENDING"],
    to: "SUCCEEDED",
    when: [
      ["steps", "absent"],
      ["runs", "absent"],
      ["targetJobId", "absent"],
      ["startAt", "<=", LATER + 999],
    ],
    set: { runs: 1, steps: 1, lastRunAt: LATER, targetJobId: "target", updatedAt: LATER, expiresAt: LATER + DAY },
    remove: ["dueAt"],
  });
  // One that an earlier release has run.
  expect(fire({ ...schedule, runs: 1, targetJobId: "last" }, { ...run, next: LATER + HOUR })).toEqual({
    from: ["PENDING"],
    to: "PENDING",
    when: [
      ["steps", "absent"],
      ["runs", "=", 1],
      ["targetJobId", "=", "last"],
      ["startAt", "<=", LATER + 999],
    ],
    set: {
      runs: 2,
      steps: 2,
      lastRunAt: LATER,
      targetJobId: "target",
      startAt: LATER + HOUR,
      dueAt: LATER + HOUR,
      updatedAt: LATER,
    },
    remove: [],
  });
});

test("a settled end adds what was submitted, and may be forgotten from then on", () => {
  const job: EndedJob = {
    ...accepted({ onComplete: callback }),
    status: "SUCCEEDED",
    success: { durationMs: 1 },
    endings: 2,
    followUpJobIds: ["a"],
  };
  expect(settleEnd(job, ["b"], LATER, DAY)).toEqual({
    from: ["SUCCEEDED"],
    to: "SUCCEEDED",
    when: [
      ["endings", "=", 2],
      ["dueAt", "=", NOW + 5 * MINUTE],
    ],
    set: { followUpJobIds: ["a", "b"], expiresAt: LATER + DAY },
    remove: ["dueAt"],
  });
  const { owes: _, followUpJobIds: __, ...plain } = job;
  expect(settleEnd(plain, [], LATER, 0).set).toEqual({});
  expect(settleEnd({ ...plain, owes: {} }, ["b"], LATER, 0).set).toEqual({ followUpJobIds: ["b"] });
});

test("after a move a job is what it was, with what was set and without what was removed", () => {
  const job = { ...accepted(), turn: { at: NOW, step: 1 } };
  expect(after(job, claim(nextAttempt(job), NOW, LATER))).toEqual({
    ...accepted(),
    status: "RUNNING",
    attempts: 1,
    startedAt: NOW,
    leaseUntil: LATER,
  });
});

test("every status that a move comes from or leads to is one that can be asked for, and there are no others", () => {
  const job = running({ metadata: { maxRetries: 1 } });
  const ends = [succeeded, failed, rejected].map((outcome) => end(job, ending(outcome)));
  const last = end({ ...job, retryCount: 1 }, ending(failed));
  const moves = [...ends, last, claim(nextAttempt(job), NOW, LATER), stop(accepted(), "CANCELLED", NOW, 0)];
  const statuses = moves.flatMap(({ from, to }) => [...from, to]);
  expect(new Set(STATUSES)).toEqual(new Set(statuses));
});
