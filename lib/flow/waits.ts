import { MINUTE, SECOND, iso, type Clock, type EpochMs } from "../clock.ts";
import { destinationOf, limitOf, type BacklogName, type Limit } from "../job/backlog.ts";
import { CLOCK_SKEW, isSchedule, isTask, isWaiting, rankOf, type Job, type WaitingJob } from "../job/job.ts";
import { hasAttempts, putOffBy, type WaitReason, type Waiting } from "../job/waiting.ts";
import type { SettingsInForce } from "../store/app-settings.ts";
import type { AppStore } from "../store/app-store.ts";
import type { BacklogCounts } from "../store/backlog-counts.ts";
import { backlogKey } from "../store/job-keys.ts";
import type { JobStore } from "../store/job-store.ts";
import type { Table } from "../store/table.ts";
import { turnsToCome } from "./turn-row.ts";
import type { Circuit } from "./circuit.ts";
import { LONGEST_DESTINATION, type DestinationStore } from "./destination-store.ts";
import type { TaskSlots } from "./line-store.ts";
import { isShare, limitsOf } from "./shares.ts";
import { counted, limitText, plural, sentence, shortened, shutText, type Before } from "./wait-texts.ts";

// Why jobs wait, for people: worked out from the jobs, their app's settings and their destinations, when somebody looks.

interface Parts {
  readonly clock: Clock;
  readonly store: Pick<JobStore, "due">;
  readonly apps: Pick<AppStore, "settingsOf">;
  readonly destinations: Pick<DestinationStore, "circuitsOf">;
  readonly slots: Pick<TaskSlots, "look">;
  readonly table: Pick<Table, "getMany">;
  readonly counting: () => Promise<{ readonly backlogs: Pick<BacklogCounts, "read"> }>;
}

/** The backlogs of a page whose jobs are told how many wait before them; those of the others are not. */
const MOST_COUNTED = 3;
/** As many of a backlog's jobs are read for that: 25 KB for each 200. */
const MOST_BEFORE = 1_000;
/** As many tasks in line are read. */
const MOST_IN_LINE = 100;

export type Waits = ReturnType<typeof createWaits>;

export function createWaits(parts: Parts) {
  /**
   * Why each of an app's jobs waits, by id; those that do not are left out. However many jobs: settings, their
   * destinations' circuits (a read for each hundred), the line of tasks, and up to three backlogs.
   */
  async function of(jobs: readonly Job[]): Promise<ReadonlyMap<string, Waiting>> {
    // A group waits for its members, which tell for themselves.
    const waiting = jobs.filter(isWaiting).filter((job) => isSchedule(job) || hasAttempts(job));
    const [first] = waiting;
    if (!first) return new Map();
    const around = await aroundOf(first.appId, namesIn(waiting), parts);
    const before = await placesOf(waiting, around, parts);
    return new Map(waiting.map((job) => [job.id, waitOf(job, around, before)]));
  }

  /** Why the jobs of each of some of an app's backlogs wait, and its circuit if it has one. */
  async function ofBacklogs(appId: string, backlogs: readonly BacklogName[]): Promise<readonly BacklogWait[]> {
    if (backlogs.length === 0) return [];
    const names = backlogs.flatMap((backlog) => destinationOf(backlog) ?? []);
    const around = await aroundOf(appId, names, parts);
    return backlogs.map((backlog) => {
      const destination = destinationOf(backlog);
      const circuit = destination === undefined ? undefined : around.circuits.get(destination);
      return { backlog, reason: reasonIn(backlog, undefined, around), ...(circuit && { circuit }) };
    });
  }

  /** How many of an app's jobs have left a backlog, or never came into it, and have a turn by a destination's rate. */
  async function withTurn(appId: string): Promise<ReadonlyMap<string, number>> {
    const { destinations } = await parts.apps.settingsOf(appId);
    const limited = destinations.filter(({ rateLimitPerSecond: rate }) => rate !== null);
    if (limited.length === 0) return new Map();
    return turnsToCome(
      parts,
      appId,
      limited.map(({ destination }) => destination),
    );
  }

  /** Those of an app's backlogs whose jobs wait for one of these reasons: two reads, and one for each 100 circuits. */
  async function backlogsFor(appId: string, reasons: readonly WaitReason[]): Promise<readonly BacklogName[]> {
    const { backlogs } = await parts.counting();
    const names = (await backlogs.read(appId)).map(({ backlog }) => backlog);
    const told = await ofBacklogs(appId, names);
    return told.flatMap(({ backlog, reason }) => (reasons.includes(reason) ? [backlog] : []));
  }

  return { of, ofBacklogs, withTurn, backlogsFor };
}

