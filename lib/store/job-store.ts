import { SECOND, type Clock } from "../clock.ts";
import type { GroupRef } from "../job/group.ts";
import { isFinished, isTask, type Job } from "../job/job.ts";
import type { Message } from "../job/message.ts";
import { after, type Move } from "../job/move.ts";
import type { AppStore } from "./app-store.ts";
import { createJobIndex } from "./job-index.ts";
import { expressionsOf, isAsLeftBy, jobOf, toItem } from "./job-item.ts";
import { groupCountsKey, jobKey } from "./job-keys.ts";
import { createAttachments } from "./attachments.ts";
import { countOf, counted, rejoining, slotWrite, type Slot } from "./joint-writes.ts";
import { replaceMessage, wholeJob } from "./job-edits.ts";
import {
  discardPayload,
  giveUpPayload,
  messageOf,
  placePayload,
  removeLeft,
  removePayload,
  type Files,
  type ItemChange,
} from "./payloads.ts";
import { hasExpired, type Condition, type Item, type Table, type Write, type Written } from "./table.ts";
import type { AttemptRef } from "../job/attempt.ts";

// Every read and conditional write of jobs. A lost race is an answer, not an error.

/** `job` of a lost race: the job in the table, if there is one. */
export type Applied<Instead = Job | undefined> =
  | { readonly won: true; readonly job: Job }
  /** `isFull`: the app had no slot left for it, or as many recurring schedules as it may. */
  | { readonly won: false; readonly job: Instead; readonly isFull?: true };

interface Parts {
  readonly table: Table;
  readonly files: Files;
  readonly clock: Clock;
  /** The partitions of each list of an app. */
  readonly listShards?: number | undefined;
  /** Deletes a task's log. */
  readonly removeLog?: (job: Job) => Promise<void>;
  /** For `recurringSchedules`, how many an app may have. Default: any number. */
  readonly apps?: Pick<AppStore, "settingsOf">;
}

/** The tries of a transaction that meets others; the last waits are a third of a second each. */
const MOST_TRIES = 8;

export type JobStore = ReturnType<typeof createJobStore>;

export function createJobStore(parts: Parts) {
  const { removeAttempts, ...attachments } = createAttachments(parts);
  return {
    ...createJobIndex(parts),
    ...attachments,
    create: async (accepted: Job) => create(accepted, parts),
    createWith: async (accepted: Job, of: Job, move: Move) => createWith(accepted, { of, move }, parts),
    apply: async (of: Job | AttemptRef, move: Move, op?: string) => apply(of, move, parts, op),
    /** Makes a move that gives a job another message. */
    edit: async (of: Job, move: Move, message: Message) =>
      replaceMessage(of, { move, message }, async (edited) => apply(of, edited, parts), parts),
    message: async (job: Job): Promise<Message> => messageOf(job, parts),
    whole: async (id: string) => wholeJob(id, async (of) => get(of, parts), parts),
    get: async (id: string) => get(id, parts),
    getMany: async (ids: readonly string[], options: { readonly consistent: boolean }) => getMany(ids, options, parts),
    isGroupOpen: async (group: GroupRef) => isGroupOpen(group, parts),
    remove: async (job: Job) => remove(job, removeAttempts, parts),
    /** For a message whose payload is not needed any more. */
    giveUpPayload: async (carried: Job) => giveUpPayload(carried, parts),
    removeLeft: async (changes: readonly ItemChange[]) => removeLeft(changes, parts),
  };
}

/** Puts a job unless its id is taken; then the one that has it is the answer. */
async function create(accepted: Job, parts: Parts): Promise<Applied<Job>> {
  const { table, clock } = parts;
  const op = clock.operationId();
  const job = { ...accepted, payload: await placePayload(accepted, parts) };
  const put = await putNew(job, op, parts);
  if (put.held) return { won: true, job };
  if (put.isFull) {
    if (job.payload !== accepted.payload) await removePayload(job.id, job.payload, parts);
    return { won: false, job, isFull: true };
  }
  const created = lost(job.id, op, put.item, parts);
  // The job that had its key expired or was deleted in between.
  if (!created.job) throw table.unavailable(`what stood in the way of job ${job.id} is gone`);
  if (!created.won) await discardPayload(accepted, job, created.job, parts);
  return { ...created, job: created.job };
}

