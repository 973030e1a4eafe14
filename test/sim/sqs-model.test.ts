import {
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SQSClient,
  SendMessageBatchCommand,
  SendMessageCommand,
  type Message as Received,
} from "@aws-sdk/client-sqs";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lean } from "../../lib/aws.ts";
import { MINUTE, SECOND } from "../../lib/clock.ts";
import { startEmulators, type Emulators } from "../../local/emulators.ts";
import { provision, type References } from "../../local/provision.ts";
import { readTemplate } from "../../local/template.ts";
import type { Command, Send } from "./models/client.ts";
import { createSqs, type Message, type SqsOptions } from "./models/sqs.ts";
import { PATIENT, runs, hundredOf, outcome } from "../support/differential.ts";
import { ROOT } from "../support/stack.ts";

/** Of a hundred operations each. */
const RUNS = 32;
const template = readTemplate(ROOT);

// ---- The model against the embedded SQS ----

// Where AWS is another than the embedded one, the operations keep away from the difference:
// - the embedded one gives out one message of a group at a time, so the model is told to;
// - it deduplicates by queue, so the queues here do, and it forgets the group on a standard queue;
// - to a handle whose visibility has ended AWS still listens on a standard queue, so such are not used;
// - it counts the receive that finds a message dead, so counts are not compared among the dead letters;
// - which messages come when more are visible than asked for is open: the model takes what the other one took.

let emulators: Emulators;
let client: SQSClient;

beforeAll(async () => {
  emulators = await startEmulators();
  client = lean(new SQSClient({ ...PATIENT, useQueueUrlAsEndpoint: false, endpoint: emulators.endpoints.sqs }));
});
afterAll(async () => {
  client.destroy();
  await emulators.stop();
});

type QueueName = "Fair" | "Lanes" | "Plain" | "Order" | "FairDead" | "LanesDead";

/** Two queues with dead letters after two receives and two without any, with names of the run's own. */
function resourcesOf(run: number): SqsOptions["resources"] {
  const queue = (name: string, properties: object = {}) => ({
    Type: "AWS::SQS::Queue",
    Properties: {
      QueueName: `run-${run}-${name}`,
      VisibilityTimeout: 600,
      MessageRetentionPeriod: 1_209_600,
      ...properties,
    },
  });
  const redrive = (to: string) => ({
    RedrivePolicy: { deadLetterTargetArn: { "Fn::GetAtt": `${to}.Arn` }, maxReceiveCount: 2 },
  });
  const fifo = { FifoQueue: true, DeduplicationScope: "queue", FifoThroughputLimit: "perQueue" };
  return {
    Fair: queue("fair", redrive("FairDead")),
    Lanes: queue("lanes.fifo", { ...fifo, ...redrive("LanesDead") }),
    Plain: queue("plain"),
    Order: queue("order.fifo", fifo),
    FairDead: queue("fair-dead"),
    LanesDead: queue("lanes-dead.fifo", { FifoQueue: true }),
  };
}

const isFifo = (name: QueueName) => ["Lanes", "Order", "LanesDead"].includes(name);

interface Sent {
  readonly text: string;
  readonly group: string | undefined;
  readonly deduplicationId: string | undefined;
  readonly delay: number | undefined;
}

type Operation =
  | { readonly kind: "send"; readonly queue: QueueName; readonly sent: Sent }
  | {
      readonly kind: "sendBatch";
      readonly queue: QueueName;
      readonly sent: readonly Sent[];
      readonly isRepeated: boolean;
    }
  | { readonly kind: "receive"; readonly queue: QueueName; readonly most: number }
  | { readonly kind: "end"; readonly queue: QueueName; readonly which: readonly number[]; readonly by: Ending };

/** What becomes of received messages: deleted, given back or kept for longer; one by one or in a batch. */
type Ending = "delete" | "deleteBatch" | "release" | "releaseBatch" | "keep";

