import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SQSClient,
  SendMessageCommand,
} from "@aws-sdk/client-sqs";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { startEmulators } from "../../local/emulators.ts";
import { adaptPolls } from "../../local/queue-polls.ts";

interface Message {
  readonly messageId: string;
  readonly body: string;
  readonly messageAttributes: object;
  readonly approximateReceiveCount: number;
  readonly messageGroupId?: string;
  readonly delayUntil?: number;
}

/** What these tests use of the class of fauxqs. */
interface Queue {
  enqueue(message: Message): void;
  dequeue(most: number): readonly { readonly ReceiptHandle: string }[];
  deleteMessage(receipt: string): boolean;
  changeVisibility(receipt: string, seconds: number): void;
  waitForMessages(seconds: number): Promise<void>;
}

let Queues: new (name: string, url: string, arn: string, attributes: object, tags: object) => Queue;

beforeAll(async () => {
  await adaptPolls();
  const { href } = new URL("sqs/sqsStore.js", import.meta.resolve("fauxqs"));
  ({ SqsQueue: Queues } = (await import(href)) as { SqsQueue: typeof Queues });
});
beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const KINDS = [
  { of: "a queue", attributes: {} },
  { of: "a FIFO queue", attributes: { FifoQueue: "true" } },
];

const queueOf = (attributes: object) =>
  new Queues("q", "http://q", "arn:q", { VisibilityTimeout: "30", ...attributes }, {});

function message({ delayMs = 0 } = {}): Message {
  const delayed = delayMs > 0 && { delayUntil: Date.now() + delayMs };
  const sent = { messageId: "m", body: "b", messageAttributes: {}, approximateReceiveCount: 0, messageGroupId: "g" };
  return { ...sent, ...delayed };
}

/** Whether a poll that begins now has been answered. */
function poll(queue: Queue): () => boolean {
  let isAnswered = false;
  void queue.waitForMessages(60).then(() => (isAnswered = true));
  return () => isAnswered;
}

test.each(KINDS)("$of that hides no message does not look for one while it is polled", async ({ attributes }) => {
  const queue = queueOf(attributes);
  const isAnswered = poll(queue);
  // The end of the poll.
  expect(vi.getTimerCount()).toBe(1);
  queue.enqueue(message());
  await vi.advanceTimersByTimeAsync(0);
  expect(isAnswered()).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

test.each(KINDS)("a poll of $of gets a delayed message at its time", async ({ attributes }) => {
  const queue = queueOf(attributes);
  const isAnswered = poll(queue);
  queue.enqueue(message({ delayMs: 5_000 }));
  await vi.advanceTimersByTimeAsync(4_900);
  expect(isAnswered()).toBe(false);
  await vi.advanceTimersByTimeAsync(200);
  expect(isAnswered()).toBe(true);
  expect(queue.dequeue(10)).toHaveLength(1);
});

test.each(KINDS)("a poll of $of gets a message whose visibility has ended", async ({ attributes }) => {
  const queue = queueOf(attributes);
  queue.enqueue(message());
  const [received] = queue.dequeue(10);
  const isAnswered = poll(queue);
  queue.changeVisibility(received?.ReceiptHandle ?? "", 10);
  await vi.advanceTimersByTimeAsync(9_900);
  expect(isAnswered()).toBe(false);
  await vi.advanceTimersByTimeAsync(200);
  expect(isAnswered()).toBe(true);
});

test.each(KINDS)("a poll of $of that waits sees what another poll has taken come back", async ({ attributes }) => {
  const queue = queueOf(attributes);
  const isFirstAnswered = poll(queue);
  queue.enqueue(message());
  await vi.advanceTimersByTimeAsync(0);
  expect(isFirstAnswered()).toBe(true);
  const isAnswered = poll(queue);
  const [taken] = queue.dequeue(10);
  await vi.advanceTimersByTimeAsync(30_100);
  expect([taken === undefined, isAnswered()]).toEqual([false, true]);
});

test.each(KINDS)("$of looks no more once the last hidden message is deleted", async ({ attributes }) => {
  const queue = queueOf(attributes);
  queue.enqueue(message());
  const [received] = queue.dequeue(10);
  const isAnswered = poll(queue);
  expect(vi.getTimerCount()).toBe(2);
  queue.deleteMessage(received?.ReceiptHandle ?? "");
  await vi.advanceTimersByTimeAsync(100);
  expect([vi.getTimerCount(), isAnswered()]).toEqual([1, false]);
});

test("a message is kept from a poll whose caller is gone", async () => {
  vi.useRealTimers();
  const emulators = await startEmulators();
  const client = new SQSClient({ endpoint: emulators.endpoints.sqs });
  const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: "polled" }));
  const settled = async () => {
    for (let n = 0; n < 5; n += 1)
      await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] }));
  };
  const leaving = new AbortController();
  const poll = new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 });
  const left = client.send(poll, { abortSignal: leaving.signal });
  // Meanwhile the emulator sees the poll, and then that its connection is closed.
  await settled();
  leaving.abort();
  await expect(left).rejects.toThrow();
  await settled();
  await client.send(new SendMessageCommand({ QueueUrl, MessageBody: "kept" }));
  const { Messages } = await client.send(new ReceiveMessageCommand({ QueueUrl }));
  expect(Messages).toMatchObject([{ Body: "kept" }]);
  client.destroy();
  await emulators.stop();
});
