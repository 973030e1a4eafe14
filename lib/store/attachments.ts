import { deflateRawSync, inflateRawSync } from "node:zlib";
import { DAY, type Clock } from "../clock.ts";
import type { Job } from "../job/job.ts";
import { attemptOf, jobOf } from "./job-item.ts";
import { attemptKey, jobKey, payloadItemKey, responseKey } from "./job-keys.ts";
import { expirySeconds, hasExpired, type Expressions, type ItemKey, type Table } from "./table.ts";
import type { Attempt } from "../job/attempt.ts";

// The items beside a job's own: its failed attempts, an answer that it keeps, and a payload that doesn't fit inline.

interface Parts {
  readonly table: Table;
  readonly clock: Clock;
}

export function createAttachments({ table, clock }: Parts) {
  /** Records how a failed attempt ended, before the job says so. `if absent`: an earlier record stays. */
  async function recordAttempt(id: string, attempt: Attempt, condition?: "if absent"): Promise<void> {
    const { number, ...fields } = attempt;
    const item = { ...attemptKey(id, number), ...fields };
    await table.put(item, condition && { ConditionExpression: "attribute_not_exists(pk)" });
  }

  /** A job with its recorded attempts, by number. */
  async function history(id: string): Promise<{ job: Job; recorded: Map<number, Attempt> } | undefined> {
    const stored = await table.queryAll({
      // Reads the job and its attempts ("A#…", "J"), not the payload ("P#…").
      KeyConditionExpression: "pk = :pk AND sk <= :job",
      values: { ":pk": jobKey(id).pk, ":job": "J" },
      ConsistentRead: true,
    });
    const items = stored.filter((item) => !hasExpired(item, clock.now()));
    const found = items.find((item) => item["sk"] === "J");
    if (!found) return undefined;
    const recorded = items.filter((item) => item !== found).map(attemptOf);
    return { job: jobOf(found), recorded: new Map(recorded.map((attempt) => [attempt.number, attempt])) };
  }

  /** Gives the attachments of a finished job the job's expiry date, unless they have a later one. */
  async function expireAttachments(job: Job): Promise<void> {
    if (job.expiresAt === undefined) return;
    await updateAttachments(job, {
      UpdateExpression: "SET expiresAt = :at",
      // A process that stood still comes with an earlier one, after another process has settled the job.
      ConditionExpression: "attribute_exists(pk) AND (attribute_not_exists(expiresAt) OR expiresAt < :at)",
      values: { ":at": expirySeconds(job.expiresAt) },
    });
  }

  /** Takes that date away, before a person's retry makes the job an unfinished one. */
  async function keepAttachments(job: Job): Promise<void> {
    if (job.expiresAt !== undefined) await updateAttachments(job, { UpdateExpression: "REMOVE expiresAt" });
  }

  async function updateAttachments(job: Job, by: Expressions): Promise<void> {
    // The condition passes over attempts that left no record, and keeps a deleted item from coming back empty.
    const ifThere = { ConditionExpression: "attribute_exists(pk)", ...by };
    const { id, attempts, success, payload } = job;
    // The attempt that succeeded has no item of its own.
    const keys = [
      ...attemptKeys(id, attempts - (success ? 1 : 0)),
      ...(payload.at === "item" ? [payloadItemKey(id, payload.hash)] : []),
    ];
    await Promise.all(keys.map(async (key) => table.update(key, ifThere)));
  }

  /**
   * Keeps the body of a successful answer, before the job says so. It gets its expiry date at once, a day after that of a
   * job that ends now: the end may be settled later, and the item needs no second write.
   */
  async function keepResponse({ id, attempts }: Job, body: Uint8Array, retention: number): Promise<void> {
    const expiry = retention > 0 && { expiresAt: expirySeconds(clock.now() + retention + DAY) };
    await table.put({ ...responseKey(id, attempts), bytes: deflateRawSync(body), ...expiry });
  }

  /** The body of the answer that the job has kept; `undefined` if it has kept none. */
  async function response({ id, attempts, success }: Job): Promise<Uint8Array | undefined> {
    if (!success?.response || success.response.missing !== undefined) return undefined;
    const bytes = (await table.get(responseKey(id, attempts)))?.["bytes"];
    return bytes instanceof Uint8Array ? inflateRawSync(bytes) : undefined;
  }

  /** Removes the attempts of a job that is gone, and its answers, of which one may be of an attempt that was lost. */
  async function removeAttempts({ id, attempts, keepsResponse }: Job): Promise<void> {
    // Also the one of the attempt that succeeded: another job with the same key may have recorded its own there.
    const keys = attemptKeys(id, attempts);
    const answers = keepsResponse ? keys.map((_, at) => responseKey(id, at + 1)) : [];
    await Promise.all([...keys, ...answers].map(async (key) => table.remove(key)));
  }

  return { recordAttempt, history, expireAttachments, keepAttachments, keepResponse, response, removeAttempts };
}

/** The keys of the first attempts of a job. */
function attemptKeys(id: string, attempts: number): ItemKey[] {
  return Array.from({ length: attempts }, (_, at) => attemptKey(id, at + 1));
}
