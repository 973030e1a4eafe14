import { expect, test } from "vitest";
import { isTimeZone } from "../../lib/job/local-time.ts";
import { nextRun, parseExpression, type ScheduleExpression } from "../../lib/job/schedule-expression.ts";
import { tidyExpression } from "../../lib/job/tidy-expression.ts";

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
  ["cron(0 9 ? * SAT-SUN *)", "UTC", ["2026-11-22T09:00:00.000Z", "2026-11-28T09:00:00.000Z"]],
  ["cron(0 9 ? * mon,fri-sun *)", "UTC", ["2026-11-22T09:00:00.000Z", "2026-11-23T09:00:00.000Z"]],
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

// In Berlin, 2:00 to 3:00 comes twice on 31 October 2027, and never on 26 March 2028.
const TWICE = ["Europe/Berlin", "2027-10-30T20:00:00Z", "2027-10-31T04:00:00Z"] as const;
const SKIPPED = ["Europe/Berlin", "2028-03-25T20:00:00Z", "2028-03-26T14:00:00Z"] as const;

/** The runs after a time and before another: `31T00:30` is at 0:30 of the 31st, by UTC. */
function runsBetween(text: string, zone: string, after: string, before: string): string[] {
  return runs(text, zone, after, 100)
    .filter((time) => at(time) < at(before))
    .map((time) => time.slice(8, 16));
}

test.each([
  ["cron(0 2,14 * * ? *)", ["31T00:00"]],
  ["cron(0,30 2 * * ? *)", ["31T00:00", "31T00:30"]],
  ["cron(0/30 2 * * ? *)", ["31T00:00", "31T00:30"]],
  ["cron(*/30 2 * * ? *)", ["31T00:00", "31T00:30"]],
  ["cron(0 2-3 * * ? *)", ["31T00:00", "31T02:00"]],
  ["cron(0 0/2 * * ? *)", ["30T22:00", "31T00:00", "31T03:00"]],
  ["cron(0 2/12 * * ? *)", ["31T00:00"]],
  ["cron(0 1-4/3 * * ? *)", ["30T23:00", "31T03:00"]],
])("%s runs once at a time that comes twice", (text, expected) => {
  expect(runsBetween(text, ...TWICE)).toEqual(expected);
});

test.each([
  ["cron(30 2,14 26 3 ? 2028)", ["26T01:00", "26T12:30"]],
  ["cron(15,45 2 26 3 ? 2028)", ["26T01:00"]],
  ["cron(0,30 2 * * ? *)", ["26T01:00"]],
  ["cron(0/30 2 * * ? *)", ["26T01:00"]],
  ["cron(* 2 * * ? *)", ["26T01:00"]],
  ["cron(0 2-3 * * ? *)", ["26T01:00"]],
  ["cron(30 2-3 * * ? *)", ["26T01:00", "26T01:30"]],
  ["cron(0 0/2 26 3 ? *)", ["25T23:00", "26T01:00", "26T02:00", "26T04:00"]],
  ["cron(0 2/12 * * ? *)", ["26T01:00", "26T12:00"]],
])("%s makes up for what is skipped, at once and by one run", (text, expected) => {
  expect(runsBetween(text, ...SKIPPED).slice(0, 4)).toEqual(expected);
});

test.each([
  ["cron(30 * * * ? *)", ["30T23:30", "31T00:30", "31T01:30", "31T02:30"], ["25T23:30", "26T00:30", "26T01:30"]],
  ["cron(30 0-23 * * ? *)", ["30T23:30", "31T00:30", "31T01:30", "31T02:30"], ["25T23:30", "26T00:30", "26T01:30"]],
  ["cron(30 0/1 * * ? *)", ["30T23:30", "31T00:30", "31T01:30", "31T02:30"], ["25T23:30", "26T00:30", "26T01:30"]],
  ["cron(30 */2 * * ? *)", ["31T00:30", "31T01:30"], ["25T23:30"]],
])("%s goes on by real time", (text, twice, skipped) => {
  expect(runsBetween(text, TWICE[0], "2027-10-30T23:00:00Z", "2027-10-31T03:00:00Z")).toEqual(twice);
  expect(runsBetween(text, SKIPPED[0], "2028-03-25T23:15:00Z", "2028-03-26T02:00:00Z")).toEqual(skipped);
});

