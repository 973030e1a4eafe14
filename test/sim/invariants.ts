import { unmarshall } from "@aws-sdk/util-dynamodb";
import { SECOND, type EpochMs } from "../../lib/clock.ts";
import type { RunningAttempt } from "../../lib/executors/executor.ts";
import { jobOf } from "../../lib/store/job-item.ts";
import { SCHEDULE, isFinished, isSchedule, isTask, owedAt, type Job, type Outcome } from "../../lib/job/job.ts";
import type { Item } from "./models/dynamodb-value.ts";
import type { Message } from "./models/sqs.ts";
import type { Process } from "./process.ts";
import { createExpiryRules } from "./rules/expiry.ts";
import { createFlowRules, type Live } from "./rules/flow.ts";
import { createLaneRules } from "./rules/lanes.ts";
import { createLeaseRules } from "./rules/leases.ts";
import { createMessageRules } from "./rules/messages.ts";
import { createReceiverRules, type Sent } from "./rules/receivers.ts";
import { SKEW } from "./rules/rule.ts";
import { createScheduleRules } from "./rules/schedules.ts";
import { createSlotRules } from "./rules/slots.ts";
import { createTurnRules } from "./rules/turns.ts";
import type { Execution } from "../../lib/job/message.ts";
import { jobIdForKey } from "../../lib/job/accept.ts";
import type { PersonDoes } from "./action.ts";

// What must hold after every step, whatever happens. Each rule has a name that users were promised.

export interface Violation {
  readonly rule: string;
  readonly what: string;
  readonly at: EpochMs;
}

/** What a client was told. */
interface Accepted {
  readonly appId: string;
  readonly body: {
    readonly message: {
      readonly execution: Execution;
      readonly lambdaProxyMessage?: { readonly path: string } | undefined;
    };
  };
  readonly key: string | undefined;
  readonly status: number;
  readonly job?: Job | undefined;
}

interface Options {
  readonly now: () => EpochMs;
  readonly trace: (line: string) => void;
  /** How long finished jobs are kept, in ms; 0 keeps them for good. */
  readonly retention: number;
  /** Nothing is to go wrong. */
  readonly isCalm: boolean;
  readonly startedAt: EpochMs;
  /** From when on nothing goes wrong any more. */
  readonly quietFrom: EpochMs;
  /** Every item of the table. */
  readonly items: () => readonly Item[];
  /** What the queue of lanes holds, in its order. */
  readonly inQueue: () => readonly Message[];
}

