// Over 300 lines: every move between statuses in one file, so that no status is written anywhere else.
import { MINUTE, iso, type EpochMs } from "../clock.ts";
import {
  CLOCK_SKEW,
  HEAD_START,
  hasAttachments,
  isLate,
  isSchedule,
  isSentNow,
  isTask,
  owedAt,
  takesSlot,
  travels,
  type EndedJob,
  type FailedJob,
  type Fields,
  type Job,
  type RunningJob,
  type WaitingJob,
  type Progress,
} from "./job.ts";
import { LONGEST_BACKOFF, NO_ROOM_POLICY, backoffDelay } from "./backoff.ts";
import type { BacklogName, LimitLetter } from "./backlog.ts";
import { isKeptByGroup } from "./group.ts";
import type { FinalStatus, Status, StopStatus, WaitingStatus } from "./status.ts";
import { LOST, type AttemptRef, type Outcome, type Turn } from "./attempt.ts";
import type { Condition, Move } from "./move.ts";
import { NEVER, stepsOf, withSkips, type Skip } from "./schedule.ts";

// The moves of a job: from which statuses, under which condition, to what.

/** How long the worker that ended a job has to submit its follow-ups before the sweep does. */
const SETTLE_HEAD_START = MINUTE;

type ClaimMove = Move<"RUNNING", "attempts" | "startedAt" | "updatedAt" | "leaseUntil" | "dueAt">;

/**
 * Starts attempt `ref.attempt`. Only this move changes the attempt number. `slots`: the number of task slots, for a task.
 * A message that comes again when its job has given up the slots that it names starts nothing.
 */
export function claim(ref: AttemptRef, now: EpochMs, leaseUntil: EpochMs, slots?: number): ClaimMove {
  return {
    from: ["PENDING", "RETRYING"],
    to: "RUNNING",
    when: [
      ["attempts", "=", ref.attempt - 1],
      ["startAt", "<=", now + CLOCK_SKEW],
      ...(ref.notAfter === undefined ? [] : [["notAfter", ">=", now] as const]),
      ref.slots === undefined ? ["slots", "absent"] : ["slots", "=", ref.slots],
    ],
    set: {
      attempts: ref.attempt,
      startedAt: now,
      updatedAt: now,
      leaseUntil,
      // A task's lease is short, and others wait for its slot: the sweep looks when it ends.
      ...(slots !== undefined && { dueAt: leaseUntil }),
    },
    remove: ["turn", "waitsSince", "waitsFor", ...(slots === undefined ? [] : (["progress"] as const))],
    ...(slots !== undefined && { slot: { of: slots } }),
  };
}

/** Extends a lease that is not over, and writes the progress and checkpoint of its attempt. */
export function extend(
  job: RunningJob,
  now: EpochMs,
  leaseUntil: EpochMs,
  said: { readonly progress?: Progress; readonly saved?: string },
): Move<"RUNNING", "leaseUntil" | "updatedAt" | "progress" | "saved"> {
  return {
    from: ["RUNNING"],
    to: "RUNNING",
    when: [
      ["attempts", "=", job.attempts],
      ["leaseUntil", ">", now],
      // A late call, given up by its sender, does not undo the ones after it.
      ["leaseUntil", "<=", leaseUntil],
    ],
    set: { leaseUntil, updatedAt: now, ...said },
    remove: [],
  };
}

/** The end of an attempt. */
export interface Ending {
  readonly outcome: Outcome;
  readonly now: EpochMs;
  /** Real milliseconds. */
  readonly durationMs: number;
  /** From 0 to 1, for jitter. */
  readonly chance: number;
  /** The retention of finished jobs in ms; 0 is forever. */
  readonly retention: number;
}

/** The fields that an end sets, whatever the status. */
export type EndField = "updatedAt" | "dueAt" | "endings" | "expiresAt";
type EndMove = Move<
  FinalStatus | "RETRYING",
  EndField | "success" | "lastError" | "httpStatus" | "timedOut" | "retryCount" | "startAt" | "reason"
>;

/** Ends the attempt that holds the fence: succeed, retry later or reject. */
export function end(job: RunningJob, ending: Ending): EndMove {
  return answered(job, endOf(job, ending), ending.outcome);
}

