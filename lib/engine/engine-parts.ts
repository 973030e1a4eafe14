import type { Clock } from "../clock.ts";
import type { ExecutorOf } from "../executors/executor.ts";
import type { CapacityStore } from "../flow/capacity-store.ts";
import type { DestinationStore } from "../flow/destination-store.ts";
import type { FlowControl } from "../flow/flow-control.ts";
import type { TaskSlots } from "../flow/line-store.ts";
import { createTaskLine, type TaskLine } from "../flow/task-line.ts";
import { lateObject } from "../job/at-first-use.ts";
import type { Dialect } from "../job/dialect.ts";
import type { Job } from "../job/job.ts";
import type { Log } from "../log.ts";
import type { DeploymentRules } from "../outbound/rules.ts";
import type { Queue } from "../queue/queue.ts";
import type { Scheduler } from "../queue/scheduler.ts";
import type { AppStore } from "../store/app-store.ts";
import type { Backlogs } from "../store/backlogs.ts";
import type { GroupStore } from "../store/group-store.ts";
import type { JobStore } from "../store/job-store.ts";
import type { SweepFigures } from "../store/measures.ts";
import type { Files } from "../store/payloads.ts";

/** The parts of the service that the engine is made of. */
export interface GivenParts {
  readonly clock: Clock;
  readonly store: JobStore;
  readonly queue: Queue;
  readonly scheduler: Scheduler;
  readonly files: Files;
  readonly executorOf: ExecutorOf;
  readonly apps: Pick<AppStore, "settingsOf" | "keysOf">;
  readonly destinations: Omit<DestinationStore, "list" | "read" | "circuitsOf">;
  readonly capacity: CapacityStore;
  readonly slots: TaskSlots;
  readonly backlogs: Backlogs;
  readonly groups: GroupStore;
  /** The most members of a group that a message walks over. Default: 1,000. */
  readonly mostInline?: number;
  /** Starts a further invocation of the sweep, for a part of the shards. Throws when it could not be started. */
  readonly sweepMore: (part: { readonly shards: readonly string[] }) => Promise<void>;
  /** Is told what each sweep has found, and does not throw. Default: nobody. */
  readonly noteSweep?: (figures: SweepFigures) => Promise<void>;
  readonly rules: DeploymentRules;
  readonly log: Log;
  /** The callback bodies of dialects. Other jobs are shown as the unified API shows them. */
  readonly callbackBodies: Partial<Record<Dialect, (job: Job) => Promise<object>>>;
  /** The retention of finished jobs in ms; 0 is forever. */
  readonly retention: number;
}

/** The parts that every module of the engine is given. */
export interface EngineParts extends GivenParts {
  readonly flow: FlowControl;
  readonly line: TaskLine;
}

export function engineParts(given: GivenParts): EngineParts {
  // Who only accepts jobs decides on no attempt.
  const flow = lateObject(async () => (await import("../flow/flow-control.ts")).createFlowControl(given));
  return { ...given, flow, line: createTaskLine(given) };
}
