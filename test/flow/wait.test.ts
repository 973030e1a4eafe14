import { expect, test } from "vitest";
import { MINUTE, SECOND, createClock } from "../../lib/clock.ts";
import { arrival, isShort, waiting, type Wait } from "../../lib/flow/wait.ts";
import { accept } from "../../lib/job/accept.ts";
import { HEAD_START, type Job } from "../../lib/job/job.ts";
import { after } from "../../lib/job/move.ts";
import { leaveBacklog } from "../../lib/job/moves.ts";

const ACCEPTED = Date.parse("2026-01-01T12:00:00Z");
const NOW = ACCEPTED + 20 * MINUTE;
const SOON = NOW + 2 * MINUTE;
const TO = "to https://a.example";
/** A time beyond the longest delay of a message. */
const LATE = NOW + 16 * MINUTE;

function job(messageGroupId?: string): Job {
  const metadata = messageGroupId === undefined ? {} : { messageGroupId };
  const message = { execution: { type: "rest-api" }, metadata };
  const terms = { destination: "https://a.example", timeoutMs: 30 * SECOND };
  const payload = { at: "inline", bytes: new Uint8Array() } as const;
  // The job had a turn before.
  return {
    ...accept({ appId: "app", mode: "both", message }, terms, payload, ACCEPTED, "id"),
    turn: { at: ACCEPTED, step: 1 },
  };
}

interface Row {
  readonly wait: Wait;
  /** Default `job()`. */
  readonly of?: Job;
  readonly spentIn: "queue" | "table";
  readonly set: Partial<Job>;
  /** Whether the earlier turn is dropped. */
  readonly dropsTurn?: true;
}

/** Every reason, with every way in which a job waits for it. */
const ROWS = {
  paused: [{ wait: { reason: "paused" }, spentIn: "table", set: { dueAt: ACCEPTED, backlog: "app" }, dropsTurn: true }],
  held: [{ wait: { reason: "held" }, spentIn: "table", set: { dueAt: ACCEPTED, backlog: TO }, dropsTurn: true }],
  slot: [{ wait: { reason: "slot" }, spentIn: "table", set: { dueAt: ACCEPTED, backlog: "slot" }, dropsTurn: true }],
  outage: [{ wait: { reason: "outage" }, spentIn: "table", set: { dueAt: ACCEPTED, backlog: TO }, dropsTurn: true }],
  rate: [
    {
      wait: { reason: "rate", turn: { at: SOON, step: 1 } },
      spentIn: "queue",
      set: { startAt: SOON, turn: { at: SOON, step: 1 }, dueAt: SOON + HEAD_START, waitsSince: ACCEPTED },
    },
    // The turn is beyond the longest delay of a message, so the sweep sends the job at its turn.
    {
      wait: { reason: "rate", turn: { at: LATE, step: 1 } },
      spentIn: "queue",
      set: { startAt: LATE, turn: { at: LATE, step: 1 }, dueAt: LATE, waitsSince: ACCEPTED },
    },
    {
      wait: { reason: "rate" },
      spentIn: "table",
      set: { dueAt: ACCEPTED, backlog: TO, waitsFor: "r" },
      dropsTurn: true,
    },
    {
      wait: { reason: "rate", startAt: SOON },
      of: job("lane"),
      spentIn: "queue",
      set: { startAt: SOON, dueAt: SOON + HEAD_START, waitsSince: ACCEPTED, waitsFor: "r" },
      dropsTurn: true,
    },
  ],
  concurrency: [
    {
      wait: { reason: "concurrency", startAt: LATE },
      of: job("lane"),
      spentIn: "queue",
      set: { startAt: LATE, dueAt: LATE + HEAD_START, waitsSince: ACCEPTED, waitsFor: "c" },
      dropsTurn: true,
    },
    {
      wait: { reason: "concurrency", at: "https://a.example" },
      spentIn: "table",
      set: { dueAt: ACCEPTED, backlog: TO, waitsFor: "c" },
      dropsTurn: true,
    },
    {
      wait: { reason: "concurrency", at: "(slow)" },
      spentIn: "table",
      set: { dueAt: ACCEPTED, backlog: "to (slow)", waitsFor: "c", turn: { at: ACCEPTED, step: 1 } },
    },
    {
      wait: { reason: "concurrency", at: "(slow)" },
      of: { ...job(), turn: { at: ACCEPTED, step: 0, share: "(slow)" } },
      spentIn: "table",
      set: { dueAt: ACCEPTED, backlog: "to (slow)", waitsFor: "c" },
      dropsTurn: true,
    },
  ],
} satisfies { readonly [Reason in Wait["reason"]]: readonly (Row & { wait: { reason: Reason } })[] };

const rows: readonly Row[] = Object.values(ROWS).flat();

test.each(rows.map((row) => [JSON.stringify(row.wait), row] as const))(
  "%s leads to its move, which counts no attempt",
  (_, { wait, of = job(), set, dropsTurn = false }) => {
    const move = waiting(of, wait, NOW);
    expect(move).toEqual({
      from: ["PENDING"],
      to: "PENDING",
      when: [
        ["attempts", "=", 0],
        ["dueAt", "=", of.dueAt],
        ["slots", "absent"],
      ],
      set,
      remove: dropsTurn ? ["turn"] : [],
    });
    expect(after(of, move)).toMatchObject({ status: "PENDING", attempts: 0, retryCount: 0 });
  },
);

test.each(rows.map((row) => [JSON.stringify(row.wait), row] as const))(
  "%s is spent in the queue or in the table",
  (_, { wait, spentIn }) => {
    expect(isShort(wait)).toBe(spentIn === "queue");
  },
);

test("a message arrives a little before a turn by a rate, and else when its job may start", () => {
  const clock = createClock();
  const turn = after(job(), waiting(job(), { reason: "rate", turn: { at: SOON, step: 1 } }, NOW));
  expect(arrival(turn, clock)).toBe(SOON - clock.during(900));
  const slot = after(job(), leaveBacklog(job(), SOON, { turn: { at: SOON, step: 0 } }));
  expect(arrival(slot, clock)).toBe(SOON);
  const untaken = after(job("lane"), waiting(job("lane"), { reason: "concurrency", startAt: SOON }, NOW));
  expect(arrival(untaken, clock)).toBe(SOON);
});
