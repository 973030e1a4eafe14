import { ListSchedulesCommand } from "@aws-sdk/client-scheduler";
import { afterAll, afterEach, expect, test } from "vitest";
import { createClock } from "../../lib/clock.ts";
import { endStacks, until } from "../support/stack.ts";
import { FUNCTION, START, stopSchedulers, createWorld, target, timesOf, startedAt } from "./scheduler-world.ts";

// The times at which the local EventBridge Scheduler fires a schedule.

afterEach(stopSchedulers);
afterAll(endStacks);

test.each([
  ['{"order":1}', { order: 1 }],
  ["[1]", [1]],
  ["just text", "just text"],
  [undefined, {}],
])("a schedule with the input %s calls the function with %j, once, at its time", async (Input, event) => {
  const { create, calls, turnTo } = await startedAt();
  await create(target({ Input }));
  await turnTo("2027-01-15T10:59:59.999Z");
  expect(calls).toEqual([]);
  await turnTo("2027-01-15T11:00:00Z");
  await turnTo("2027-01-16T11:00:00Z");
  expect(calls).toEqual([{ arn: FUNCTION, event, at: "2027-01-15T11:00:00.000Z" }]);
});

test("at 600 times the speed a schedule fires once, at its service time", async () => {
  const clock = createClock({ real: Date.now(), service: Date.parse(START), speed: 600 });
  const { create, calls, isThere } = await createWorld({ clock });
  await create({ ScheduleExpression: "at(2027-01-15T10:02:00)", ActionAfterCompletion: "DELETE" });
  await create({ Name: "later", ScheduleExpression: "at(2027-01-15T10:06:00)" });
  await until(() => calls.length === 2);
  const [first = "", second = ""] = timesOf(calls);
  expect(first >= "2027-01-15T10:02:00" && first < second && second >= "2027-01-15T10:06:00").toBe(true);
  await until(() => !isThere("one"));
});

test("a run decades ahead neither fires nor overflows a timer", async () => {
  const warnings: string[] = [];
  const listen = (warning: Error) => warnings.push(warning.name);
  process.on("warning", listen);
  const { create, client, calls } = await createWorld({ clock: createClock() });
  await create({ ScheduleExpression: "at(2099-01-01T00:00:00)" });
  await client.send(new ListSchedulesCommand());
  process.off("warning", listen);
  expect(warnings).toEqual([]);
  expect(calls).toEqual([]);
});

test("a one-off is deleted after it has run, if it asks for that, and else stays without running again", async () => {
  const world = await startedAt();
  await world.create({ Name: "gone", ActionAfterCompletion: "DELETE" });
  await world.create({ Name: "stays" });
  await world.turnTo("2027-01-15T11:00:00Z");
  await until(() => !world.isThere("gone"));
  await expect(world.get("gone")).rejects.toMatchObject({ name: "ResourceNotFoundException" });
  expect(world.calls).toHaveLength(2);
  await world.stop();

  const again = await startedAt("2027-01-15T12:00:00Z", { dir: world.dir });
  await again.turnTo("2027-01-15T13:00:00Z");
  expect(again.calls).toEqual([]);
  await expect(again.get("stays")).resolves.toMatchObject({ State: "ENABLED" });
});

test("a one-off that has run runs again when it is updated to another time", async () => {
  const { create, update, calls, turnTo } = await startedAt();
  await create({});
  await turnTo("2027-01-15T11:00:00Z");
  await update({ ScheduleExpression: "at(2027-01-15T12:00:00)" });
  await turnTo("2027-01-15T12:00:00Z");
  expect(timesOf(calls)).toEqual(["2027-01-15T11:00:00Z", "2027-01-15T12:00:00Z"]);
});

test.each([
  ["2027-07-15T12:00:00Z", "America/New_York", "at(2027-07-15T10:00:00)", ["2027-07-15T14:00:00Z"]],
  ["2027-01-15T00:00:00Z", "Asia/Seoul", "at(2027-01-15T10:00:00)", ["2027-01-15T01:00:00Z"]],
  // Clocks go forward on 14 March, so 09:00 comes an hour earlier from then on.
  [
    "2027-03-13T10:00:00Z",
    "America/New_York",
    "cron(0 9 * * ? *)",
    ["2027-03-13T14:00:00Z", "2027-03-14T13:00:00Z", "2027-03-15T13:00:00Z"],
  ],
  // Clocks go back on 1 November, so 01:30 comes twice.
  ["2026-10-31T12:00:00Z", "America/New_York", "cron(30 1 * * ? *)", ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]],
])("from %s, in %s, %s runs by the clocks there", async (start, ScheduleExpressionTimezone, expression, expected) => {
  const { create, calls, turnTo } = await startedAt(start);
  await create({ ScheduleExpression: expression, ScheduleExpressionTimezone });
  const end = Date.parse(expected.at(-1) ?? "");
  for (let time = Date.parse(start); time <= end; time += 30 * 60_000) await turnTo(new Date(time).toISOString());
  expect(timesOf(calls)).toEqual(expected);
});

