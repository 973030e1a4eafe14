import { createTable } from "../../lib/store/table.ts";
import { DynamoDBClient, QueryCommand } from "@aws-sdk/client-dynamodb";
import { marshall } from "@aws-sdk/util-dynamodb";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { CLIENT_DEFAULTS } from "../../lib/aws.ts";
import { DAY, createClock, type Clock } from "../../lib/clock.ts";
import { Unavailable } from "../../lib/errors.ts";
import type { LogWriter } from "../../lib/tasks/log-writer.ts";
import { createTaskLog, type LogPage, type TaskLog } from "../../lib/tasks/log.ts";
import { LOG_LEVELS, type LogLevel } from "../../lib/tasks/task.ts";
import { startEmulators, type Emulators } from "../../local/emulators.ts";
import { provision } from "../../local/provision.ts";
import { readTemplate } from "../../local/template.ts";
import { ROOT } from "../support/root.ts";

// The logs of tasks, in the embedded DynamoDB.

const table = "JobsTable";
const real = createClock();
let ahead = 0;
const clock: Clock = { ...real, now: () => real.now() + ahead };

let emulators: Emulators;
let client: DynamoDBClient;
let log: TaskLog;
/** The names of the commands that were sent to the table. */
let sent: string[] = [];
/** Runs before each write. If it throws, the write is not made. */
let beforePut = async (): Promise<void> => {};

beforeAll(async () => {
  emulators = await startEmulators();
  await provision(readTemplate(ROOT), emulators.endpoints);
  client = new DynamoDBClient({ ...CLIENT_DEFAULTS, endpoint: emulators.endpoints.dynamodb });
  client.middlewareStack.add(
    (next, { commandName = "" }) =>
      async (args) => {
        sent.push(commandName);
        if (commandName === "PutItemCommand") await beforePut();
        return next(args);
      },
    { step: "initialize" },
  );
  log = createTaskLog({ table: createTable({ name: table, clock, client }), clock });
});
afterAll(async () => {
  client.destroy();
  await emulators.stop();
});
beforeEach(() => {
  ahead = 0;
  beforePut = async () => {};
});

function newJob() {
  return { id: clock.uuid(), createdAt: clock.now() };
}

const all: LogPage = { offset: 0, limit: 1_000_000 };

async function messages(job: ReturnType<typeof newJob>, page: Partial<LogPage> = {}): Promise<string[]> {
  return (await log.read(job, { ...all, ...page })).lines.map(({ message }) => message);
}

/** Writes `count` lines and keeps them. */
async function write(writer: LogWriter, count: number, begin: string, level: LogLevel = "info"): Promise<string[]> {
  const texts = Array.from({ length: count }, (_, n) => `${begin} ${n}`);
  for (const text of texts) await writer.line(level, text);
  await writer.flush();
  return texts;
}

/** Mostly `info`, one in a thousand `error`, `debug` in blocks. */
function levelOf(n: number): LogLevel {
  if (n % 1_000 === 999) return "error";
  if (n % 10 === 0) return "warning";
  return Math.floor(n / 3_000) % 3 === 0 ? "debug" : "info";
}