// More are given back than not: dead letters are what was received twice.
const ENDINGS = ["delete", "deleteBatch", "keep", "release", "release", "releaseBatch", "releaseBatch"] as const;
const queueName = fc.constantFrom<QueueName>("Fair", "Fair", "Lanes", "Lanes", "Plain", "Order");
const sent: fc.Arbitrary<Sent> = fc.record({
  text: fc.constantFrom("a", "b", "é", "\uffff", "\u0001"),
  group: fc.option(fc.constantFrom("one", "two", "three"), { nil: undefined, freq: 12 }),
  deduplicationId: fc.option(fc.integer({ min: 0, max: 60 }).map(String), { nil: undefined, freq: 12 }),
  delay: fc.option(fc.constantFrom(0, 900), { nil: undefined, freq: 1 }),
});
const operation: fc.Arbitrary<Operation | { readonly kind: "nothing" }> = fc.oneof(
  { withCrossShrink: true },
  { weight: 1, arbitrary: fc.constant({ kind: "nothing" as const }) },
  { weight: 30, arbitrary: fc.record({ kind: fc.constant("send" as const), queue: queueName, sent }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("sendBatch" as const),
      queue: queueName,
      sent: fc.array(sent, { maxLength: 4 }),
      isRepeated: fc.boolean(),
    }),
  },
  {
    weight: 35,
    arbitrary: fc.record({
      kind: fc.constant("receive" as const),
      queue: fc.oneof(
        { weight: 5, arbitrary: queueName },
        { weight: 1, arbitrary: fc.constantFrom<QueueName>("FairDead", "LanesDead") },
      ),
      most: fc.integer({ min: 1, max: 10 }),
    }),
  },
  {
    weight: 30,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      queue: queueName,
      which: fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 6 }),
      by: fc.constantFrom<Ending>(...ENDINGS),
    }),
  },
);

/** One of the two: what it is sent to, and what it has given out. */
interface Side {
  readonly send: Send;
  readonly urlOf: (queue: QueueName) => string;
  /** Message ids in the order in which they were first seen. */
  readonly ids: string[];
  /** Receipt handles by queue, as they were given out. */
  readonly handles: Map<string, string>;
}

function sideOf(send: Send, urlOf: Side["urlOf"]): Side {
  return { send, urlOf, ids: [], handles: new Map() };
}

/** An id stands for its place among those seen. */
function placeOf(side: Side, id: string | undefined): number {
  if (id !== undefined && !side.ids.includes(id)) side.ids.push(id);
  return side.ids.indexOf(id ?? "");
}

async function sendTo(
  side: Side,
  queue: QueueName,
  entries: readonly Sent[],
  bodies: readonly string[],
  how: "one" | "batch" | "repeated",
) {
  const QueueUrl = side.urlOf(queue);
  const entryOf = ({ group, deduplicationId, delay }: Sent, at: number) => ({
    MessageBody: bodies[at] ?? "",
    ...(group !== undefined && { MessageGroupId: group }),
    ...(deduplicationId !== undefined && isFifo(queue) && { MessageDeduplicationId: deduplicationId }),
    ...(delay !== undefined && { DelaySeconds: delay }),
  });
  if (how === "one") {
    const [entry = entryOf({ text: "", group: undefined, deduplicationId: undefined, delay: undefined }, 0)] =
      entries.map(entryOf);
    const { MessageId, error } = (await outcome(side.send, new SendMessageCommand({ QueueUrl, ...entry }))) as Answer;
    return { error, id: MessageId && placeOf(side, MessageId) };
  }
  const Entries = entries.map((entry, at) => ({
    ...entryOf(entry, at),
    Id: how === "repeated" ? "same" : `entry-${at}`,
  }));
  const answer = (await outcome(side.send, new SendMessageBatchCommand({ QueueUrl, Entries }))) as Answer;
  const { Successful = [], Failed = [], error } = answer;
  return {
    error,
    sent: Successful.map(({ Id, MessageId }) => [Id, placeOf(side, MessageId)]),
    failed: Failed.map(({ Id, Code }) => [Id, Code]),
  };
}

interface Answer {
  readonly error?: string;
  readonly MessageId?: string;
  readonly Successful?: readonly { Id: string; MessageId?: string }[];
  readonly Failed?: readonly { Id: string; Code: string }[];
  readonly Messages?: readonly Received[];
}

async function receiveFrom(side: Side, queue: QueueName, most: number): Promise<Received[]> {
  const command = new ReceiveMessageCommand({
    QueueUrl: side.urlOf(queue),
    MaxNumberOfMessages: most,
    MessageSystemAttributeNames: ["ApproximateReceiveCount", "MessageGroupId", "MessageDeduplicationId"],
  });
  const { Messages = [] } = (await outcome(side.send, command)) as Answer;
  for (const { Body = "", ReceiptHandle = "" } of Messages) side.handles.set(Body, ReceiptHandle);
  return [...Messages];
}

