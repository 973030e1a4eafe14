import { createTable } from "../../lib/store/table.ts";
import { expect, test } from "vitest";
import { HOUR, MINUTE, SECOND, createClock, type TimeLeft } from "../../lib/clock.ts";
import { createBucket } from "../../lib/store/bucket.ts";
import { createJobStore, type JobStore } from "../../lib/store/job-store.ts";
import type { Job } from "../../lib/job/job.ts";
import type { BacklogRef } from "../../lib/job/backlog.ts";
import { newJob } from "../support/new-job.ts";
import type { EngineParts } from "../../lib/engine/engine-parts.ts";
import { sweep as sweepWith, type SweepPart } from "../../lib/engine/sweep.ts";
import type { Level, LogFields } from "../../lib/log.ts";
import type { Queue } from "../../lib/queue/queue.ts";
import { readTemplate } from "../../local/template.ts";
import { clientOf } from "../sim/models/client.ts";
import { DUE_SHARDS } from "../../lib/store/job-keys.ts";
import { createDynamoDb } from "../sim/models/dynamodb.ts";
import { createS3 } from "../sim/models/s3.ts";
import { ROOT } from "../support/root.ts";
import { PLENTY, request } from "../support/world.ts";
import type { Wait } from "../../lib/flow/wait.ts";

const NOW = Date.parse("2026-01-01T12:00:00Z");
const { Properties: properties = {} } = readTemplate(ROOT).resources["JobsTable"] ?? {};

/**
 * The sweep on a table of its own, with records of its log, its messages and the ends that it settles.
 * `faults`: replacements of calls.
 */
function stand(
  faults: Partial<Pick<JobStore, "due" | "apply"> & Pick<EngineParts, "sweepMore">> & {
    settleEnd?: () => Promise<void>;
    wait?: Wait;
  } = {},
) {
  const { settleEnd = async () => {}, wait, ...calls } = faults;
  const clock = { ...createClock(), now: () => NOW };
  const client = clientOf(createDynamoDb({ now: clock.now, table: "JobsTable", properties }).send);
  const files = createBucket({ name: "jobsbucket", client: clientOf(createS3({ bucket: "jobsbucket" }).send) });
  const store = createJobStore({ table: createTable({ name: "JobsTable", clock, client }), files, clock });
  const told: string[] = [];
  const started: SweepPart[] = [];
  const handedOver: { id: string; notBefore: number }[][] = [];
  const pages: { shard: string; limit: number }[] = [];
  let writes = 0;
  const due: JobStore["due"] = async (...args) => {
    pages.push({ shard: args[0], limit: args[2] });
    return (calls.due ?? store.due)(...args);
  };
  const apply: JobStore["apply"] = async (...args) => {
    writes += 1;
    return (calls.apply ?? store.apply)(...args);
  };
  const expireAttachments = async () => {
    told.push("settles");
    await settleEnd();
  };
  const sendAttempts: Queue["sendAttempts"] = async (departures) => {
    if (departures.length > 0) handedOver.push(departures.map(({ job, notBefore }) => ({ id: job.id, notBefore })));
    return [];
  };
  // Only the parts that the sweep uses.
  const parts = {
    clock,
    store: { ...store, due, apply, expireAttachments },
    queue: { sendAttempts },
    flow: { waitOf: async () => wait },
    backlogs: { announce: async ({ backlog }: BacklogRef) => void told.push(`announces ${backlog}`) },
    sweepMore: calls.sweepMore ?? (async (part: SweepPart) => void started.push(part)),
    log: (level: Level, event: string, { count, left }: LogFields) =>
      told.push([level, event, count, left].join(" ").trim()),
    retention: 0,
  } as unknown as EngineParts;
  const sweep = async (timeLeft: TimeLeft, part?: SweepPart) => sweepWith(timeLeft, parts, part);
  /** Stores a job that is due at a time, without a move. */
  const put = async (dueAt: number, change: Partial<Job> = {}, shard = "07"): Promise<Job> => {
    const { appId = "app" } = change;
    const job = newJob({ ...request("db"), appId }, NOW - HOUR, `${clock.uuid().slice(0, -2)}${shard}`);
    return (await store.create({ ...job, startAt: Math.min(dueAt, NOW), dueAt, ...change } as Job)).job;
  };
  const dueAt = async ({ id }: Job) => (await store.get(id))?.dueAt;
  const sent = () => handedOver.flat();
  return { store, sweep, put, dueAt, sent, told, started, handedOver, pages, writes: () => writes };
}

