import { createHash, randomUUID } from "node:crypto";
import { setTimeout as sleepFor } from "node:timers/promises";

/** Milliseconds since 1970 on the service's clock. */
export type EpochMs = number;

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/**
 * Time and randomness, passed in so that a run can be repeated.
 * Stored times are service time. It equals real time unless the local stack speeds it up.
 */
export interface Clock {
  now(): EpochMs;
  /** Real time, for tokens, signatures and per-second rates. */
  realNow(): number;
  /** The service time of a real wait: a timeout or a lease of `ms` ends at `now() + during(ms)`. */
  during(realMs: number): number;
  /** The real wait, in ms, for a wait in service time. */
  waitFor(serviceMs: number): number;
  /** Real milliseconds. Rejects with the signal's reason when it is aborted. */
  sleep(realMs: number, signal?: AbortSignal): Promise<void>;
  /** Aborts after real milliseconds. */
  timeout(realMs: number): AbortSignal;
  /** At least 0, less than 1. */
  random(): number;
  /** Twelve random characters that name one write. */
  operationId(): string;
  /** A UUIDv7 of this service time. */
  uuid(): string;
}

/** Service time at one moment of real time, and its speed from then on. */
export interface ClockAnchor {
  readonly real: number;
  readonly service: EpochMs;
  readonly speed: number;
}

export function serviceTime(anchor: ClockAnchor, realNow: number): EpochMs {
  return Math.round(anchor.service + (realNow - anchor.real) * anchor.speed);
}

export function createClock(anchor: ClockAnchor = { real: 0, service: 0, speed: 1 }): Clock {
  const now = () => serviceTime(anchor, Date.now());
  return {
    now,
    realNow: () => Date.now(),
    during: (realMs) => realMs * anchor.speed,
    waitFor: (serviceMs) => serviceMs / anchor.speed,
    sleep: async (realMs, signal) => (signal ? sleepUnless(signal, realMs) : sleepFor(realMs)),
    timeout: (realMs) => AbortSignal.timeout(realMs),
    random: () => Math.random(),
    operationId: () => randomUUID().slice(-12),
    uuid: () => timeOrderedUuid(now()),
  };
}

/** Node's own makes an error with a stack whenever a wait is ended early, which is how the wait for each attempt ends. */
async function sleepUnless(signal: AbortSignal, ms: number): Promise<void> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    function stop(): void {
      clearTimeout(timer);
      reject(signal.reason as Error);
    }
    signal.addEventListener("abort", stop, { once: true });
  });
}

export function iso(time: EpochMs): string {
  return new Date(time).toISOString();
}

/** The day in UTC: `2026-11-23`. */
export function isoDay(time: EpochMs): string {
  return iso(time).slice(0, 10);
}

/** A UUIDv8 of SHA-256 over the parts: the same parts always give the same id. */
export function derivedUuid(...parts: string[]): string {
  const hash = createHash("sha256").update(JSON.stringify(parts)).digest();
  hash[6] = (hash.readUInt8(6) & 0x0f) | 0x80;
  hash[8] = (hash.readUInt8(8) & 0x3f) | 0x80;
  return hash.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, "$1-$2-$3-$4-$5");
}

/** Node keeps a pool of randomness for v4 alone; a v7 differs in its first 48 bits and its version. */
function timeOrderedUuid(time: EpochMs): string {
  const hex = time.toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7${randomUUID().slice(15)}`;
}

/** The real milliseconds that the running function has left. */
export type TimeLeft = () => number;