/** In no order, and without what is different on purpose. */
function comparable(side: Side, queue: QueueName, messages: readonly Received[]) {
  return messages
    .map(({ MessageId, Body = "", Attributes }) => {
      const { MessageGroupId, ApproximateReceiveCount: count, ...rest } = Attributes ?? {};
      const told = { ...(isFifo(queue) && { MessageGroupId }), ...(!queue.endsWith("Dead") && { count }) };
      return { id: placeOf(side, MessageId), Body, ...rest, ...told };
    })
    .toSorted((a, b) => (a.Body < b.Body ? -1 : 1));
}

async function end(side: Side, queue: QueueName, bodies: readonly string[], by: Ending) {
  const QueueUrl = side.urlOf(queue);
  const handles = bodies.map((body) => side.handles.get(body) ?? "");
  const Entries = handles.map((ReceiptHandle, at) => ({ Id: String(at), ReceiptHandle }));
  const VisibilityTimeout = by === "keep" ? 900 : 0;
  const commands: Command[] =
    by === "deleteBatch"
      ? [new DeleteMessageBatchCommand({ QueueUrl, Entries })]
      : by === "releaseBatch"
        ? [
            new ChangeMessageVisibilityBatchCommand({
              QueueUrl,
              Entries: Entries.map((entry) => ({ ...entry, VisibilityTimeout })),
            }),
          ]
        : handles.map((ReceiptHandle) =>
            by === "delete"
              ? new DeleteMessageCommand({ QueueUrl, ReceiptHandle })
              : new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout }),
          );
  const answers: unknown[] = [];
  for (const command of commands) {
    const { error, Successful, Failed } = (await outcome(side.send, command)) as Answer;
    answers.push({ error, done: Successful?.map(({ Id }) => Id), failed: Failed?.map(({ Id }) => Id) ?? [] });
  }
  return answers;
}

let count = 0;

test("the model of SQS answers 2,000 random operations as the embedded one does", async () => {
  let operations = 0;
  const property = fc.asyncProperty(hundredOf(operation), async (drawn) => {
    const resources = resourcesOf((count += 1));
    const references: References = await provision({ functions: [], resources, environment: {} }, emulators.endpoints);
    const now = Date.now();
    let took: readonly (string | undefined)[] = [];
    const tookAt = (thing: unknown) => {
      const [head = thing] = Array.isArray(thing) ? (thing as unknown[]) : [];
      const at = took.indexOf((head as Message).body);
      return at === -1 ? Infinity : at;
    };
    const model = createSqs({
      now: () => now,
      resources,
      mostOfGroup: () => 1,
      shuffle: (things) => things.toSorted((a, b) => (tookAt(a) < tookAt(b) ? -1 : tookAt(a) > tookAt(b) ? 1 : 0)),
    });
    const mine = sideOf(model.send, model.urlOf);
    const other = sideOf(
      async (command) => client.send(command as never),
      (queue) => references[queue] ?? "",
    );
    /** By queue: what somebody has, and what was deleted, by their bodies. */
    const held = new Map<QueueName, string[]>();
    for (const [place, one] of drawn.entries()) {
      if (one.kind === "receive") {
        // Which dead letters a receive comes across depends on the order, unless it takes everything.
        const most = isRedriven(one.queue) ? 10 : one.most;
        const expected = await receiveFrom(other, one.queue, most);
        took = expected.map(({ Body }) => Body);
        const answer = await receiveFrom(mine, one.queue, most);
        expect({ one, answer: comparable(mine, one.queue, answer) }).toEqual({
          one,
          answer: comparable(other, one.queue, expected),
        });
        operations += 1;
        const before = (held.get(one.queue) ?? []).filter((body) => !took.includes(body));
        held.set(one.queue, [...before, ...expected.map(({ Body = "" }) => Body)]);
        continue;
      }
      if (one.kind === "end") {
        const bodies = (held.get(one.queue) ?? []).filter((_, at) => one.which.includes(at));
        if (bodies.length === 0) continue;
        operations += 1;
        const answer = await end(mine, one.queue, bodies, one.by);
        expect({ one, answer }).toEqual({ one, answer: await end(other, one.queue, bodies, one.by) });
        // What is deleted stays among them now and then, to be deleted again.
        const stays = one.by === "keep" || (one.by === "delete" && one.which.includes(0));
        if (!stays)
          held.set(
            one.queue,
            (held.get(one.queue) ?? []).filter((body) => !bodies.includes(body)),
          );
        continue;
      }
      const entries = one.kind === "send" ? [one.sent] : one.sent;
      if (model.messages(one.queue).length + entries.length > 9) continue;
      operations += 1;
      const how = one.kind === "send" ? "one" : one.isRepeated ? "repeated" : "batch";
      const bodies = entries.map(({ text }, at) => `${place}.${at} ${text}`);
      const answer = await sendTo(mine, one.queue, entries, bodies, how);
      expect({ one, answer }).toEqual({ one, answer: await sendTo(other, one.queue, entries, bodies, how) });
    }
  });
  await fc.assert(property, runs(RUNS));
  expect(operations).toBeGreaterThanOrEqual(2_000);
});

