import {
  CreateScheduleCommand,
  DeleteScheduleCommand,
  GetScheduleCommand,
  ListSchedulesCommand,
  SchedulerClient,
  UpdateScheduleCommand,
  paginateListSchedules,
  type CreateScheduleCommandInput,
} from "@aws-sdk/client-scheduler";
import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setImmediate as immediate } from "node:timers/promises";
import { afterAll, afterEach, expect, onTestFinished, test, vi } from "vitest";
import { createClock, type Clock } from "../../lib/clock.ts";
import { startScheduler, type Scheduler } from "../../local/scheduler.ts";
import { ROOT, cleanEnv, endStacks, temporaryDir, until } from "../support/stack.ts";

const FUNCTION = "arn:aws:lambda:local:000000000000:function:fire";
const ROLE = "arn:aws:iam::000000000000:role/scheduler";
const QUEUE = "arn:aws:sqs:local:000000000000:dead";
const START = "2027-01-15T10:00:00Z";

// Failures are reported, and many tests are about failures.
const stderr = vi.spyOn(process.stderr, "write").mockReturnValue(true);
const running = new Set<Scheduler>();
afterEach(async () => {
  await Promise.all([...running].map((scheduler) => scheduler.stop()));
  running.clear();
});
afterAll(endStacks);

interface Call {
  readonly arn: string;
  readonly event: unknown;
  /** Service time. */
  readonly at: string;
}

interface WorldOptions {
  readonly dir?: string;
  readonly clock?: Clock;
  /** What the function does, given how many calls there were before. */
  readonly behave?: (before: number) => Promise<void> | void;
  readonly takeLetter?: () => Promise<void> | void;
}

/** A scheduler of its own, and what it has called and sent. */
async function createWorld(options: WorldOptions = {}) {
  const { dir = join(temporaryDir(), "schedules"), clock = turnable().clock, behave, takeLetter } = options;
  const calls: Call[] = [];
  const letters: { arn: string; body: string }[] = [];
  const scheduler = await startScheduler({
    dir,
    clock,
    accountId: "000000000000",
    region: "local",
    invoke: async (arn, event) => {
      calls.push({ arn, event, at: new Date(clock.now()).toISOString() });
      await behave?.(calls.length - 1);
    },
    sendToQueue: async (arn, body) => {
      await takeLetter?.();
      letters.push({ arn, body });
    },
  });
  running.add(scheduler);
  const client = new SchedulerClient({ endpoint: scheduler.url, maxAttempts: 1 });
  return {
    dir,
    calls,
    letters,
    client,
    stop: () => scheduler.stop(),
    create: (input: Partial<CreateScheduleCommandInput>) => client.send(new CreateScheduleCommand(wanted(input))),
    update: (input: Partial<CreateScheduleCommandInput>) => client.send(new UpdateScheduleCommand(wanted(input))),
    remove: (Name: string, GroupName?: string) => client.send(new DeleteScheduleCommand({ Name, GroupName })),
    get: async (Name: string, GroupName?: string) => {
      const { $metadata: _, ...schedule } = await client.send(new GetScheduleCommand({ Name, GroupName }));
      return schedule;
    },
    isThere: (name: string) => existsSync(join(dir, "default", `${name}.json`)),
  };
}

/** The least a schedule needs, in an hour, and whatever a test adds. */
function wanted(input: Partial<CreateScheduleCommandInput>): CreateScheduleCommandInput {
  return {
    Name: "one",
    ScheduleExpression: "at(2027-01-15T11:00:00)",
    FlexibleTimeWindow: { Mode: "OFF" },
    ...input,
    Target: { Arn: FUNCTION, RoleArn: ROLE, ...input.Target },
  };
}

/** A target with these fields changed. */
function target(change: object): Pick<CreateScheduleCommandInput, "Target"> {
  return { Target: { Arn: FUNCTION, RoleArn: ROLE, ...change } };
}

/** A clock that stands still until it is turned. Turning waits until the scheduler has done what is due then. */
function turnable(start = START) {
  const looks = new EventEmitter();
  let time = Date.parse(start);
  function waitFor(): number {
    looks.emit("look");
    return 1;
  }
  async function turnTo(iso: string): Promise<void> {
    time = Date.parse(iso);
    // First it looks after a request or a firing has ended, perhaps, then when its timer ends, then once more.
    for (let look = 0; look < 3; look += 1) {
      await once(looks, "look");
      await immediate();
    }
  }
  return { clock: { ...createClock(), now: () => time, waitFor } satisfies Clock, turnTo };
}