test("a rate runs at its start for the first time, and then at its rate until its end", async () => {
  const { create, calls, turnTo } = await startedAt();
  const twenty = { ScheduleExpression: "rate(20 minutes)" };
  const until11 = { EndDate: new Date("2027-01-15T11:00:00Z"), ActionAfterCompletion: "DELETE" } as const;
  await create({ ...twenty, ...until11, ...target({ Input: "now" }) });
  const StartDate = new Date("2027-01-15T10:10:00Z");
  await create({ Name: "later", ...twenty, ...until11, StartDate, ...target({ Input: "later" }) });
  for (let minute = 0; minute < 90; minute += 5) {
    await turnTo(new Date(Date.parse(START) + minute * 60_000).toISOString());
  }
  const clockOf = (input: string) =>
    timesOf(calls.filter(({ event }) => event === input)).map((at) => at.slice(11, 16));
  expect(clockOf("now")).toEqual(["10:00", "10:20", "10:40", "11:00"]);
  expect(clockOf("later")).toEqual(["10:10", "10:30", "10:50"]);
});

test("a cron runs on or after its start and no later than its end", async () => {
  const { create, calls, turnTo, isThere } = await startedAt();
  const StartDate = new Date("2027-01-15T11:00:00Z");
  const EndDate = new Date("2027-01-15T12:59:00Z");
  await create({ ScheduleExpression: "cron(0 * * * ? *)", StartDate, EndDate, ActionAfterCompletion: "DELETE" });
  for (let hour = 10; hour < 15; hour += 1) await turnTo(`2027-01-15T${hour}:00:00Z`);
  expect(timesOf(calls)).toEqual(["2027-01-15T11:00:00Z", "2027-01-15T12:00:00Z"]);
  expect(isThere("one")).toBe(false);
});

test("a disabled schedule does not run, and goes on when it is enabled", async () => {
  const { create, update, calls, turnTo } = await startedAt();
  const ScheduleExpression = "rate(10 minutes)";
  await create({ ScheduleExpression, State: "DISABLED" });
  await turnTo("2027-01-15T10:25:00Z");
  await update({ ScheduleExpression, State: "ENABLED" });
  await turnTo("2027-01-15T10:29:59Z");
  await turnTo("2027-01-15T10:30:00Z");
  await update({ ScheduleExpression, State: "DISABLED" });
  await turnTo("2027-01-15T12:00:00Z");
  expect(timesOf(calls)).toEqual(["2027-01-15T10:30:00Z"]);
});

test("a deleted schedule does not run", async () => {
  const { create, remove, calls, turnTo } = await startedAt();
  await create({});
  await create({ Name: "other" });
  await remove("one");
  await turnTo("2027-01-15T11:00:00Z");
  expect(calls).toHaveLength(1);
});

test("schedules survive a restart, with their tokens", async () => {
  const first = await startedAt();
  const { ScheduleArn } = await first.create({ ClientToken: "token", Description: "kept" });
  const before = await first.get("one");
  await first.stop();

  const again = await startedAt("2027-01-15T10:30:00Z", { dir: first.dir });
  const after = await again.get("one");
  expect(after).toEqual(before);
  expect(await again.create({ ClientToken: "token", Description: "kept" })).toMatchObject({ ScheduleArn });
  await again.turnTo("2027-01-15T11:00:00Z");
  expect(timesOf(again.calls)).toEqual(["2027-01-15T11:00:00Z"]);
});

test("what was missed while the stack was down fires once when it is up again", async () => {
  const first = await startedAt();
  await first.create(target({ Input: "one-off" }));
  const cron = { Name: "cron", ScheduleExpression: "cron(0 * * * ? *)" };
  await first.create({ ...cron, ...target({ Input: "cron" }) });
  await first.stop();

  const again = await startedAt("2027-01-18T10:30:00Z", { dir: first.dir });
  await until(() => again.calls.length === 2);
  expect(new Set(again.calls.map(({ event }) => event))).toEqual(new Set(["cron", "one-off"]));
  await again.turnTo("2027-01-18T11:00:00Z");
  expect(again.calls.slice(2)).toMatchObject([{ event: "cron", at: "2027-01-18T11:00:00.000Z" }]);
});
