// Over 300 lines: what is sent, carried, received and parsed, with one stand.

import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { DAY, MINUTE, SECOND, createClock } from "../../lib/clock.ts";
import { ClientError, Unavailable } from "../../lib/errors.ts";
import { createBucket } from "../../lib/store/bucket.ts";
import type { Job } from "../../lib/job/job.ts";
import { newJob } from "../support/new-job.ts";
import { createQueue } from "../../lib/queue/queue.ts";
import { clientOf } from "../sim/models/client.ts";
import type { Item } from "../../lib/store/table.ts";
import { createS3 } from "../sim/models/s3.ts";
import { request } from "../support/world.ts";
import { parseFiring, parseRecord, type QueueRecord } from "../../lib/queue/delivery.ts";
import { handleBatch, type Handled } from "../../lib/queue/batch.ts";

const FIFO = "arn:aws:sqs:local:0:jobs-main.fifo";
const FAIR = "arn:aws:sqs:local:0:jobs-fair";

function record(messageId: string, lane: string, eventSourceARN = FIFO, body = "{}"): QueueRecord {
  const attributes = { ApproximateReceiveCount: "1", MessageGroupId: lane };
  return { messageId, receiptHandle: messageId, body, attributes, eventSourceARN };
}

/** Handles a batch by a script of outcomes per message. Returns the order in which the messages were begun. */
async function handled(records: QueueRecord[], script: Record<string, Handled | "throw"> = {}) {
  const begun: string[] = [];
  const again = await handleBatch(records, async ({ messageId }) => {
    begun.push(messageId);
    await Promise.resolve();
    const what = script[messageId] ?? "done";
    if (what === "throw") throw new Error("the table is away");
    return what;
  });
  return {
    begun,
    again: Object.fromEntries([...again].map(([{ messageId }, { inSeconds }]) => [messageId, inSeconds])),
  };
}

test("the messages of a lane are handled one after another, lanes at the same time", async () => {
  const running = new Map<string, number>();
  let most = 0;
  const records = ["a1", "b1", "a2", "b2", "a3"].map((id) => record(id, id.charAt(0)));
  await handleBatch(records, async ({ attributes }) => {
    const lane = attributes.MessageGroupId ?? "";
    expect(running.get(lane) ?? 0).toBe(0);
    running.set(lane, 1);
    most = Math.max(
      most,
      [...running.values()].reduce((sum, n) => sum + n, 0),
    );
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    running.set(lane, 0);
    return "done";
  });
  expect(most).toBe(2);
});

test("after a failure in a lane, that message and all later ones of the lane come again", async () => {
  const records = ["a1", "a2", "a3", "b1"].map((id) => record(id, id.charAt(0)));
  const result = await handled(records, { a2: "throw" });
  expect(result.begun.toSorted()).toEqual(["a1", "a2", "b1"]);
  expect(result.again).toEqual({ a2: 2, a3: 0 });
});

test("a message that is to come later does so when it says, and those behind it wait for it", async () => {
  const records = ["a1", "a2", "a3"].map((id) => record(id, "a"));
  const result = await handled(records, { a2: { inSeconds: 7 } });
  expect(result).toEqual({ begun: ["a1", "a2"], again: { a2: 7, a3: 0 } });
});

test("on a standard queue one message's failure concerns no other, same tenant or not", async () => {
  const records = ["a1", "a2", "a3"].map((id) => record(id, "tenant", FAIR));
  const result = await handled(records, { a1: "throw" });
  expect(result.begun).toEqual(["a1", "a2", "a3"]);
  expect(result.again).toEqual({ a1: 2 });
});

test("what is not a message of ours is refused, so that it ends in the dead-letter queue", () => {
  for (const body of ["", "{", "null", "[]", "{}", '{"attempt":1}', '{"job":{}}', '{"attempt":{"id":5}}']) {
    expect(() => parseRecord(record("m", "a", FIFO, body))).toThrow();
  }
});

const NOW = Date.parse("2026-01-01T12:00:00Z");
const ID = "0191b0a2-1111-7222-8333-444455556666";
const BUCKET = "jobsbucket";