function isRedriven(queue: QueueName): boolean {
  return queue === "Fair" || queue === "Lanes";
}

// ---- What the embedded SQS can't show ----

/** A model with the queues of resources.yml, on a clock to turn. */
function world(options: Partial<SqsOptions> = {}) {
  let time = 0;
  const model = createSqs({ now: () => time, resources: template.resources, ...options });
  const QueueUrl = { fair: model.urlOf("JobsFairQueue"), main: model.urlOf("JobsMainQueue") };
  return {
    model,
    pass: (ms: number) => {
      time += ms;
    },
    send: async (MessageBody: string, rest: object = {}) =>
      model.send(new SendMessageCommand({ QueueUrl: QueueUrl.fair, MessageBody, ...rest })) as Promise<Answer>,
    sendInLane: async (MessageBody: string, MessageGroupId: string, MessageDeduplicationId = MessageBody) =>
      model.send(
        new SendMessageCommand({ QueueUrl: QueueUrl.main, MessageBody, MessageGroupId, MessageDeduplicationId }),
      ) as Promise<Answer>,
    receive: async (road: "fair" | "main", MaxNumberOfMessages = 10) => {
      const command = new ReceiveMessageCommand({ QueueUrl: QueueUrl[road], MaxNumberOfMessages });
      const { Messages = [] } = (await model.send(command)) as Answer;
      return Messages.map(({ Body, ReceiptHandle }) => ({ Body, QueueUrl: QueueUrl[road], ReceiptHandle }));
    },
    remove: async ({ QueueUrl, ReceiptHandle }: Taken) =>
      model.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle })),
    release: async ({ QueueUrl, ReceiptHandle }: Taken, VisibilityTimeout = 0) =>
      model.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout })),
  };
}

interface Taken {
  readonly QueueUrl: string;
  readonly ReceiptHandle: string | undefined;
}

const bodies = (taken: readonly { Body: string | undefined }[]) => taken.map(({ Body }) => Body);

test("several messages of a group come in one receive, in their order, and the group waits for all of them", async () => {
  const { sendInLane, receive, remove, release } = world();
  for (const body of ["a1", "b1", "a2", "a3"]) await sendInLane(body, body.charAt(0));
  const taken = await receive("main", 3);
  expect(bodies(taken)).toEqual(["a1", "a2", "a3"]);
  const [first, second, third] = taken as unknown as [Taken, Taken, Taken];
  await remove(first);
  await release(second);
  await sendInLane("a4", "a");
  expect(bodies(await receive("main"))).toEqual(["b1"]);
  await release(third);
  expect(bodies(await receive("main"))).toEqual(["a2", "a3", "a4"]);
});

test("what is sent again within five minutes does not come again, even after its deletion, and then it does", async () => {
  const { sendInLane, receive, remove, pass } = world();
  const { MessageId } = await sendInLane("a", "lane", "same");
  const [taken] = await receive("main");
  await remove(taken as Taken);
  pass(5 * MINUTE - 1);
  expect(await sendInLane("a", "lane", "same")).toMatchObject({ MessageId });
  expect(await receive("main")).toEqual([]);
  pass(1);
  await sendInLane("a", "lane", "same");
  expect(await receive("main")).toHaveLength(1);
});