/** The job says what its last failed attempt was answered; a success says it itself. */
function answered(job: RunningJob, move: EndMove, { kind, httpStatus }: Outcome): EndMove {
  if (kind === "succeeded") return move;
  if (httpStatus !== undefined) return { ...move, set: { ...move.set, httpStatus } };
  return job.httpStatus === undefined ? move : { ...move, remove: [...move.remove, "httpStatus"] };
}

function endOf(job: RunningJob, ending: Ending): EndMove {
  const { outcome, now, durationMs } = ending;
  const retriesLeft = job.retryCount < job.maxRetries;
  // A person's stop decides every end but a success.
  if (job.stopAs && outcome.kind !== "succeeded") return finish(job, job.stopAs, ending, { lastError: outcome.error });
  switch (outcome.kind) {
    case "succeeded": {
      const { kind: _, file: __, body: ___, detail: ____, ...answer } = outcome;
      const success = { durationMs, ...answer };
      return finish(job, "SUCCEEDED", ending, { success });
    }
    case "rejected": {
      const { error: lastError, timedOut } = outcome;
      const why = timedOut ? { timedOut } : ({ reason: "final" } as const);
      return finish(job, retriesLeft ? "FAILED" : "DEAD", ending, { lastError, ...why });
    }
    case "lost":
    case "retry": {
      if (outcome.kind === "retry" && outcome.isUncounted) return retryUncounted(job, outcome.error, ending);
      if (!retriesLeft) return finish(job, "DEAD", ending, { lastError: outcome.error });
      const backoff = backoffDelay(job.retryCount + 1, job.retry, ending.chance);
      const asked = outcome.kind === "retry" ? (outcome.retryAfterMs ?? 0) : 0;
      return retryInTime(job, now + Math.max(backoff, Math.min(asked, LONGEST_BACKOFF)), outcome.error, ending);
    }
    default:
      return outcome satisfies never;
  }
}

/** Ends an attempt that found no room, as one that counts for no retry. */
function retryUncounted(job: RunningJob, error: string, ending: Ending): EndMove {
  const { now, chance } = ending;
  // The attempts that no retry accounts for: the first one, and those that were put off.
  const times = Math.max(job.attempts - job.retryCount, 1);
  const move = retryInTime(job, now + backoffDelay(times, NO_ROOM_POLICY, chance), error, ending);
  return { ...move, set: { ...move.set, retryCount: job.retryCount } };
}

/** Tries again later, or ends the job if that is after its `notAfter`. */
function retryInTime(job: RunningJob, startAt: EpochMs, lastError: string, ending: Ending): EndMove {
  if (isLate(job, startAt)) return finish(job, "FAILED", ending, { lastError, reason: "expired" });
  return retryAt(job, startAt, ending.now, lastError);
}

/** Ends a waiting job that was not started by its `notAfter`. */
export function lapse(
  job: WaitingJob,
  now: EpochMs,
  retention: number,
): Move<"FAILED", EndField | "lastError" | "reason"> {
  const { notAfter = now, lastError = `It was not started by its notAfter, ${iso(notAfter)}` } = job;
  const { set, remove } = ended(job, "FAILED", now, retention);
  return {
    from: ["PENDING", "RETRYING"],
    to: "FAILED",
    when: [...ofThisWait(job), ["notAfter", "<", now]],
    set: { ...set, lastError, reason: "expired" },
    remove,
  };
}

/** Ends an attempt whose lease is over, as retry later: a crash uses up a retry too. */
export function expire(job: RunningJob, ending: Omit<Ending, "outcome" | "durationMs">): EndMove {
  const move = end(job, { ...ending, outcome: LOST, durationMs: 0 });
  return { ...move, when: [...move.when, ["leaseUntil", "<=", ending.now]] };
}

/**
 * Ends the first attempt of a job that only its message carried, of which nothing is known: the next one starts at
 * once, and takes a retry if there is one. At least one attempt is certain only so.
 */
export function resume(job: RunningJob, now: EpochMs): EndMove {
  const move = retryAt(job, now, now, LOST.error);
  return { ...move, set: { ...move.set, retryCount: Math.min(job.retryCount + 1, job.maxRetries) } };
}

/** Sets the next look of the sweep. The fence is the state in which the job was seen. */
export function becomeDue(job: Job, dueAt: EpochMs): Move<Status, "dueAt"> {
  return {
    from: [job.status],
    to: job.status,
    when: [["attempts", "=", job.attempts], ["dueAt", "=", job.dueAt ?? 0], unchanged(job, "slots")],
    set: { dueAt },
    remove: [],
  };
}

