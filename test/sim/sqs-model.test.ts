import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SQSClient,
  SendMessageBatchCommand,
  SendMessageCommand,
} from "@aws-sdk/client-sqs";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lean } from "../../lib/aws.ts";
import { MINUTE, SECOND } from "../../lib/clock.ts";
import { startEmulators, type Emulators } from "../../local/emulators.ts";
import { provision, type References } from "../../local/provision.ts";
import { readTemplate } from "../../local/template.ts";
import { createSqs, type Message, type SqsOptions } from "./models/sqs.ts";
import { PATIENT, runs, hundredOf } from "../support/differential.ts";
import { brokenBy } from "../support/aws/recorder.ts";
import { ROOT } from "../support/root.ts";
import {
  type QueueName,
  resourcesOf,
  operation,
  sideOf,
  sendTo,
  type Answer,
  receiveFrom,
  comparable,
  end,
  isRedriven,
} from "./sqs-operations.ts";

/** Each run has a hundred operations. */
const RUNS = 10;
const template = readTemplate(ROOT);

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

let count = 0;

test("the model of SQS answers 600 random operations as the embedded one does", async () => {
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
      async (command) => {
        let answer: object = {};
        // Some entries are drawn to be refused, and a batch with them is answered as if it were taken.
        await brokenBy(async () => (answer = await client.send(command as never)));
        return answer;
      },
      (queue) => references[queue] ?? "",
    );
    /** By queue, the bodies of the messages in flight, and of some deleted ones. */
    const held = new Map<QueueName, string[]>();
    for (const [place, one] of drawn.entries()) {
      if (one.kind === "receive") {
        // A receive of dead letters takes all of them, since the choice among them depends on the order.
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
        // Some deleted messages stay in the list and are deleted again.
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
  expect(operations).toBeGreaterThanOrEqual(600);
});

// ---- Properties that the embedded SQS lacks ----

/** A model with the queues of resources.yml, on a clock that the test moves. */
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