test("the queue for lanes takes duplicates by lane", async () => {
  const { sendInLane, receive } = world();
  await sendInLane("a", "one", "same");
  await sendInLane("b", "two", "same");
  expect(bodies(await receive("main"))).toEqual(["a", "b"]);
});

test("a message shows after its delay, and again after its visibility", async () => {
  const { model, send, receive, pass } = world();
  await send("late", { DelaySeconds: 900 });
  pass(900 * SECOND - 1);
  expect(await receive("fair")).toEqual([]);
  expect(model.nextVisibleAt("JobsFairQueue")).toBe(900 * SECOND);
  pass(1);
  expect(await receive("fair")).toHaveLength(1);
  pass(1_080 * SECOND - 1);
  expect(await receive("fair")).toEqual([]);
  pass(1);
  expect(await receive("fair")).toHaveLength(1);
});

test("a message that was received fifty times goes to the dead letters at the next receive", async () => {
  const { model, send, sendInLane, receive, release } = world();
  await send("poison");
  await sendInLane("poison", "lane");
  await sendInLane("behind", "lane");
  for (const road of ["fair", "main"] as const) {
    for (let count = 0; count < 50; count += 1) {
      const [taken] = await receive(road, 1);
      expect(taken?.Body).toBe("poison");
      await release(taken as Taken);
    }
  }
  expect(await receive("fair")).toEqual([]);
  expect(bodies(await receive("main"))).toEqual(["behind"]);
  expect(model.messages("JobsFairDeadLetters")).toMatchObject([{ body: "poison", deadFrom: "JobsFairQueue" }]);
  expect(model.messages("JobsMainDeadLetters")).toMatchObject([{ body: "poison", groupId: "lane" }]);
});

test("a handle is good until its message is received again; on a FIFO queue, until its visibility ends", async () => {
  const { model, send, sendInLane, receive, remove, release, pass } = world();
  await send("a");
  await sendInLane("a", "lane");
  const [old] = await receive("fair");
  const [inLane] = await receive("main");
  pass(1_080 * SECOND);
  await expect(remove(inLane as Taken)).rejects.toMatchObject({ name: "InvalidParameterValue" });
  await expect(release(old as Taken)).rejects.toMatchObject({ name: "MessageNotInflight" });
  const [now] = await receive("fair");
  await remove(old as Taken);
  expect(model.messages("JobsFairQueue")).toHaveLength(1);
  await remove(now as Taken);
  expect(model.messages("JobsFairQueue")).toHaveLength(0);
});

test("a standard queue gives a message out twice, or after its deletion, when chance has it", async () => {
  const { send, receive, remove, pass } = world({ duplicates: () => true });
  await send("a");
  const [first] = await receive("fair");
  expect(await receive("fair")).toHaveLength(1);
  await remove(first as Taken);
  pass(1_080 * SECOND);
  expect(await receive("fair")).toHaveLength(1);
});

test("a message is forgotten at the end of its retention", async () => {
  const { model, send, receive, pass } = world();
  await send("a");
  pass(14 * 86_400 * SECOND);
  expect(await receive("fair")).toEqual([]);
  expect(model.messages("JobsFairQueue")).toEqual([]);
});

test("a batch of more than 1 MiB is refused as a whole, an entry with what SQS does not take on its own", async () => {
  const { model } = world();
  const QueueUrl = model.urlOf("JobsFairQueue");
  const batch = (...texts: string[]) =>
    model.send(
      new SendMessageBatchCommand({
        QueueUrl,
        Entries: texts.map((MessageBody, at) => ({ Id: String(at), MessageBody })),
      }),
    );
  await expect(batch("a".repeat(600_000), "b".repeat(600_000))).rejects.toMatchObject({ name: "BatchRequestTooLong" });
  expect(await batch("fine \u{1f600}", "\ufffe")).toMatchObject({
    Successful: [{ Id: "0" }],
    Failed: [{ Id: "1", Code: "InvalidMessageContents", SenderFault: true }],
  });
});

test("a parameter that the model does not know is an error, not overlooked", async () => {
  const { send } = world();
  await expect(send("a", { MessageAttributes: {} })).rejects.toThrow("MessageAttributes");
});
