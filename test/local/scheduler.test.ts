import {
  ListSchedulesCommand,
  paginateListSchedules,
  type CreateScheduleCommandInput,
} from "@aws-sdk/client-scheduler";
import { readdirSync } from "node:fs";
import { afterAll, afterEach, expect, test } from "vitest";
import { endStacks } from "../support/stack.ts";
import { FUNCTION, ROLE, QUEUE, START, stopSchedulers, createWorld, target, startedAt } from "./scheduler-world.ts";

// The local EventBridge Scheduler's API.

afterEach(stopSchedulers);
afterAll(endStacks);

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
  // The schedule's time is in the past now. A repeat must still succeed.
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