export interface BacklogWait {
  readonly backlog: BacklogName;
  readonly reason: BacklogReason;
  readonly circuit?: Circuit;
}

/** What the waits of an app's jobs depend on. */
interface Around {
  readonly now: EpochMs;
  readonly settings: SettingsInForce;
  readonly circuits: ReadonlyMap<string, Circuit>;
}

async function aroundOf(appId: string, names: readonly string[], parts: Parts): Promise<Around> {
  const called = [...new Set(names)].filter((name) => !isShare(name) && name.length <= LONGEST_DESTINATION);
  const [settings, circuits] = await Promise.all([
    parts.apps.settingsOf(appId),
    called.length > 0 ? parts.destinations.circuitsOf(appId, called) : new Map<string, Circuit>(),
  ]);
  return { now: parts.clock.now(), settings, circuits };
}

function namesIn(jobs: readonly Job[]): string[] {
  return jobs.flatMap(({ destination }) => destination ?? []);
}

// ---- How many wait before a job ----

/** How many jobs wait before each, where a limit is what they wait for. */
async function placesOf(
  jobs: readonly WaitingJob[],
  around: Around,
  parts: Parts,
): Promise<(job: WaitingJob) => Before | undefined> {
  const byBacklog = Map.groupBy(jobs, ({ backlog }) => backlog);
  const limited = [...byBacklog.keys()].flatMap((backlog) =>
    backlog !== undefined && ["rate", "concurrency"].includes(reasonIn(backlog, undefined, around)) ? [backlog] : [],
  );
  const appId = jobs[0]?.appId ?? "";
  const reading = limited.slice(0, MOST_COUNTED).map(async (backlog) => {
    const { entries } = await parts.store.due(backlogKey({ appId, backlog }), Number.MAX_SAFE_INTEGER, MOST_BEFORE);
    return [backlog, entries] as const;
  });
  const line = byBacklog.has("slot") ? parts.slots.look(appId, MOST_IN_LINE) : undefined;
  const [read, ranks = []] = await Promise.all([Promise.all(reading), line?.then(({ first }) => first)]);
  const entriesOf = new Map(read);
  return (job) => {
    const { id, backlog } = job;
    if (backlog === "slot") return placeIn(ranks, rankOf(job), MOST_IN_LINE);
    const entries = backlog && entriesOf.get(backlog);
    return (
      entries &&
      placeIn(
        entries.map((entry) => entry.id),
        id,
        MOST_BEFORE,
      )
    );
  };
}

function placeIn(line: readonly string[], one: string, most: number): Before {
  const at = line.indexOf(one);
  return at >= 0 ? { count: at, isMore: false } : { count: line.length, isMore: line.length >= most };
}

// ---- The reason of one job ----

function waitOf(job: WaitingJob, around: Around, before: (job: WaitingJob) => Before | undefined): Waiting {
  const { now } = around;
  const { startAt, backlog, updatedAt } = job;
  if (isSchedule(job)) return schedule(job, now);
  if (backlog !== undefined) return inBacklog(job, backlog, around, before(job));
  const put = putOffBy(job);
  if (startAt > now + CLOCK_SKEW) {
    if (put) return { ...limited(job, put, around, undefined), until: startAt };
    if (job.status === "RETRYING") return backoff(job, around);
    return {
      reason: "delayed",
      since: updatedAt,
      until: startAt,
      detail: `It starts at ${iso(startAt)}, as asked for`,
    };
  }
  const shut = shutBy(job, around);
  if (shut) return blocked(job, shut, around);
  const since = Math.min(Math.max(dueSince(job), job.releasedAt ?? 0), now);
  if (job.lane !== undefined) return { reason: "order", since, detail: orderOf(job.lane) };
  const isSent = (job.dueAt ?? 0) > Math.max(startAt, now + MINUTE);
  return { reason: "queued", since, detail: isSent ? IN_QUEUE : `It is due: ${SWEPT}` };
}

const SWEPT = "the sweep sends it to its queue within a minute";
const IN_QUEUE = "It is in its queue, and starts once a worker takes it";

function orderOf(lane: string): string {
  return `Jobs of messageGroupId "${lane}" run one after another: it starts when those before it have ended`;
}

/** When the wait for anything but its time began. */
function dueSince({ startAt, waitsSince = startAt }: Job): EpochMs {
  return waitsSince;
}