/** Puts a job, and counts a recurring schedule in, both or neither. */
async function putNew(job: Job, op: string, parts: Parts): Promise<Written & { readonly isFull?: true }> {
  const { table, clock } = parts;
  const item = itemOf(job, op, parts);
  if (!job.recurring) return table.put(item, unlessTaken(parts));
  const writes = [{ put: item, when: unlessTaken(parts) }, await counted(job, 1, parts)];
  for (let tries = 1; ; tries += 1) {
    const written = await table.transact(writes);
    if (written.kind === "written") return { held: true, item: undefined };
    const [ofPut, ofCount] = written.failed;
    if (ofPut) return ofPut;
    if (ofCount) return { held: false, item: undefined, isFull: true };
    if (tries === MOST_TRIES) throw table.unavailable("other transactions were in the way", written.cause);
    await clock.sleep(clock.random() * 20 * 2 ** tries);
  }
}

/**
 * Puts a job and makes a move of another, both or neither. A job that has the id already counts as
 * the new one. Returns the result of the move.
 */
async function createWith(
  accepted: Job,
  { of, move }: { readonly of: Job; readonly move: Move },
  parts: Parts,
): Promise<Applied & { readonly created: boolean }> {
  const { table, clock } = parts;
  const op = clock.operationId();
  const job = { ...accepted, payload: await placePayload(accepted, parts) };
  const count = await countOf(of, move, parts);
  const written = await table.transact([
    { put: itemOf(job, op, parts), when: unlessTaken(parts) },
    { update: jobKey(of.id), by: expressionsOf(of, move, op, parts.listShards) },
    ...(count ? [count] : []),
  ]);
  if (written.kind === "written") return { won: true, job: after(of, move), created: true };
  const [ofPut, ofMove] = written.failed;
  if (ofPut?.item) await discardPayload(accepted, job, jobOf(ofPut.item), parts);
  if (ofMove) {
    const stands = lost(of.id, op, ofMove.item, parts);
    return { ...stands, created: stands.won };
  }
  if (ofPut) return { ...(await apply(of, move, parts)), created: false };
  throw table.unavailable("another transaction was in the way", written.cause);
}

function itemOf(job: Job, op: string, { listShards }: Parts): Item {
  return { ...toItem(job, listShards), op };
}

function unlessTaken({ clock }: Parts): Condition {
  return {
    ConditionExpression: "attribute_not_exists(pk) OR expiresAt <= :now",
    // TTL deletes within days, not at once: an expired job counts as gone.
    values: { ":now": Math.floor(clock.now() / SECOND) },
  };
}

/** Applies a move if its conditions still hold. For a reference, the job is read back. */
async function apply(of: Job | AttemptRef, move: Move, parts: Parts, op = parts.clock.operationId()): Promise<Applied> {
  const job = "payload" in of ? of : undefined;
  if (move.slot) {
    const { slot } = move;
    return job ? applyWithSlot(job, { move, slot, op }, parts) : readAndApply(of.id, { move, slot, op }, parts);
  }
  const count = job && (await countOf(job, move, parts));
  if (job && count) return applyWith(job, { move, op, other: count }, parts);
  const { rejoins, ...alone } = move;
  if (job && rejoins) {
    const applied = await applyWith(job, { move, op, other: rejoining(rejoins) }, parts);
    // A group that is gone counts nothing.
    return !applied.won && applied.isFull ? apply(job, alone, parts, op) : applied;
  }
  const expressions = expressionsOf(of, move, op, parts.listShards);
  const { held, item, isRepeated } = await parts.table.update(jobKey(of.id), expressions, job ? "NONE" : "ALL_NEW");
  if (held) return { won: true, job: job ? after(job, move) : jobOf(item ?? {}) };
  const stands = lost(of.id, op, item, parts);
  // A move that keeps the status writes no operation id: its own write is known by what it wrote.
  const isOwn = isRepeated && item !== undefined && isAsLeftBy(move, of, item, parts.listShards);
  return isOwn && stands.job ? { won: true, job: stands.job } : stands;
}

interface SlotMove {
  readonly move: Move;
  readonly slot: Slot;
  readonly op: string;
}

