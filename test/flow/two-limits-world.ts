import { expect } from "vitest";
import { HOUR, MINUTE } from "../../lib/clock.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import type { Slot } from "../../lib/flow/slots.ts";
import type { Job } from "../../lib/job/job.ts";
import type { JobStore } from "../../lib/store/job-store.ts";
import { PLENTY } from "../support/world.ts";
import { ORIGIN, appId, limit, slotFor, stored, submit, world } from "./flow-world.ts";
import { allow, container, startShareWorld } from "./share-world.ts";

// A world in which jobs need a slot of their destination and one of their app's share, and each has one.

export const SHARE = "(long)";

export async function startTwoLimitsWorld(): Promise<void> {
  await startShareWorld();
  await allow(1);
  await limit({ maxConcurrency: 1 });
}

export const free = async (destination: string, most = 1) => world.capacity.freeSlots({ appId, destination }, most);

let others = 0;
/** Takes one of `most` slots, for others that run. */
export async function fill(destination: string, most = 1): Promise<Slot> {
  others += 1;
  const slot = { ...slotFor(9 * HOUR, destination), holder: `other ${others}` };
  expect(await world.capacity.takeSlot(slot, most, true)).toBe("taken");
  return slot;
}

/** An attempt of others ends, and a minute later a sweep looks at those that wait for its slot. */
export async function sweepAfter(slot: Slot): Promise<void> {
  await world.capacity.leaveSlot(slot);
  world.pass(MINUTE);
  await sweepAt(slot.destination);
}

export async function sweepAt(destination: string, changed: Partial<typeof world.parts> = {}): Promise<void> {
  await world.backlogs.wake({ appId, backlog: `to ${destination}` });
  await createEngine({ ...world.parts, ...changed }).sweep(PLENTY);
}

/** The same, and another attempt of others begins where that leaves room. */
export async function replaced(slot: Slot, most = 1): Promise<Slot> {
  await sweepAfter(slot);
  return (await free(slot.destination, most)) > 0 ? fill(slot.destination, most) : slot;
}

/** A job in its destination's backlog that has waited for its share. All slots of both are others'. */
export async function atDestination(metadata: object = {}, most = 1) {
  const here = await fill(ORIGIN, most);
  let share = await fill(SHARE);
  const job = await submit(appId, "both", metadata, { timeoutSeconds: 600 });
  expect(await container().run(job)).toBe("skipped");
  expect((await stored(job)).backlog).toBe(`to ${SHARE}`);
  share = await replaced(share);
  expect((await stored(job)).backlog).toBe(`to ${ORIGIN}`);
  return { job, share, here };
}

/** One that has waited for its share and its destination, and holds that now while it waits for its share again. */
export async function holding(metadata: object = {}): Promise<{ readonly job: Job; readonly share: Slot }> {
  const { job, share, here } = await atDestination(metadata);
  await sweepAfter(here);
  const now = await stored(job);
  expect([now.backlog, now.slots?.split(",").length]).toEqual([`to ${SHARE}`, 1]);
  return { job: now, share };
}

type Apply = JobStore["apply"];

/** The world's store, in which `other` happens once, before or after a move that is `meant`. */
export function storeWith(
  meant: (move: Parameters<Apply>[1]) => boolean,
  when: "before" | "after",
  other: () => Promise<unknown>,
): JobStore {
  let isOver = false;
  const happen = async (isMeant: boolean) => {
    if (!isMeant || isOver) return;
    isOver = true;
    await other();
  };
  const apply: Apply = async (of, move, ...more) => {
    const isMeant = meant(move);
    if (when === "before") await happen(isMeant);
    const applied = await world.store.apply(of, move, ...more);
    if (when === "after") await happen(isMeant);
    return applied;
  };
  return { ...world.store, apply };
}
