import { afterEach, beforeEach, expect, test } from "vitest";
import { DAY } from "../../lib/clock.ts";
import type { Job } from "../../lib/job/job.ts";
import type { Metadata } from "../../lib/job/message.ts";
import { PLENTY, createWorld, type World } from "../support/world.ts";

let world: World;
const retention = 30 * DAY;

beforeEach(async () => {
  world = await createWorld({ retention, isQuick: true });
  const body = Buffer.from("the answer");
  const response = { bytes: body.length, contentType: "text/plain" };
  world.execute(async ({ message }) => ({
    kind: "succeeded",
    httpStatus: 200,
    ...(message.metadata.keepResponse && { response, body }),
  }));
});
afterEach(async () => {
  await world.end();
});

/** The job after it was delivered, and the names of the commands that the table got for that. */
async function delivered(metadata: Metadata): Promise<{ job: Job; commands: string[] }> {
  const { dynamodb } = world;
  const send = dynamodb.send.bind(dynamodb);
  const commands: string[] = [];
  dynamodb.send = (async (command: { constructor: { name: string } }, ...rest: never[]) => {
    commands.push(command.constructor.name);
    return (send as (...all: unknown[]) => unknown)(command, ...rest);
  }) as typeof dynamodb.send;
  try {
    const { id } = await world.submit("both", metadata);
    await world.engine.runBatch(await world.receive("fair"), PLENTY);
    return { job: (await world.store.get(id)) as Job, commands: commands.slice(0, -1) };
  } finally {
    dynamodb.send = send;
  }
}

const rows = async ({ id }: Job) =>
  world.table.queryAll({ KeyConditionExpression: "pk = :pk", values: { ":pk": `J#${id}` } });

test("keeping the answer is one more write; other jobs have none of it", async () => {
  await delivered({});
  const plain = await delivered({});
  const keeping = await delivered({ keepResponse: true });
  expect(keeping.commands.toSorted()).toEqual([...plain.commands, "PutItemCommand"].toSorted());
  expect(JSON.stringify(plain.job)).not.toMatch(/response/i);
  expect(await rows(plain.job)).toHaveLength(1);
});

test("the answer expires after its job, and is deleted with it", async () => {
  const { job } = await delivered({ keepResponse: true });
  expect(job.success).toMatchObject({ response: { bytes: 10, contentType: "text/plain" } });
  expect(Buffer.from((await world.store.response(job)) ?? "").toString()).toBe("the answer");
  const [own, kept] = await rows(job);
  expect(Number(kept?.["expiresAt"]) - Number(own?.["expiresAt"])).toBeGreaterThan(0);
  expect(Number(kept?.["expiresAt"]) - Number(own?.["expiresAt"])).toBeLessThanOrEqual(DAY / 1_000 + 1);
  await world.engine.deleteJob(job.id);
  expect(await rows(job)).toEqual([]);
});
