import { expect } from "vitest";
import { type Clock } from "../../lib/clock.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import { SLOW_AFTER_MS } from "../../lib/flow/slowness.ts";
import { nextAttempt, type Job } from "../../lib/job/job.ts";
import { ORIGIN, appId, startFlowWorld, submit, succeeds, world, type Run } from "./flow-world.ts";

export const SLOW = "https://slow.example";
export const slow = async () => submit(appId, "both", {}, { baseUrl: SLOW });
export const long = async (baseUrl = ORIGIN) => submit(appId, "both", {}, { baseUrl, timeoutSeconds: 600 });

/** Whether attempts that begin now have run for five seconds at once. */
let isSlow = false;
export function goesSlowly(value: boolean): void {
  isSlow = value;
}

let ends: (() => void)[] = [];

/** Begins a test: an empty world, in which no attempt runs. */
export async function startShareWorld(): Promise<void> {
  await startFlowWorld();
  isSlow = false;
  ends = [];
}

/** A container on the world's table. */
export function container({ capacity = world.capacity } = {}): { readonly run: Run } {
  const { clock } = world;
  const sleep: Clock["sleep"] = async (ms, signal) => {
    if (ms !== SLOW_AFTER_MS) return clock.sleep(ms, signal);
    signal?.throwIfAborted();
    if (!isSlow) await new Promise((_, reject) => signal?.addEventListener("abort", reject));
  };
  const engine = createEngine({ ...world.parts, capacity, clock: { ...clock, sleep } });
  return { run: async (job) => engine.run({ kind: "stored", ref: nextAttempt(job) }, () => 900_000) };
}

/** Begins attempts that last until `ends` are called. */
export async function holding(jobs: readonly Job[], { run }: { readonly run: Run }): Promise<Promise<unknown>[]> {
  world.execute(async () => {
    await new Promise<void>((end) => ends.push(end));
    return succeeds();
  });
  const before = ends.length;
  const running = jobs.map(run);
  await expect.poll(() => ends.length).toBe(before + jobs.length);
  return running;
}

/** Lets the attempt end that began last. */
export function letLastEnd(): void {
  ends.pop()?.();
}

export async function letEnd(running: readonly Promise<unknown>[]): Promise<void> {
  for (const end of ends.splice(0)) end();
  await Promise.all(running);
  world.execute(succeeds);
}

export async function allow(concurrencyPerApp: number): Promise<void> {
  await world.apps.limit(appId, { wanted: () => ({ concurrencyPerApp }) }, "operator");
}

/** Opens the circuit of the slow destination. */
export async function shut(probeAt: number): Promise<void> {
  const circuit = { state: "open", since: world.clock.now(), failures: [], probeAt, lastError: "HTTP 503" } as const;
  await world.destinations.change({ appId, destination: SLOW }, () => circuit);
}
