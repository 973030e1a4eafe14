import type { EpochMs } from "../../../lib/clock.ts";
import type { Job } from "../../../lib/job/job.ts";
import type { PersonDoes } from "../action.ts";
import type { Item } from "../models/dynamodb-value.ts";
import type { Message } from "../models/sqs.ts";
import type { Process } from "../process.ts";
import { createExpiryRules } from "./expiry.ts";
import { createFlowRules, type Live } from "./flow.ts";
import { createGroupRules } from "./groups.ts";
import { createLaneRules } from "./lanes.ts";
import { createLeaseRules } from "./leases.ts";
import { createMessageRules } from "./messages.ts";
import { createReceiverRules } from "./receivers.ts";
import type { Judge } from "./rule.ts";
import { createScheduleEditRules } from "./schedule-edits.ts";
import { createScheduleRules } from "./schedules.ts";
import { createSlotRules } from "./slots.ts";
import { createTurnRules } from "./turns.ts";
import { createWindowRules } from "./windows.ts";
import type { Outcome } from "../../../lib/job/attempt.ts";

// The state that the rules share: the jobs as the table has them, and the history of their attempts and requests.

export interface KnownOptions extends Judge {
  readonly trace: (line: string) => void;
  /** How long finished jobs are kept, in ms; 0 keeps them for good. */
  readonly retention: number;
  /** The run has no faults. */
  readonly isCalm: boolean;
  readonly startedAt: EpochMs;
  /** From when on there are no faults. */
  readonly quietFrom: EpochMs;
  /** Every item of the table. */
  readonly items: () => readonly Item[];
  /** The keys of the bucket's objects. */
  readonly objects: () => Iterable<string>;
  /** The messages of the FIFO queue, in its order. */
  readonly inQueue: () => readonly Message[];
}

export type Known = ReturnType<typeof createKnown>;

export function createKnown(options: KnownOptions) {
  const { now, holds, trace, retention, isCalm, startedAt, quietFrom, items, objects, inQueue } = options;
  const judge = { now, holds };
  const jobs = new Map<string, Job>();
  const deleted = new Set<string>();
  /** Outcomes by attempt. */
  const answers = new Map<string, Outcome>();
  const isDelivered = (id: string) => answers.get(attemptName(id, 1))?.kind === "succeeded";
  const slots = createSlotRules({ ...judge, jobs, isCalm });
  const expiry = createExpiryRules({ ...judge, jobs, retention, isCalm, items, objects });
  const { appOf, isStartable } = slots;
  return {
    ...judge,
    trace,
    jobs,
    everStored: new Set<string>(),
    deleted,
    /** The process that claimed the running attempt, by job. */
    owners: new Map<string, Process>(),
    /** How many attempts a job had when its generation began. */
    before: new Map<string, number>(),
    /** Jobs that were stored after a first attempt of which nothing is known. */
    uncertain: new Set<string>(),
    /** How often each attempt has started. */
    starts: new Map<string, number>(),
    answers,
    live: new Map<string, Live>(),
    /** Requests of people that are not carried out yet, by job. */
    asked: new Map<string, Set<PersonDoes>>(),
    /** The jobs that a person has put forward. */
    hastened: new Set<string>(),
    answered: [] as Job[],
    /** The job of an app's key. */
    keys: new Map<string, string>(),
    /** How many follow-ups the ends of a job owe in all, and the jobs that were made of it. */
    owed: new Map<string, number>(),
    made: new Map<string, string[]>(),
    /** No process has been frozen between the check of its destination and the start of its attempt. */
    areAwake: true,
    flow: createFlowRules({ ...judge, trace }),
    lanes: createLaneRules({ ...judge, jobs, inQueue }),
    messages: createMessageRules({ ...judge, jobs, deleted, isDelivered }),
    schedules: createScheduleRules({ ...judge, jobs }),
    scheduleEdits: createScheduleEditRules({ ...judge, jobs }),
    receivers: createReceiverRules(judge),
    expiry,
    groups: createGroupRules({ ...judge, jobs, hasExpired: expiry.hasExpired }),
    leases: createLeaseRules(judge),
    windows: createWindowRules(judge),
    slots,
    turns: createTurnRules({ ...judge, jobs, appOf, isStartable, startedAt, quietFrom }),
  };
}

export function attemptName(id: string, number: number): string {
  return `${id}#${number}`;
}
