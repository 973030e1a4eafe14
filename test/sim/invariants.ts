import { isFinished, type Job } from "../../lib/job/job.ts";
import type { EpochMs } from "../../lib/clock.ts";
import type { RunningAttempt } from "../../lib/executors/executor.ts";
import type { PersonDoes } from "./action.ts";
import type { Item } from "./models/dynamodb-value.ts";
import type { Process } from "./process.ts";
import { died, frozen, ran, started } from "./rules/attempts.ts";
import { createKnown, type Known, type KnownOptions } from "./rules/known.ts";
import type { Sent } from "./rules/receivers.ts";
import { accepted, shown, wanted, type Accepted } from "./rules/requests.ts";
import { written } from "./rules/writes.ts";
import type { Outcome } from "../../lib/job/attempt.ts";

// The invariants: rules that hold after every step, whatever the faults. The name of a rule is a promise to users.

export interface Violation {
  readonly rule: string;
  readonly what: string;
  readonly at: EpochMs;
}

export type Invariants = ReturnType<typeof createInvariants>;

export function createInvariants(options: Omit<KnownOptions, "holds">) {
  const { now, trace } = options;
  const violations: Violation[] = [];
  const holds = (rule: string, does: boolean, told: () => string): void => {
    if (does) return;
    const what = told();
    trace(`VIOLATION ${rule}: ${what}`);
    violations.push({ rule, what, at: now() });
  };
  const known = createKnown({ ...options, holds });
  const { jobs, messages, slots, leases, flow } = known;
  const isOpen = (job: Job) => !isFinished(job) || job.dueAt !== undefined;
  return {
    violations,
    written: (from: Item | undefined, to: Item | undefined, by: Process | undefined) => written(known, from, to, by),
    started: (by: Process, attempt: RunningAttempt, sent?: Sent) => started(known, by, attempt, sent),
    ran: (by: Process, attempt: RunningAttempt, outcome: Outcome | undefined) => ran(known, by, attempt, outcome),
    died: (process: Process) => died(known, process),
    frozen: (process: Process, ms: number) => frozen(known, process, ms),
    queued: messages.queued,
    emptied: known.lanes.emptied,
    acknowledged: messages.acknowledged,
    posting: known.windows.posting,
    accepted: (answer: Accepted) => accepted(known, answer),
    atTheEnd: () => atTheEnd(known),
    afterwards: known.expiry.afterwards,
    objectGone: known.expiry.objectGone,
    overdue: () => overdue(known),
    asked: (appId: string, id: string, does: PersonDoes) => wanted(known, appId, id, does),
    isOf: (appId: string, id: string) => jobs.get(id)?.appId === appId,
    shown: (appId: string, seen: readonly Pick<Job, "id" | "appId">[]) => shown(known, appId, seen),
    groups: known.groups,
    schedules: known.scheduleEdits,
    looked: slots.looked,
    saves: leases.saves,
    limited: flow.limited,
    isAnythingDue: (until: EpochMs) => [...jobs.values()].some(({ dueAt }) => dueAt !== undefined && dueAt <= until),
    isSettled: () => {
      known.turns.lookAtAll();
      return ![...jobs.values()].some(isOpen);
    },
    jobs: () => known.everStored.size,
  };
}

function atTheEnd(known: Known): void {
  for (const job of known.jobs.values()) {
    const isOver = isFinished(job) && job.dueAt === undefined;
    known.holds("an accepted job ends, and owes nothing", isOver, () => `${job.id} ${job.status}`);
  }
  for (const id of new Set([...known.owed.keys(), ...known.made.keys()])) {
    const wanted = known.owed.get(id) ?? 0;
    const found = (known.made.get(id) ?? []).filter((child) => !known.schedules.hasMade(id, child));
    const told = () => `${id} has ${found.length} of ${wanted}`;
    known.holds("every follow-up is submitted exactly once", found.length === wanted, told);
  }
  for (const { id } of known.answered)
    known.holds("no accepted job is lost", known.jobs.has(id) || known.deleted.has(id), () => id);
  known.messages.atTheEnd();
  known.groups.atTheEnd();
  known.schedules.atTheEnd(known.messages.countTo);
  known.scheduleEdits.atTheEnd();
  known.slots.atTheEnd();
  known.expiry.atTheEnd((id) => known.everStored.has(id));
}

/** The run took too long: there are jobs that have not ended. */
function overdue(known: Known): void {
  const late = [...known.jobs.values()].filter((job) => !isFinished(job) || job.dueAt !== undefined);
  const what = late.map(({ id, status, dueAt }) => `${id} ${status}, due in ${(dueAt ?? NaN) - known.now()} ms`);
  known.holds("an accepted job ends", false, () => what.join("; ") || "a message or a schedule is left over");
}
