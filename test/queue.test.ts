import { expect, test } from "vitest";
import { handleBatch, parseRecord, type Handled, type QueueRecord } from "../lib/queue.ts";

const FIFO = "arn:aws:sqs:local:0:jobs-main.fifo";
const FAIR = "arn:aws:sqs:local:0:jobs-fair";

function record(messageId: string, lane: string, eventSourceARN = FIFO, body = "{}"): QueueRecord {
  const attributes = { ApproximateReceiveCount: "1", MessageGroupId: lane };
  return { messageId, receiptHandle: messageId, body, attributes, eventSourceARN };
}

/** Handles a batch by a script: what becomes of each message. Tells the order in which they were begun. */
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
  expect(result.again).toEqual({ a2: 60, a3: 0 });
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
  expect(result.again).toEqual({ a1: 60 });
});

test("what is not a message of ours is refused, so that it ends in the dead-letter queue", () => {
  for (const body of ["", "{", "null", "[]", "{}", '{"attempt":1}', '{"job":{}}', '{"attempt":{"id":5}}']) {
    expect(() => parseRecord(record("m", "a", FIFO, body))).toThrow();
  }
});