/** The queue with a stopped clock. `asked`: the inputs of the calls to SQS; `answer`: the output of each. */
function stand(answer: (input: Record<string, unknown>) => object = () => ({})) {
  const asked: Record<string, unknown>[] = [];
  const client = clientOf(async ({ input }) => {
    asked.push({ ...input });
    return answer({ ...input });
  });
  const files = createBucket({ name: BUCKET, client: clientOf(createS3({ bucket: BUCKET }).send) });
  const urls = {
    fair: "https://sqs.local/0/jobs-fair",
    main: "https://sqs.local/0/jobs-main.fifo",
    tasks: "https://sqs.local/0/jobs-tasks",
    pdf: "https://sqs.local/0/jobs-pdf",
  };
  const noted: Item[] = [];
  const table = {
    put: async (item: Item) => {
      noted.push(item);
      return { held: true, item: undefined };
    },
  };
  const clock = { ...createClock(), now: () => NOW };
  return { asked, noted, files, queue: createQueue({ urls, table, files, client, clock }) };
}

function entriesOf(input: Record<string, unknown> = {}): Record<string, unknown>[] {
  return input["Entries"] as Record<string, unknown>[];
}

function someJob(change: Partial<Job> = {}, body = "{}"): Job {
  return { ...newJob(request("both", {}, { appId: "app", body }), NOW, ID), ...change } as Job;
}

test("a job without a lane is sent to the fair queue under its tenant, to arrive no earlier than it may start", async () => {
  const { queue, asked } = stand();
  const departures = [-MINUTE, 0, 1, 1_500].map((wait) => ({ job: someJob(), notBefore: NOW + wait }));
  expect(await queue.sendAttempts(departures)).toEqual([]);
  expect(asked).toHaveLength(1);
  expect(asked[0]).toMatchObject({ QueueUrl: "https://sqs.local/0/jobs-fair" });
  const entries = entriesOf(asked[0]);
  expect(entries.map((entry) => entry["DelaySeconds"])).toEqual([0, 0, 1, 2]);
  const [{ MessageBody, ...entry } = {}] = entries;
  expect(entry).toEqual({ Id: "0", MessageGroupId: "app", DelaySeconds: 0 });
  const ref = { id: ID, appId: "app", destination: "https://a.example", timeoutMs: 30_000, attempt: 1 };
  expect(JSON.parse(String(MessageBody))).toEqual({ attempt: ref });
});

test("a job in a lane goes to the FIFO queue, known by its attempt and by when it became due", async () => {
  const { queue, asked } = stand();
  const job = someJob({ lane: "orders", attempts: 2, dueAt: 7 });
  const lanes = [job, { ...job, lane: "returns" }, { ...job, appId: "other" }, job];
  await queue.sendAttempts(lanes.map((each) => ({ job: each, notBefore: NOW })));
  expect(asked[0]).toMatchObject({ QueueUrl: "https://sqs.local/0/jobs-main.fifo" });
  const entries = entriesOf(asked[0]);
  expect(JSON.parse(String(entries[0]?.["MessageBody"]))).toMatchObject({ attempt: { attempt: 3, ordered: true } });
  expect(entries[0]).toMatchObject({ MessageDeduplicationId: `${ID}-3-7` });
  expect(entries[0]).not.toHaveProperty("DelaySeconds");
  const groups = entries.map((entry) => String(entry["MessageGroupId"]));
  expect(new Set(groups).size).toBe(3);
  expect(groups[3]).toBe(groups[0]);
  expect(groups[0]).toMatch(/^[\w-]{43}$/);
});

test("attempts are sent by tens, and those that SQS refuses are told", async () => {
  const { queue, asked } = stand(() => ({ Failed: [{ Id: "1", Code: "InternalError", SenderFault: false }] }));
  const departures = Array.from({ length: 21 }, (_, at) => ({ job: someJob({ attempts: at }), notBefore: NOW }));
  const refused = await queue.sendAttempts(departures);
  expect(asked.map(({ Entries }) => (Entries as unknown[]).length)).toEqual([10, 10, 1]);
  expect(refused.map(({ job }) => job.attempts)).toEqual([1, 11]);
});

test("single attempts that are sent at the same moment share a call, on their own queue", async () => {
  const { queue, asked } = stand(() => ({ Failed: [{ Id: "1", Code: "InternalError", SenderFault: false }] }));
  const jobs = [0, 1, 2, 3].map((attempts) => someJob({ attempts, ...(attempts === 3 && { lane: "orders" }) }));
  const refused = await Promise.all(jobs.map(async (job) => queue.sendAttempts([{ job, notBefore: NOW }])));
  expect(asked.map((input) => [String(input["QueueUrl"]).split("/").at(-1), entriesOf(input).length])).toEqual([
    ["jobs-fair", 1],
    ["jobs-main.fifo", 1],
    ["jobs-fair", 2],
  ]);
  expect(refused.map((of) => of.length)).toEqual([0, 0, 1, 0]);
});