const timesOf = (calls: readonly Call[]) => calls.map(({ at }) => at.replace(".000Z", "Z"));

async function startedAt(iso = START, options: WorldOptions = {}) {
  const { clock, turnTo } = turnable(iso);
  return { ...(await createWorld({ clock, ...options })), turnTo };
}

// ---- The API ----

test("Get answers with everything that Create was given", async () => {
  const { create, get } = await createWorld();
  const given = {
    Name: "all.of-it_1",
    GroupName: "reports",
    ScheduleExpression: "cron(0 9 ? * MON-FRI *)",
    ScheduleExpressionTimezone: "Asia/Seoul",
    StartDate: new Date("2027-02-01T00:00:00Z"),
    EndDate: new Date("2027-03-01T00:00:00.500Z"),
    Description: "Every working day – 매일",
    State: "DISABLED",
    KmsKeyArn: "arn:aws:kms:local:000000000000:key/1",
    ActionAfterCompletion: "DELETE",
    FlexibleTimeWindow: { Mode: "FLEXIBLE", MaximumWindowInMinutes: 15 },
    Target: {
      Arn: FUNCTION,
      RoleArn: ROLE,
      Input: '{"text":"ü"}',
      RetryPolicy: { MaximumEventAgeInSeconds: 3_600, MaximumRetryAttempts: 3 },
      DeadLetterConfig: { Arn: QUEUE },
      SqsParameters: { MessageGroupId: "group" },
    },
  } as const;
  const ScheduleArn = "arn:aws:scheduler:local:000000000000:schedule/reports/all.of-it_1";
  expect(await create(given)).toMatchObject({ ScheduleArn });
  const answer = await get(given.Name, given.GroupName);
  const now = new Date(START);
  expect(answer).toEqual({ ...given, Arn: ScheduleArn, CreationDate: now, LastModificationDate: now });
});

test("what Create is not given has EventBridge's defaults", async () => {
  const { create, get } = await createWorld();
  expect(await create({})).toMatchObject({ ScheduleArn: "arn:aws:scheduler:local:000000000000:schedule/default/one" });
  const answer = await get("one");
  expect(answer).toEqual({
    Arn: "arn:aws:scheduler:local:000000000000:schedule/default/one",
    Name: "one",
    GroupName: "default",
    ScheduleExpression: "at(2027-01-15T11:00:00)",
    ScheduleExpressionTimezone: "UTC",
    State: "ENABLED",
    ActionAfterCompletion: "NONE",
    FlexibleTimeWindow: { Mode: "OFF" },
    Target: {
      Arn: FUNCTION,
      RoleArn: ROLE,
      RetryPolicy: { MaximumEventAgeInSeconds: 86_400, MaximumRetryAttempts: 185 },
    },
    CreationDate: new Date(START),
    LastModificationDate: new Date(START),
  });
});

test("an update replaces everything but the time of creation", async () => {
  const { create, update, get, turnTo } = await startedAt();
  await create({ Description: "before", Target: { Arn: FUNCTION, RoleArn: ROLE, Input: "1" } });
  await turnTo("2027-01-15T10:30:00Z");
  await update({ ScheduleExpression: "rate(5 minutes)", State: "DISABLED" });
  const changed = await get("one");
  expect(changed).toMatchObject({
    ScheduleExpression: "rate(5 minutes)",
    State: "DISABLED",
    CreationDate: new Date(START),
    LastModificationDate: new Date("2027-01-15T10:30:00Z"),
  });
  expect(changed.Description).toBeUndefined();
  expect(changed.Target?.Input).toBeUndefined();
});

test("a schedule that is not there can't be read, updated or deleted", async () => {
  const { create, update, get, remove, isThere } = await createWorld();
  const notFound = { name: "ResourceNotFoundException", $metadata: { httpStatusCode: 404 } };
  await create({ Name: "there" });
  await remove("there");
  expect(isThere("there")).toBe(false);
  await create({ Name: "there", GroupName: "elsewhere" });
  await expect(get("there")).rejects.toMatchObject(notFound);
  await expect(update({ Name: "there" })).rejects.toMatchObject(notFound);
  await expect(remove("there")).rejects.toMatchObject({
    ...notFound,
    message: "Schedule default/there does not exist",
  });
  await expect(get("there", "elsewhere")).resolves.toMatchObject({ Name: "there" });
});

