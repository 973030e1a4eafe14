import { randomBytes, randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { createClock, DAY, MINUTE, type Clock } from "../../lib/clock.ts";
import { nextAttempt, type EndedJob, type FailedJob, type Job } from "../../lib/job/job.ts";
import { claim, end, retry } from "../../lib/job/moves.ts";
import { createBucket } from "../../lib/store/bucket.ts";
import { createJobStore } from "../../lib/store/job-store.ts";
import { PayloadGone, carryPayload, removeLeft, type ItemChange } from "../../lib/store/payloads.ts";
import { createTable } from "../../lib/store/table.ts";
import { newJob } from "../support/new-job.ts";
import { clientOf, type Command } from "../sim/models/client.ts";
import { createDynamoDb } from "../sim/models/dynamodb.ts";
import { createS3 } from "../sim/models/s3.ts";
import { request } from "../support/world.ts";
import { BUCKET, TABLE, ending, template } from "./grounds.ts";

// What becomes of payloads whose job or message is gone: the store on models, with the table's stream at hand.

/** In the table, and in the bucket: bytes that can't be compressed. */
const BESIDE = { "the table": 2_000, "the bucket": 300_000 } as const;
const PLACES = Object.keys(BESIDE) as (keyof typeof BESIDE)[];
const APP = randomUUID();

function stand() {
  let ahead = 0;
  let dies: (command: Command) => boolean = () => false;
  const real = createClock();
  const clock: Clock = { ...real, now: () => real.now() + ahead };
  const changes: ItemChange[] = [];
  const { Properties: properties = {} } = template.resources[TABLE] ?? {};
  const onWrite = (before: unknown, after: unknown) => void changes.push({ before, after } as ItemChange);
  const model = createDynamoDb({ now: () => clock.now(), table: TABLE, properties, onWrite });
  const bucket = createS3({ bucket: BUCKET });
  const client = clientOf(async (command) => {
    if (dies(command)) throw Object.assign(new Error("The process dies"), { $metadata: { httpStatusCode: 400 } });
    return model.send(command);
  });
  const parts = {
    table: createTable({ name: TABLE, clock, client }),
    files: createBucket({ name: BUCKET, client: clientOf(bucket.send) }),
    clock,
  };
  const store = createJobStore(parts);
  /** Time passes, TTL removes what has expired, and the stream is read, twice and from its beginning. */
  const pass = async (ms: number) => {
    ahead += ms;
    model.removeExpired();
    for (let times = 0; times < 2; times += 1) await removeLeft(changes, parts);
  };
  const job = (bytes: number, key = "k") => {
    const body = randomBytes(bytes).toString("base64");
    return newJob(request("both", { idempotencyKey: key, maxRetries: 0 }, { appId: APP, body }), clock.now(), "");
  };
  /** The payloads that are left, with every version of an object. */
  const payloads = () => [
    ...model.items().flatMap(({ sk }) => (sk?.S?.startsWith("P#") ? [sk.S] : [])),
    ...bucket.versions(),
  ];
  /** Has the only attempt of a job end it. */
  const ended = async (of: Job, kind: "succeeded" | "retry", retention = DAY) => {
    const now = clock.now();
    const running = (await store.apply(of, claim(nextAttempt(of), now, now + MINUTE))).job as never;
    const outcome = kind === "retry" ? ({ kind, error: "HTTP 500" } as const) : ({ kind } as const);
    return (await store.apply(running, end(running, { ...ending(outcome), now, retention }))).job as EndedJob;
  };
  const dieAt = (is: typeof dies) => void (dies = is);
  return { store, parts, model, bucket, changes, clock, pass, job, payloads, ended, dieAt };
}

const keyOf = ({ input }: Command): string => {
  const { Item, Key } = input as { Item?: { sk?: { S?: string } }; Key?: { sk?: { S?: string } } };
  return (Item ?? Key)?.sk?.S ?? "";
};
const isPut = ({ constructor: { name } }: Command) => name === "PutItemCommand";

test("an object goes with its job's item, and none of its versions is left", async () => {
  const { store, pass, job, payloads, ended } = stand();
  const { job: created } = await store.create(job(BESIDE["the bucket"]));
  expect(created.payload.at).toBe("s3");
  await ended(created, "succeeded", 3 * DAY);
  await pass(2 * DAY);
  expect(await store.message(created)).toMatchObject({ metadata: { idempotencyKey: "k" } });
  await pass(2 * DAY);
  expect(payloads()).toEqual([]);
});

test.each(PLACES)("a payload in %s whose job was never put goes a day later", async (place) => {
  const { store, pass, job, payloads, dieAt, model } = stand();
  dieAt((command) => isPut(command) && keyOf(command) === "J");
  await expect(store.create(job(BESIDE[place]))).rejects.toThrow("The process dies");
  await pass(DAY / 2);
  expect(payloads()).toHaveLength(1);
  await pass(DAY / 2 + MINUTE);
  expect(payloads()).toEqual([]);
  expect(model.items()).toEqual([]);
});

test.each(PLACES)(
  "of two puts with one key, the losing one's payload in %s goes and the other's stays",
  async (place) => {
    const { store, pass, job, payloads, dieAt, parts } = stand();
    const accepted = job(BESIDE[place]);
    // Alike to the last byte, as a replay within the same millisecond is.
    const [one, two] = await Promise.all([store.create(accepted), store.create(accepted)]);
    expect(one.won).toBe(!two.won);
    expect(payloads()).toHaveLength(1);
    // A third one dies before it takes its own payload away.
    dieAt((command) => command.constructor.name === "DeleteItemCommand");
    const files = { ...parts.files, remove: async () => Promise.reject(new Error("The process dies")) };
    const dying = createJobStore({ ...parts, files });
    await expect(dying.create(accepted)).rejects.toThrow("The process dies");
    dieAt(() => false);
    await pass(2 * DAY);
    expect(payloads()).toHaveLength(1);
    expect(await store.message(one.job)).toMatchObject({ metadata: { idempotencyKey: "k" } });
  },
);

test.each(PLACES)("a job that a person retries keeps its payload in %s, whatever expires", async (place) => {
  const { store, pass, job, payloads, ended, clock } = stand();
  const { job: created } = await store.create(job(BESIDE[place]));
  const dead = (await ended(created, "retry", 2 * DAY)) as FailedJob;
  await pass(DAY);
  const unsettled = { ...dead, dueAt: undefined };
  await store.keepAttachments(dead);
  const restarted = { ...retry(dead, clock.now()), when: [] };
  expect((await store.apply(unsettled as never, restarted)).won).toBe(true);
  await pass(100 * DAY);
  expect(payloads()).toHaveLength(1);
  expect(await store.message(created)).toMatchObject({ metadata: { idempotencyKey: "k" } });
});

test("a job that is put in the place of an expired one has its own object, and the other's goes", async () => {
  const { store, pass, job, payloads, ended, clock, parts } = stand();
  const accepted = job(BESIDE["the bucket"]);
  await ended((await store.create(accepted)).job, "succeeded");
  // TTL is late: the new job is put over the expired one's item.
  const later = createJobStore({ ...parts, clock: { ...clock, now: () => clock.now() + 2 * DAY } });
  const { won, job: again } = await later.create({ ...accepted, createdAt: accepted.createdAt + 2 * DAY });
  expect([won, payloads().length]).toEqual([true, 2]);
  await pass(DAY / 2);
  expect(payloads()).toHaveLength(1);
  await pass(10 * DAY);
  expect(await later.message(again)).toMatchObject({ metadata: { idempotencyKey: "k" } });
});

test("a message's payload and that of its job go by themselves", async () => {
  const { store, parts, pass, job, bucket, clock } = stand();
  const accepted = job(BESIDE["the bucket"]);
  const bytes = accepted.payload.at === "inline" ? accepted.payload.bytes : Buffer.of();
  const carried = { ...accepted, payload: await carryPayload(accepted.id, bytes, clock.now(), parts) };
  // It waits in its queue and among the dead letters for as long as it can.
  await pass(28 * DAY);
  const { job: stored } = await store.create(carried);
  const dead = { ...stored, dueAt: undefined };
  await pass(44 * DAY - 28 * DAY);
  expect(bucket.versions()).toHaveLength(2);
  await pass(2 * DAY);
  expect([...bucket.objects().keys()]).toEqual([
    `payloads/${stored.id}/${stored.payload.at === "s3" ? stored.payload.hash : ""}`,
  ]);
  expect(await store.message(dead as never)).toMatchObject({ metadata: { idempotencyKey: "k" } });
});

test("a message's payload that is given up is gone a day later, and that of its job stays", async () => {
  const { store, parts, pass, job, bucket, clock } = stand();
  const accepted = job(BESIDE["the bucket"]);
  const bytes = accepted.payload.at === "inline" ? accepted.payload.bytes : Buffer.of();
  const carried = { ...accepted, payload: await carryPayload(accepted.id, bytes, clock.now(), parts) };
  const { job: stored } = await store.create(carried);
  await store.giveUpPayload(carried);
  // It may come again soon.
  await pass(DAY / 2);
  expect((await store.create(carried)).won).toBe(false);
  await pass(DAY / 2 + MINUTE);
  await expect(store.create(carried)).rejects.toThrow(PayloadGone);
  expect(bucket.versions()).toHaveLength(1);
  expect(await store.message(stored)).toMatchObject({ metadata: { idempotencyKey: "k" } });
});

test("the payload of a message outlives its schedule's time by 45 days", async () => {
  const { parts, pass, job, bucket, clock } = stand();
  const { id } = job(10);
  await carryPayload(id, randomBytes(300_000), clock.now() + 365 * DAY, parts);
  await pass((365 + 44) * DAY);
  expect(bucket.versions()).toHaveLength(1);
  await pass(2 * DAY);
  expect(bucket.versions()).toHaveLength(0);
});

test("a job that was deleted and comes again by its message has a payload", async () => {
  const { store, parts, pass, job, clock, ended } = stand();
  const accepted = job(BESIDE["the bucket"]);
  const bytes = accepted.payload.at === "inline" ? accepted.payload.bytes : Buffer.of();
  const carried = { ...accepted, payload: await carryPayload(accepted.id, bytes, clock.now(), parts) };
  const dead = await ended((await store.create(carried)).job, "retry", 0);
  expect(await store.remove(dead)).toBe(true);
  await pass(MINUTE);
  const { won, job: again } = await store.create(carried);
  expect(won).toBe(true);
  await pass(10 * DAY);
  expect(await store.message(again)).toMatchObject({ metadata: { idempotencyKey: "k" } });
});

test.each(PLACES)("a deletion that came too late takes no payload from %s", async (place) => {
  const { store, pass, job, ended } = stand();
  const { job: created } = await store.create(job(BESIDE[place]));
  const dead = await ended(created, "retry", 0);
  expect(await store.remove({ ...dead, attempts: 7 })).toBe(false);
  await pass(10 * DAY);
  expect(await store.message(created)).toMatchObject({ metadata: { idempotencyKey: "k" } });
});

test.each(PLACES)("a deletion that dies half-way leaves no payload in %s for long", async (place) => {
  const { store, parts, pass, job, payloads, ended, dieAt } = stand();
  const { job: created } = await store.create(job(BESIDE[place]));
  const dead = await ended(created, "retry", 0);
  dieAt((command) => command.constructor.name === "DeleteItemCommand" && keyOf(command) !== "J");
  await expect(store.remove(dead)).rejects.toThrow("The process dies");
  expect(await store.get(created.id)).toBeUndefined();
  expect(payloads()).toHaveLength(1);
  dieAt(() => false);
  await pass(2 * DAY);
  expect(payloads()).toEqual([]);
  expect(await parts.table.getMany([], { consistent: true })).toEqual([]);
});

test("an intent that is not yet there keeps the payload from being put", async () => {
  const { store, job, payloads, dieAt } = stand();
  dieAt((command) => isPut(command) && keyOf(command).startsWith("W#"));
  for (const place of PLACES) await expect(store.create(job(BESIDE[place], place))).rejects.toThrow("dies");
  expect(payloads()).toEqual([]);
});
