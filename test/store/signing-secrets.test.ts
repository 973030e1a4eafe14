import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { SECOND, createClock } from "../../lib/clock.ts";
import { createAppStores } from "../../lib/store/app-store.ts";
import { createSealer } from "../../lib/store/sealer.ts";
import { createTable } from "../../lib/store/table.ts";
import { clientOf } from "../sim/models/client.ts";
import { createDynamoDb } from "../sim/models/dynamodb.ts";
import { TABLE, template } from "./grounds.ts";

const APP = "550e8400-e29b-41d4-a716-446655440000";
const LONGER_THAN_CACHED = 11 * SECOND;

/** The secrets of apps, with a count of the calls that KMS would bill, and an outage of it to switch. */
function stand() {
  let ahead = 0;
  const real = createClock();
  const clock = { ...real, now: () => real.now() + ahead, realNow: () => real.realNow() + ahead };
  const { Properties: properties = {} } = template.resources[TABLE] ?? {};
  const model = createDynamoDb({ now: clock.now, table: TABLE, properties });
  const table = createTable({ name: TABLE, clock, client: clientOf(model.send) });
  const sealer = createSealer({ kind: "local", key: randomBytes(32) });
  const kms = { opened: 0, isDown: false };
  const counted = {
    ...sealer,
    open: async (appId: string, sealed: Uint8Array) => {
      kms.opened += 1;
      if (kms.isDown) throw new Error("KMS is down");
      return sealer.open(appId, sealed);
    },
  };
  const { secrets } = createAppStores({ table, clock, sealer: counted });
  return { secrets, kms, pass: () => void (ahead += LONGER_THAN_CACHED) };
}

test("a process has KMS open a signing secret once, however often it reads the app's secrets", async () => {
  const { secrets, kms, pass } = stand();
  const first = await secrets.keysOf(APP);
  for (let n = 0; n < 5; n += 1) {
    pass();
    expect(await secrets.keysOf(APP)).toEqual(first);
  }
  expect(kms.opened).toBe(1);
});

test("a secret that was added or removed counts after ten seconds, though the others are not opened again", async () => {
  const { secrets, kms, pass } = stand();
  const [first] = await secrets.keysOf(APP);
  const { id } = await secrets.rotate(APP, "ann");
  pass();
  const both = await secrets.keysOf(APP);
  expect(both).toHaveLength(2);
  expect(both[1]).toEqual(first);
  await secrets.remove(APP, id, "ann");
  pass();
  expect(await secrets.keysOf(APP)).toEqual([first]);
  expect(kms.opened).toBe(2);
});

test("a secret that KMS could not open is asked for again", async () => {
  const { secrets, kms, pass } = stand();
  await secrets.rotate(APP, "ann");
  kms.isDown = true;
  await expect(secrets.keysOf(APP)).rejects.toThrow("KMS is down");
  kms.isDown = false;
  pass();
  expect(await secrets.keysOf(APP)).toHaveLength(1);
});
