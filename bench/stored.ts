import { PutItemCommand, type AttributeValue } from "@aws-sdk/client-dynamodb";
import { convertToAttr } from "@aws-sdk/util-dynamodb";
import { setImmediate as breathe } from "node:timers/promises";
import { DAY, HOUR, MINUTE, SECOND, type EpochMs } from "../lib/clock.ts";
import { newJob } from "../test/support/new-job.ts";
import { jobIdForKey } from "../lib/job/accept.ts";
import type { Job } from "../lib/job/job.ts";
import { toItem } from "../lib/store/job-item.ts";
import type { Send } from "../test/sim/models/client.ts";
import { appId, webhook } from "../test/sim/volume/world.ts";

// Jobs as they are stored, put into a table without the way by which a client's jobs come.

export const BUSY = appId(1);
export const OTHER = appId(2);
/** An app that is paused. Its jobs wait in its backlog. */
export const PAUSED = appId(3);

/** The number of each kind that is stored at every size. */
export const DUE = 200;
export const DEAD = 20;
const RUNNING = 20;
export const KEYED = 200;
const SOUGHT = DUE + DEAD + RUNNING + KEYED;
/** Their ids, and so their shards, are the same at every size. */
const FIRST_SOUGHT = 100_000_000;
/** At least every other job is one of the usual ones. */
export const FEWEST = 2 * SOUGHT;

const PROGRESS_EVERY = 100_000;
/** Fields of an item that are another value in each job. All others share theirs, so that a million jobs fit. */
const OWN = new Set(["pk", "createdAt", "updatedAt", "startAt", "startedAt", "dueAt", "idempotencyKey"]);

/** Puts jobs as they are into a model's table. `say` tells from time to time how many there are. */
export async function putJobs(
  send: Send,
  TableName: string,
  jobs: Iterable<Job>,
  say: (count: number) => void = () => {},
): Promise<void> {
  const shared = new Map<unknown, AttributeValue>();
  let count = 0;
  for (const job of jobs) {
    await send(new PutItemCommand({ TableName, Item: sharing(toItem(job), shared) }));
    count += 1;
    if (count % PROGRESS_EVERY !== 0) continue;
    say(count);
    await breathe();
  }
}

function sharing(item: Record<string, unknown>, shared: Map<unknown, AttributeValue>): Record<string, AttributeValue> {
  const made: Record<string, AttributeValue> = {};
  for (const [name, value] of Object.entries(item)) {
    if (value === undefined) continue;
    const known = OWN.has(name) ? undefined : shared.get(value);
    made[name] = known ?? convertToAttr(value);
    if (!known && !OWN.has(name)) shared.set(value, made[name]);
  }
  return made;
}

/** An id whose last digits look random, as those of all ids do. */
export function idOf(n: number): string {
  const mixed = Math.imul(n + 1, 0x9e37_79b1) >>> 0;
  const last = ((mixed << 16) | (mixed >>> 16)) >>> 0;
  return `00000000-0000-7000-8000-${n.toString(16).padStart(4, "0").slice(-4)}${last.toString(16).padStart(8, "0")}`;
}

export function keyOf(n: number): string {
  return `order-${n}`;
}

const made = new Map<string, Job>();

/** A webhook that is due at a time, as the database alone knows it. */
export function dueJob(app: string, id: string, createdAt: EpochMs, dueAt: EpochMs): Job {
  const like = made.get(app) ?? newJob(webhook(app, { mode: "db" }), createdAt, id);
  made.set(app, like);
  return { ...like, id, createdAt, updatedAt: createdAt, startAt: dueAt, dueAt };
}

const SUCCESS = { durationMs: 300, httpStatus: 200 };

function ended(app: string, id: string, createdAt: EpochMs): Job {
  const { dueAt: _, ...job } = dueJob(app, id, createdAt, createdAt);
  return { ...job, updatedAt: createdAt + 400, status: "SUCCEEDED", attempts: 1, success: SUCCESS } as Job;
}

/** The jobs that are looked for are spread over the day: each of them is so many jobs after the one before. */
function stepOf(size: number): number {
  return Math.floor(size / SOUGHT);
}

/** The id of one of the usual jobs, another one for each `n`. */
export function usualId(size: number, n: number): string {
  const at = Math.floor(((n * 0.618_034) % 1) * (size - 1));
  return idOf(at % stepOf(size) === 0 ? at + 1 : at);
}

/**
 * The jobs of a day: some of each kind that are looked for; of the rest, eight of ten have succeeded, one starts later,
 * and one waits in the backlog of a paused app.
 */
export function* jobsOfADay(size: number, now: EpochMs): Generator<Job> {
  const apart = DAY / size;
  const every = stepOf(size);
  let sought = 0;
  for (let n = 0; n < size; n += 1) {
    const createdAt = Math.floor(now - DAY + n * apart);
    const isSought = n % every === 0 && sought < SOUGHT;
    yield isSought ? soughtJob(sought, idOf(FIRST_SOUGHT + sought), createdAt, now) : usualJob(n, createdAt, now);
    if (isSought) sought += 1;
  }
}

function soughtJob(n: number, id: string, createdAt: EpochMs, now: EpochMs): Job {
  const kind = (n * 7) % SOUGHT;
  if (kind < DUE) return dueJob(kind % 2 === 0 ? BUSY : OTHER, id, createdAt, now - 30 * SECOND);
  if (kind < DUE + DEAD) return { ...ended(BUSY, id, createdAt), status: "DEAD", success: undefined } as Job;
  if (kind < DUE + DEAD + RUNNING) {
    const leaseUntil = now + 5 * MINUTE;
    const { success: _, ...job } = ended(BUSY, id, createdAt);
    return { ...job, status: "RUNNING", startedAt: now, leaseUntil, dueAt: leaseUntil };
  }
  const idempotencyKey = keyOf(kind - DUE - DEAD - RUNNING);
  return { ...ended(BUSY, jobIdForKey(BUSY, idempotencyKey), createdAt), idempotencyKey };
}

function usualJob(n: number, createdAt: EpochMs, now: EpochMs): Job {
  const id = idOf(n);
  const kind = n % 10;
  if (kind === 8) return dueJob(OTHER, id, createdAt, now + HOUR + (n % 997) * MINUTE);
  if (kind === 9) return { ...dueJob(PAUSED, id, createdAt, createdAt), backlog: "app" };
  return ended(n % 2 === 0 ? BUSY : OTHER, id, createdAt);
}
