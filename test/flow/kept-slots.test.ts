import { afterEach, beforeEach, expect, test } from "vitest";
import { HOUR, MINUTE, SECOND } from "../../lib/clock.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import { Unavailable } from "../../lib/errors.ts";
import { nextAttempt, type Job } from "../../lib/job/job.ts";
import { asCall } from "../../lib/job/attempt.ts";
import { claim } from "../../lib/job/moves.ts";
import { ORIGIN, appId, limit, run, slotFor, stored, submit, succeeds, world } from "./flow-world.ts";
import { allow, container, holding, letEnd, long, startShareWorld } from "./share-world.ts";

// Slots that are kept for a job from the moment that it is let go until its message comes.

beforeEach(startShareWorld);
afterEach(async () => world.end());

const free = async (destination = ORIGIN) => world.capacity.freeSlots({ appId, destination }, 1);
const held = slotFor.bind(undefined, HOUR);

/** A destination with one slot, which is kept for a job that has waited for it, and `others` that wait behind it. */
async function called(others = 0): Promise<{ readonly job: Job; readonly behind: readonly Job[] }> {
  await limit({ maxConcurrency: 1 });
  const { run: runIt } = container();
  const running = await holding([await submit()], { run: runIt });
  const jobs: Job[] = [];
  for (let n = 0; n <= others; n += 1) {
    world.pass(1);
    const job = await submit();
    expect(await runIt(job)).toBe("skipped");
    jobs.push(job);
  }
  await letEnd(running);
  const [job, ...behind] = await Promise.all(jobs.map(stored));
  expect(job?.slots).toBeDefined();
  return { job: job as Job, behind };
}

async function pause(paused: boolean): Promise<void> {
  const before = await world.apps.read(appId);
  const { version: _, ...settings } = before;
  await world.apps.change(before, appId, { ...settings, paused }, "tester");
}

test("a job that is called has its slot: nobody takes it meanwhile, and its delivery writes none", async () => {
  const { job } = await called();
  expect(await free()).toBe(0);
  expect(await run(await submit())).toBe("skipped");
  const { takeSlot } = world.capacity;
  world.capacity.takeSlot = async () => Promise.reject(new Error("No slot is to be taken"));
  expect(await run(job)).toBe("succeeded");
  world.capacity.takeSlot = takeSlot;
  expect((await stored(job)).slots).toBeUndefined();
});

test("a message that is delivered twice gives back no slot of the attempt that runs", async () => {
  const { job } = await called();
  const { run: runIt } = container();
  const running = await holding([job], { run: runIt });
  expect(await runIt(job)).toBe("skipped");
  expect(await free()).toBe(0);
  await letEnd(running);
  expect(await free()).toBe(1);
  expect((await stored(job)).attempts).toBe(1);
});

test("a slot is given back where the app is paused meanwhile, and a message that comes again starts nothing by it", async () => {
  const { job } = await called();
  await pause(true);
  world.pass(15 * SECOND);
  expect(await run(job)).toBe("skipped");
  expect([await free(), (await stored(job)).backlog]).toEqual([1, "app"]);
  await pause(false);
  world.pass(15 * SECOND);
  await world.capacity.takeSlot(held(), 1, true);
  expect(await run(job)).toBe("skipped");
  expect(await stored(job)).toMatchObject({ attempts: 0, backlog: "app" });
});

test("the slot of a job that was cancelled on its way is the next one's", async () => {
  const { job, behind } = await called(1);
  await world.engine.stopJob(job.id, "CANCELLED");
  expect(await run(job)).toBe("skipped");
  for (const next of behind) {
    expect((await stored(next)).slots).toBeDefined();
    expect(await run(await stored(next))).toBe("succeeded");
  }
});

test("a slot is the next one's where it is too late for the job that it was kept for", async () => {
  const { job, behind } = await called(1);
  const late = { ...nextAttempt(job), notAfter: world.clock.now() - 1 };
  await world.store.apply(job, { from: ["PENDING"], to: "PENDING", when: [], set: late, remove: [] });
  const ref = { ...nextAttempt(job), notAfter: world.clock.now() - 1 };
  expect(await world.engine.run({ kind: "stored", ref }, () => HOUR)).toBe("skipped");
  for (const next of behind) expect((await stored(next)).slots).toBeDefined();
});

