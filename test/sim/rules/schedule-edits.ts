import { MINUTE, type EpochMs } from "../../../lib/clock.ts";
import type { ScheduleExecution } from "../../../lib/executors/schedule-schema.ts";
import { jobIdForKey } from "../../../lib/job/accept.ts";
import { isFinished, type Job } from "../../../lib/job/job.ts";
import { decodeMessage } from "../../../lib/job/payload.ts";
import type { ScheduleDoes } from "../action.ts";
import { SKEW, type Judge } from "./rule.ts";

// What people ask of a schedule holds: a pause, an edit, a run, and that runs don't overlap.

interface Asked {
  readonly appId: string;
  readonly key: string;
  readonly does: ScheduleDoes;
  readonly body: object;
  /** Of a run: the same in each repeat. */
  readonly name: string;
}

/** A request, and how many there were before it that end a pause, of which `open` were not answered. */
type Request = Asked & {
  readonly after: number;
  readonly open: number;
  readonly at: EpochMs;
  readonly wasPaused: boolean;
};

interface Subject {
  readonly overlap: string;
  /** How many requests have asked for the end of a pause. */
  resumptions: number;
  /** Those that are not answered: one may be carried out after a later pause. */
  open: number;
  isPaused: boolean;
  /** Runs for earlier times were missed, and nobody has asked for them. */
  notBefore: EpochMs;
  /** Runs for missed times were asked for. */
  isMadeUp: boolean;
  /** The jobs of runs that were asked for, by the name of the request. */
  readonly runs: Map<string, string | undefined>;
  asked: number;
  made: number;
}

export function createScheduleEditRules({ now, holds, jobs }: Judge & { jobs: ReadonlyMap<string, Job> }) {
  const subjects = new Map<string, Subject>();
  const requests = createRequests(subjects, { now, holds });

  /** A schedule was written. */
  function written(old: Job, schedule: Job, told: () => string): void {
    const subject = subjects.get(schedule.id);
    if (!subject) return;
    const isOneMore = (schedule.asked ?? 0) > (old.asked ?? 0);
    const isFired = (schedule.runs ?? 0) > (old.runs ?? 0);
    if (!isOneMore && !isFired) return;
    const last = jobs.get(old.targetJobId ?? "");
    const isFree = subject.overlap === "allow" || !last || isFinished(last);
    holds(
      "runs of a schedule do not overlap where they must not",
      isFree,
      () => `${told()}: ${last?.id} ${last?.status}`,
    );
    subject.made += 1;
    if (isOneMore) subject.asked += 1;
    if (!isFired) return;
    holds("a paused schedule makes no run", !subject.isPaused && old.pausedAt === undefined, told);
    holds("a schedule runs at the times of its expression, as last edited", isItsTime(old), told);
    const isWanted = old.startAt >= subject.notBefore - SKEW || (old.owedUntil ?? 0) >= old.startAt;
    holds("what a pause has missed is made up for only if somebody asks", subject.isMadeUp || isWanted, told);
  }

  function atTheEnd(): void {
    for (const [id, { runs, asked, made }] of subjects) {
      const answers = [...runs.values()].filter((job) => job !== undefined);
      const told = () => `${id}: ${asked} made, ${answers.length} of ${runs.size} answered`;
      holds("a run that is asked for is made once", asked >= answers.length && asked <= runs.size, told);
      const targets = [...jobs.values()].filter((job) => job.isRun && job.parentJobId === id);
      holds(
        "every run of a schedule makes one job",
        targets.length <= made,
        () => `${id}: ${targets.length} of ${made}`,
      );
    }
  }

  return {
    ...requests,
    written,
    atTheEnd,
    /** Whether a run of the schedule may cancel the job of the last one. */
    replaces: (id: string | undefined) => subjects.get(id ?? "")?.overlap === "replace",
    /** Whether people have put the schedule. */
    isPut: (id: string) => subjects.has(id),
  };
}

/** What people ask, and what they are answered. */
function createRequests(subjects: Map<string, Subject>, { now, holds }: Judge) {
  function asks(asked: Asked): Request {
    const { appId, key, does, body, name } = asked;
    const id = jobIdForKey(appId, key);
    const { overlap = "allow" } = body as { overlap?: string };
    const subject = subjects.get(id) ?? newSubject(overlap);
    subjects.set(id, subject);
    const { isPaused: wasPaused, open } = subject;
    if (resumes(does)) {
      subject.resumptions += 1;
      subject.open += 1;
      subject.isPaused = false;
    }
    if (does === "resume" && "missed" in body && body.missed !== "skip") subject.isMadeUp = true;
    if (does === "run" && !subject.runs.has(name)) subject.runs.set(name, undefined);
    return { ...asked, after: subject.resumptions, open, at: now(), wasPaused };
  }

  /** `answer`: the schedule or the run, if the request was not refused. */
  function answered(
    { appId, key, does, name, after, open, at, wasPaused }: Request,
    answer: { id: string; state?: string } | undefined,
  ): void {
    const subject = subjects.get(jobIdForKey(appId, key));
    if (!subject) return;
    if (resumes(does)) subject.open -= 1;
    if (!answer) return;
    const isLast = after === subject.resumptions && open === 0;
    if (does === "pause" && answer.state === "PAUSED" && isLast) subject.isPaused = true;
    // Two requests to resume may end different pauses.
    if (
      does === "resume" &&
      wasPaused &&
      answer.state === "ACTIVE" &&
      after === subject.resumptions &&
      !subject.isMadeUp
    ) {
      subject.notBefore = Math.max(subject.notBefore, at);
    }
    if (does !== "run") return;
    const known = subject.runs.get(name) ?? answer.id;
    subject.runs.set(name, known);
    holds("a run that is asked for is made once", known === answer.id, () => `${name}: ${known} and ${answer.id}`);
  }

  return { asks, answered };
}

function resumes(does: ScheduleDoes): boolean {
  return does === "resume" || does === "put";
}

const newSubject = (overlap: string): Subject => ({
  overlap,
  resumptions: 0,
  open: 0,
  isPaused: false,
  notBefore: 0,
  isMadeUp: false,
  runs: new Map(),
  asked: 0,
  made: 0,
});

/** Computed here, by the expression of the stored message. */
function isItsTime({ payload, startAt }: Job): boolean {
  if (payload.at !== "inline") return true;
  const { scheduleExpression = "" } = decodeMessage(payload.bytes).execution as ScheduleExecution;
  const [, first, every] = /^cron\((\d+)\/(\d+) /.exec(scheduleExpression) ?? [];
  return startAt % (Number(every) * MINUTE) === Number(first) * MINUTE;
}