export function createInvariants({ now, trace, retention, isCalm, startedAt, quietFrom, items, inQueue }: Options) {
  const violations: Violation[] = [];
  /** No process has stood still between being let through and starting. */
  let areAwake = true;
  const jobs = new Map<string, Job>();
  const everStored = new Set<string>();
  const deleted = new Set<string>();
  /** Who claimed the attempt that runs. */
  const owners = new Map<string, Process>();
  /** How many attempts a job had when its generation began. */
  const before = new Map<string, number>();
  const starts = new Map<string, number>();
  const answers = new Map<string, Outcome>();
  const live = new Map<string, Live>();
  const asked = new Map<string, Set<PersonDoes>>();
  const answered: Job[] = [];
  /** The job of an app's key. */
  const keys = new Map<string, string>();
  /** How many follow-ups the ends of a job owe in all, and the jobs that were made of it. */
  const owed = new Map<string, number>();
  const made = new Map<string, string[]>();

  const holds = (rule: string, does: boolean, what: () => string): void => {
    if (!does) broken(rule, what());
  };
  const judge = { now, holds };
  const flow = createFlowRules({ ...judge, trace });
  const lanes = createLaneRules({ ...judge, jobs, inQueue });
  const messages = createMessageRules({ ...judge, jobs, deleted, isDelivered });
  const schedules = createScheduleRules({ ...judge, jobs });
  const receivers = createReceiverRules(judge);
  const expiry = createExpiryRules({ ...judge, jobs, retention, isCalm, items });
  const leases = createLeaseRules(judge);
  const slots = createSlotRules({ ...judge, jobs, isCalm });
  const { appOf, isStartable } = slots;
  const turns = createTurnRules({ ...judge, jobs, appOf, isStartable, startedAt, quietFrom });

  function broken(rule: string, what: string): void {
    trace(`VIOLATION ${rule}: ${what}`);
    violations.push({ rule, what, at: now() });
  }

  // ---- Writes ----

  function written(from: Item | undefined, to: Item | undefined, writer: Process | undefined): void {
    itemWritten(from, to, writer);
    slots.writeEnded();
  }

  function itemWritten(from: Item | undefined, to: Item | undefined, writer: Process | undefined): void {
    const item = to ?? from;
    const sk = item?.["sk"]?.S ?? "";
    const pk = item?.["pk"]?.S ?? "";
    if (sk.startsWith("DEST#") && to) {
      return flow.circuitWritten(`${pk.slice("APP#".length)} ${sk.slice("DEST#".length)}`, to);
    }
    if (pk.startsWith("J#") && sk !== "J" && !to) return expiry.partRemoved(pk.slice("J#".length), sk);
    if (sk !== "J") return slots.itemWritten(pk, sk, to);
    const last = from && jobOf(unmarshall(from));
    const job = to && jobOf(unmarshall(to));
    if (last && (!job || last.createdAt !== job.createdAt)) removed(last);
    if (!job) return;
    const old = last?.createdAt === job.createdAt ? last : undefined;
    jobs.set(job.id, job);
    const told = () => `${job.id} ${old?.status ?? "nothing"} → ${job.status}, attempt ${job.attempts}`;
    trace(`job ${told()}`);
    if (isTask(job)) taskWritten(old, job, writer, told);
    holds("an unfinished job is always due", isFinished(job) || job.dueAt !== undefined, told);
    holds("retries never exceed what is allowed", job.retryCount <= job.maxRetries, told);
    expiry.written(job, told);
    if (!old) return created(job);
    holds("a job stays its app's own", old.appId === job.appId, told);
    if (isFinished(old) && old.status !== job.status) reopened(old, job, told);
    if (old.attempts !== job.attempts) claimed(old, job, writer, told);
    if (old.status === "RUNNING" && job.status !== "RUNNING") left(old, job, writer, told);
    if (!isFinished(old) && isFinished(job)) ended(job, told);
    if (isSchedule(job)) schedules.written(old, job, told);
    const isPostponed = old.status === job.status && old.dueAt !== job.dueAt && old.startAt === job.startAt;
    if (job.lane !== undefined && isPostponed) lanes.postponed(job, writer?.name.startsWith("process-jobs") === true);
    if (isStopped(old, job))
      holds("a job is stopped by a person of its app", wasAsked(job, "cancel", "deadletter"), told);
    const inGeneration = job.attempts - (before.get(job.id) ?? 0);
    holds("no generation has more attempts than retries and one", inGeneration <= job.maxRetries + 1, told);
  }

  function taskWritten(old: Job | undefined, job: Job, writer: Process | undefined, told: () => string): void {
    const [wasRunning, isRunning] = [old?.status === "RUNNING", job.status === "RUNNING"];
    if (isRunning && !wasRunning) slots.claimed(job, writer, told);
    if (old && isRunning && wasRunning) {
      leases.extended(old, job, told);
      const one = live.get(job.id);
      if (one) one.until = job.leaseUntil ?? 0;
    }
    slots.taskWritten(job.id, job.appId, isRunning);
    turns.changed(job.appId, isRunning ? (wasRunning ? "else" : "claimed") : wasRunning ? "given back" : "else");
  }

  function removed(job: Job): void {
    const mayGo = expiry.hasExpired(job) || (isFinished(job) && wasAsked(job, "delete"));
    holds("a job goes when it has expired, or is finished and deleted by a person", mayGo, () => job.id);
    asked.get(job.id)?.delete("delete");
    jobs.delete(job.id);
    deleted.add(job.id);
    for (const known of [starts, answers]) {
      for (const name of known.keys()) if (name.startsWith(job.id)) known.delete(name);
    }
    before.delete(job.id);
    owners.delete(job.id);
    leases.removed(job.id);
  }

  function created(job: Job): void {
    everStored.add(job.id);
    deleted.delete(job.id);
    const told = () => `${job.id} created ${job.status}`;
    holds("nothing is created as succeeded", job.status !== "SUCCEEDED", told);
    if (isFinished(job)) ended(job, told);
    const { parentJobId } = job;
    // The target of a schedule that is only sent has a parent that nothing stores.
    if (parentJobId !== undefined && !messages.carries(job.id)) {
      made.set(parentJobId, [...(made.get(parentJobId) ?? []), job.id]);
    }
    if (job.idempotencyKey !== undefined) keyed(job.appId, job.idempotencyKey, job.id);
  }

  function keyed(appId: string, key: string, id: string): void {
    const name = `${appId} ${key}`;
    holds("one key is one job", (keys.get(name) ?? id) === id, () => `${id} has the key ${key} of ${appId}`);
    keys.set(name, id);
  }

  function wasAsked({ id }: Job, ...does: readonly PersonDoes[]): boolean {
    return does.some((one) => asked.get(id)?.has(one));
  }

  function reopened(old: Job, job: Job, told: () => string): void {
    const hasFailed = old.status === "FAILED" || old.status === "DEAD";
    const isOnceMore = job.retryCount > 0;
    const does = isOnceMore ? "retry once" : "retry";
    const isRetry = job.status === "PENDING" && hasFailed && wasAsked(job, does);
    holds("a finished job changes by a person's retry alone", isRetry, told);
    asked.get(job.id)?.delete(does);
    if (!isOnceMore) before.set(job.id, job.attempts);
  }

  function claimed(old: Job, job: Job, writer: Process | undefined, told: () => string): void {
    const isClaim = job.attempts === old.attempts + 1 && job.status === "RUNNING" && old.status !== "RUNNING";
    holds("attempts are numbered one after another, each by a claim", isClaim && !isFinished(old), told);
    holds(
      "nothing runs early",
      old.startAt <= now() + SECOND + SKEW,
      () => `${told()}, due at ${old.startAt - now()} ms`,
    );
    if (writer) owners.set(job.id, writer);
  }

  function left(old: Job, job: Job, writer: Process | undefined, told: () => string): void {
    const isOver = (old.leaseUntil ?? 0) <= now() + SKEW;
    holds("whoever ends an attempt holds it, or its lease is over", owners.get(job.id) === writer || isOver, told);
    const isAsWished = job.status === old.stopAs || job.status === "SUCCEEDED";
    if (old.stopAs) holds("a person's wish to stop a job is followed", isAsWished, told);
    const name = attemptName(job.id, job.attempts);
    if (job.status === "SUCCEEDED") {
      holds("a job succeeds by its executor's success", answers.get(name)?.kind === "succeeded", told);
    } else if (owners.get(job.id) === writer) {
      // A lost answer of the target may be known to it alone, but not to us.
      holds("a success is never written down as a failure", answers.get(name)?.kind !== "succeeded" || isOver, told);
    }
  }

  function ended(job: Job, told: () => string): void {
    const owes = owedAt(job, job.status);
    owed.set(job.id, (owed.get(job.id) ?? 0) + owes.length);
    holds("what an ended job owes keeps it due", owes.length === 0 || job.dueAt !== undefined, told);
  }

  // ---- Attempts ----

  /** `sent`: what its target gets; nothing of a task. */
  function started(process: Process, attempt: RunningAttempt, sent?: Sent): void {
    const { jobId, number, message } = attempt;
    const name = attemptName(jobId, number);
    const told = () => `${jobId} attempt ${number} in ${process.name}`;
    const count = (starts.get(name) ?? 0) + 1;
    starts.set(name, count);
    // What nothing stores is known by its message alone, and SQS tells repeats for five minutes.
    const most = number === 1 && !jobs.has(jobId) ? messages.timesOf(jobId) : 1;
    holds("one attempt number starts at most once", count <= most, told);
    const other = live.get(jobId);
    // What stands still does not know that its lease is over.
    holds("no job has two live attempts", !other || (other.isFrozen && other.until <= now() + SKEW), told);
    const job = jobs.get(jobId);
    const isClaimed = job?.status === "RUNNING" && job.attempts === number;
    // In mode sqs the first attempt is in no table.
    const isFirst = number === 1 && messages.carries(jobId);
    holds("an attempt starts of a job that is claimed for it", isClaimed || isFirst, () => `${told()}: ${job?.status}`);
    if (job && number === 1 && job.lane !== undefined) lanes.started(job);
    const appId = job?.appId ?? messages.appOf(jobId);
    if (sent) {
      receivers.received(appId, jobId, sent, told);
      schedules.started(`${appId} ${sent.path}`, told);
    } else leases.started(attempt.job, told);
    const { baseUrl, jobType } = message.execution as unknown as { baseUrl?: string; jobType?: string };
    const place = `${job?.appId} ${baseUrl === undefined ? jobType : new URL(baseUrl).origin}`;
    if (areAwake) flow.mayStart(job?.appId, place, told);
    live.set(jobId, { process, place, until: job?.leaseUntil ?? Infinity, isFrozen: false });
    flow.hasRoom(place, live.values(), told);
  }

  /** An attempt is over; without an outcome where its executor threw. */
  function ran(process: Process, { jobId, number }: RunningAttempt, outcome: Outcome | undefined): void {
    if (outcome) answers.set(attemptName(jobId, number), outcome);
    if (live.get(jobId)?.process === process) live.delete(jobId);
  }

  /** Whether the first attempt of a job that only a message holds has succeeded. */
  function isDelivered(id: string): boolean {
    return answers.get(attemptName(id, 1))?.kind === "succeeded";
  }

  function died(process: Process): void {
    for (const [id, one] of live) if (one.process === process) live.delete(id);
  }

  function frozen(process: Process): void {
    areAwake = false;
    for (const one of live.values()) if (one.process === process) one.isFrozen = true;
  }

  // ---- Clients and people ----

  function accepted({ appId, body, key, status, job }: Accepted): void {
    const what = () => `${job?.id ?? key} of ${appId}, answered ${status}`;
    const { execution, lambdaProxyMessage } = body.message;
    const target = `${appId} ${pathOf(execution) ?? lambdaProxyMessage?.path}`;
    if (job) {
      answered.push(job);
      shown(appId, [job]);
      if (key !== undefined) keyed(appId, key, job.id);
      holds("what is accepted is stored", jobs.has(job.id) || deleted.has(job.id), what);
      if (execution.type === SCHEDULE) schedules.accepted(job, execution);
    } else if (execution.type === SCHEDULE) {
      schedules.carried(target, execution);
    } else {
      const isSent = messages.countTo(target) > 0 || (key !== undefined && messages.carries(jobIdForKey(appId, key)));
      // What is too large to be looked into travels as a pointer.
      holds("what is accepted is sent", isSent || JSON.stringify(body).length > LARGEST_READ, what);
    }
  }

  /** A person asks for something to be done to a job. What is another app's they must not get at. */
  function wanted(appId: string, id: string, does: PersonDoes): void {
    const isTheirs = (jobs.get(id)?.appId ?? appId) === appId;
    if (isTheirs) asked.set(id, new Set([...(asked.get(id) ?? []), does]));
  }

  /** Jobs that somebody of an app is shown. */
  function shown(appId: string, seen: readonly Pick<Job, "id" | "appId">[]): void {
    for (const { id, appId: owner } of seen) {
      const isTheirs = owner === appId && (jobs.get(id)?.appId ?? appId) === appId;
      holds("nobody gets at the jobs of another app", isTheirs, () => `${id} is shown to ${appId}`);
    }
  }

  // ---- The end ----

  function atTheEnd(): void {
    for (const job of jobs.values()) {
      const isOver = isFinished(job) && job.dueAt === undefined;
      holds("an accepted job ends, and owes nothing", isOver, () => `${job.id} ${job.status}`);
    }
    for (const id of new Set([...owed.keys(), ...made.keys()])) {
      const wanted = owed.get(id) ?? 0;
      const found = (made.get(id) ?? []).filter((child) => !schedules.hasMade(id, child));
      const told = () => `${id} has ${found.length} of ${wanted}`;
      holds("every follow-up is submitted exactly once", found.length === wanted, told);
    }
    for (const { id } of answered) holds("no accepted job is lost", jobs.has(id) || deleted.has(id), () => id);
    messages.atTheEnd();
    schedules.atTheEnd(messages.countTo);
    slots.atTheEnd();
    expiry.atTheEnd((id) => everStored.has(id));
  }

  function overdue(): void {
    const late = [...jobs.values()].filter((job) => !isFinished(job) || job.dueAt !== undefined);
    const what = late.map(({ id, status, dueAt }) => `${id} ${status}, due in ${(dueAt ?? NaN) - now()} ms`);
    broken("an accepted job ends", what.join("; ") || "a message or a schedule is left over");
  }

  return {
    violations,
    written,
    started,
    ran,
    died,
    frozen,
    queued: messages.queued,
    acknowledged: messages.acknowledged,
    accepted,
    atTheEnd,
    overdue,
    asked: wanted,
    isOf: (appId: string, id: string) => jobs.get(id)?.appId === appId,
    shown,
    looked: slots.looked,
    saves: leases.saves,
    limited: flow.limited,
    isAnythingDue: (until: EpochMs) => [...jobs.values()].some(({ dueAt }) => dueAt !== undefined && dueAt <= until),
    isSettled: () => {
      turns.lookAtAll();
      return [...jobs.values()].every((job) => isFinished(job) && job.dueAt === undefined);
    },
    jobs: () => everStored.size,
  };
}

/** Of a body that plans have; one that is carried inline is smaller. */
const LARGEST_READ = 200 * 1_024;

/** What is stopped while it waits, or is to stop when its attempt ends. */
function isStopped(old: Job, job: Job): boolean {
  const isEnded = job.status === "CANCELLED" || job.status === "DEAD";
  return isEnded ? old.status === "PENDING" || old.status === "RETRYING" : job.stopAs !== old.stopAs;
}

/** Where the target of a schedule goes. */
function pathOf(execution: Execution): string | undefined {
  const { targetJob } = execution as { targetJob?: { lambdaProxyMessage?: { path: string } } };
  return targetJob?.lambdaProxyMessage?.path;
}

function attemptName(id: string, number: number): string {
  return `${id}#${number}`;
}
