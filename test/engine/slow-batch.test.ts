import { randomBytes, randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { PLENTY, createWorld, request, type World } from "../support/world.ts";

let world: World;

beforeEach(async () => {
  world = await createWorld();
});
afterEach(async () => {
  await world.end();
});

test("a lane goes on while a slow attempt of another lane is in the same batch", async () => {
  const slow = Promise.withResolvers<void>();
  world.execute(async ({ message }) => {
    if (message.metadata?.messageGroupId === "slow") await slow.promise;
    return { kind: "succeeded" };
  });
  const appId = randomUUID();
  const submit = async (messageGroupId: string) => world.engine.submit(request("both", { messageGroupId }, { appId }));
  for (const lane of ["slow", "quick"]) await submit(lane);
  const records = await world.receive("main");
  expect(records).toHaveLength(2);
  const batch = world.engine.runBatch(records, PLENTY);
  await submit("quick");
  await expect.poll(async () => (await world.receive("main")).length).toBe(1);
  slow.resolve();
  expect(await batch).toEqual({ batchItemFailures: [] });
});

/** More than an item holds, also packed. */
const LARGE = randomBytes(600_000).toString("base64");
/** Packed, it fits into the item of its job. */
const REPEATED = "a".repeat(600_000);

test.each([
  ["both", "in the bucket", LARGE],
  ["sqs", "in the bucket", LARGE],
  ["both", "packed small", REPEATED],
  ["sqs", "packed small", REPEATED],
] as const)(
  "of a batch's jobs of mode %s whose large payloads are %s, two run at once, beside all others",
  async (mode, _, large) => {
    const [started, ended] = [new Set<string>(), Promise.withResolvers<void>()];
    let ran = 0;
    world.execute(async ({ jobId, message }) => {
      if (message.lambdaProxyMessage?.body === large) {
        started.add(jobId);
        await ended.promise;
      }
      ran += 1;
      return { kind: "succeeded" };
    });
    for (let n = 0; n < 5; n += 1) await world.engine.submit(request(mode, {}, { body: large }));
    for (let n = 0; n < 4; n += 1) await world.engine.submit(request(mode));
    const records = await world.receive(mode === "sqs" ? "main" : "fair");
    expect(records.length).toBe(9);
    const batch = world.engine.runBatch(records, PLENTY);
    await expect
      .poll(() => [started.size, ran])
      .toEqual([2, 4])
      .finally(ended.resolve);
    expect(await batch).toEqual({ batchItemFailures: [] });
    expect([started.size, ran]).toEqual([5, 9]);
  },
);
