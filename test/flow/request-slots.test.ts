import { expect, test } from "vitest";
import { SECOND, createClock, type Clock } from "../../lib/clock.ts";
import { createCapacityStore } from "../../lib/flow/capacity-store.ts";
import { createRequestSlots, type Held, type LongRequest } from "../../lib/flow/request-slots.ts";
import { DEFAULT_LIMITS, DEFAULT_SETTINGS, inForce } from "../../lib/store/app-settings.ts";
import { cached } from "../../lib/store/cached.ts";
import { createTable } from "../../lib/store/table.ts";
import { readTemplate } from "../../local/template.ts";
import { clientOf } from "../sim/models/client.ts";
import { createDynamoDb } from "../sim/models/dynamodb.ts";
import { ROOT } from "../support/root.ts";

const { Properties: properties = {} } = readTemplate(ROOT).resources["JobsTable"] ?? {};

/** The long requests of two containers on one table, with a clock to turn. */
function stand({ waitersPerApp = null as number | null, limits = DEFAULT_LIMITS } = {}) {
  let ahead = 0;
  let isDown = false;
  const real = createClock();
  const clock: Clock = { ...real, now: () => real.now() + ahead };
  const { send } = createDynamoDb({ now: () => clock.now(), table: "JobsTable", properties });
  const client = clientOf(async (command) => {
    if (isDown) throw Object.assign(new Error("throttled"), { name: "ValidationException" });
    return send(command);
  });
  const logged: string[] = [];
  const container = () =>
    createRequestSlots({
      clock,
      apps: {
        settingsOf: cached(clock, async () => inForce({ ...DEFAULT_SETTINGS, waitersPerApp }, limits)),
      },
      capacity: createCapacityStore({ table: createTable({ name: "JobsTable", clock, client }), clock }),
      log: (_, event) => logged.push(event),
    });
  const containers = [container(), container()];
  return {
    /** The slots that so many requests got. */
    begin: async (app: string, times: number, what: LongRequest = "news"): Promise<Held[]> =>
      (await Promise.all(Array.from({ length: times }, async (_, n) => containers[n % 2]?.take(app, what)))).flatMap(
        (slot) => (typeof slot === "object" ? slot : []),
      ),
    take: async (what: LongRequest) => containers[0]?.take("a", what),
    pass: (ms: number) => {
      ahead += ms;
    },
    setDown: (down: boolean) => {
      isDown = down;
    },
    logged,
  };
}

test("at most twenty of an app wait, over all containers; one that has ended makes room for another", async () => {
  const { begin } = stand();
  const waiting = await begin("a", 25);
  expect(waiting).toHaveLength(20);
  expect(await begin("b", 3)).toHaveLength(3);
  await waiting[7]?.end();
  expect(await begin("a", 2)).toHaveLength(1);
});

test("an app's own number counts, within the operator's", async () => {
  expect(await stand({ waitersPerApp: 2 }).begin("a", 5)).toHaveLength(2);
  expect(await stand({ waitersPerApp: 90 }).begin("a", 22)).toHaveLength(20);
  const limits = { ...DEFAULT_LIMITS, waitersPerApp: null };
  expect(await stand({ limits }).begin("a", 25)).toHaveLength(25);
});

test("quick PDFs have slots of their own: ten of an app, until a function that was killed is certainly over", async () => {
  const { begin, take, pass, setDown } = stand({ waitersPerApp: 1 });
  expect(await begin("a", 3)).toHaveLength(1);
  expect(await begin("a", 12, "quick PDF")).toHaveLength(10);
  expect(await take("quick PDF")).toBe("full");
  pass(40 * SECOND);
  expect(await take("quick PDF")).toBe("full");
  pass(2 * SECOND);
  expect(await begin("a", 12, "quick PDF")).toHaveLength(10);
  setDown(true);
  expect(await take("quick PDF")).toBe("uncounted");
});

test("waiters whose function was killed are forgotten after thirty seconds", async () => {
  const { begin, pass } = stand();
  expect(await begin("a", 20)).toHaveLength(20);
  pass(25 * SECOND);
  expect(await begin("a", 1)).toHaveLength(0);
  pass(6 * SECOND);
  expect(await begin("a", 25)).toHaveLength(20);
});

test("what can't be counted does not wait, and no request fails of it", async () => {
  const { begin, setDown, pass, logged } = stand();
  const waiting = await begin("a", 20);
  setDown(true);
  expect(await begin("a", 1)).toEqual([]);
  await Promise.all(waiting.map(async (waiter) => waiter.end()));
  expect(new Set(logged)).toEqual(new Set(["request.not-counted"]));
  setDown(false);
  expect(await begin("a", 1)).toEqual([]);
  pass(31 * SECOND);
  expect(await begin("a", 1)).toHaveLength(1);
});
