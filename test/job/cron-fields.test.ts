import { expect, test } from "vitest";
import { fromCron } from "../../lib/job/cron-fields.ts";
import { parseExpression } from "../../lib/job/schedule-expression.ts";

test.each([
  ["0 2 * * *", "cron(0 2 * * ? *)"],
  ["*/5 * * * *", "cron(*/5 * * * ? *)"],
  ["0 9 * * 1-5", "cron(0 9 ? * MON-FRI *)"],
  ["0 9 * * 0", "cron(0 9 ? * SUN *)"],
  ["0 9 * * 7", "cron(0 9 ? * SUN *)"],
  ["0 9 * * 5-7", "cron(0 9 ? * FRI,SAT,SUN *)"],
  ["0 9 * * 0-6", "cron(0 9 ? * * *)"],
  ["0 9 * * */2", "cron(0 9 ? * TUE,THU,SAT,SUN *)"],
  ["0 9 * * mon,3", "cron(0 9 ? * MON,WED *)"],
  ["0 9 * * 1-5/2", "cron(0 9 ? * MON,WED,FRI *)"],
  ["0 9 * * 1#2", "cron(0 9 ? * 2#2 *)"],
  ["0 9 * * 5L", "cron(0 9 ? * 6L *)"],
  ["30 4 1,15 JAN-JUN *", "cron(30 4 1,15 JAN-JUN ? *)"],
  ["  0   2 * * ?  ", "cron(0 2 * * ? *)"],
  ["cron(0 2 * * *)", "cron(0 2 * * ? *)"],
  ["@daily", "cron(0 0 * * ? *)"],
  ["@Weekly", "cron(0 0 ? * SUN *)"],
])("%s is %s", (text, expression) => {
  expect(fromCron(text)).toEqual({ expression });
  expect(parseExpression(expression, "UTC").kind).toBe("cron");
});

test.each(["rate(5 minutes)", "at(2027-01-15T10:00:00)", "cron(0 9 ? * MON-FRI *)", "0 9 ? * MON-FRI *", "soon"])(
  "%s is left as it is",
  (text) => {
    expect(fromCron(text)).toEqual({ expression: text });
  },
);

test.each([
  ["0 2 1 * 1", /names both a day of the month \(1\) and a day of the week \(1\).*two schedules/],
  ["0 2 */2 * 1", /names both/],
  ["0 2 * * 8", /the day of the week 8: expected 0 to 7/],
  ["0 2 * * 5-1", /the day of the week 5-1/],
  ["0 2 * * 1,,2", /the day of the week 1,,2/],
  ["@reboot", /is not a name that cron knows: expected one of @yearly/],
])("%s is refused in words", (text, problem) => {
  expect(fromCron(text)).toEqual({ problem: expect.stringMatching(problem) });
});