/**
 * Moves a job to a backlog, where it waits by its age, `waitsFor` a limit if for one. It counts as no attempt. `turn`: what
 * it was given elsewhere says where it has waited before. `slots`: those that it has meanwhile.
 */
export function queueUp(
  job: Job,
  backlog: BacklogName,
  { waitsFor, turn, slots }: Given & { readonly waitsFor?: LimitLetter | undefined } = {},
): Move<Status, "dueAt" | "backlog" | "waitsFor" | "turn" | "slots"> {
  const due = becomeDue(job, job.waitsSince ?? job.startAt);
  return {
    ...due,
    set: {
      ...due.set,
      backlog,
      ...(waitsFor && { waitsFor }),
      ...(turn && { turn }),
      ...(slots !== undefined && { slots }),
    },
    remove: [...(turn ? [] : (["turn"] as const)), ...(slots === undefined ? slotsOf(job) : [])],
  };
}

/** What a job is given as it leaves its backlog: a turn at its destination, and the slots that are kept for it. */
export interface Given {
  readonly turn?: Turn | undefined;
  readonly slots?: string | undefined;
}

/** Takes a job out of its backlog, along with a message. */
export function leaveBacklog(
  job: Job,
  now: EpochMs,
  { turn, slots }: Given = {},
): Move<Status, "dueAt" | "startAt" | "turn" | "slots" | "waitsSince" | "releasedAt"> {
  const { set, ...move } = turn ? take(job, turn, now) : becomeDue(job, now + HEAD_START);
  const kept = { ...set, releasedAt: now };
  return slots === undefined ? { ...move, set: kept } : { ...move, set: { ...kept, slots }, remove: [] };
}

/** Puts a job off to a later start, at which it asks again. It counts as no attempt. */
export function defer(
  job: Job,
  startAt: EpochMs,
  now: EpochMs,
  waitsFor: LimitLetter,
): Move<Status, "dueAt" | "startAt" | "waitsSince" | "waitsFor"> {
  const move = startLater(job, startAt, now);
  return { ...move, set: { ...move.set, waitsFor }, remove: ["turn", ...slotsOf(job)] };
}

/** Puts a job off to the turn that it has taken at its destination. */
export function take(job: Job, turn: Turn, now: EpochMs): Move<Status, "dueAt" | "startAt" | "turn" | "waitsSince"> {
  const move = startLater(job, turn.at, now);
  return { ...move, set: { ...move.set, turn }, remove: slotsOf(job) };
}

function startLater(job: Job, startAt: EpochMs, now: EpochMs): Move<Status, "dueAt" | "startAt" | "waitsSince"> {
  const { waitsSince = job.startAt } = job;
  // A lane's job keeps its place in its queue.
  const isInQueue = job.lane !== undefined || travels(job, startAt - now);
  const due = becomeDue(job, isInQueue ? startAt + HEAD_START : startAt);
  return { ...due, set: { ...due.set, startAt, waitsSince } };
}

/** Stops a job for a person: at once while it waits, else when its attempt ends. */
export function stop(
  job: WaitingJob | RunningJob,
  as: StopStatus,
  now: EpochMs,
  retention: number,
): Move<"RUNNING", "stopAs" | "stopRequestedAt"> | Move<StopStatus, EndField> {
  if (job.status === "RUNNING") {
    const when: Condition[] = [["attempts", "=", job.attempts]];
    return { from: ["RUNNING"], to: "RUNNING", when, set: { stopAs: as, stopRequestedAt: now }, remove: [] };
  }
  return {
    from: ["PENDING", "RETRYING"],
    to: as,
    when: ofThisWait(job),
    ...ended(job, as, now, retention),
  };
}

/**
 * Makes a job due at once that waits for its time. The fence is the wait that was seen; a message that comes at the
 * old time finds that its attempt has started.
 */
export function hasten(job: WaitingJob, now: EpochMs): Move<WaitingStatus, "startAt" | "dueAt" | "updatedAt"> {
  return {
    from: [job.status],
    to: job.status,
    when: [
      ["attempts", "=", job.attempts],
      ["startAt", "=", job.startAt],
      ["dueAt", "=", job.dueAt ?? 0],
    ],
    set: { startAt: Math.min(job.startAt, now), dueAt: now + HEAD_START, updatedAt: now },
    remove: [],
  };
}