test("a name is taken once in a group, and only the same request with the same token may come again", async () => {
  const { create, calls, turnTo } = await startedAt();
  const conflict = { name: "ConflictException", $metadata: { httpStatusCode: 409 } };
  const first = await create({ ClientToken: "token" });
  expect(await create({ ClientToken: "token" })).toMatchObject({ ScheduleArn: first.ScheduleArn });
  await expect(create({ ClientToken: "token", Description: "another" })).rejects.toMatchObject(conflict);
  await expect(create({ ClientToken: "another" })).rejects.toMatchObject(conflict);
  await expect(create({})).rejects.toMatchObject(conflict);
  await create({ GroupName: "elsewhere" });
  await turnTo("2027-01-15T11:00:00Z");
  expect(calls).toHaveLength(2);
  // By now its time is in the past, which must not fail a repeat either.
  expect(await create({ ClientToken: "token" })).toMatchObject({ ScheduleArn: first.ScheduleArn });
});

test("List goes page by page through a group, a prefix or a state", async () => {
  const { create, client } = await createWorld();
  for (const name of ["a-3", "a-1", "b-1", "a-2"]) await create({ Name: name });
  await create({ Name: "a-4", State: "DISABLED" });
  await create({ Name: "a-1", GroupName: "other" });

  async function names(filter: object, pageSize = 2): Promise<string[][]> {
    const pages: string[][] = [];
    for await (const { Schedules = [] } of paginateListSchedules({ client, pageSize }, filter)) {
      pages.push(Schedules.map(({ GroupName, Name }) => `${GroupName}/${Name}`));
    }
    return pages;
  }
  expect(await names({ GroupName: "default" })).toEqual([
    ["default/a-1", "default/a-2"],
    ["default/a-3", "default/a-4"],
    ["default/b-1"],
  ]);
  expect(await names({ NamePrefix: "a-" })).toEqual([
    ["default/a-1", "default/a-2"],
    ["default/a-3", "default/a-4"],
    ["other/a-1"],
  ]);
  expect(await names({ GroupName: "default", State: "DISABLED" })).toEqual([["default/a-4"]]);
  expect(await names({ GroupName: "default", NamePrefix: "a-" }, 4)).toHaveLength(1);
  expect(await names({ GroupName: "nobody" })).toEqual([[]]);
  const { Schedules } = await client.send(new ListSchedulesCommand({ NamePrefix: "b" }));
  expect(Schedules).toEqual([
    {
      Arn: "arn:aws:scheduler:local:000000000000:schedule/default/b-1",
      Name: "b-1",
      GroupName: "default",
      State: "ENABLED",
      Target: { Arn: FUNCTION },
      CreationDate: new Date(START),
      LastModificationDate: new Date(START),
    },
  ]);
  const tooMany = client.send(new ListSchedulesCommand({ MaxResults: 101 }));
  await expect(tooMany).rejects.toMatchObject({
    name: "ValidationException",
    message: expect.stringContaining("MaxResults"),
  });
});

test.each<[string, Partial<CreateScheduleCommandInput>, string]>([
  ["a name with a space", { Name: "a b" }, "Name"],
  ["a name of 65 characters", { Name: "x".repeat(65) }, "Name"],
  ["a group that leads out of its folder", { GroupName: ".." }, "GroupName"],
  ["a group with a slash", { GroupName: "a/b" }, "GroupName"],
  ["no expression", { ScheduleExpression: undefined }, "ScheduleExpression"],
  ["an expression that is none", { ScheduleExpression: "every day" }, "Invalid Schedule Expression every day"],
  ["a date that does not exist", { ScheduleExpression: "at(2027-02-30T10:00:00)" }, "that exist"],
  ["a time in the past", { ScheduleExpression: "at(2027-01-15T09:59:59)" }, "in the past"],
  [
    "a time that is past in its zone",
    { ScheduleExpression: "at(2027-01-15T18:00:00)", ScheduleExpressionTimezone: "Asia/Seoul" },
    "in the past",
  ],
  ["a zone that is none", { ScheduleExpressionTimezone: "Mars/Olympus" }, "ScheduleExpressionTimezone"],
  ["no flexible time window", { FlexibleTimeWindow: undefined }, "FlexibleTimeWindow"],
  ["a state that is none", { State: "PAUSED" as never }, "State"],
  ["no target's ARN", target({ Arn: undefined }), "Target.Arn"],
  ["no role", target({ RoleArn: undefined }), "Target.RoleArn"],
  ["an input over 256 KB", target({ Input: "ü".repeat(128 * 1_024 + 1) }), "Target.Input"],
  ["186 retries", target({ RetryPolicy: { MaximumRetryAttempts: 186 } }), "MaximumRetryAttempts"],
])("%s is refused", async (_, change, problem) => {
  const { create, update, client, dir } = await createWorld();
  const refused = { name: "ValidationException", $metadata: { httpStatusCode: 400 } };
  const message: string = await create(change).then(
    () => "",
    (error: unknown) => {
      expect(error).toMatchObject(refused);
      return (error as Error).message;
    },
  );
  expect(message).toContain(problem);
  expect(readdirSync(dir)).toEqual([]);
  await create({ Name: "good" });
  await expect(update({ Name: "good", ...change })).rejects.toMatchObject(change.Name ? {} : refused);
  expect((await client.send(new ListSchedulesCommand())).Schedules).toHaveLength(1);
});

