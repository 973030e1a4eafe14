import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DAY } from "../../lib/clock.ts";
import { payloadIntentKey } from "../../lib/store/job-keys.ts";
import { payloadKey } from "../../lib/store/payloads.ts";
import type { QueueRecord } from "../../lib/queue/delivery.ts";
import type { Outcome } from "../../lib/job/attempt.ts";
import { PLENTY, createWorld, request, type World } from "../support/world.ts";

// Payloads that a message is too small for: what becomes of them when it has been handled.

let world: World;

beforeEach(async () => {
  world = await createWorld({ isQuick: true });
});
afterEach(async () => {
  await world.end();
});

/** Submits a job of mode `sqs` whose payload is in the bucket, and receives its message. */
async function carriedJob(): Promise<{ records: QueueRecord[]; id: string; hash: string }> {
  await world.engine.submit(request("sqs", {}, { body: randomBytes(300_000).toString("base64") }));
  const records = await world.receive("main");
  const { job } = JSON.parse(records[0]?.body ?? "") as { job: { id: string; payload: { hash: string } } };
  return { records, id: job.id, hash: job.payload.hash };
}

const again = ({ batchItemFailures }: { batchItemFailures: readonly unknown[] }) => batchItemFailures.length;
const outcomes: Readonly<Record<string, Outcome>> = {
  succeeds: { kind: "succeeded", httpStatus: 200 },
  fails: { kind: "retry", error: "HTTP 500", httpStatus: 500 },
};

test.each(Object.keys(outcomes))("a message's payload is kept for another day when its attempt %s", async (name) => {
  const { records, id, hash } = await carriedJob();
  const daysLeft = async () => {
    const intent = await world.table.get(payloadIntentKey(id, hash));
    return Math.round((Number(intent?.["expiresAt"]) * 1_000 - world.clock.now()) / DAY);
  };
  expect(await daysLeft()).toBe(45);
  world.execute(async () => outcomes[name] as Outcome);
  expect(again(await world.engine.runBatch(records, PLENTY))).toBe(0);
  expect(await daysLeft()).toBe(1);
});

test("a message that comes again when its payload has gone is not handled again, and says so", async () => {
  const { records, id, hash } = await carriedJob();
  await world.engine.runBatch(records, PLENTY);
  await world.files.remove(payloadKey(id, hash));
  expect(again(await world.engine.runBatch(records, PLENTY))).toBe(0);
  expect(world.ran).toHaveLength(1);
  expect(world.logged).toContainEqual(expect.objectContaining({ event: "message.payload-gone" }));
});

test("a dead letter is stored with a payload of its own, and one whose payload has gone is left alone", async () => {
  const { records, id, hash } = await carriedJob();
  expect(again(await world.engine.recoverBatch(records))).toBe(0);
  expect(await world.store.get(id)).toMatchObject({ status: "RETRYING", payload: { at: "s3" } });
  await world.files.remove(payloadKey(id, hash));
  expect(again(await world.engine.recoverBatch(records))).toBe(0);
  expect(world.logged).toContainEqual(expect.objectContaining({ event: "message.payload-gone" }));
});

test("an attempt that was made is not made again because its payload could not be given up", async () => {
  const { records } = await carriedJob();
  const put = world.store.giveUpPayload;
  world.store.giveUpPayload = async () => Promise.reject(world.table.unavailable("throttled"));
  expect(again(await world.engine.runBatch(records, PLENTY))).toBe(0);
  expect(world.ran).toHaveLength(1);
  expect(world.logged).toContainEqual(expect.objectContaining({ event: "payload.not-given-up" }));
  world.store.giveUpPayload = put;
});