test("any page of 100,000 lines is right, and takes a few reads", async () => {
  const job = newJob();
  const writer = await log.open(job, 1);
  const lines = Array.from({ length: 100_000 }, (_, n) => ({ n, level: levelOf(n) }));
  sent = [];
  for (const { n, level } of lines) await writer.line(level, `line ${n}`, { rowNumber: n + 1, meta: { n } });
  await writer.flush();
  // Chunks of 200 lines, and the writes while they fill.
  expect(sent.length).toBeLessThan(1_500);

  const limit = 100;
  for (const level of [undefined, ...LOG_LEVELS]) {
    const ofLevel = level ? lines.filter((line) => line.level === level) : lines;
    const total = ofLevel.length;
    const last = Math.floor((total - 1) / limit) * limit;
    const offsets = [
      0,
      1,
      199,
      200,
      last,
      total - 1,
      total,
      total + 1_000,
      Math.floor(total / 3),
      Math.floor(total / 2),
    ];
    for (let n = 0; n < 10; n += 1) offsets.push(Math.floor(Math.random() * total));
    for (const newestFirst of [false, true]) {
      const ordered = newestFirst ? ofLevel.toReversed() : ofLevel;
      for (const offset of offsets) {
        sent = [];
        const page = await log.read(job, { level, newestFirst, offset, limit });
        const expected = ordered.slice(offset, offset + limit);
        expect([level, newestFirst, offset, page.total]).toEqual([level, newestFirst, offset, total]);
        expect(page.lines.map(({ number }) => number)).toEqual(expected.map(({ n }) => n));
        expect(page.lines.every((line) => line.level === levelOf(line.number))).toBe(true);
        // The index and, for each level, the chunk where the page begins and the next one.
        expect(sent.length).toBeLessThanOrEqual(1 + 2 * (level ? 1 : LOG_LEVELS.length));
      }
    }
  }
  for (const level of [undefined, ...LOG_LEVELS]) {
    for (const first of [0, 1, 200, 999, 1_000, 54_321, 99_999, 100_000, 200_000]) {
      sent = [];
      const before = lines.filter((line) => line.n < first && (!level || line.level === level)).length;
      expect([level, first, await log.countAmong(job, level, first)]).toEqual([level, first, before]);
      expect(sent.length).toBeLessThanOrEqual(2);
    }
  }
  const [first] = (await log.read(job, { offset: 54_321, limit: 1 })).lines;
  expect(first).toMatchObject({ message: "line 54321", rowNumber: 54_322, meta: { n: 54_321 } });

  // A large log does not slow down the reads of other jobs' logs.
  const other = newJob();
  await write(await log.open(other, 1), 3, "other");
  sent = [];
  expect(await messages(other)).toHaveLength(3);
  expect(sent).toEqual(["GetItemCommand", "GetItemCommand"]);
});

test("lines go on over attempts, numbered as they came", async () => {
  const job = newJob();
  const texts: string[] = [];
  for (const attempt of [1, 2, 3]) {
    const writer = await log.open(job, attempt);
    texts.push(...(await write(writer, 250, `attempt ${attempt} info`)));
    texts.push(...(await write(writer, 3, `attempt ${attempt} error`, "error")));
  }
  const { lines, total } = await log.read(job, all);
  expect(total).toBe(759);
  expect(lines.map(({ message }) => message)).toEqual(texts);
  expect(lines.map(({ number }) => number)).toEqual(texts.map((_, n) => n));
  expect(await messages(job, { level: "error", offset: 2, limit: 3 })).toEqual([
    "attempt 1 error 2",
    "attempt 2 error 0",
    "attempt 2 error 1",
  ]);
  expect(await messages(job, { newestFirst: true, offset: 2, limit: 2 })).toEqual([
    "attempt 3 error 0",
    "attempt 3 info 249",
  ]);
});

test("what an attempt writes that another has followed is dropped", async () => {
  const job = newJob();
  const zombie = await log.open(job, 1);
  const before = await write(zombie, 150, "before");
  const next = await log.open(job, 2);
  await write(zombie, 10, "meanwhile");
  const after = await write(next, 60, "after");
  await write(zombie, 300, "too late");
  expect(await messages(job)).toEqual([...before, ...after]);
  const more = await write(next, 5, "more");
  expect(await messages(job)).toEqual([...before, ...after, ...more]);
  expect((await log.read(job, { ...all, level: "info" })).total).toBe(215);
});

test("a log holds 200,000 lines, over all attempts, and says where it ends", async () => {
  const job = newJob();
  const first = await log.open(job, 1);
  for (let n = 0; n < 150_000; n += 1) await first.line("info", `first ${n}`);
  await first.flush();
  const second = await log.open(job, 2);
  for (let n = 0; n < 50_100; n += 1) await second.line("info", `second ${n}`);
  await second.flush();
  const { lines, total } = await log.read(job, { newestFirst: true, offset: 0, limit: 2 });
  expect(total).toBe(200_000);
  expect(lines.map(({ message }) => message)).toEqual([
    "The log ends here: a job's log holds 200000 lines",
    "second 49998",
  ]);
  const third = await log.open(job, 3);
  await third.line("error", "no more");
  await third.flush();
  expect((await log.read(job, { offset: 0, limit: 1 })).total).toBe(200_000);
});

