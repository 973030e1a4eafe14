import { unmarshall } from "@aws-sdk/util-dynamodb";
import { MINUTE, SECOND, type EpochMs } from "../lib/clock.ts";
import type { RunningAttempt } from "../lib/executors/executor.ts";
import { jobOf } from "../lib/job-item.ts";
import { SCHEDULE, isFinished, isSchedule, jobIdForKey, owedAt, type Job, type Outcome } from "../lib/job.ts";
import type { QueueRecord } from "../lib/queue.ts";
import type { Item } from "./models/dynamodb-value.ts";
import type { PersonDoes } from "./plan.ts";
import type { Process } from "./process.ts";

// What must hold after every step, whatever happens. Each rule has a name that users were promised.

export interface Violation {
  readonly rule: string;
  readonly what: string;
  readonly at: EpochMs;
}

/** What a client was told. */
interface Accepted {
  readonly appId: string;
  readonly body: { readonly mode: string; readonly message: { readonly execution: { readonly type: string } } };
  readonly key: string | undefined;
  readonly status: number;
  readonly job?: Job | undefined;
}

interface Live {
  readonly process: Process;
  readonly place: string;
  readonly until: EpochMs;
  isFrozen: boolean;
}

interface Settings {
  readonly destinations?: readonly { readonly destination: string; readonly maxConcurrency: number | null }[];
  readonly paused?: boolean;
}

/** By how much the clocks of processes may differ, on top of the second that the service allows. */
const SKEW = 600;
/** Until all processes go by a change of settings, and what started before it is over. */
const SETTLED_AFTER = 2 * MINUTE;
/** Until all processes know that a destination is down, and what had been let through has started. */
const KNOWN_AFTER = 25 * SECOND;