/** A transaction returns no item, so the job must still be as it was read. */
async function readAndApply(id: string, { move, ...rest }: SlotMove, parts: Parts): Promise<Applied> {
  const job = await get(id, parts);
  if (!job) return { won: false, job };
  const asRead = { ...move, when: [...move.when, ["updatedAt", "=", job.updatedAt] as const] };
  return applyWithSlot(job, { move: asRead, ...rest }, parts);
}

/** Applies a move along with the change of the app's slots. */
async function applyWithSlot(job: Job, { move, slot, op }: SlotMove, parts: Parts): Promise<Applied> {
  return applyWith(job, { move, op, other: slotWrite(job, slot) }, parts);
}

/** Applies a move along with another write, both or neither. */
async function applyWith(
  job: Job,
  { move, op, other }: { readonly move: Move; readonly op: string; readonly other: Write },
  parts: Parts,
): Promise<Applied> {
  const { table, clock } = parts;
  const writes = [{ update: jobKey(job.id), by: expressionsOf(job, move, op, parts.listShards) }, other];
  for (let tries = 1; ; tries += 1) {
    const written = await table.transact(writes);
    if (written.kind === "written") return { won: true, job: after(job, move) };
    const [ofJob, ofOther] = written.failed;
    if (ofJob) {
      const stands = lost(job.id, op, ofJob.item, parts);
      // Its own write: the job as the move left it, without later changes.
      return stands.won ? { won: true, job: after(job, move) } : stands;
    }
    if (ofOther) return { won: false, job, isFull: true };
    // Tasks of one app that start or end at the same moment are in each other's way.
    if (tries === MOST_TRIES) throw table.unavailable("other transactions were in the way", written.cause);
    await clock.sleep(clock.random() * 20 * 2 ** tries);
  }
}

/** Whether there is a group that has not ended. */
async function isGroupOpen({ id, createdAt }: GroupRef, parts: Parts): Promise<boolean> {
  const group = await get(id, parts);
  return group !== undefined && group.createdAt === createdAt && !isFinished(group);
}

/**
 * Judges a write whose condition failed. A write that was committed but whose reply was lost is sent again by the
 * SDK and then fails its own condition: the operation id in the item tells it from somebody else's write.
 */
function lost(id: string, op: string, standing: Item | undefined, parts: Parts): Applied {
  if (!standing) return { won: false, job: undefined };
  if (standing["op"] === op) return { won: true, job: jobOf({ ...jobKey(id), ...standing }) };
  return { won: false, job: current(standing, parts) };
}

async function get(id: string, parts: Parts): Promise<Job | undefined> {
  return (await getMany([id], { consistent: true }, parts))[0];
}

/** The jobs that exist, in the order asked for. */
async function getMany(
  ids: readonly string[],
  options: { readonly consistent: boolean },
  parts: Parts,
): Promise<Job[]> {
  const items = await parts.table.getMany(ids.map(jobKey), options);
  const jobs = new Map(items.flatMap((item) => current(item, parts) ?? []).map((job) => [job.id, job]));
  return ids.flatMap((id) => jobs.get(id) ?? []);
}

function current(item: Item, { clock }: Parts): Job | undefined {
  return hasExpired(item, clock.now()) ? undefined : jobOf(item);
}

/**
 * Deletes a job that is still as it was seen, and then its attachments. False if it has changed, if its group still counts
 * it, or if another job has its key by now: a deletion whose answer was lost is sent again.
 */
async function remove(job: Job, removeAttempts: (job: Job) => Promise<void>, parts: Parts): Promise<boolean> {
  const asSeen = {
    ConditionExpression:
      "attribute_not_exists(pk) OR (createdAt = :createdAt AND #status = :status AND attempts = :attempts AND attribute_not_exists(dueAt))",
    ExpressionAttributeNames: { "#status": "status" },
    values: { ":status": job.status, ":attempts": job.attempts, ":createdAt": job.createdAt },
  };
  if (job.memberOf && (await isGroupOpen(job.memberOf, parts))) return false;
  await giveUpPayload(job, parts);
  if (!(await parts.table.remove(jobKey(job.id), asSeen))) return false;
  await removeAttempts(job);
  await removePayload(job.id, job.payload, parts);
  if (isTask(job)) await parts.removeLog?.(job);
  if (job.fanIn) await parts.table.remove(groupCountsKey(job));
  return true;
}
