import { expect, test } from "vitest";
import { DAY, HOUR, MINUTE } from "../../lib/clock.ts";
import { accept } from "../../lib/job/accept.ts";
import { isLong, isSentNow, type EndedJob, type FailedJob, type WaitingJob } from "../../lib/job/job.ts";
import {
  askedRun,
  edit,
  hasten,
  hold,
  keepMember,
  leaveBacklog,
  releaseMember,
  retry,
  retryOnce,
  skip,
} from "../../lib/job/moves.ts";
import { NEVER } from "../../lib/job/schedule.ts";

const NOW = Date.parse("2026-01-01T12:00:00Z");
const LATER = NOW + HOUR;
const TERMS = { destination: "https://a.example", timeoutMs: 30_000 };
const payload = { at: "inline", bytes: new Uint8Array() } as const;
const message = { execution: { type: "rest-api" }, metadata: {} };

const waiting: WaitingJob = accept({ appId: "app", mode: "both", message }, TERMS, payload, NOW, "id");
const schedule: WaitingJob = { ...waiting, executionType: "schedule", steps: 2, runs: 1, targetJobId: "last" };
const THIS_STEP = [
  ["steps", "=", 2],
  ["runs", "=", 1],
  ["targetJobId", "=", "last"],
];
const dead: FailedJob = { ...waiting, status: "DEAD", attempts: 11, retryCount: 10 };

const wanted = {
  startAt: LATER,
  editId: "edit",
  recurring: undefined,
  scheduleArn: undefined,
  pausedAt: undefined,
  pauseReason: undefined,
  owedUntil: undefined,
  skipped: undefined,
};
const GONE = ["recurring", "scheduleArn", "pausedAt", "pauseReason", "owedUntil", "skipped"];

test("an edit is fenced on the step that was seen, counts as one, and takes away what is left out", () => {
  expect(edit(schedule, wanted, NOW, false)).toEqual({
    from: ["PENDING"],
    to: "PENDING",
    when: THIS_STEP,
    // EventBridge fires it, and the sweep looks later.
    set: { startAt: LATER, editId: "edit", dueAt: LATER + 5 * MINUTE, updatedAt: NOW, steps: 3, edits: 1 },
    remove: GONE,
  });
  expect(edit({ ...schedule, edits: 4 }, wanted, NOW, false).set.edits).toBe(5);
});

test("an edited schedule is due by who fires it: a message, the sweep, or nobody", () => {
  const recurring = { ...wanted, recurring: true } as const;
  expect(edit(schedule, recurring, NOW, false).set.dueAt).toBe(LATER);
  expect(edit(schedule, recurring, NOW, true).set.dueAt).toBe(LATER + 5 * MINUTE);
  expect(edit(schedule, { ...recurring, startAt: NOW - HOUR }, NOW, true).set.dueAt).toBe(NOW + 5 * MINUTE);
  expect(edit(schedule, { ...recurring, startAt: NOW - HOUR }, NOW, false).set.dueAt).toBe(NOW - HOUR);
  const paused = edit(schedule, { ...recurring, pausedAt: NOW }, NOW, false);
  expect([paused.set.dueAt, paused.set.pausedAt, paused.remove.includes("pausedAt")]).toEqual([NEVER, NOW, false]);
});

test("a schedule that has ended starts anew once its follow-ups are submitted, and counts its runs afresh", () => {
  const over = { ...schedule, status: "SUCCEEDED", endings: 1 } as EndedJob;
  const anew = edit(over, wanted, NOW, false);
  expect([anew.from, anew.to]).toEqual([["SUCCEEDED"], "PENDING"]);
  expect(anew.when).toEqual([...THIS_STEP, ["dueAt", "absent"], ["endings", "=", 1]]);
  expect(anew.remove).toEqual([...GONE, "expiresAt", "runs"]);
});

test("a skipped run moves on as a run does, but neither runs nor names a target", () => {
  const skips = [{ at: NOW, reason: "missed", times: 2 }] as const;
  expect(skip(schedule, { now: NOW, next: LATER, retention: DAY, skips })).toEqual({
    from: ["PENDING"],
    to: "PENDING",
    when: THIS_STEP,
    set: { steps: 3, skipped: { missed: 2, last: skips }, startAt: LATER, dueAt: LATER, updatedAt: NOW },
    remove: [],
  });
  // A run whose time has passed already is sent at once.
  expect(skip(schedule, { now: LATER, next: LATER, retention: DAY }).set.dueAt).toBe(LATER + 5 * MINUTE);
});

test("a schedule without a run left has succeeded if it ever ran", () => {
  const last = { now: NOW, next: undefined, retention: DAY };
  expect(skip(schedule, last)).toMatchObject({ to: "SUCCEEDED", set: { expiresAt: NOW + DAY }, remove: ["dueAt"] });
  const { runs: _, targetJobId: __, ...fresh } = schedule;
  expect(skip(fresh as WaitingJob, last).to).toBe("CANCELLED");
});