const running = (leaseUntil: number) => ({ status: "RUNNING", attempts: 1, leaseUntil }) as const;

test("a due job is handed over and put off for five minutes, or for as long as it has waited", async () => {
  const { sweep, put, dueAt, sent, told } = stand();
  const [late, onTime, soon] = [await put(NOW - HOUR), await put(NOW), await put(NOW + MINUTE)];
  const later = await put(NOW + MINUTE + 1);
  expect(await sweep(PLENTY)).toEqual({ sent: 3, expired: 0, left: 0 });
  const departures = [late, onTime, soon].map(({ id }, at) => ({ id, notBefore: [NOW - HOUR, NOW, NOW + MINUTE][at] }));
  expect(sent()).toEqual(departures);
  expect([await dueAt(late), await dueAt(onTime)]).toEqual([NOW + HOUR, NOW + 5 * MINUTE]);
  expect([await dueAt(soon), await dueAt(later)]).toEqual([NOW + 6 * MINUTE, NOW + MINUTE + 1]);
  expect(told).toEqual(["info sweep.ended 3 0"]);
});

test("due jobs of one app go to the queue together, whatever shards they are in", async () => {
  const { sweep, put, handedOver } = stand();
  const { appId } = request("db");
  for (const shard of ["00", "07", "1a", "3f"]) await put(NOW - HOUR, { appId }, shard);
  expect(await sweep(PLENTY)).toMatchObject({ sent: 4 });
  expect(handedOver).toHaveLength(1);
});

test("a sweep that finds nothing says nothing", async () => {
  const { sweep, told } = stand();
  expect(await sweep(PLENTY)).toEqual({ sent: 0, expired: 0, left: 0 });
  expect(told).toEqual([]);
});

test("a job is handed over for when it may start, however long it has been due", async () => {
  const { sweep, put, sent } = stand();
  await put(NOW - MINUTE, { startAt: NOW + SECOND });
  await sweep(PLENTY);
  expect(sent()).toMatchObject([{ notBefore: NOW + SECOND }]);
});

test("a lane's job waits in the table until it may start", async () => {
  const { sweep, put, dueAt, sent } = stand();
  const early = await put(NOW + SECOND, { lane: "orders" });
  const onTime = await put(NOW, { lane: "orders" });
  expect(await sweep(PLENTY)).toMatchObject({ sent: 1, left: 0 });
  expect(sent()).toMatchObject([{ id: onTime.id }]);
  expect(await dueAt(early)).toBe(NOW + SECOND);
});

test("an attempt is lost as soon as its lease is over; until then its job is due at the lease's end", async () => {
  const { sweep, put, dueAt, store, sent, told, writes } = stand();
  const [over, alive] = [await put(NOW, running(NOW)), await put(NOW, running(NOW + MINUTE))];
  expect(await sweep(PLENTY)).toEqual({ sent: 0, expired: 1, left: 0 });
  expect(await store.get(over.id)).toMatchObject({ status: "RETRYING", retryCount: 1 });
  expect(await dueAt(alive)).toBe(NOW + MINUTE);
  // Its next attempt is sent at once, to arrive after the backoff.
  expect(sent()).toEqual([{ id: over.id, notBefore: NOW + MINUTE }]);
  expect(told).toEqual(["warn job.attempt-lost", "info sweep.ended 1 0"]);
  expect(writes()).toBe(2);
  await sweep(PLENTY);
  expect(writes()).toBe(2);
});

