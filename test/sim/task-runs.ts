import { MINUTE, SECOND } from "../../lib/clock.ts";
import type { Runner, RunningAttempt } from "../../lib/executors/executor.ts";
import type { TaskExecution } from "../../lib/executors/task.ts";
import { auditGroup, isGroupAudit } from "./group-tasks.ts";
import type { Engine, Process } from "./process.ts";
import type { Random } from "./random.ts";
import type { Manner } from "./task-requests.ts";
import type { Outcome } from "../../lib/job/attempt.ts";

// The runs of tasks, as an executor that does no work: they take seconds or minutes, report progress, save
// checkpoints and resume from them. They stop when they are told to.

interface Options {
  /** The draws for an attempt. */
  readonly randomOf: (attempt: RunningAttempt) => Random;
  readonly onStart: (process: Process, attempt: RunningAttempt) => void;
  readonly onEnd: (process: Process, attempt: RunningAttempt, outcome: Outcome | undefined) => void;
  /** An attempt asks to save a checkpoint; then it knows that it is saved. */
  readonly onSave: (attempt: RunningAttempt, saved: string, stage: "asked" | "done") => void;
}

const MOST_STEPS = 6;

export function createTaskRuns({ randomOf, onStart, onEnd, onSave }: Options) {
  function executorIn(process: Process, engine: () => Engine): Runner {
    const execute = async (attempt: RunningAttempt): Promise<Outcome> => {
      onStart(process, attempt);
      const ran = run(process, attempt as RunningAttempt<TaskExecution>, engine);
      onEnd(process, attempt, await ran.catch(() => undefined));
      return ran;
    };
    return { execute };
  }

  async function run(process: Process, attempt: RunningAttempt<TaskExecution>, engine: () => Engine): Promise<Outcome> {
    if (isGroupAudit(attempt)) return auditGroup(attempt, engine(), (saved, stage) => onSave(attempt, saved, stage));
    const random = randomOf(attempt);
    const [manner] = attempt.message.execution.payload["words"] as [Manner];
    if (manner === "steps") return takeSteps(process, attempt, random);
    const [least, most] = LASTS[manner];
    await workFor(process, random.between(least, most), attempt);
    return manner === "flaky" ? flaw(random) : SUCCESS;
  }

  async function takeSteps(process: Process, attempt: RunningAttempt, random: Random): Promise<Outcome> {
    const { lease, job, number } = attempt;
    const { step: done = 0 } = JSON.parse(job.saved ?? "{}") as { step?: number };
    for (let step = done + 1; step <= MOST_STEPS; step += 1) {
      await workFor(process, random.pick([100, 2 * SECOND, 15 * SECOND]), attempt);
      await lease?.progress({ step, totalSteps: MOST_STEPS, percent: Math.floor((100 * step) / MOST_STEPS) });
      if (random.chance(0.4)) continue;
      const saved = JSON.stringify({ step, by: number });
      onSave(attempt, saved, "asked");
      await lease?.save(saved);
      // An attempt that has lost its lease saves nothing.
      attempt.signal.throwIfAborted();
      onSave(attempt, saved, "done");
      if (random.chance(0.05)) return flaw(random);
    }
    return SUCCESS;
  }

  /** Throws when the attempt is told to stop. */
  async function workFor(process: Process, ms: number, { signal }: RunningAttempt): Promise<void> {
    const stopped = new Promise((resolve) => {
      signal.addEventListener("abort", resolve);
    });
    if (!signal.aborted) await Promise.race([process.pause(ms), stopped]);
    signal.throwIfAborted();
  }

  function flaw(random: Random): Outcome {
    if (random.chance(0.2)) return { kind: "rejected", error: "The task can't be done" };
    if (random.chance(0.2)) throw new Error("The task broke");
    return random.chance(0.5) ? { kind: "retry", error: "The task wants to be tried again" } : SUCCESS;
  }

  return { executorIn };
}

const SUCCESS: Outcome = { kind: "succeeded", result: "{}" };

/** The duration of tasks: the least and the most. */
const LASTS: Readonly<Record<Exclude<Manner, "steps">, readonly [number, number]>> = {
  short: [50, 3 * SECOND],
  flaky: [50, SECOND],
  // Long enough for one heartbeat.
  brief: [11 * SECOND, 11 * SECOND],
  long: [MINUTE, 3 * MINUTE],
  endless: [3 * MINUTE, 6 * MINUTE],
};