test("long lines make small chunks, and what is too long is cut", async () => {
  const job = newJob();
  const writer = await log.open(job, 1);
  const long = "ü".repeat(3_000);
  for (let n = 0; n < 300; n += 1) await writer.line("info", long, { meta: { n, text: "\u0000".repeat(600) } });
  await writer.line("info", "too much", { meta: { text: "x".repeat(4_000) } });
  await writer.line("info", "half \ud83d");
  await writer.flush();
  const { lines, total } = await log.read(job, { offset: 299, limit: 3 });
  expect(total).toBe(302);
  expect(lines.map(({ message, meta }) => [message, meta?.["n"]])).toEqual([
    ["ü".repeat(2_000), 299],
    ["too much", undefined],
    ["half \ufffd", undefined],
  ]);
});

test("while the table does not answer, the writer hears of it, and nothing is lost", async () => {
  const job = newJob();
  const writer = await log.open(job, 1);
  const texts = Array.from({ length: 450 }, (_, n) => `line ${n}`);
  let isAway = false;
  beforePut = async () => {
    if (isAway) throw new Error("connect ECONNREFUSED");
  };
  let heard = 0;
  for (const [n, text] of texts.entries()) {
    // The table is away while both chunks fill.
    isAway = n > 150 && n < 430;
    await writer.line("info", text).catch((error: unknown) => {
      expect(error).toBeInstanceOf(Unavailable);
      heard += 1;
    });
  }
  expect(heard).toBe(2);
  isAway = true;
  await expect(writer.flush()).rejects.toBeInstanceOf(Unavailable);
  isAway = false;
  await writer.flush();
  expect(await messages(job)).toEqual(texts);
});

test("writes that take their time don't overtake each other", async () => {
  const job = newJob();
  const writer = await log.open(job, 1);
  beforePut = async () => sleep(Math.random() * 8);
  const texts = Array.from({ length: 1_500 }, (_, n) => `line ${n}`);
  const flushes: Promise<void>[] = [];
  for (const [n, text] of texts.entries()) {
    // The writes are not awaited, as in a task that logs many lines at once.
    flushes.push(writer.line(n % 3 === 0 ? "warning" : "info", text));
    if (n % 50 === 0) {
      flushes.push(writer.flush());
      await sleep(1);
    }
    if (n % 200 === 0) {
      // The log holds all lines that its total counts.
      const { lines, total } = await log.read(job, all);
      expect(lines.map(({ message }) => message)).toEqual(texts.slice(0, total));
    }
  }
  await Promise.all(flushes);
  await writer.flush();
  expect(await messages(job)).toEqual(texts);
});

test("a job that is made anew under the same id has a log of its own", async () => {
  const job = newJob();
  await write(await log.open(job, 1), 3, "old");
  await write(await log.open(job, 2), 3, "old");
  const anew = { ...job, createdAt: job.createdAt + 1 };
  expect(await messages(anew)).toEqual([]);
  const texts = await write(await log.open(anew, 1), 2, "new");
  expect(await messages(anew)).toEqual(texts);
  expect(await messages(job)).toHaveLength(6);
});

test("what is removed leaves nothing, not even what a late attempt wrote", async () => {
  const job = newJob();
  const zombie = await log.open(job, 1);
  await write(zombie, 450, "before");
  await write(await log.open(job, 2), 450, "after", "error");
  await write(zombie, 450, "too late");
  await log.remove(job);
  const query = new QueryCommand({
    TableName: table,
    KeyConditionExpression: "pk = :pk",
    ExpressionAttributeValues: marshall({ ":pk": `L#${job.id}#${job.createdAt}` }),
  });
  expect((await client.send(query)).Count).toBe(0);
  expect(await log.read(job, all)).toEqual({ lines: [], total: 0 });
});

test("lines are gone after 30 days, whether they were deleted yet or not", async () => {
  const job = newJob();
  await write(await log.open(job, 1), 3, "line");
  ahead = 30 * DAY - 60_000;
  expect(await messages(job)).toHaveLength(3);
  ahead = 30 * DAY + 60_000;
  expect(await log.read(job, all)).toEqual({ lines: [], total: 0 });
});