test("what a schedule owes and its pause end with the step, unless the next run is owed too", () => {
  const owing = { ...schedule, owedUntil: LATER, pausedAt: NOW, pauseReason: "person" } as WaitingJob;
  const removedBefore = (next: number | undefined) => skip(owing, { now: NOW, next, retention: 0 }).remove;
  expect(removedBefore(LATER)).toEqual(["pausedAt", "pauseReason"]);
  expect(removedBefore(LATER + 1)).toEqual(["owedUntil", "pausedAt", "pauseReason"]);
  expect(removedBefore(undefined)).toEqual(["owedUntil", "pausedAt", "pauseReason", "dueAt"]);
});

test("a run that waits for the last one is owed, fenced on its step", () => {
  const held = hold({ ...schedule, dueAt: NOW }, LATER);
  expect(held.when).toEqual([["attempts", "=", 0], ["dueAt", "=", NOW], ["slots", "absent"], ...THIS_STEP]);
  expect(held.set).toEqual({ dueAt: LATER, owedUntil: NOW });
  expect(hold({ ...schedule, owedUntil: LATER }, LATER).set.owedUntil).toBe(LATER);
});

test("a run that a person asked for is counted once, beside the expression's", () => {
  expect(askedRun({ ...schedule, asked: 1, edits: 3 }, "target", LATER)).toEqual({
    from: ["PENDING"],
    to: "PENDING",
    when: [
      ["asked", "=", 1],
      ["edits", "=", 3],
      ["targetJobId", "=", "last"],
    ],
    set: { asked: 2, lastRunAt: LATER, targetJobId: "target", updatedAt: LATER },
    remove: [],
  });
  expect(askedRun(schedule, "target", LATER).set.asked).toBe(1);
});

test("a hastened job is due at once, fenced on the wait that was seen", () => {
  expect(hasten({ ...waiting, startAt: LATER, dueAt: LATER }, NOW)).toEqual({
    from: ["PENDING"],
    to: "PENDING",
    when: [
      ["attempts", "=", 0],
      ["startAt", "=", LATER],
      ["dueAt", "=", LATER],
    ],
    set: { startAt: NOW, dueAt: NOW + 5 * MINUTE, updatedAt: NOW },
    remove: [],
  });
  expect(hasten({ ...waiting, startAt: NOW }, LATER).set.startAt).toBe(NOW);
});

test("a job that leaves its backlog is due behind its message, with the turn that it was given", () => {
  expect(leaveBacklog(waiting, LATER).set).toEqual({ dueAt: LATER + 5 * MINUTE, releasedAt: LATER });
  const turn = { at: LATER, step: 1 };
  expect(leaveBacklog(waiting, NOW, { turn }).set).toMatchObject({ startAt: LATER, turn, releasedAt: NOW });
});

test("a retry of a task starts its progress anew, and a member's tells its group", () => {
  expect(retry(dead, LATER).remove).toEqual(["expiresAt", "reason"]);
  const task = { ...dead, executionType: "task" } as const;
  expect(retry(task, LATER).remove).toEqual(["expiresAt", "reason", "progress"]);
  const paused = { ...dead, pausedAt: NOW };
  expect(retry(paused, LATER).remove).toEqual(["expiresAt", "reason", "pausedAt", "pauseReason"]);
  const memberOf = { id: "group", index: 1 } as never;
  expect(retry({ ...dead, memberOf }, LATER).rejoins).toBe(memberOf);
  expect(retryOnce(dead, LATER).set.retryCount).toBe(11);
});

test("a member gets its date when its group has ended, and loses it when the group counts it again", () => {
  expect(releaseMember(dead, 7, NOW, DAY)).toEqual({
    from: ["DEAD"],
    to: "DEAD",
    when: [
      ["attempts", "=", 11],
      ["dueAt", "absent"],
    ],
    set: { released: 7, expiresAt: NOW + DAY },
    remove: [],
  });
  const when = [
    ["attempts", "=", 11],
    ["released", "=", 7],
  ];
  expect(keepMember({ ...dead, released: 7 })).toMatchObject({ when, remove: ["released", "expiresAt"] });
});

test("a message is sent now if the job may start, or if a queue can carry the wait", () => {
  const lane = { lane: "orders" };
  expect([isSentNow({}, 0), isSentNow({}, 15 * MINUTE), isSentNow({}, 15 * MINUTE + 1)]).toEqual([true, true, false]);
  expect([isSentNow(lane, 0), isSentNow(lane, 1)]).toEqual([true, false]);
});

test("an attempt of more than a minute runs where there is more time", () => {
  const within = (timeoutMs: number) => isLong({ executionType: "rest-api", timeoutMs });
  expect([within(MINUTE), within(MINUTE + 1)]).toEqual([false, true]);
});