test("an attempt that ended meanwhile is not counted as lost", async () => {
  const { sweep, put, sent, told } = stand({ apply: async () => ({ won: false, job: undefined }) });
  await put(NOW, running(NOW));
  await put(NOW);
  expect(await sweep(PLENTY)).toEqual({ sent: 0, expired: 0, left: 0 });
  expect([...told, ...sent()]).toEqual([]);
});

test("an end is settled once its head start is over", async () => {
  const { sweep, put, told, sent } = stand();
  await put(NOW + 1, { status: "FAILED" });
  await sweep(PLENTY);
  expect(told).toEqual([]);
  await put(NOW, { status: "FAILED" });
  expect(await sweep(PLENTY)).toEqual({ sent: 0, expired: 0, left: 0 });
  expect(told).toEqual(["settles"]);
  expect(sent()).toEqual([]);
});

test("an end that can't be settled is put off for five minutes and counted as left", async () => {
  const { sweep, put, dueAt, told } = stand({ settleEnd: () => Promise.reject(new Error("no")) });
  const job = await put(NOW, { status: "FAILED" });
  const other = await put(NOW);
  expect(await sweep(PLENTY)).toEqual({ sent: 1, expired: 0, left: 1 });
  expect([await dueAt(job), await dueAt(other)]).toEqual([NOW + 5 * MINUTE, NOW + 5 * MINUTE]);
  expect(told).toEqual(["settles", "error sweep.job-failed", "warn sweep.ended 1 1"]);
});

test("a job that has to wait goes to a backlog, with one write, and is not looked at again", async () => {
  const { sweep, put, store, sent, told, writes } = stand({ wait: { reason: "outage" } });
  const job = await put(NOW);
  expect(await sweep(PLENTY)).toEqual({ sent: 0, expired: 0, left: 0 });
  expect(sent()).toEqual([]);
  const backlog = `to ${job.destination}`;
  expect(await store.get(job.id)).toMatchObject({ status: "PENDING", dueAt: job.startAt, backlog });
  expect(told).toEqual([`announces ${backlog}`]);
  await sweep(PLENTY);
  expect(writes()).toBe(1);
});

test("a shard is read by the thousand keys", async () => {
  const { sweep, put, handedOver, pages } = stand();
  for (let n = 0; n < 105; n += 1) await put(NOW - n);
  expect(await sweep(PLENTY)).toMatchObject({ sent: 105 });
  expect(handedOver.flat()).toHaveLength(105);
  expect(pages.filter(({ shard }) => shard === "07")).toEqual([{ shard: "07", limit: 1_000 }]);
});

test("a sweep with less than ten seconds left stops, counts what is left, and starts another for it at once", async () => {
  const { sweep, put, started } = stand();
  for (let n = 0; n < 102; n += 1) await put(NOW);
  let looks = 0;
  expect(await sweep(() => 10 * SECOND - 1)).toEqual({ sent: 0, expired: 0, left: 102 });
  expect(started.splice(0)).toEqual([{ shards: DUE_SHARDS }]);
  const { sent, left } = await sweep(() => ((looks += 1) > 200 ? 0 : 10 * SECOND));
  expect(sent).toBeGreaterThan(10);
  expect(sent + left).toBe(102);
  const [further] = started.splice(0);
  // The one that takes over starts no other.
  expect(await sweep(() => 0, further)).toEqual({ sent: 0, expired: 0, left });
  expect(await sweep(PLENTY, further)).toEqual({ sent: left, expired: 0, left: 0 });
  expect(started).toEqual([]);
});

