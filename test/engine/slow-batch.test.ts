import { randomUUID } from "node:crypto";
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