test("a due schedule is sent as its next run", async () => {
  const { queue, asked } = stand();
  await queue.sendAttempts([{ job: someJob({ executionType: "schedule", runs: 2 }), notBefore: NOW }]);
  const [entry] = entriesOf(asked[0]);
  expect(JSON.parse(String(entry?.["MessageBody"]))).toEqual({ fire: { id: ID, run: 3 } });
});

test("a carried job arrives as it was sent, and is known to SQS by its id", async () => {
  const { queue, asked } = stand();
  const job = someJob();
  await queue.sendCarried(job);
  const [entry] = entriesOf(asked[0]);
  expect(asked[0]).toMatchObject({ QueueUrl: "https://sqs.local/0/jobs-main.fifo" });
  expect(entry).toMatchObject({ MessageGroupId: ID, MessageDeduplicationId: ID });
  const arrived = { ...record("m", "a", FIFO, String(entry?.["MessageBody"])) };
  const again = { ...arrived, attributes: { ApproximateReceiveCount: "3" } };
  expect(parseRecord(arrived)).toEqual({ kind: "carried", job, receiveCount: 1 });
  expect(parseRecord(again)).toMatchObject({ receiveCount: 3 });
});

test("a job that SQS refuses to carry is not accepted", async () => {
  const refusing = stand(() => ({ Failed: [{ Id: "0", Code: "InvalidMessage", SenderFault: true }] }));
  await expect(refusing.queue.sendCarried(someJob())).rejects.toThrow(Unavailable);
  await expect(refusing.queue.sendCarried(someJob())).rejects.toThrow("InvalidMessage");
});

test("a message of 256 KB carries its payload, a larger one and an event over 200 KB leave it in S3", async () => {
  const { queue, asked, noted, files } = stand();
  const bytes = new Uint8Array(randomBytes(1_000));
  const overhead = Buffer.byteLength(await queue.firingOf(someJob({ payload: { at: "inline", bytes } }))) - 1_336;
  const withBase64 = (length: number) => someJob({ payload: { at: "inline", bytes: randomBytes((length / 4) * 3) } });
  const targetOf = async (text: string) => {
    const firing = parseFiring(JSON.parse(text) as unknown);
    return firing.kind === "target" ? firing.target.payload : undefined;
  };
  // The length of base64 is a multiple of four, so the app's id fills the rest.
  const exactly = (largest: number, over: number) => {
    const rest = largest - overhead;
    const job = withBase64(rest - (rest % 4));
    return { ...job, appId: job.appId + "x".repeat((rest % 4) + over) };
  };
  expect(await targetOf(await queue.firingOf(exactly(200 * 1_024, 0)))).toMatchObject({ at: "inline" });
  const large = exactly(200 * 1_024, 1);
  const left = await targetOf(await queue.firingOf({ ...large, startAt: NOW + DAY }));
  expect(left).toMatchObject({ at: "s3" });
  const hash = left?.at === "s3" ? left.hash : "";
  expect(Buffer.from(await files.get(`payloads/${large.id}/${hash}`))).toEqual(
    large.payload.at === "inline" && large.payload.bytes,
  );
  // It is noted first, to go 45 days after the schedule has fired.
  const expiresAt = (NOW + 46 * DAY) / SECOND;
  expect(noted).toEqual([{ pk: `J#${large.id}`, sk: `W#${hash}`, at: "s3", expiresAt }]);
  const bodyOf = (input?: Record<string, unknown>) => String(entriesOf(input)[0]?.["MessageBody"]);
  const ofJob = '{"job":}'.length - '{"fire":{"target":}}'.length;
  await queue.sendCarried(exactly(256 * 1_024 - ofJob, 0));
  expect(Buffer.byteLength(bodyOf(asked[0]))).toBe(256 * 1_024);
  await queue.sendCarried(exactly(256 * 1_024 - ofJob, 1));
  expect(parseRecord(record("m", "a", FIFO, bodyOf(asked[1])))).toMatchObject({ job: { payload: { at: "s3" } } });
});

test("a payload that is in S3 already stays there", async () => {
  const { queue } = stand();
  const payload = { at: "s3", hash: "h" } as const;
  const text = await queue.firingOf(someJob({ payload, appId: "x".repeat(300_000) }));
  expect(parseFiring(JSON.parse(text) as unknown)).toMatchObject({ target: { payload } });
});