test("an input of exactly 256 KB fires", async () => {
  const { create, calls, turnTo } = await startedAt();
  await create(target({ Input: "x".repeat(256 * 1_024) }));
  await turnTo("2027-01-15T11:00:00Z");
  expect(calls[0]?.event).toHaveLength(256 * 1_024);
});

test("what is not part of the API is refused as unknown, and what is not JSON as invalid", async () => {
  const { client } = await createWorld();
  const { hostname, port } = (await client.config.endpoint?.()) ?? {};
  const ask = (method: string, path: string, body?: string) =>
    fetch(`http://${hostname}:${port}${path}`, { method, ...(body !== undefined && { body }) });
  for (const [method, path] of [
    ["GET", "/schedule-groups/default"],
    ["GET", "/"],
    ["PATCH", "/schedules/one"],
    ["DELETE", "/schedules"],
    ["GET", "//"],
  ] as const) {
    const answer = await ask(method, path);
    expect([path, answer.status]).toEqual([path, 404]);
    expect(answer.headers.get("x-amzn-errortype")).toBe("UnknownOperationException");
  }
  expect((await ask("POST", "/schedules/one", "{")).status).toBe(400);
});

// ---- Firing ----

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
  // Clocks are put forward on 14 March, so nine o'clock comes an hour earlier from then on.
  [
    "2027-03-13T10:00:00Z",
    "America/New_York",
    "cron(0 9 * * ? *)",
    ["2027-03-13T14:00:00Z", "2027-03-14T13:00:00Z", "2027-03-15T13:00:00Z"],
  ],
  // They are put back on 1 November, and show half past one twice.
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

// ---- Failures ----

/** A dead letter is the whole call, as EventBridge writes it. */
const letterWith = (Payload: string) => JSON.stringify({ FunctionName: FUNCTION, InvocationType: "Event", Payload });

const noStock = () => {
  throw new Error("no stock left");
};

test("a function that fails is called again later and later, and a success ends that", async () => {
  const behave = (before: number) => (before < 3 ? noStock() : undefined);
  const { create, calls, letters, turnTo, isThere } = await startedAt(START, { behave });
  await create({ ActionAfterCompletion: "DELETE", ...target({ DeadLetterConfig: { Arn: QUEUE } }) });
  for (let second = 0; second < 30; second += 1) {
    await turnTo(new Date(Date.parse("2027-01-15T11:00:00Z") + second * 1_000).toISOString());
    expect(isThere("one")).toBe(calls.length < 4);
  }
  expect(timesOf(calls).map((at) => at.slice(17, 19))).toEqual(["00", "01", "03", "07"]);
  expect(letters).toEqual([]);
});

test("after its last retry the input goes to the dead-letter queue, and only then the schedule", async () => {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const world = await startedAt(START, { behave: noStock, takeLetter: () => opened });
  const change = {
    RetryPolicy: { MaximumRetryAttempts: 2 },
    DeadLetterConfig: { Arn: QUEUE },
    Input: '{ "order": 1 }',
  };
  await world.create({ ActionAfterCompletion: "DELETE", ...target(change) });
  for (const second of ["00", "01", "03", "07"]) await world.turnTo(`2027-01-15T11:00:${second}Z`);
  expect(world.calls).toHaveLength(3);
  expect(world.isThere("one")).toBe(true);
  open();
  await until(() => !world.isThere("one"));
  expect(world.letters).toEqual([{ arn: QUEUE, body: letterWith('{ "order": 1 }') }]);
});

