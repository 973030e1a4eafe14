import { createTable } from "../../lib/store/table.ts";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { CLIENT_DEFAULTS } from "../../lib/aws.ts";
import { afterFailure, type Circuit } from "../../lib/flow/circuit.ts";
import { MINUTE, SECOND, createClock, type Clock } from "../../lib/clock.ts";
import { createCapacityStore, type CapacityStore } from "../../lib/flow/capacity-store.ts";
import {
  createDestinationStore,
  type DestinationRef,
  type DestinationStore,
} from "../../lib/flow/destination-store.ts";
import type { Turn } from "../../lib/job/attempt.ts";
import { startEmulators } from "../../local/emulators.ts";
import { provision } from "../../local/provision.ts";
import { readTemplate } from "../../local/template.ts";
import { clientOf } from "../sim/models/client.ts";
import { createDynamoDb } from "../sim/models/dynamodb.ts";
import { ROOT } from "../support/root.ts";

const table = "JobsTable";
const template = readTemplate(ROOT);

interface Ground {
  readonly client: DynamoDBClient;
  end(): Promise<void>;
}

const GROUNDS: Record<string, () => Promise<Ground>> = {
  "the embedded table": async () => {
    const emulators = await startEmulators();
    await provision(template, emulators.endpoints);
    const client = new DynamoDBClient({ ...CLIENT_DEFAULTS, endpoint: emulators.endpoints.dynamodb });
    return { client, end: () => emulators.stop() };
  },
  "the model": async () => {
    const { Properties: properties = {} } = template.resources[table] ?? {};
    return { client: clientOf(createDynamoDb({ now: Date.now, table, properties }).send), end: async () => {} };
  },
};

let ahead = 0;
let stoppedAt: number | undefined;
const real = createClock();
const clock: Clock = { ...real, now: () => (stoppedAt ?? real.now()) + ahead };
let store: DestinationStore;
let capacity: CapacityStore;

function useGround(start: () => Promise<Ground>): void {
  let ground: Ground;

  beforeAll(async () => {
    ahead = 0;
    ground = await start();
    const parts = { table: createTable({ name: table, clock, client: ground.client }), clock };
    store = createDestinationStore(parts);
    capacity = createCapacityStore(parts);
  });
  afterEach(() => {
    stoppedAt = undefined;
  });
  afterAll(() => ground.end());
}

const somewhere = () => ({ appId: randomUUID(), destination: "https://a.example" });
const failure = { error: "HTTP 503", httpStatus: 503 };

/** Adds `times` failures to a circuit in one change. */
async function fail(ref: DestinationRef, times = 1): Promise<Circuit | undefined> {
  return store.change(ref, (circuit) =>
    Array.from({ length: times }).reduce<Circuit | undefined>(
      (known) => afterFailure(known, failure, clock.now()),
      circuit,
    ),
  );
}

// Circuits.
describe.each(Object.entries(GROUNDS))("on %s", (_, start) => {
  useGround(start);

  test("of many changes at once none is lost, as far as they are written at all", async () => {
    const ref = somewhere();
    const changes = await Promise.allSettled(Array.from({ length: 8 }, async () => fail(ref)));
    const made = changes.filter(({ status }) => status === "fulfilled").length;
    expect(made).toBeGreaterThan(0);
    expect((await store.read(ref))?.failures).toHaveLength(made);
  });

  test("failures are forgotten when they no longer count, an outage is not", async () => {
    const [some, down] = [somewhere(), somewhere()];
    await fail(some, 3);
    await fail(down, 20);
    ahead += 90 * MINUTE;
    expect(await store.read(some)).toBeUndefined();
    expect(await store.read(down)).toMatchObject({ state: "open" });
    await store.change(down, () => undefined);
    expect(await store.read(down)).toBeUndefined();
    expect((await store.list(down.appId, 10)).found).toEqual([]);
    await fail(down);
    expect(await store.read(down)).toMatchObject({ state: "closed" });
  });

  test("of many that ask at once, one may probe, and the next one before the next sweep", async () => {
    const ref = somewhere();
    await fail(ref, 20);
    expect(await store.takeProbe(ref)).toBe(false);
    ahead += MINUTE;
    const asked = await Promise.all(Array.from({ length: 4 }, async () => store.takeProbe(ref)));
    expect(asked.filter(Boolean)).toHaveLength(1);
    ahead += 49 * SECOND;
    expect(await store.takeProbe(ref)).toBe(false);
    ahead += SECOND;
    expect(await store.takeProbe(ref)).toBe(true);
  });

  test("an app's destinations are listed by name, page by page, and nobody else's", async () => {
    const { appId } = somewhere();
    const names = ["https://a.example", "https://b.example", "https://c.example"];
    for (const destination of names.toReversed()) await fail({ appId, destination });
    await fail(somewhere());
    const first = await store.list(appId, 2);
    const second = await store.list(appId, 2, first.next);
    expect([...first.found, ...second.found].map(({ destination }) => destination)).toEqual(names);
    expect(second.next).toBeUndefined();
  });
});