/** Starts a new generation of a failed job, with fresh retries. Attempt numbers continue. */
export function retry(job: FailedJob, now: EpochMs): RestartMove {
  return restart(job, now, 0);
}

/** Tries a failed job once more, as one of its retries. */
export function retryOnce(job: FailedJob, now: EpochMs): RestartMove {
  return restart(job, now, job.retryCount + 1);
}

type RestartMove = Move<"PENDING", "retryCount" | "startAt" | "dueAt" | "updatedAt">;

function restart(job: FailedJob, now: EpochMs, retryCount: number): RestartMove {
  // A schedule keeps its time. The sweep fires it then, or at once if that time has passed.
  const startAt = isSchedule(job) ? job.startAt : Math.max(job.scheduledAt ?? now, now);
  return {
    from: ["FAILED", "DEAD"],
    to: "PENDING",
    when: [
      ["attempts", "=", job.attempts],
      // Its follow-ups are submitted first.
      ["dueAt", "absent"],
    ],
    set: { retryCount, startAt, dueAt: dueFrom(job, startAt, now), updatedAt: now },
    remove: [
      "expiresAt",
      "reason",
      ...(isTask(job) ? (["progress"] as const) : []),
      ...(job.pausedAt === undefined ? [] : (["pausedAt", "pauseReason"] as const)),
      // It waits anew.
      ...(["turn", "waitsSince", "waitsFor"] as const).filter((name) => job[name] !== undefined),
    ],
    ...(job.memberOf && { rejoins: job.memberOf }),
  };
}

function dueFrom(job: FailedJob, startAt: EpochMs, now: EpochMs): EpochMs {
  if (isSchedule(job)) return Math.max(startAt, now);
  return isSentNow(job, startAt - now) ? startAt + HEAD_START : startAt;
}

/** What follows from a run of a schedule, or from one that is skipped. `next`: the time of the run after it, if there is one. */
interface Step {
  readonly now: EpochMs;
  readonly next: EpochMs | undefined;
  readonly retention: number;
  /** The runs that are skipped. Default: none. */
  readonly skips?: readonly Skip[];
}

/** A run of a schedule, which creates `targetJobId`. */
export interface Run extends Step {
  readonly targetJobId: string;
}

type StepMove = Move<
  "PENDING" | "SUCCEEDED" | "CANCELLED",
  EndField | "steps" | "runs" | "lastRunAt" | "targetJobId" | "startAt" | "skipped"
>;

/** Fires a schedule; its steps are the fence. */
export function fire(schedule: WaitingJob, run: Run): StepMove {
  const { now, targetJobId } = run;
  const ran = { runs: (schedule.runs ?? 0) + 1, lastRunAt: now, targetJobId };
  const move = stepOn(schedule, ran, "SUCCEEDED", run);
  return { ...move, when: [...move.when, ["startAt", "<=", now + CLOCK_SKEW]] };
}

/** Skips runs of a schedule. One that has none left and never ran has not succeeded. */
export function skip(schedule: WaitingJob, step: Step): StepMove {
  return stepOn(schedule, {}, (schedule.runs ?? 0) > 0 ? "SUCCEEDED" : "CANCELLED", step);
}

function stepOn(
  schedule: WaitingJob,
  changed: Partial<Pick<Fields, "runs" | "lastRunAt" | "targetJobId">>,
  endsAs: "SUCCEEDED" | "CANCELLED",
  { now, next, retention, skips = [] }: Step,
): StepMove {
  const set = {
    ...changed,
    steps: stepsOf(schedule) + 1,
    ...(skips.length > 0 && { skipped: withSkips(schedule.skipped, skips) }),
  };
  const isOwed = next !== undefined && next <= (schedule.owedUntil ?? 0);
  const over = (["owedUntil", "pausedAt", "pauseReason"] as const).filter(
    (field) => schedule[field] !== undefined && !(field === "owedUntil" && isOwed),
  );
  const move = { from: ["PENDING"], when: ofThisStep(schedule) } as const satisfies Partial<Move>;
  if (next !== undefined) {
    // A run whose time has passed already is sent at once.
    const dueAt = next <= now ? now + HEAD_START : next;
    return { ...move, to: "PENDING", set: { ...set, startAt: next, dueAt, updatedAt: now }, remove: over };
  }
  const end = ended(schedule, endsAs, now, retention);
  return { ...move, to: endsAs, set: { ...set, ...end.set }, remove: [...over, ...end.remove] };
}

