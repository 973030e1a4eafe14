import * as fc from "fast-check";
import { one, soon, type Value } from "./values.ts";

// Bodies of requests for schedules.

const anExpression = one(
  "0 2 * * *",
  "*/5 * * * 1-5",
  "0 0 1 * 1",
  "@daily",
  "rate(5 minutes)",
  "cron(0 9 ? * MON-FRI *)",
  "at(2098-01-01T00:00:00)",
  "soon",
);
const policies = {
  overlap: one("allow", "skip", "queue", "replace"),
  missed: one("once", "skip", "all"),
  missedWithinSeconds: fc.integer({ min: 60, max: 600 }),
  windowSeconds: fc.integer({ min: 1, max: 600 }),
  maxRuns: fc.integer({ min: 1, max: 5 }),
  endsAt: soon,
  paused: fc.boolean(),
};
const aJob = fc.record(
  {
    url: one("@stack/echo/called", "@stack/echo?token=x", "http://127.0.0.1:9/"),
    method: one("POST", "PUT"),
    headers: one({}, { authorization: "Bearer x" }, { authorization: "***" }),
    body: fc.jsonValue({ maxDepth: 2 }),
    maxRetries: fc.integer({ min: 0, max: 3 }),
  },
  { requiredKeys: ["url"] },
);

/** By an operation's id, as above. */
export const SCHEDULE_BODIES: Readonly<Record<string, Value>> = {
  putSchedule: fc.record(
    { expression: anExpression, timezone: one("UTC", "Asia/Seoul"), ...policies, job: aJob },
    { requiredKeys: ["expression", "job"] },
  ),
  patchSchedule: fc.record(
    { expression: anExpression, ...policies, maxRuns: one(null, 3), job: one({}, { method: "PUT" }, { url: "x" }) },
    { requiredKeys: [] },
  ),
  previewSchedule: fc.record({ expression: anExpression, count: fc.integer({ min: 1, max: 100 }) }),
};
