import { expect, test } from "vitest";
import { isTimeZone, nextRun, parseExpression, type ScheduleExpression } from "../../lib/job/schedule-expression.ts";

const at = (iso: string) => Date.parse(iso);

function runs(text: string, zone: string, after: string, count: number): string[] {
  const parsed = parseExpression(text, zone);
  if (parsed.kind === "malformed") throw new Error(parsed.problem);
  const found: string[] = [];
  let time: number | undefined = at(after);
  while (found.length < count && (time = nextRun(parsed, time, at(after))) !== undefined)
    found.push(new Date(time).toISOString());
  return found;
}

test.each([
  ["at(2027-01-15T10:00:00)", "UTC", "2027-01-15T10:00:00.000Z"],
  ["at(2027-01-15T10:00:00)", "Asia/Seoul", "2027-01-15T01:00:00.000Z"],
  ["at(2027-01-15T10:00:00)", "America/New_York", "2027-01-15T15:00:00.000Z"],
  ["at(2027-07-15T10:00:00)", "America/New_York", "2027-07-15T14:00:00.000Z"],
  ["at(2028-02-29T23:59:59)", "Pacific/Kiritimati", "2028-02-29T09:59:59.000Z"],
  // Daylight saving of half an hour, and an offset with a quarter of an hour.
  ["at(2027-01-15T10:00:00)", "Australia/Lord_Howe", "2027-01-14T23:00:00.000Z"],
  ["at(2027-06-15T10:00:00)", "Asia/Kathmandu", "2027-06-15T04:15:00.000Z"],
  // 01:30 exists twice; the first one counts.
  ["at(2026-11-01T01:30:00)", "America/New_York", "2026-11-01T05:30:00.000Z"],
  ["at(2027-03-14T03:00:00)", "America/New_York", "2027-03-14T07:00:00.000Z"],
])("%s in %s is %s", (text, zone, expected) => {
  expect(runs(text, zone, "2026-01-01T00:00:00Z", 2)).toEqual([expected]);
});

test.each([
  ["rate(1 minute)", "UTC", ["2026-11-22T08:01:30.000Z", "2026-11-22T08:02:30.000Z"]],
  ["rate(36 hours)", "UTC", ["2026-11-23T20:00:30.000Z", "2026-11-25T08:00:30.000Z"]],
  ["cron(0 9 ? * MON-FRI *)", "UTC", ["2026-11-23T09:00:00.000Z", "2026-11-24T09:00:00.000Z"]],
  ["cron(0 9 ? * 2-6 *)", "Asia/Seoul", ["2026-11-23T00:00:00.000Z", "2026-11-24T00:00:00.000Z"]],
  ["cron(0/15 10 * * ? *)", "UTC", ["2026-11-22T10:00:00.000Z", "2026-11-22T10:15:00.000Z"]],
  ["cron(0 12 L * ? *)", "UTC", ["2026-11-30T12:00:00.000Z", "2026-12-31T12:00:00.000Z"]],
  ["cron(0 12 ? * 6L *)", "UTC", ["2026-11-27T12:00:00.000Z", "2026-12-25T12:00:00.000Z"]],
  ["cron(0 12 ? * 6#1 *)", "UTC", ["2026-12-04T12:00:00.000Z", "2027-01-01T12:00:00.000Z"]],
  ["cron(0 12 ? * L *)", "UTC", ["2026-11-28T12:00:00.000Z", "2026-12-05T12:00:00.000Z"]],
  ["cron(0 12 1 1 ? 2027-2028)", "UTC", ["2027-01-01T12:00:00.000Z", "2028-01-01T12:00:00.000Z"]],
  ["cron(0 12 1 1 ? 2027)", "UTC", ["2027-01-01T12:00:00.000Z"]],
  ["cron(0 12 31 2 ? *)", "UTC", []],
])("%s in %s runs when EventBridge's syntax says", (text, zone, expected) => {
  expect(runs(text, zone, "2026-11-22T08:00:30Z", 2)).toEqual(expected);
});

test("a daily run happens once on the days on which clocks change", () => {
  const daily = (text: string, after: string) => runs(text, "America/New_York", after, 3);
  // 02:30 does not exist on 14 March, so the run comes right after the change.
  expect(daily("cron(30 2 * * ? *)", "2027-03-13T12:00:00Z")).toEqual([
    "2027-03-14T07:00:00.000Z",
    "2027-03-15T06:30:00.000Z",
    "2027-03-16T06:30:00.000Z",
  ]);
  // 01:30 exists twice on 1 November.
  expect(daily("cron(30 1 * * ? *)", "2026-10-31T12:00:00Z")).toEqual([
    "2026-11-01T05:30:00.000Z",
    "2026-11-02T06:30:00.000Z",
    "2026-11-03T06:30:00.000Z",
  ]);
});

test.each([
  ["tomorrow", "expected at("],
  ["at(2027-01-15T10:00:00Z)", "without an offset"],
  ["at(2027-02-30T10:00:00)", "that exist"],
  ["at(2027-01-15 10:00)", "expected at(yyyy"],
  ["at(2027-03-14T02:30:00)", "clocks in America/New_York skip"],
  ["at(0999-06-01T00:00:00)", "that exist"],
  ["cron(? 9 * * ? *)", "expected cron("],
  ["cron(0 9 ? * 8 *)", "expected cron("],
  ["cron(0)", "expected cron("],
  ["rate(0 minutes)", "n at least 1"],
  ["rate(5 fortnights)", "expected rate("],
  ["rate(1.5 hours)", "expected rate("],
  ["cron(0 9 * * *)", "expected cron("],
  ["cron(0 9 * * * *)", "? for one of the two days"],
  ["cron(0 9 ? * ? *)", "? for one of the two days"],
  ["cron(70 9 * * ? *)", "Invalid value for minute: 70"],
  ["cron(0 9 * * ? *) ", "expected at("],
])("%s is refused with a reason", (text, reason) => {
  const parsed = parseExpression(text, "America/New_York");
  expect(parsed).toEqual({ kind: "malformed", problem: expect.stringContaining(reason) });
});

test("a rate never runs at or before the time it is asked about", () => {
  const rate: ScheduleExpression = { kind: "rate", everyMs: 60_000 };
  for (const after of [0, 1, 59_999, 60_000, 60_001, 600_000]) {
    const next = nextRun(rate, after, 0) ?? 0;
    expect(next).toBeGreaterThan(after);
    expect(next - after).toBeLessThanOrEqual(60_000);
    expect(next % 60_000).toBe(0);
  }
});

test("time zones are those of the IANA database", () => {
  for (const zone of ["UTC", "Asia/Seoul", "America/New_York", "Etc/GMT+5"]) expect(isTimeZone(zone)).toBe(true);
  for (const zone of ["", "Asia/Seoull", "+09:00", "KST+9", "Mars/Olympus"]) expect(isTimeZone(zone)).toBe(false);
});
