import { MINUTE, SECOND, type Clock, type EpochMs, type TimeLeft } from "../../lib/clock.ts";
import type { Random } from "./random.ts";
import type { Time } from "./time.ts";
import type { AppStore } from "../../lib/store/app-store.ts";
import type { Audit } from "../../lib/store/audit.ts";
import type { createEngine } from "../../lib/engine/engine.ts";
import type { TaskLog } from "../../lib/tasks/log.ts";

// A process of the service: a container of a function. It can die, or be frozen, at any moment.

export interface Process {
  readonly name: string;
  readonly clock: Clock;
  readonly isAlive: () => boolean;
  /** Resolves after so long, unless the process is dead by then; while it is frozen, later. */
  pause(ms: number): Promise<void>;
  kill(): void;
  freeze(ms: number): void;
  /** Called when it dies. */
  onDeath(happens: () => void): void;
}

/** The most by which the clock of a process is ahead or behind. */
const MOST_SKEW = 300;

/** `ids`: the draws for its uuids. */
export function createProcess(name: string, time: Time, random: Random, ids = random): Process {
  let isAlive = true;
  let frozenUntil = 0;
  let named = 0;
  const atDeath: (() => void)[] = [];
  const skew = Math.round(random.between(-MOST_SKEW, MOST_SKEW));

  function after(ms: number, happens: () => void): () => void {
    let take = () => {};
    const due = () => {
      const wait = frozenUntil - time.now();
      if (!isAlive) return;
      if (wait > 0) take = time.after(wait, due);
      else happens();
    };
    take = time.after(ms, due);
    return () => take();
  }

  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      after(ms, resolve);
    });
  const now = (): EpochMs => Math.round(time.now()) + skew;

  const clock: Clock = {
    now,
    realNow: now,
    during: (ms) => ms,
    waitFor: (ms) => ms,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const cancel = after(ms, resolve);
        signal?.addEventListener("abort", () => {
          cancel();
          reject(signal.reason as Error);
        });
      }),
    timeout: (ms) => {
      const controller = new AbortController();
      after(ms, () => controller.abort(new DOMException("The time is up", "TimeoutError")));
      return controller.signal;
    },
    random: () => random.next(),
    // As those of the service: without a dot, which no cursor of an audit log takes.
    operationId: () => `${name}-${(named += 1)}`.padStart(12, "-"),
    uuid: () => `${hex(now(), 12).replace(/^(.{8})/, "$1-")}-7${hex(ids.below(4_096), 3)}-8${uniquePart()}`,
  };
  const uniquePart = () => `${hex(ids.below(4_096), 3)}-${hex(ids.below(2 ** 24), 6)}${hex(ids.below(2 ** 24), 6)}`;

  return {
    name,
    clock,
    pause,
    isAlive: () => isAlive,
    kill: () => {
      if (!isAlive) return;
      isAlive = false;
      for (const happens of atDeath) happens();
    },
    freeze: (ms) => {
      frozenUntil = Math.max(frozenUntil, time.now() + ms);
    },
    onDeath: (happens) => void atDeath.push(happens),
  };
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

export interface Container extends Process {
  readonly engine: Engine;
  readonly parts: Parts;
  readonly apps: AppStore;
  readonly audit: Audit;
  readonly taskLog: TaskLog;
  isBusy: boolean;
}

/** The time-outs of functions, as serverless.yml has them. */
export const TIMEOUTS = {
  "process-jobs": 180 * SECOND,
  "run-tasks": 15 * MINUTE,
  sweep: 55 * SECOND,
  "fire-schedule": 29 * SECOND,
  "remove-payloads": 29 * SECOND,
  "count-jobs": 29 * SECOND,
  api: 29 * SECOND,
};

export type FunctionName = keyof typeof TIMEOUTS;

/** Runs something in a container of a function. Undefined if the container died, or it threw. */
export type Invoke = <T>(
  name: FunctionName,
  run: (container: Container, timeLeft: TimeLeft) => Promise<T>,
) => Promise<T | undefined>;

export type Engine = ReturnType<typeof createEngine>;

export type Parts = Parameters<typeof createEngine>[0];