test("retries end when the event is too old", async () => {
  const { create, calls, letters, turnTo } = await startedAt(START, { behave: noStock });
  const change = { RetryPolicy: { MaximumEventAgeInSeconds: 60 }, DeadLetterConfig: { Arn: QUEUE } };
  await create(target(change));
  for (let second = 0; second < 120; second += 1) {
    await turnTo(new Date(Date.parse("2027-01-15T11:00:00Z") + second * 1_000).toISOString());
  }
  expect(timesOf(calls).map((at) => at.slice(14, 19))).toEqual(["00:00", "00:01", "00:03", "00:07", "00:15", "00:31"]);
  expect(letters).toEqual([{ arn: QUEUE, body: letterWith("{}") }]);
});

test("a run that fails does not hold up the next one", async () => {
  const behave = (before: number) => (before < 2 ? noStock() : undefined);
  const { create, calls, turnTo } = await startedAt("2027-01-15T10:00:30Z", { behave });
  await create({ ScheduleExpression: "cron(* * * * ? *)" });
  await turnTo("2027-01-15T10:01:00Z");
  await turnTo("2027-01-15T10:02:00Z");
  // The retry of the first run, which fails once more, and the second run.
  expect(calls).toHaveLength(3);
  await turnTo("2027-01-15T10:02:02Z");
  expect(calls).toHaveLength(4);
});

test("a schedule that is deleted or updated while a retry waits does not fire by its old content", async () => {
  const behave = (before: number) => (before < 2 ? noStock() : undefined);
  const { create, update, remove, calls, turnTo } = await startedAt(START, { behave });
  await create({ Name: "deleted", ...target({ Input: "deleted" }) });
  await create({ Name: "updated", ...target({ Input: "old" }) });
  await turnTo("2027-01-15T11:00:00Z");
  await remove("deleted");
  await update({ Name: "updated", ScheduleExpression: "at(2027-01-15T12:00:00)", ...target({ Input: "new" }) });
  await turnTo("2027-01-15T11:30:00Z");
  expect(calls).toHaveLength(2);
  await turnTo("2027-01-15T12:00:00Z");
  expect(calls.slice(2)).toMatchObject([{ event: "new", at: "2027-01-15T12:00:00.000Z" }]);
});

test("a schedule that is deleted, or replaced, while its function runs is not touched by how that ends", async () => {
  const ends: ((error: Error) => void)[] = [];
  const behave = () => new Promise<void>((_, reject) => ends.push(reject));
  const { create, remove, get, letters, turnTo, isThere } = await startedAt(START, { behave });
  const change = { RetryPolicy: { MaximumRetryAttempts: 0 }, DeadLetterConfig: { Arn: QUEUE } };
  for (const Name of ["deleted", "replaced"]) {
    await create({ Name, ActionAfterCompletion: "DELETE", ...target(change) });
  }
  await turnTo("2027-01-15T11:00:00Z");
  await remove("deleted");
  await remove("replaced");
  await create({ Name: "replaced", ScheduleExpression: "at(2027-01-15T12:00:00)", ActionAfterCompletion: "DELETE" });
  for (const end of ends) end(new Error("late"));
  await turnTo("2027-01-15T11:30:00Z");
  expect(ends).toHaveLength(2);
  expect(letters).toEqual([]);
  expect(isThere("deleted")).toBe(false);
  await expect(get("replaced")).resolves.toMatchObject({ ScheduleExpression: "at(2027-01-15T12:00:00)" });
});

test("a queue that takes no dead letter does not keep a schedule", async () => {
  const { create, turnTo, isThere } = await startedAt(START, { behave: noStock, takeLetter: noStock });
  const change = { RetryPolicy: { MaximumRetryAttempts: 0 }, DeadLetterConfig: { Arn: QUEUE } };
  await create({ ActionAfterCompletion: "DELETE", ...target(change) });
  await turnTo("2027-01-15T11:00:00Z");
  await until(() => !isThere("one"));
});

test("a stop does not wait for ever, and what was in hand fires at the next start", async () => {
  let end = () => {};
  const behave = () =>
    new Promise<void>((resolve) => {
      end = resolve;
    });
  const first = await startedAt(START, { behave });
  await first.create({ ActionAfterCompletion: "DELETE" });
  await first.turnTo("2027-01-15T11:00:00Z");
  await first.stop();
  await expect(first.get("one")).rejects.toThrow();

  const again = await startedAt("2027-01-15T11:00:05Z", { dir: first.dir });
  await until(() => again.calls.length === 1 && !again.isThere("one"));
  // Ending late must not touch what is the next one's by now.
  await again.create({ ScheduleExpression: "at(2027-01-15T12:00:00)", ActionAfterCompletion: "DELETE" });
  end();
  await again.turnTo("2027-01-15T11:30:00Z");
  expect(again.isThere("one")).toBe(true);
});