// Turns.
describe.each(Object.entries(GROUNDS))("on %s", (_, start) => {
  useGround(start);

  test("turns are a step apart, and none is given twice", async () => {
    const ref = somewhere();
    const take = async () => (await capacity.takeTurn(ref, { step: 1_000, isInLane: false }))?.at ?? NaN;
    const first = await take();
    const turns = await Promise.all(Array.from({ length: 5 }, take));
    expect(turns.toSorted((a, b) => a - b).map((turn) => turn - first)).toEqual([1_000, 2_000, 3_000, 4_000, 5_000]);
    ahead += MINUTE;
    expect(Math.abs((await take()) - clock.now())).toBeLessThan(5_000);
  });

  test("a row is short, and whoever comes while it is full waits behind the backlog", async () => {
    stoppedAt = real.now();
    const now = clock.now();
    const ref = somewhere();
    const take = async (isInLane = false) => capacity.takeTurn(ref, { step: MINUTE, isInLane });
    const inMinutes = (turn: Turn | undefined) => turn && (turn.at - now) / MINUTE;
    const turns: (number | undefined)[] = [];
    for (let n = 0; n < 6; n += 1) turns.push(inMinutes(await take()));
    expect(turns).toEqual([0, 1, 2, undefined, undefined, undefined]);
    ahead += 2 * MINUTE;
    // There is room, for those of the backlog first. A lane can't go there.
    expect(await take()).toBeUndefined();
    expect(inMinutes(await take(true))).toBe(3);
    // The row ends at the same turn for those of the backlog, and has as many turns.
    expect((await capacity.takeTurns(ref, { step: MINUTE, most: 10 })).map(inMinutes)).toEqual([4]);
    await capacity.markRow(ref, false);
    ahead += 6 * MINUTE;
    expect((await capacity.takeTurns(ref, { step: MINUTE, most: 10 })).map(inMinutes)).toEqual([8, 9, 10]);
    ahead += 6 * MINUTE;
    expect(inMinutes(await take())).toBe(14);
  });

  test("turns stay in the row when its rate changes, by whoever comes first, and new ones come after them", async () => {
    stoppedAt = real.now();
    const now = clock.now();
    const ref = somewhere();
    const inSeconds = (turn: Turn | undefined) => turn && [(turn.at - now) / SECOND, turn.step / SECOND];
    const turns: Turn[] = [];
    const take = async (step: number) => {
      const turn = await capacity.takeTurn(ref, { step: step * SECOND, isInLane: false });
      if (turn) turns.push(turn);
      return inSeconds(turn);
    };
    const kept = async (n: number, step: number) => inSeconds(await capacity.keptTurn(ref, turns[n]!, step * SECOND));
    for (const at of [0, 10, 20, 30]) expect(await take(10)).toEqual([at, 10]);
    expect(await kept(2, 5)).toEqual([20, 5]);
    // One that does not know of the change yet goes by it too.
    expect([await take(5), await take(10)]).toEqual([35, 40].map((at) => [at, 5]));
    ahead += 16 * SECOND;
    // 20, 30, 35 and 40 are to come, 15 s apart from now on.
    expect([await kept(2, 15), await kept(3, 15), await kept(4, 15), await kept(5, 15)]).toEqual(
      [25, 40, 55, 70].map((at) => [at, 15]),
    );
    expect((await capacity.takeTurns(ref, { step: 15 * SECOND, most: 2 })).map(inSeconds)).toEqual(
      [85, 100].map((at) => [at, 15]),
    );
  });

  test("at a much lower rate, turns that come too late for the row are lost, and jobs wait behind theirs", async () => {
    stoppedAt = real.now();
    const now = clock.now();
    const ref = somewhere();
    const take = async (step: number) => capacity.takeTurn(ref, { step, isInLane: false });
    const turns: Turn[] = [];
    for (let n = 0; n < 100; n += 1) turns.push((await take(SECOND))!);
    const at = async (n: number) => {
      const kept = await capacity.keptTurn(ref, turns[n]!, 11 * SECOND);
      return kept && (kept.at - now) / SECOND;
    };
    // The attempts of the next two seconds have been admitted. Each turn is 10 s later than the one before it was.
    expect([await at(2), await at(3), await at(14), await at(15)]).toEqual([2, 13, 134, undefined]);
    expect(await take(11 * SECOND)).toBeUndefined();
    ahead += 150 * SECOND;
    expect((await capacity.takeTurns(ref, { step: 11 * SECOND, most: 1 }))[0]?.at).toBe(clock.now());
  });
});

// Slots.
describe.each(Object.entries(GROUNDS))("on %s", (_, start) => {
  useGround(start);

  test("no more places are taken than there are; those of the dead are free when their time is over", async () => {
    const ref = somewhere();
    const slot = (holder: string, ms = MINUTE) => ({ ...ref, holder, since: clock.now(), until: clock.now() + ms });
    const slots = Array.from({ length: 5 }, (_, n) => slot(String(n)));
    const taken = await Promise.all(slots.map(async (one) => capacity.takeSlot(one, 3, true)));
    expect(taken.filter((one) => one === "taken")).toHaveLength(3);
    expect(taken.filter((one) => one !== "taken")).toEqual([{ tookMs: 1_000 }, { tookMs: 1_000 }]);
    ahead += 20 * SECOND;
    // No slot was given back yet, so the estimate is the age of the oldest one.
    const asked = (await capacity.takeSlot(slot("asks"), 3, true)) as { tookMs: number };
    expect(Math.round(asked.tookMs / SECOND)).toBe(20);
    const held = slots[taken.indexOf("taken")]!;
    // A repeated call, as after a lost answer, succeeds too.
    expect(await capacity.takeSlot(held, 3, true)).toBe("taken");
    await capacity.leaveSlot(held, 90_000);
    await capacity.leaveSlot(held, 90_000);
    expect(await capacity.takeSlot(slot("next"), 3, true)).toBe("taken");
    expect(await capacity.takeSlot(slot("over"), 3, true)).toEqual({ tookMs: 90_000 });
    ahead += MINUTE;
    const again = await Promise.all(["a", "b", "c", "d"].map(async (name) => capacity.takeSlot(slot(name), 3, true)));
    expect(again.filter((one) => one === "taken")).toHaveLength(3);
  });
});