test("a message that comes later than its slot is kept takes another one instead, though all are taken", async () => {
  const { job } = await called();
  world.pass(2 * MINUTE + SECOND);
  // An attempt by the slot that was kept could still run.
  expect(await free()).toBe(0);
  const { run: runIt } = container();
  const running = await holding([job], { run: runIt });
  await expect.poll(async () => world.capacity.freeSlots({ appId, destination: ORIGIN }, 2)).toBe(1);
  // The same message again takes none from it.
  expect(await runIt(job)).toBe("skipped");
  expect(await world.capacity.freeSlots({ appId, destination: ORIGIN }, 2)).toBe(1);
  await letEnd(running);
  expect(await free()).toBe(1);
});

test("a job whose message comes late goes on waiting where others have taken all slots", async () => {
  const { job } = await called();
  world.pass(4 * MINUTE);
  await world.capacity.takeSlot(held(), 1, true);
  expect(await run(job)).toBe("skipped");
  expect(await stored(job)).toMatchObject({ attempts: 0, backlog: `to ${ORIGIN}` });
});

test("an attempt starts with its slot though its destination's limit is gone, and gives it back", async () => {
  const { job } = await called();
  await limit({ destination: "https://other.example", maxConcurrency: 1 });
  world.pass(15 * SECOND);
  expect(await run(job)).toBe("succeeded");
  expect(await free()).toBe(1);
});

test("a claim whose answer does not come leaves the slot to the message that comes again", async () => {
  const { job } = await called();
  const { store } = world;
  const apply: typeof store.apply = async (of, move, op) => {
    if (move.to === "RUNNING") throw new Unavailable("The jobs table", "no answer");
    return store.apply(of, move, op);
  };
  const engine = createEngine({ ...world.parts, store: { ...store, apply } });
  const delivery = { kind: "stored", ref: nextAttempt(job) } as const;
  await expect(engine.run(delivery, () => HOUR)).rejects.toThrow(Unavailable);
  expect(await free()).toBe(0);
  expect(await run(job)).toBe("succeeded");
  expect(await free()).toBe(1);
});

test("a job's first message, which comes again, does not start it beside the slot that is kept for it", async () => {
  const { job } = await called();
  const { slots: _, turn: __, ...first } = asCall(nextAttempt(job));
  const claimed = await world.store.apply(first, claim(first, world.clock.now(), world.clock.now() + MINUTE));
  expect(claimed.won).toBe(false);
  expect(await run(job)).toBe("succeeded");
});

test("a job that needs room at two limits moves on without a message, and starts with a slot of each", async () => {
  await allow(2);
  const narrow = "https://narrow.example";
  await limit({ destination: narrow, maxConcurrency: 1 });
  const { run: runIt } = container();
  const sent: string[] = [];
  const { sendAttempts } = world.parts.queue;
  world.parts.queue.sendAttempts = async (all) => {
    sent.push(...all.map(({ job }) => job.id));
    return sendAttempts(all);
  };
  const here = await holding([await long(narrow)], { run: runIt });
  const job = await long(narrow);
  expect(await runIt(job)).toBe("skipped");
  expect((await stored(job)).backlog).toBe(`to ${narrow}`);
  // Its app's share fills up, and then its destination has room.
  const elsewhere = held("(long)");
  await world.capacity.takeSlot(elsewhere, 2, true);
  const another = { ...held("(long)"), holder: "another" };
  await world.capacity.addSlot(another);
  sent.splice(0);
  await letEnd(here);
  expect(await stored(job)).toMatchObject({ backlog: "to (long)", turn: { step: 0 } });
  expect(sent).toEqual([]);
  await world.capacity.leaveSlot(elsewhere);
  await world.capacity.leaveSlot(another);
  world.pass(2 * MINUTE);
  await world.engine.sweep(() => HOUR);
  expect(sent).toEqual([job.id]);
  const { slots = "" } = await stored(job);
  expect(slots.split(",")).toHaveLength(2);
  world.execute(succeeds);
  expect(await runIt(await stored(job))).toBe("succeeded");
  expect([await free(narrow), await world.capacity.freeSlots({ appId, destination: "(long)" }, 2)]).toEqual([1, 2]);
});