test("eight shards are looked at at a time, and one that can't be read fails the sweep when the others are done", async () => {
  let [most, now, shards] = [0, 0, 0];
  const { sweep } = stand({
    due: async (shard) => {
      now += 1;
      shards += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      now -= 1;
      if (shard === "03") throw new Error("the table is away");
      return { entries: [], complete: true };
    },
  });
  await expect(sweep(PLENTY)).rejects.toThrow("the table is away");
  expect([most, shards]).toEqual([8, DUE_SHARDS.length]);
});

test("apps take turns, so that the backlog of one takes at most half while another has due jobs", async () => {
  const { sweep, put, sent } = stand();
  const backlog = new Set<string>();
  for (let n = 0; n < 200; n += 1) backlog.add((await put(NOW - HOUR, { appId: "busy" }, "07")).id);
  const others: string[] = [];
  for (let n = 0; n < 40; n += 1)
    others.push((await put(NOW, { appId: `app-${n % 2}` }, n % 2 === 0 ? "07" : "2a")).id);
  await sweep(PLENTY);
  const order = sent().map(({ id }) => backlog.has(id));
  expect(order).toHaveLength(240);
  const last = order.lastIndexOf(false);
  const before = order.slice(0, last + 1).filter(Boolean).length;
  expect(before).toBeLessThanOrEqual((last + 1) / 2 + 10);
});

test("more due jobs than one invocation takes are divided among eight at most, which start no others", async () => {
  const many = Array.from({ length: 1_000 }, (_, n) => ({
    id: `${n}`,
    at: NOW,
    appId: "busy",
    executionType: "rest-api",
  }));
  const due: JobStore["due"] = async () => ({ entries: many, complete: true });
  const { sweep, started, told, sent } = stand({ due });
  expect(await sweep(PLENTY)).toEqual({ sent: 0, expired: 0, left: 64_000 });
  expect(started).toHaveLength(8);
  expect(started.flatMap(({ shards = [] }) => shards).toSorted()).toEqual(DUE_SHARDS.toSorted());
  expect(sent()).toEqual([]);
  expect(told).toEqual(["warn sweep.ended 0 64000"]);
  await sweep(PLENTY, started[0]);
  expect(started).toHaveLength(8);
});

test("a sweep that can't start all of the others goes on alone", async () => {
  const entry = { at: NOW, appId: "busy", executionType: "rest-api" };
  const many = Array.from({ length: 6_000 }, (_, n) => ({ ...entry, id: `${n}` }));
  const due: JobStore["due"] = async (shard) => ({ entries: shard === "07" ? many : [], complete: true });
  const { sweep, put, sent, told } = stand({ due, sweepMore: async () => Promise.reject(new Error("too many")) });
  const { id } = await put(NOW);
  many.push({ ...entry, id });
  expect(await sweep(PLENTY)).toEqual({ sent: 1, expired: 0, left: 0 });
  expect(sent().map((one) => one.id)).toEqual([id]);
  expect(told).toEqual(["warn sweep.not-divided 2", "info sweep.ended 1 0"]);
});

test("an app's jobs are found behind 15,000 older ones of another app in their shard, and go before most of them", async () => {
  const hog = Array.from({ length: 15_000 }, (_, n) => ({
    id: `${n}`,
    at: NOW - HOUR,
    appId: "busy",
    executionType: "rest-api",
  }));
  let looks = 0;
  const all = [...hog];
  const due: JobStore["due"] = async (_, __, limit, from) => {
    const start = from ? all.findIndex(({ id }) => id === from.id) + 1 : 0;
    const entries = all.slice(start, start + limit);
    return { entries, complete: start + entries.length === all.length };
  };
  const { sweep, put, sent } = stand({ due });
  const { id } = await put(NOW, { appId: "other" });
  all.push({ id, at: NOW, appId: "other", executionType: "rest-api" });
  // Time for a few shares alone.
  await sweep(() => ((looks += 1) > 30 ? 0 : MINUTE), { shards: ["07"] });
  expect(sent().map((one) => one.id)).toEqual([id]);
});