export function createInvariants({ now, trace }: { now: () => EpochMs; trace: (line: string) => void }) {
  const violations: Violation[] = [];
  /** No process has stood still between being let through and starting. */
  let areAwake = true;
  const jobs = new Map<string, Job>();
  const deleted = new Set<string>();
  /** Who claimed the attempt that runs. */
  const owners = new Map<string, Process>();
  /** How many attempts a job had when its generation began. */
  const before = new Map<string, number>();
  const starts = new Map<string, number>();
  const answers = new Map<string, Outcome>();
  const live = new Map<string, Live>();
  const circuits = new Map<
    string,
    { readonly state: string; readonly since: EpochMs; probedAt: EpochMs | undefined }
  >();
  const paused = new Map<string, EpochMs>();
  const asked = new Map<string, Set<PersonDoes>>();
  const answered: Accepted[] = [];
  const keys = new Map<string, string>();
  const expected = new Map<string, string[]>();
  const sent = new Map<string, { readonly order: number; times: number }>();
  const lanes = new Map<string, string[]>();
  const carried = new Set<string>();
  const limits = new Map<string, { readonly most: number; readonly since: EpochMs }>();

  function broken(rule: string, what: string): void {
    trace(`VIOLATION ${rule}: ${what}`);
    violations.push({ rule, what, at: now() });
  }

  function holds(rule: string, does: boolean, what: () => string): void {
    if (!does) broken(rule, what());
  }

  // ---- Writes ----

  function written(from: Item | undefined, to: Item | undefined, writer: Process | undefined): void {
    const item = to ?? from;
    const sk = item?.["sk"]?.S ?? "";
    if (sk.startsWith("DEST#") && to)
      return circuitWritten(`${to["pk"]?.S?.slice("APP#".length)} ${sk.slice("DEST#".length)}`, to);
    if (sk !== "J") return;
    const old = from && jobOf(unmarshall(from));
    const job = to && jobOf(unmarshall(to));
    if (!job) return removed(old as Job);
    jobs.set(job.id, job);
    const told = () => `${job.id} ${old?.status ?? "nothing"} → ${job.status}, attempt ${job.attempts}`;
    trace(`job ${told()}`);
    holds("an unfinished job is always due", isFinished(job) || job.dueAt !== undefined, told);
    holds("retries never exceed what is allowed", job.retryCount <= job.maxRetries, told);
    if (!old) return created(job);
    holds("a job stays its app's own", old.appId === job.appId && old.createdAt === job.createdAt, told);
    if (isFinished(old) && old.status !== job.status) reopened(old, job, told);
    if (old.attempts !== job.attempts) claimed(old, job, writer, told);
    if (old.status === "RUNNING" && job.status !== "RUNNING") left(old, job, writer, told);
    if (!isFinished(old) && isFinished(job)) ended(job, told);
    if (isSchedule(job)) fired(old, job, told);
    const inGeneration = job.attempts - (before.get(job.id) ?? 0);
    holds("no generation has more attempts than retries and one", inGeneration <= job.maxRetries + 1, told);
  }

  function circuitWritten(place: string, item: Item): void {
    const { state } = unmarshall(item);
    trace(`circuit of ${place} is ${state}`);
    if (circuits.get(place)?.state !== state)
      circuits.set(place, { state: String(state), since: now(), probedAt: undefined });
  }

  /** Whether an app, and one of its destinations, let an attempt start now that all processes know of them. */
  function mayStart(appId: string | undefined, place: string, told: () => string): void {
    const pausedSince = paused.get(appId ?? "");
    const isPaused = pausedSince !== undefined && pausedSince + SETTLED_AFTER < now();
    holds("nothing starts while its app is paused", !isPaused, told);
    const circuit = circuits.get(place);
    if (!circuit || circuit.state === "closed" || circuit.since + KNOWN_AFTER > now()) return;
    holds("nothing starts at a destination that is held", circuit.state !== "held", told);
    const isProbe = circuit.probedAt === undefined || now() - circuit.probedAt > MINUTE - KNOWN_AFTER;
    holds("one attempt a minute probes a destination that is down", isProbe, told);
    circuit.probedAt = now();
  }

  function removed(job: Job): void {
    const wasAsked = asked.get(job.id)?.has("delete") === true;
    holds("a job is deleted by a person, and only when finished", wasAsked && isFinished(job), () => job.id);
    asked.get(job.id)?.delete("delete");
    jobs.delete(job.id);
    deleted.add(job.id);
    for (const known of [starts, answers]) {
      for (const name of known.keys()) if (name.startsWith(job.id)) known.delete(name);
    }
    before.delete(job.id);
    owners.delete(job.id);
  }

  function created(job: Job): void {
    const told = () => `${job.id} created ${job.status}`;
    if (job.status === "SUCCEEDED") holds("nothing is created as succeeded", false, told);
    if (isFinished(job)) ended(job, told);
  }

  function reopened(old: Job, job: Job, told: () => string): void {
    const wasAsked = asked.get(job.id)?.has("retry") === true;
    const isRetry = job.status === "PENDING" && (old.status === "FAILED" || old.status === "DEAD") && wasAsked;
    holds("a finished job changes by a person's retry alone", isRetry, told);
    asked.get(job.id)?.delete("retry");
    before.set(job.id, job.attempts);
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
    expected.set(job.id, [...(expected.get(job.id) ?? []), ...owes]);
    holds("what an ended job owes keeps it due", owes.length === 0 || job.dueAt !== undefined, told);
  }

  function fired(old: Job, schedule: Job, told: () => string): void {
    const [were, are] = [old.runs ?? 0, schedule.runs ?? 0];
    if (were === are) return;
    holds("a schedule's runs come one after another", are === were + 1 && old.status === "PENDING", told);
    holds("nothing runs early", old.startAt <= now() + SECOND + SKEW, told);
  }

  // ---- Attempts ----

  function started(process: Process, { jobId, number, message }: RunningAttempt): void {
    const name = attemptName(jobId, number);
    const told = () => `${jobId} attempt ${number} in ${process.name}`;
    const count = (starts.get(name) ?? 0) + 1;
    starts.set(name, count);
    holds("one attempt number starts at most once", count === 1, told);
    const other = live.get(jobId);
    // What stands still does not know that its lease is over.
    holds("no job has two live attempts", !other || (other.isFrozen && other.until <= now() + SKEW), told);
    const job = jobs.get(jobId);
    const isClaimed = job?.status === "RUNNING" && job.attempts === number;
    // In mode sqs the first attempt is in no table.
    const isFirst = number === 1 && carried.has(jobId);
    holds("an attempt starts of a job that is claimed for it", isClaimed || isFirst, () => `${told()}: ${job?.status}`);
    if (job && number === 1 && job.lane !== undefined) {
      const lane = `${job.appId} ${job.lane}`;
      lanes.set(lane, [...(lanes.get(lane) ?? []), jobId]);
    }
    const { baseUrl } = message.execution as unknown as { baseUrl: string };
    const place = `${job?.appId} ${new URL(baseUrl).origin}`;
    if (areAwake) mayStart(job?.appId, place, told);
    live.set(jobId, { process, place, until: job?.leaseUntil ?? Infinity, isFrozen: false });
    const limit = limits.get(place);
    if (!limit || limit.since + SETTLED_AFTER > now()) return;
    const running = [...live.values()].filter((one) => one.place === place && one.until > now()).length;
    holds("no more attempts run at once than a destination takes", running <= limit.most, told);
  }

  /** An attempt is over; without an outcome where its executor threw. */
  function ran(process: Process, { jobId, number }: RunningAttempt, outcome: Outcome | undefined): void {
    if (outcome) answers.set(attemptName(jobId, number), outcome);
    if (live.get(jobId)?.process === process) live.delete(jobId);
  }

  function died(process: Process): void {
    for (const [id, one] of live) if (one.process === process) live.delete(id);
  }

  function frozen(process: Process): void {
    areAwake = false;
    for (const one of live.values()) if (one.process === process) one.isFrozen = true;
  }

  // ---- Messages ----

  /** A message was taken by a queue. */
  function queued(body: string): void {
    const { attempt, job } = JSON.parse(body) as { attempt?: { id: string; attempt: number }; job?: { id: string } };
    if (job) carried.add(job.id);
    if (attempt?.attempt !== 1) return;
    const known = sent.get(attempt.id);
    if (known) known.times += 1;
    else sent.set(attempt.id, { order: sent.size, times: 1 });
  }

  /** Messages that nobody will see again. */
  function acknowledged(records: readonly QueueRecord[]): void {
    for (const { body } of records) {
      const { attempt, job } = JSON.parse(body) as { attempt?: { id: string }; job?: { id: string } };
      const id = attempt?.id ?? job?.id;
      if (id === undefined) continue;
      const stored = jobs.get(id);
      const isKept = stored ? isFinished(stored) || stored.dueAt !== undefined : deleted.has(id);
      const isDone = answers.get(attemptName(id, 1))?.kind === "succeeded";
      holds(
        "a message is acknowledged only when its job is kept or done",
        isKept || (job !== undefined && isDone),
        () => id,
      );
    }
  }

  // ---- Clients and people ----

  function accepted(told: Accepted): void {
    answered.push(told);
    const { appId, body, key, status, job } = told;
    const what = () => `${job?.id ?? key} of ${appId}, answered ${status}`;
    if (key !== undefined && job) {
      const name = `${appId} ${key}`;
      holds("one key is one job", (keys.get(name) ?? job.id) === job.id, what);
      keys.set(name, job.id);
    }
    if (job) holds("what is accepted is stored", jobs.has(job.id) || deleted.has(job.id), what);
    else if (key !== undefined && body.message.execution.type !== SCHEDULE) {
      holds("what is accepted is sent", carried.has(jobIdForKey(appId, key)), what);
    }
  }

  function atTheEnd(): void {
    for (const job of jobs.values()) {
      holds(
        "an accepted job ends, and owes nothing",
        isFinished(job) && job.dueAt === undefined,
        () => `${job.id} ${job.status}`,
      );
    }
    const children = Map.groupBy(jobs.values(), ({ parentJobId }) => parentJobId);
    for (const job of jobs.values()) {
      const found = children.get(job.id)?.length ?? 0;
      const wanted = isSchedule(job) ? (job.runs ?? 0) : (expected.get(job.id)?.length ?? 0);
      holds("every follow-up, and every run, is submitted exactly once", found === wanted, () => {
        return `${job.id} ${job.status} has ${found} of ${wanted}`;
      });
    }
    for (const { job } of answered) {
      if (job) holds("no accepted job is lost", jobs.has(job.id) || deleted.has(job.id), () => job.id);
    }
    for (const id of carried) {
      const isDone = jobs.has(id) || deleted.has(id) || answers.get(attemptName(id, 1))?.kind === "succeeded";
      holds("no accepted job is lost", isDone, () => `${id} (mode sqs)`);
    }
    for (const [lane, order] of lanes) {
      const untouched = order.filter((id) => sent.get(id)?.times === 1 && jobs.has(id));
      const wanted = untouched.toSorted((a, b) => (sent.get(a)?.order ?? 0) - (sent.get(b)?.order ?? 0));
      holds("a lane keeps its order", untouched.join() === wanted.join(), () => `${lane}: ${untouched.join(", ")}`);
    }
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
    queued,
    acknowledged,
    accepted,
    atTheEnd,
    overdue,
    asked: (id: string, does: PersonDoes) => void asked.set(id, new Set([...(asked.get(id) ?? []), does])),
    limited: (appId: string, settings: object) => {
      const { destinations = [], paused: isPaused } = settings as Settings;
      if (isPaused === true) paused.set(appId, now());
      else if (isPaused === false) paused.delete(appId);
      for (const { destination, maxConcurrency } of destinations) {
        if (maxConcurrency !== null) limits.set(`${appId} ${destination}`, { most: maxConcurrency, since: now() });
      }
    },
    isAnythingDue: (until: EpochMs) => [...jobs.values()].some(({ dueAt }) => dueAt !== undefined && dueAt <= until),
    isSettled: () => [...jobs.values()].every((job) => isFinished(job) && job.dueAt === undefined),
    jobs: () => jobs.size,
  };
}

function attemptName(id: string, number: number): string {
  return `${id}#${number}`;
}