/** Keeps a due run of a schedule until the last one has ended; `dueAt`: when the sweep looks again. */
export function hold(schedule: WaitingJob, dueAt: EpochMs): Move<Status, "dueAt" | "owedUntil"> {
  const due = becomeDue(schedule, dueAt);
  const owedUntil = Math.max(schedule.startAt, schedule.owedUntil ?? 0);
  return { ...due, when: [...due.when, ...ofThisStep(schedule)], set: { ...due.set, owedUntil } };
}

/** Counts a run that a person has asked for. The next run of the expression stays as it is. */
export function askedRun(
  schedule: WaitingJob,
  targetJobId: string,
  now: EpochMs,
): Move<"PENDING", "asked" | "lastRunAt" | "targetJobId" | "updatedAt"> {
  return {
    from: ["PENDING"],
    to: "PENDING",
    when: (["asked", "edits", "targetJobId"] as const).map((field) => unchanged(schedule, field)),
    set: { asked: (schedule.asked ?? 0) + 1, lastRunAt: now, targetJobId, updatedAt: now },
    remove: [],
  };
}

/** A schedule as a person wants it. What is left out stays; undefined takes a field away. */
export type Edit = Pick<Fields, "startAt"> & {
  readonly [field in "recurring" | "scheduleArn" | "pausedAt" | "pauseReason" | "owedUntil" | "skipped"]:
    | Fields[field]
    | undefined;
} & { readonly editId: string; readonly payload?: Fields["payload"] };

type EditMove = Move<"PENDING", keyof Edit | "edits" | "steps" | "dueAt" | "updatedAt">;

/** Edits a schedule, or starts one that has ended anew. `isSent`: its next run is sent along. */
export function edit(schedule: WaitingJob | EndedJob, wanted: Edit, now: EpochMs, isSent: boolean): EditMove {
  const { startAt, pausedAt, recurring } = wanted;
  // EventBridge has a head start on the sweep, and so has a queue.
  const headStart = isSent || !recurring ? HEAD_START : 0;
  const dueAt = pausedAt === undefined ? Math.max(startAt, isSent ? now : 0) + headStart : NEVER;
  const gone = Object.entries(wanted).flatMap(([field, value]) => (value === undefined ? [field as keyof Edit] : []));
  const set = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined)) as Partial<Edit>;
  const isAnew = schedule.status !== "PENDING";
  return {
    from: [schedule.status],
    to: "PENDING",
    when: [
      ...ofThisStep(schedule),
      // The follow-ups of its end are submitted first.
      ...(isAnew ? [["dueAt", "absent"] as const, unchanged(schedule, "endings")] : []),
    ],
    set: {
      ...set,
      dueAt,
      updatedAt: now,
      steps: stepsOf(schedule) + 1,
      edits: (schedule.edits ?? 0) + 1,
    } as EditMove["set"],
    remove: [...gone, ...(isAnew ? (["expiresAt", "runs"] as const) : [])],
  };
}

/** The fence of a schedule's steps. A rolled-back release counts runs alone. */
function ofThisStep(schedule: Job): Condition[] {
  return (["steps", "runs", "targetJobId"] as const).map((field) => unchanged(schedule, field));
}

/** Records the follow-ups that a job's end has submitted. From now on the job may expire. */
export function settleEnd(
  job: EndedJob,
  submitted: readonly string[],
  now: EpochMs,
  retention: number,
): Move<FinalStatus, "followUpJobIds" | "expiresAt"> {
  return {
    from: [job.status],
    to: job.status,
    when: [unchanged(job, "endings"), ["dueAt", "=", job.dueAt ?? 0]],
    set: {
      ...(job.owes && { followUpJobIds: [...(job.followUpJobIds ?? []), ...submitted] }),
      ...expiry(job, now, retention),
    },
    remove: ["dueAt"],
  };
}

/**
 * The changes of every end. A job with follow-ups or attachments stays due, and does not expire, until it is settled. A
 * member does not expire before its group has ended.
 */