test("a stop waits for a function that is about to end, and a failure by then is not counted", async () => {
  const ends: ((failure?: Error) => void)[] = [];
  const behave = () =>
    new Promise<void>((resolve, reject) => ends.push((failure) => (failure ? reject(failure) : resolve())));
  const world = await startedAt(START, { behave });
  const change = { RetryPolicy: { MaximumRetryAttempts: 0 }, DeadLetterConfig: { Arn: QUEUE } };
  for (const Name of ["succeeds", "fails"]) {
    await world.create({ Name, ActionAfterCompletion: "DELETE", ...target(change) });
  }
  await world.turnTo("2027-01-15T11:00:00Z");
  const stopped = world.stop();
  ends[0]?.();
  ends[1]?.(new Error("The database has stopped"));
  await stopped;
  expect([world.isThere("succeeds"), world.isThere("fails")]).toEqual([false, true]);
  expect(world.letters).toEqual([]);
});

test("a dead letter that fails while the stack stops is not lost", async () => {
  let refuse: ((reason: Error) => void) | undefined;
  const takeLetter = () =>
    new Promise<void>((_, reject) => {
      refuse = reject;
    });
  const world = await startedAt(START, { behave: noStock, takeLetter });
  const change = { RetryPolicy: { MaximumRetryAttempts: 0 }, DeadLetterConfig: { Arn: QUEUE } };
  await world.create({ ActionAfterCompletion: "DELETE", ...target(change) });
  await world.turnTo("2027-01-15T11:00:00Z");
  const stopped = world.stop();
  refuse?.(new Error("The queue has stopped"));
  await stopped;
  const again = await startedAt("2027-01-15T11:00:05Z", { dir: world.dir, behave: noStock });
  await until(() => again.letters.length === 1);
});

test("a function that a killed stack had called is called again", async () => {
  const dir = join(temporaryDir(), "schedules");
  const killed = spawn(process.execPath, ["--input-type=module", "--eval", HANGING, dir], {
    cwd: ROOT,
    env: cleanEnv(),
  });
  onTestFinished(() => void killed.kill("SIGKILL"));
  const lines = createInterface({ input: killed.stdout })[Symbol.asyncIterator]();
  const line = async () => (await lines.next()).value as string;
  const client = new SchedulerClient({ endpoint: await line(), maxAttempts: 1 });
  const input = { ScheduleExpression: "rate(1 day)", EndDate: new Date(Date.now() + 60_000) };
  await client.send(new CreateScheduleCommand(wanted({ ...input, ActionAfterCompletion: "DELETE" })));
  expect(await line()).toBe(`called ${FUNCTION}`);
  killed.kill("SIGKILL");
  await once(killed, "exit");

  const again = await createWorld({ dir, clock: createClock() });
  await until(() => again.calls.length === 1 && !again.isThere("one"));
});

/** A scheduler whose function never ends. */
const HANGING = `
  import { startScheduler } from "./local/scheduler.ts";
  import { createClock } from "./lib/clock.ts";
  const { url } = await startScheduler({
    dir: process.argv[1], clock: createClock(), accountId: "0", region: "local",
    invoke: (arn) => new Promise(() => console.log("called " + arn)),
    sendToQueue: async () => {},
  });
  console.log(url);
`;

test("inputs are not printed, though a failure says which schedule and function it was", async () => {
  const stdout = vi.spyOn(process.stdout, "write");
  stderr.mockClear();
  const quote = () => {
    throw new SyntaxError(`"secret" is not valid JSON`);
  };
  const { create, turnTo, isThere } = await startedAt(START, { behave: quote, takeLetter: quote });
  const change = { RetryPolicy: { MaximumRetryAttempts: 0 }, DeadLetterConfig: { Arn: QUEUE }, Input: "secret" };
  await create({ ActionAfterCompletion: "DELETE", ...target(change) });
  await turnTo("2027-01-15T11:00:00Z");
  await until(() => !isThere("one"));
  const printed = stderr.mock.calls.map(([text]) => String(text));
  expect(stdout.mock.calls.flat().join("")).not.toContain("secret");
  stdout.mockRestore();
  expect(printed).toEqual([
    `schedule default/one: failure 1 of ${FUNCTION} (SyntaxError)\n`,
    `schedule default/one: no dead letter in ${QUEUE} (SyntaxError)\n`,
  ]);
});