function schedule(job: Job, now: EpochMs): Waiting {
  const { startAt, updatedAt, pausedAt, pauseReason, owedUntil = 0, targetJobId } = job;
  if (pausedAt !== undefined) {
    const why = pauseReason === undefined ? "" : ` (${pauseReason})`;
    return { reason: "paused", since: pausedAt, detail: `The schedule is paused${why}, until a person resumes it` };
  }
  if (startAt <= now && owedUntil >= startAt) {
    const detail = `Its run is due, and waits for the end of job ${targetJobId}`;
    return { reason: "concurrency", since: startAt, detail };
  }
  if (startAt <= now) return { reason: "queued", since: startAt, detail: "Its run is due, and starts within a minute" };
  return { reason: "delayed", since: updatedAt, until: startAt, detail: `Its next run is at ${iso(startAt)}` };
}

function backoff(job: Job, around: Around): Waiting {
  const { startAt, updatedAt, attempts, lastError = "no success", destination = "" } = job;
  const circuit = around.circuits.get(destination);
  const isShut = circuit && circuit.state !== "closed";
  const then = isShut ? `; ${shutText(destination, circuit)}` : "";
  const detail = `Attempt ${attempts} ended with: ${shortened(lastError)}. The next one is at ${iso(startAt)}${then}`;
  return { reason: "backoff", since: updatedAt, until: startAt, detail };
}

type Shut = "paused" | "held" | "outage";

/** What keeps any job of the app, or of its destination, from starting. */
function shutBy(job: Job, { settings, circuits }: Around): Shut | undefined {
  if (job.isUrgent) return undefined;
  if (settings.paused) return "paused";
  const state = isTask(job) ? undefined : circuits.get(job.destination ?? "")?.state;
  return state === "held" ? "held" : state === "open" ? "outage" : undefined;
}

function blocked(job: Job, reason: Shut, { circuits, now }: Around): Waiting {
  const since = Math.min(dueSince(job), now);
  const { destination = "" } = job;
  const circuit = circuits.get(destination);
  if (reason === "paused" || !circuit) return { reason: "paused", since, detail: PAUSED };
  const { probeAt } = circuit;
  const until = reason === "outage" && probeAt !== undefined ? { until: Math.max(probeAt, now) } : {};
  return { reason, since, ...until, detail: sentence(shutText(destination, circuit)) };
}

const PAUSED = "The app is paused: its jobs are kept, and none starts until it is resumed";

type BacklogReason = Shut | Limit | "slot" | "queued";

/** The reason of a backlog's jobs; `letter` tells which of a destination's two limits it was for one of them. */
function reasonIn(backlog: BacklogName, letter: Job["waitsFor"], { settings, circuits }: Around): BacklogReason {
  if (settings.paused) return "paused";
  if (backlog === "app") return "queued";
  if (backlog === "slot") return "slot";
  const destination = destinationOf(backlog) ?? "";
  const { state } = circuits.get(destination) ?? {};
  if (state === "held") return "held";
  if (state === "open") return "outage";
  const limits = limitsOf(destination, settings);
  if (!limits || (limits.rateLimitPerSecond === null && limits.maxConcurrency === null)) return "queued";
  if (limits.maxConcurrency === null) return "rate";
  if (limits.rateLimitPerSecond === null) return "concurrency";
  return letter === undefined ? "rate" : limitOf(letter);
}

function inBacklog(job: Job, backlog: BacklogName, around: Around, before: Before | undefined): Waiting {
  const reason = reasonIn(backlog, job.waitsFor, around);
  const since = Math.min(dueSince(job), around.now);
  switch (reason) {
    case "paused":
    case "held":
    case "outage":
      return blocked(job, reason, around);
    case "slot": {
      const { maxConcurrentTasks: most } = around.settings;
      const detail = `The app runs ${plural(most, "task")} at once${counted(before)}`;
      return { reason, since, detail };
    }
    case "rate":
    case "concurrency":
      return { ...limited(job, reason, around, before), since };
    case "queued":
      return { reason, since, detail: `What it waited for is over: ${SWEPT}` };
    default:
      return reason satisfies never;
  }
}

function limited(job: Job, reason: Limit, around: Around, before: Before | undefined): Waiting {
  const { settings, now } = around;
  const since = Math.min(dueSince(job), now);
  if (job.isUrgent) return { reason, since, detail: "The app has as many bulk actions running as it may at once" };
  const name = job.backlog === undefined ? undefined : destinationOf(job.backlog);
  const at = name ?? job.destination ?? "";
  const limits = limitsOf(at, settings);
  const detail = sentence(`${limitText(at, reason, limits)}${counted(before)}`);
  const rate = limits?.rateLimitPerSecond ?? null;
  const isTold = reason === "rate" && rate !== null && before !== undefined && !before.isMore;
  return { reason, since, ...(isTold && { until: now + Math.ceil((before.count / rate) * SECOND) }), detail };
}
