import { CreateScheduleCommand, SchedulerClient } from "@aws-sdk/client-scheduler";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, afterEach, expect, onTestFinished, test, vi } from "vitest";
import { createClock } from "../../lib/clock.ts";
import { ROOT } from "../support/root.ts";
import { cleanEnv } from "../support/clean-env.ts";
import { endStacks, temporaryDir, until } from "../support/stack.ts";
import {
  FUNCTION,
  QUEUE,
  START,
  stderr,
  stopSchedulers,
  createWorld,
  wanted,
  target,
  timesOf,
  startedAt,
} from "./scheduler-world.ts";

// Retries, dead letters and restarts of the local EventBridge Scheduler.

afterEach(stopSchedulers);
afterAll(endStacks);

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
  expect(world.letters).toEqual([{ arn: QUEUE, body: '{ "order": 1 }' }]);
});

test("retries end when the event is too old", async () => {
  const { create, calls, letters, turnTo } = await startedAt(START, { behave: noStock });
  const change = { RetryPolicy: { MaximumEventAgeInSeconds: 60 }, DeadLetterConfig: { Arn: QUEUE } };
  await create(target(change));
  for (let second = 0; second < 120; second += 1) {
    await turnTo(new Date(Date.parse("2027-01-15T11:00:00Z") + second * 1_000).toISOString());
  }
  expect(timesOf(calls).map((at) => at.slice(14, 19))).toEqual(["00:00", "00:01", "00:03", "00:07", "00:15", "00:31"]);
  expect(letters).toEqual([{ arn: QUEUE, body: "{}" }]);
});

test("a run that fails does not hold up the next one", async () => {
  const behave = (before: number) => (before < 2 ? noStock() : undefined);
  const { create, calls, turnTo } = await startedAt("2027-01-15T10:00:30Z", { behave });
  await create({ ScheduleExpression: "cron(* * * * ? *)" });
  await turnTo("2027-01-15T10:01:00Z");
  await turnTo("2027-01-15T10:02:00Z");
  // The calls: the first run, its retry, which fails too, and the second run.
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
  // The late end of the old schedule's call must not delete the new schedule of the same name.
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