export function ended(
  job: Job,
  to: FinalStatus,
  now: EpochMs,
  retention: number,
): Pick<Move<Status, EndField>, "set" | "remove"> {
  const isDated = retention > 0 && !isKeptByGroup(job);
  const isUnsettledEnd = owedAt(job, to).length > 0 || (isDated && hasAttachments(job, to));
  return {
    set: {
      updatedAt: now,
      ...(job.owes && { endings: (job.endings ?? 0) + 1 }),
      ...(isUnsettledEnd ? { dueAt: now + SETTLE_HEAD_START } : expiry(job, now, retention)),
    },
    remove: [...(isUnsettledEnd ? [] : (["dueAt"] as const)), ...slotsOf(job)],
  };
}

/** The fence of an end of a job that waits: whoever ends it gives back the slots that it has seen. */
function ofThisWait(job: WaitingJob): Condition[] {
  return [["attempts", "=", job.attempts], unchanged(job, "slots"), ...(job.owes ? [unchanged(job, "endings")] : [])];
}

/** Slots are kept for one attempt, and named until its end. */
function slotsOf({ slots }: Job): readonly ["slots"] | readonly [] {
  return slots === undefined ? [] : ["slots"];
}

function expiry(job: Job, now: EpochMs, retention: number): Pick<Fields, "expiresAt"> {
  return retention > 0 && !isKeptByGroup(job) ? { expiresAt: now + retention } : {};
}

/** Gives a member the expiry date that it had to wait for until its group ended, with so many `checks`. */
export function releaseMember(
  job: EndedJob,
  checks: number,
  now: EpochMs,
  retention: number,
): Move<Status, "released" | "expiresAt"> {
  return {
    from: [job.status],
    to: job.status,
    when: [
      ["attempts", "=", job.attempts],
      ["dueAt", "absent"],
    ],
    set: { released: checks, expiresAt: now + retention },
    remove: [],
  };
}

/** Takes that date away, since its group counts the member again. */
export function keepMember(job: Job): Move<Status, never> {
  const when: Condition[] = [["attempts", "=", job.attempts], unchanged(job, "released")];
  return { from: [job.status], to: job.status, when, set: {}, remove: ["released", "expiresAt"] };
}

function unchanged(
  job: Job,
  field: "endings" | "runs" | "steps" | "edits" | "asked" | "targetJobId" | "released" | "slots",
): Condition {
  const seen = job[field];
  return seen === undefined ? [field, "absent"] : [field, "=", seen];
}

function finish(
  job: RunningJob,
  to: FinalStatus,
  ending: Ending,
  outcome: Pick<Fields, "success" | "lastError" | "timedOut" | "reason">,
): EndMove {
  const { set, remove } = ended(job, to, ending.now, ending.retention);
  return {
    ...ofThisAttempt(job, to === "SUCCEEDED"),
    to,
    set: { ...outcome, ...set },
    // A success holds whether or not somebody has asked to stop the job.
    remove: [...remove, "leaseUntil", ...(job.stopAs || to === "SUCCEEDED" ? STOP_FIELDS : [])],
  };
}

function retryAt(job: RunningJob, startAt: EpochMs, now: EpochMs, lastError: string): EndMove {
  const retryCount = job.retryCount + 1;
  const dueAt = travels(job, startAt - now) ? startAt + HEAD_START : startAt;
  return {
    ...ofThisAttempt(job),
    to: "RETRYING",
    set: { retryCount, startAt, dueAt, lastError, updatedAt: now },
    remove: ["leaseUntil", ...slotsOf(job)],
  };
}

const STOP_FIELDS = ["stopAs", "stopRequestedAt"] as const;

/**
 * The fence: the move that ends an attempt names it, and holds only while it runs. Unless `regardlessOfStop`, it also
 * names the stop that it has seen.
 */
function ofThisAttempt(job: RunningJob, regardlessOfStop = false): Pick<Move, "from" | "when" | "slot"> {
  const stop: Condition = job.stopAs ? ["stopAs", "=", job.stopAs] : ["stopAs", "absent"];
  return {
    from: ["RUNNING"],
    when: [["attempts", "=", job.attempts], ...(regardlessOfStop ? [] : [stop])],
    ...(takesSlot(job) && { slot: "back" }),
  };
}
