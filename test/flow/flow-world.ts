import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import type { Slot } from "../../lib/flow/slots.ts";
import { nextAttempt, type Job, type Mode } from "../../lib/job/job.ts";
import type { Metadata } from "../../lib/job/message.ts";
import type { DestinationLimits } from "../../lib/store/app-settings.ts";
import { PLENTY, createWorld, request, type World } from "../support/world.ts";

// The world of the tests of flow control: one app, whose jobs go to one origin.

export const ORIGIN = "https://a.example";

/** Set by `startFlowWorld`. */
export let world: World;
export let appId: string;

export async function startFlowWorld(): Promise<void> {
  world = await createWorld({ isQuick: true });
  appId = randomUUID();
}

export async function submit(
  of = appId,
  mode: Mode = "both",
  metadata: Metadata = {},
  { baseUrl = ORIGIN, timeoutSeconds = 30 } = {},
): Promise<Job> {
  const asked = request(mode, metadata, { appId: of });
  const execution = { ...asked.message.execution, baseUrl, timeoutSeconds };
  const submitted = await world.engine.submit({ ...asked, message: { ...asked.message, execution } });
  if (submitted.kind === "sent") throw new Error("Nothing is stored");
  return submitted.job;
}

/** Limits a destination of the app, and no other. */
export async function limit({ destination = ORIGIN, ...limits }: Partial<DestinationLimits>): Promise<void> {
  const before = await world.apps.read(appId);
  const { version: _, ...settings } = before;
  const wanted = { destination, rateLimitPerSecond: null, maxConcurrency: null, ...limits };
  await world.apps.change(before, appId, { ...settings, destinations: [wanted] }, "tester");
}

/** A slot of a destination, held by another attempt for `ms`. */
export function slotFor(ms: number, destination = ORIGIN): Slot {
  const since = world.clock.now();
  return { appId, destination, holder: "somebody", since, until: since + ms };
}

export const run = async (job: Job) => world.engine.run({ kind: "stored", ref: nextAttempt(job) }, PLENTY);
export const stored = async (job: Job) => (await world.store.get(job.id)) as Job;
export const fails = (httpStatus: number) => async () =>
  ({ kind: "retry", error: `HTTP ${httpStatus}`, httpStatus }) as const;
export const succeeds = async () => ({ kind: "succeeded", httpStatus: 200 }) as const;

export type Run = (job: Job) => Promise<unknown>;

/** Runs each job once it has been let go, one after another. */
export async function allGo(jobs: readonly Job[], result: string, run: Run): Promise<void> {
  let left = [...jobs];
  for (let n = jobs.length; n > 0; n -= 1) {
    const gone = async () => (await Promise.all(left.map(stored))).find(({ backlog }) => backlog === undefined);
    await expect.poll(gone).toBeDefined();
    const job = (await gone()) as Job;
    expect(await run(job)).toBe(result);
    left = left.filter(({ id }) => id !== job.id);
  }
}