test("a step that leaves one hour a day names a local time", () => {
  for (const hour of ["0", "*/24", "0/24"])
    expect(runs(`cron(30 ${hour} 28 4 ? 2028)`, "Africa/Cairo", "2028-01-01T00:00:00Z", 2)).toEqual([
      "2028-04-27T22:00:00.000Z",
    ]);
});

test("a run that comes by real time may be on the far side of a change", () => {
  // Clocks go back from midnight, so that 23:15 comes again on a day that seemed to be over.
  expect(runs("cron(15 * 30 10 ? 2027)", "Asia/Beirut", "2027-10-30T20:00:00Z", 9)).toEqual([
    "2027-10-30T20:15:00.000Z",
    "2027-10-30T21:15:00.000Z",
  ]);
  // The first hour of that day is skipped, years ahead.
  expect(runs("cron(30 */12 28 4 ? 2028)", "Africa/Cairo", "2026-01-01T00:00:00Z", 9)).toEqual([
    "2028-04-28T09:30:00.000Z",
  ]);
});

test("half an hour that is skipped, midnight, and a whole day", () => {
  expect(runs("cron(5/10 2 3 10 ? *)", "Australia/Lord_Howe", "2027-10-01T00:00:00Z", 4)).toEqual([
    "2027-10-02T15:30:00.000Z",
    "2027-10-02T15:35:00.000Z",
    "2027-10-02T15:45:00.000Z",
    "2027-10-02T15:55:00.000Z",
  ]);
  expect(runs("cron(0,30 0,12 30 4 ? 2027)", "Africa/Cairo", "2027-01-01T00:00:00Z", 9)).toEqual([
    "2027-04-29T22:00:00.000Z",
    "2027-04-30T09:00:00.000Z",
    "2027-04-30T09:30:00.000Z",
  ]);
  // There was no 30 December 2011 in Samoa.
  expect(runs("cron(30 10,14 30 12 ? *)", "Pacific/Apia", "2011-12-01T00:00:00Z", 2)).toEqual([
    "2011-12-30T10:00:00.000Z",
    "2012-12-29T20:30:00.000Z",
  ]);
  expect(runs("cron(30 * 30 12 ? 2011)", "Pacific/Apia", "2011-12-01T00:00:00Z", 2)).toEqual([]);
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
  ["cron(0 9 32 * ? *)", /Invalid value for day$/],
  ["cron(0 9 * 13 ? *)", /Invalid value for month$/],
  ["CRON_TZ=Asia/Seoul 0 9 * * *", "the time zone stands in timezone"],
  ["0 0 9 * * 1-5", "five fields, without the seconds"],
  ["cron(0 9 * *  *)", "expected cron("],
])("%s is refused with a reason", (text, reason) => {
  const parsed = parseExpression(text, "America/New_York");
  const problem = typeof reason === "string" ? expect.stringContaining(reason) : expect.stringMatching(reason);
  expect(parsed).toEqual({ kind: "malformed", problem });
});

test.each([
  ["cron(0  9 ? *\tMON-FRI  *)", "cron(0 9 ? * MON-FRI *)"],
  [" cron(0 9 * * ? *)\n", "cron(0 9 * * ? *)"],
  ["cron( 0 9 * * ? * )", "cron(0 9 * * ? *)"],
  ["cron\u00a0(0 9 * * ? *)", "cron(0 9 * * ? *)"],
  ["rate( 5  minutes )", "rate(5 minutes)"],
  ["at( 2027-01-15T10:00:00 ) ", "at(2027-01-15T10:00:00)"],
])("the spaces of %j are those of people", (text, tidy) => {
  expect(tidyExpression(text)).toBe(tidy);
  expect(parseExpression(text, "UTC").kind).toBe(tidy.slice(0, tidy.indexOf("(")));
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
