import { expect, test } from "vitest";
import { SECOND, createClock, iso } from "../../lib/clock.ts";
import { createAppRegister } from "../../lib/store/app-register.ts";
import { createTable } from "../../lib/store/table.ts";
import { clientOf, type Send } from "../sim/models/client.ts";
import { createDynamoDb } from "../sim/models/dynamodb.ts";
import { TABLE, template } from "./grounds.ts";

const NOW = Date.parse("2027-01-01T00:00:00Z");

/** Processes that share a table, with a clock to turn and a count of calls. */
function stand() {
  let now = NOW;
  let calls = 0;
  const clock = { ...createClock(), now: () => now };
  const { Properties: properties = {} } = template.resources[TABLE] ?? {};
  const model = createDynamoDb({ now: clock.now, table: TABLE, properties });
  const counted: Send = async (command) => {
    calls += 1;
    return model.send(command);
  };
  const register = () =>
    createAppRegister({ table: createTable({ name: TABLE, clock, client: clientOf(counted) }), clock });
  return { register, calls: () => calls, pass: (ms: number) => void (now += ms) };
}

test("an app is written once by a process, and keeps the time at which it was first known", async () => {
  const { register, calls, pass } = stand();
  const [one, two] = [register(), register()];
  await one.note(["b", "a", "b"]);
  expect(calls()).toBe(2);
  await one.note(["a", "b"]);
  expect(calls()).toBe(2);
  pass(SECOND);
  await two.note(["a", "c"]);
  const { apps, next } = await two.list({ limit: 10 });
  expect(apps.map(({ appId, since }) => [appId, iso(since)])).toEqual([
    ["a", iso(NOW)],
    ["b", iso(NOW)],
    ["c", iso(NOW + SECOND)],
  ]);
  expect(next).toBeUndefined();
});

test("pages go on behind the last app of the page before", async () => {
  const register = stand().register();
  const ids = Array.from({ length: 7 }, (_, n) => `app-${n}`);
  await register.note(ids);
  const found: string[] = [];
  let after: string | undefined;
  do {
    const { apps, next } = await register.list({ limit: 3, after });
    found.push(...apps.map(({ appId }) => appId));
    after = next;
  } while (after !== undefined);
  expect(found).toEqual(ids);
});