test("messages are received as Lambda hands them over", async () => {
  const Attributes = { ApproximateReceiveCount: "2", MessageGroupId: "lane" };
  const told = { MessageId: "m", ReceiptHandle: "r", Body: "{}" };
  const { queue, asked } = stand(() => ({ Messages: [{ ...told, Attributes }, told] }));
  const common = { messageId: "m", receiptHandle: "r", body: "{}", eventSourceARN: "jobs-main.fifo" };
  expect(await queue.receive("main", 7)).toEqual([
    { ...common, attributes: Attributes },
    { ...common, attributes: { ApproximateReceiveCount: "1" } },
  ]);
  expect(asked[0]).toEqual({
    QueueUrl: "https://sqs.local/0/jobs-main.fifo",
    MaxNumberOfMessages: 7,
    WaitTimeSeconds: 1,
    MessageSystemAttributeNames: ["ApproximateReceiveCount", "MessageGroupId"],
  });
  expect(await stand().queue.receive("fair", 1)).toEqual([]);
});

test("messages are released and deleted in the queue that they came from, hidden for 11 hours at most", async () => {
  const { queue, asked } = stand();
  const [one, two, three] = [record("a", "l"), record("b", "l", FAIR), record("c", "l")];
  const tooLong = { inSeconds: 12 * 3_600 };
  await queue.makeVisible(new Map([...[one, two].map((each) => [each, { inSeconds: 7 }] as const), [three, tooLong]]));
  const [fair, main] = ["https://sqs.local/0/jobs-fair", "https://sqs.local/0/jobs-main.fifo"];
  const [a, c] = [
    { Id: "0", ReceiptHandle: "a" },
    { Id: "1", ReceiptHandle: "c" },
  ];
  expect(asked).toEqual([
    { QueueUrl: fair, Entries: [{ Id: "0", ReceiptHandle: "b", VisibilityTimeout: 7 }] },
    {
      QueueUrl: main,
      Entries: [
        { ...a, VisibilityTimeout: 7 },
        { ...c, VisibilityTimeout: 11 * 3_600 },
      ],
    },
  ]);
  await queue.remove([one, three]);
  expect(asked.slice(2)).toEqual([{ QueueUrl: main, Entries: [a, c] }]);
});

test("EventBridge's event fires a run or a target; its dead letter, text or object, is read as the event in it", () => {
  const fire = { id: ID, run: 2 };
  const firing = { kind: "firing", ref: fire };
  expect(parseFiring({ fire })).toEqual(firing);
  for (const Payload of [{ fire }, JSON.stringify({ fire })]) {
    expect(parseRecord(record("m", "a", FIFO, JSON.stringify({ Payload })))).toEqual(firing);
  }
  const job = newJob(request("sqs"), NOW, ID);
  const target = { ...job, payload: "e30=" };
  const bytes = Buffer.from("{}");
  // Unknown fields are dropped.
  expect(parseFiring({ fire: { target: { ...target, status: "PENDING", odd: 1 } } })).toEqual({
    kind: "target",
    target: { ...job, payload: { at: "inline", bytes } },
    receiveCount: 1,
  });
  const call = record("m", "a", FIFO, JSON.stringify({ Payload: { fire: { target } } }));
  expect(parseRecord(call)).toMatchObject({ kind: "target", receiveCount: 0 });
  const away = { at: "s3", hash: "h" };
  expect(parseFiring({ fire: { target: { ...target, payload: away } } })).toMatchObject({ target: { payload: away } });
});

test("an event that is no firing is refused as a bad request", () => {
  const target = { ...newJob(request("sqs"), NOW, ID), payload: "e30=" };
  const runs = [{ id: ID }, { id: ID, run: 1.5 }, { id: ID, run: "1" }, { id: `${ID}x`, run: 1 }, { id: 5, run: 1 }];
  const targets = [
    5,
    null,
    { ...target, id: "x" },
    { ...target, appId: 5 },
    { ...target, executionType: 5 },
    { ...target, status: "RUNNING" },
  ];
  const fires = [...runs, ...[...targets, { ...target, payload: 5 }].map((each) => ({ target: each })), 5, null];
  const others = [undefined, 5, {}, { attempt: { id: ID } }, { job: target }, { Payload: "{" }];
  for (const event of [...fires.map((fire) => ({ fire })), ...others]) {
    expect(() => parseFiring(event)).toThrow(ClientError);
  }
});

test("on a standard queue a message's wait is its own", async () => {
  const records = ["a1", "a2"].map((id) => record(id, "tenant", FAIR));
  expect((await handled(records, { a1: { inSeconds: 30 * SECOND } })).again).toEqual({ a1: 30 * SECOND });
});
