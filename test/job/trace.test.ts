import { expect, test } from "vitest";
import { childOf, traceIdOf, traceparentIn } from "../../lib/job/trace.ts";
import { encodeMessage } from "../../lib/job/payload.ts";
import { request } from "../support/world.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const GIVEN = `00-${TRACE}-00f067aa0ba902b7-01`;

test("a valid traceparent is kept, one of a later version by its first four fields", () => {
  expect(traceparentIn(GIVEN)).toBe(GIVEN);
  expect(traceparentIn(`cc${GIVEN.slice(2)}-what-the-future-will-be-like`)).toBe(GIVEN);
  expect(traceparentIn(`cc${GIVEN.slice(2)}`)).toBe(GIVEN);
});

test.each([
  ["none", undefined],
  ["an empty one", ""],
  ["version ff", `ff${GIVEN.slice(2)}`],
  ["a trace id of zeros", GIVEN.replace(TRACE, "0".repeat(32))],
  ["a span id of zeros", GIVEN.replace("00f067aa0ba902b7", "0".repeat(16))],
  ["capital letters", GIVEN.toUpperCase()],
  ["more than four fields in version 00", `${GIVEN}-more`],
  ["a short one", GIVEN.slice(0, -1)],
  ["two of them", `${GIVEN}, ${GIVEN}`],
])("%s counts as no traceparent", (_, header) => {
  expect(traceparentIn(header)).toBeUndefined();
});

test("each attempt has a span of its own in the same trace, the same whenever it is asked for", () => {
  const [first, second] = [childOf(GIVEN, "job", 1), childOf(GIVEN, "job", 2)];
  for (const child of [first, second]) {
    expect(traceparentIn(child)).toBe(child);
    expect(traceIdOf(child)).toBe(TRACE);
    expect(child.endsWith("-01")).toBe(true);
  }
  expect(new Set([first, second, childOf(GIVEN, "other", 1), GIVEN]).size).toBe(4);
  expect(childOf(GIVEN, "job", 1)).toBe(first);
});

test("a traceparent takes at most 70 bytes of a job's item", () => {
  const { message } = request("both");
  const bytes = (of: typeof message) => encodeMessage(of).length;
  expect(bytes({ ...message, traceparent: GIVEN }) - bytes(message)).toBeLessThanOrEqual(70);
});
