import {
  BatchGetItemCommand,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  PutItemCommand,
  QueryCommand,
  TransactWriteItemsCommand,
  TransactionCanceledException,
  UpdateItemCommand,
  type AttributeValue,
  type BatchGetItemCommandOutput,
  type QueryCommandInput,
  type UpdateItemCommandInput,
} from "@aws-sdk/client-dynamodb";
import { marshall, unmarshall } from "@aws-sdk/util-dynamodb";
import { askOf } from "../aws.ts";
import { SECOND, type Clock, type EpochMs } from "../clock.ts";
import type { Table } from "./table.ts";
import { Unavailable } from "../errors.ts";
import { payloadKey, type Files } from "./payloads.ts";
import {
  DUE_SHARDS,
  MARSHALL,
  attemptOf,
  entryOf,
  expirySeconds,
  expressionsOf,
  fitsInline,
  hasExpired,
  jobKey,
  jobOf,
  payloadSortKey,
  slotsKey,
  toItem,
  type IndexEntry,
  type Item,
  type ItemKey,
} from "./job-item.ts";
import { isTask, type Attempt, type AttemptRef, type Job, type Payload } from "../job/job.ts";
import { after, type Move } from "../job/moves.ts";
import { contentHash, decodeMessage } from "../job/payload.ts";
import type { Message } from "../job/message.ts";
import { partitionOf, type IndexPage, type AppIndex, type TimeRange } from "./job-index.ts";

/** A lost race is an answer: `job` is then what stands in the table instead, if anything. */
export type Applied<Instead = Job | undefined> =
  | { readonly won: true; readonly job: Job }
  /** `isFull`: the app had no slot left for it. */
  | { readonly won: false; readonly job: Instead; readonly isFull?: true };

const TABLE = "The jobs table";
const CONDITION_FAILED = "ConditionalCheckFailed";
const LARGEST_ITEM_PAYLOAD = 256 * 1_024;
/** Of a transaction that meets others; the last waits are a third of a second each. */
const MOST_TRIES = 8;
/** DynamoDB's limit of a BatchGetItem. */
const LARGEST_BATCH = 100;

export type JobStore = ReturnType<typeof createJobStore>;

interface Parts {
  readonly table: Table;
  readonly files: Files;
  readonly clock: Clock;
  /** Deletes what a job has logged, where jobs log. */
  readonly removeLog?: (job: Job) => Promise<void>;
}

export function createJobStore(parts: Parts) {
  const { files, clock, removeLog } = parts;
  const client = parts.table.dynamodb();
  const table = parts.table.name;

  /** Puts a job unless its id is taken; then the one that has it is the answer. */
  async function create(accepted: Job): Promise<Applied<Job>> {
    const op = clock.operationId();
    const job = { ...accepted, payload: await placed(accepted) };
    const created = await race(
      job.id,
      op,
      client.send(
        new PutItemCommand({
          TableName: table,
          ...putExpressions(job, op),
          ReturnValuesOnConditionCheckFailure: "ALL_OLD",
        }),
      ),
      () => job,
    );
    if (created.job) {
      if (!created.won) await discard(accepted, job, created.job);
      return { ...created, job: created.job };
    }
    // Its key was taken by a job that has just expired or been deleted.
    throw new Unavailable(TABLE, new Error(`what stood in the way of job ${job.id} is gone`));
  }

  /**
   * Puts a job and makes a move of another, both or neither. A job that has the id already counts as
   * the new one. Says what became of the move.
   */
  async function createWith(accepted: Job, of: Job, move: Move): Promise<Applied & { readonly created: boolean }> {
    const op = clock.operationId();
    const job = { ...accepted, payload: await placed(accepted) };
    const standing = { ReturnValuesOnConditionCheckFailure: "ALL_OLD" } as const;
    const put = { TableName: table, ...putExpressions(job, op), ...standing };
    const update = { TableName: table, Key: marshall(jobKey(of.id)), ...expressionsOf(of, move, op), ...standing };
    try {
      await askOf(
        TABLE,
        client.send(new TransactWriteItemsCommand({ TransactItems: [{ Put: put }, { Update: update }] })),
      );
      return { won: true, job: after(of, move), created: true };
    } catch (error) {
      if (!(error instanceof TransactionCanceledException)) throw error;
      const [ofPut, ofUpdate] = error.CancellationReasons ?? [];
      if (ofPut?.Item) await discard(accepted, job, jobOf(unmarshall(ofPut.Item)));
      if (ofUpdate?.Code === CONDITION_FAILED) {
        const stands = lost(of.id, op, ofUpdate.Item);
        return { ...stands, created: stands.won };
      }
      if (ofPut?.Code === CONDITION_FAILED) return { ...(await apply(of, move)), created: false };
      throw new Unavailable(TABLE, error);
    }
  }

  function putExpressions(job: Job, op: string) {
    return {
      Item: marshall({ ...toItem(job), op }, MARSHALL),
      // An expired job counts as gone: TTL deletes within days, not at once.
      ConditionExpression: "attribute_not_exists(pk) OR expiresAt <= :now",
      ExpressionAttributeValues: { ":now": { N: String(Math.floor(clock.now() / SECOND)) } },
    };
  }

  /** Applies a move if its conditions still hold. A whole job need not be read back, a reference must. */
  async function apply(of: Job | AttemptRef, move: Move, op = clock.operationId()): Promise<Applied> {
    const job = "payload" in of ? of : undefined;
    if (move.slot) return job ? applyWithSlot(job, move, move.slot, op) : readAndApply(of.id, move, move.slot, op);
    return race(
      of.id,
      op,
      client.send(
        new UpdateItemCommand({
          TableName: table,
          Key: marshall(jobKey(of.id)),
          ...expressionsOf(of, move, op),
          ReturnValues: job ? "NONE" : "ALL_NEW",
          ReturnValuesOnConditionCheckFailure: "ALL_OLD",
        }),
      ),
      (attributes) => (job ? after(job, move) : jobOf(unmarshall(attributes ?? {}))),
    );
  }

  /** A transaction reads nothing back: the job has to be as it was read before. */
  async function readAndApply(id: string, move: Move, slot: NonNullable<Move["slot"]>, op: string): Promise<Applied> {
    const job = await get(id);
    if (!job) return { won: false, job };
    return applyWithSlot(job, { ...move, when: [...move.when, ["updatedAt", "=", job.updatedAt]] }, slot, op);
  }

  /** The same along with the app's slots, both or neither. */
  async function applyWithSlot(job: Job, move: Move, slot: NonNullable<Move["slot"]>, op: string): Promise<Applied> {
    const names = { TableName: table, ReturnValuesOnConditionCheckFailure: "ALL_OLD" } as const;
    const update = { ...names, Key: marshall(jobKey(job.id)), ...expressionsOf(job, move, op) };
    const slots = { ...names, Key: marshall(slotsKey(job.appId)), ...slotExpressions(job.id, slot) };
    for (let tries = 1; ; tries += 1) {
      const write = new TransactWriteItemsCommand({ TransactItems: [{ Update: update }, { Update: slots }] });
      try {
        await askOf(TABLE, client.send(write));
        return { won: true, job: after(job, move) };
      } catch (error) {
        if (!(error instanceof TransactionCanceledException)) throw error;
        const [ofJob, ofSlots] = error.CancellationReasons ?? [];
        if (ofJob?.Code === CONDITION_FAILED) {
          const stands = lost(job.id, op, ofJob.Item);
          // Its own write: as it was, and not as somebody may have changed it since.
          return stands.won ? { won: true, job: after(job, move) } : stands;
        }
        if (ofSlots?.Code === CONDITION_FAILED) return { won: false, job, isFull: true };
        // Tasks of one app that start or end at the same moment are in each other's way.
        if (tries === MOST_TRIES) throw new Unavailable(TABLE, error);
        await clock.sleep(clock.random() * 20 * 2 ** tries);
      }
    }
  }

  /**
   * A write that was committed but whose reply was lost is sent again by the SDK and then fails its
   * own condition. The operation id in the item tells it from somebody else's write.
   */
  async function race(
    id: string,
    op: string,
    write: Promise<{ Attributes?: Record<string, AttributeValue> | undefined }>,
    won: (attributes: Record<string, AttributeValue> | undefined) => Job,
  ): Promise<Applied> {
    try {
      const { Attributes } = await askOf(TABLE, write);
      return { won: true, job: won(Attributes) };
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      return lost(id, op, error.Item);
    }
  }

  /** What stands in the way of a write: perhaps the write itself. */
  function lost(id: string, op: string, standing: Record<string, AttributeValue> | undefined): Applied {
    if (!standing) return { won: false, job: undefined };
    const item = unmarshall(standing);
    if (item["op"] === op) return { won: true, job: jobOf({ ...jobKey(id), ...item }) };
    return { won: false, job: current(item) };
  }

  /** Takes back the payload that a losing put has put first. It has a name of its own: nobody else needs it. */
  async function discard(accepted: Job, { id, payload }: Job, standing: Job): Promise<void> {
    const isPut = accepted.payload.at === "inline" && payload.at !== "inline";
    const isItsOwn =
      standing.payload.at !== "inline" && payload.at !== "inline" && standing.payload.hash === payload.hash;
    if (isPut && !isItsOwn) await removePayload(id, payload);
  }

  async function removePayload(id: string, payload: Payload): Promise<void> {
    if (payload.at === "s3") await files.remove(payloadKey(id, payload.hash));
    if (payload.at !== "item") return;
    const Key = marshall({ pk: jobKey(id).pk, sk: payloadSortKey(payload.hash) });
    await askOf(TABLE, client.send(new DeleteItemCommand({ TableName: table, Key })));
  }

  /** Payloads that don't fit are put first, so that a stored job always has one. */
  async function placed(job: Job): Promise<Payload> {
    const { id, payload } = job;
    if (payload.at !== "inline" || fitsInline(toItem(job))) return payload;
    const { bytes } = payload;
    // Its own, even where the same is posted again: whoever deletes a job takes no payload from the next one.
    const hash = contentHash(Buffer.concat([bytes, Buffer.from(String(job.createdAt))]));
    if (bytes.length > LARGEST_ITEM_PAYLOAD) {
      await files.put(payloadKey(id, hash), bytes);
      return { at: "s3", hash };
    }
    const Item = marshall({ pk: jobKey(id).pk, sk: payloadSortKey(hash), bytes });
    await askOf(TABLE, client.send(new PutItemCommand({ TableName: table, Item })));
    return { at: "item", hash };
  }

  /** What the caller asked for; one more read if it is not in the job's own item. */
  async function message(job: Job): Promise<Message> {
    const { payload } = job;
    if (payload.at === "inline") return decodeMessage(payload.bytes);
    if (payload.at === "s3") return decodeMessage(await files.get(payloadKey(job.id, payload.hash)));
    const found = await batchGet([{ pk: jobKey(job.id).pk, sk: payloadSortKey(payload.hash) }], true);
    const bytes: unknown = found[0]?.["bytes"];
    if (!(bytes instanceof Uint8Array)) throw new Error(`Job ${job.id} has lost its payload item ${payload.hash}`);
    return decodeMessage(bytes);
  }

  /** Records how a failed attempt ended, before the job says so. */
  async function recordAttempt(id: string, attempt: Attempt, condition?: "if absent"): Promise<void> {
    const { number, ...rest } = attempt;
    const put = new PutItemCommand({
      TableName: table,
      Item: marshall({ pk: jobKey(id).pk, sk: `A#${number}`, ...rest }, MARSHALL),
      ...(condition && { ConditionExpression: "attribute_not_exists(pk)" }),
    });
    try {
      await askOf(TABLE, client.send(put));
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
    }
  }

  async function get(id: string): Promise<Job | undefined> {
    return (await getMany([id], { consistent: true }))[0];
  }

  /** The jobs that exist, in the order asked for. */
  async function getMany(ids: readonly string[], options: { consistent: boolean }): Promise<Job[]> {
    const items = await batchGet(ids.map(jobKey), options.consistent);
    const jobs = new Map(items.flatMap((item) => current(item) ?? []).map((job) => [job.id, job]));
    return ids.flatMap((id) => jobs.get(id) ?? []);
  }

  async function batchGet(keys: readonly ItemKey[], consistent: boolean): Promise<Item[]> {
    const found: Item[] = [];
    for (let from = 0; from < keys.length; from += LARGEST_BATCH) {
      let wanted: Record<string, AttributeValue>[] | undefined = keys
        .slice(from, from + LARGEST_BATCH)
        .map((key) => marshall(key));
      for (let round = 0; wanted?.length; round += 1) {
        if (round === 5) throw new Unavailable(TABLE, new Error("it left keys unprocessed five times"));
        if (round > 0) await clock.sleep(50 * 2 ** round);
        const request = new BatchGetItemCommand({
          RequestItems: { [table]: { Keys: wanted, ConsistentRead: consistent } },
        });
        const answer: BatchGetItemCommandOutput = await askOf(TABLE, client.send(request));
        found.push(...(answer.Responses?.[table] ?? []).map((item) => unmarshall(item)));
        wanted = answer.UnprocessedKeys?.[table]?.Keys;
      }
    }
    return found;
  }

  /** A job with the attempts that did not succeed, by number. */
  async function history(id: string): Promise<{ job: Job; recorded: Map<number, Attempt> } | undefined> {
    const stored = await queryAll({
      // Reads the job and its attempts ("A#…", "J"), not the payload ("P#…").
      KeyConditionExpression: "pk = :pk AND sk <= :job",
      ExpressionAttributeValues: marshall({ ":pk": jobKey(id).pk, ":job": "J" }),
      ConsistentRead: true,
    });
    const items = stored.filter((item) => !hasExpired(item, clock.now()));
    const found = items.find((item) => item["sk"] === "J");
    if (!found) return undefined;
    const recorded = items.filter((item) => item !== found).map(attemptOf);
    return { job: jobOf(found), recorded: new Map(recorded.map((attempt) => [attempt.number, attempt])) };
  }

  /** What is due up to a time in one shard, oldest first. The index is a hint: read the job before acting. */
  async function due(shard: string, until: EpochMs, limit: number, from?: IndexEntry): Promise<IndexPage> {
    const page = await query({
      IndexName: "due",
      KeyConditionExpression: "due = :shard AND dueAt <= :until",
      ExpressionAttributeValues: marshall({ ":shard": shard, ":until": until }),
      Limit: limit,
      ...(from && { ExclusiveStartKey: marshall({ ...jobKey(from.id), due: shard, dueAt: from.at }) }),
    });
    return { entries: page.items.map((item) => entryOf(item, "dueAt")), complete: !page.next };
  }

  /** Since when the job that has waited longest has been due; nothing if none is. */
  async function oldestDue(): Promise<EpochMs | undefined> {
    const pages = await Promise.all(DUE_SHARDS.map((shard) => due(shard, clock.now(), 1)));
    return pages.flatMap(({ entries }) => entries.map(({ at }) => at)).toSorted((a, b) => a - b)[0];
  }

  /** How many are due after an entry of a shard: exact up to about 10,000, one index page. */
  async function countDue(shard: string, until: EpochMs, from?: IndexEntry): Promise<number> {
    const page = await query({
      IndexName: "due",
      Select: "COUNT",
      KeyConditionExpression: "due = :shard AND dueAt <= :until",
      ExpressionAttributeValues: marshall({ ":shard": shard, ":until": until }),
      ...(from && { ExclusiveStartKey: marshall({ ...jobKey(from.id), due: shard, dueAt: from.at }) }),
    });
    return page.count;
  }

  /** A page of an app's jobs, newest first, after `from`. */
  async function newest(index: AppIndex, range: TimeRange, limit: number, from?: IndexEntry): Promise<IndexPage> {
    const [name, partition] = partitionOf(index);
    const page = await query({
      IndexName: name,
      KeyConditionExpression: "#partition = :partition AND createdAt BETWEEN :from AND :to",
      ExpressionAttributeNames: { "#partition": name },
      ExpressionAttributeValues: marshall({
        ":partition": partition,
        ":from": range.from ?? 0,
        ":to": range.to ?? Number.MAX_SAFE_INTEGER,
      }),
      ScanIndexForward: false,
      Limit: limit,
      ...(from && { ExclusiveStartKey: marshall({ ...jobKey(from.id), [name]: partition, createdAt: from.at }) }),
    });
    return { entries: page.items.map((item) => entryOf(item, "createdAt")), complete: !page.next };
  }

  /** Page by page: what a page leaves out stands on the next one. */
  async function queryAll(input: Omit<QueryCommandInput, "TableName">): Promise<Item[]> {
    const items: Item[] = [];
    let start: Record<string, AttributeValue> | undefined;
    do {
      const page = await query({ ...input, ...(start && { ExclusiveStartKey: start }) });
      items.push(...page.items);
      start = page.next;
    } while (start);
    return items;
  }

  async function query(input: Omit<QueryCommandInput, "TableName">) {
    const answer = await askOf(TABLE, client.send(new QueryCommand({ TableName: table, ...input })));
    return {
      items: (answer.Items ?? []).map((item): Item => unmarshall(item)),
      next: answer.LastEvaluatedKey,
      count: answer.Count ?? 0,
    };
  }

  /** Gives what hangs on a finished job its own expiry date. */
  async function expireParts(job: Job): Promise<void> {
    if (job.expiresAt === undefined) return;
    const ExpressionAttributeValues = marshall({ ":at": expirySeconds(job.expiresAt) });
    await updateParts(job, { UpdateExpression: "SET expiresAt = :at", ExpressionAttributeValues });
  }

  /** Takes it away again, before a person's retry makes the job an unfinished one. */
  async function keepParts(job: Job): Promise<void> {
    if (job.expiresAt !== undefined) await updateParts(job, { UpdateExpression: "REMOVE expiresAt" });
  }

  async function updateParts(
    job: Job,
    update: Pick<UpdateItemCommandInput, "UpdateExpression" | "ExpressionAttributeValues">,
  ) {
    const updates = (await partsOf(job)).map(async (Key) => {
      // What has been deleted meanwhile must not come back as an item of nothing else.
      const there = { ConditionExpression: "attribute_exists(pk)" };
      const command = new UpdateItemCommand({ TableName: table, Key, ...update, ...there });
      await askOf(TABLE, client.send(command)).catch((error: unknown) => {
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
      });
    });
    await Promise.all(updates);
  }

  /** The keys of a job's payload and attempts. */
  async function partsOf(job: Job) {
    const items = await queryAll({
      KeyConditionExpression: "pk = :pk",
      ExpressionAttributeValues: marshall({ ":pk": jobKey(job.id).pk }),
      ProjectionExpression: "pk, sk",
      // The last attempt has only just been written.
      ConsistentRead: true,
    });
    return items.filter((item) => item["sk"] !== "J").map(({ pk, sk }) => marshall({ pk, sk }));
  }

  /**
   * Deletes a job that is still as it was seen, and then what hangs on it. False if it has changed, or if
   * another has its key by now: a deletion whose answer was lost is sent again.
   */
  async function remove(job: Job): Promise<boolean> {
    const seen = marshall({ ":status": job.status, ":attempts": job.attempts, ":createdAt": job.createdAt });
    try {
      const command = new DeleteItemCommand({
        TableName: table,
        Key: marshall(jobKey(job.id)),
        ConditionExpression:
          "attribute_not_exists(pk) OR (createdAt = :createdAt AND #status = :status AND attempts = :attempts AND attribute_not_exists(dueAt))",
        ExpressionAttributeNames: { "#status": "status" },
        ExpressionAttributeValues: seen,
      });
      await askOf(TABLE, client.send(command));
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return false;
      throw error;
    }
    // Another payload is that of a job which takes this one's place.
    const attempts = (await partsOf(job)).filter(({ sk }) => !sk?.S?.startsWith(payloadSortKey("")));
    await Promise.all(
      attempts.map((Key) => askOf(TABLE, client.send(new DeleteItemCommand({ TableName: table, Key })))),
    );
    await removePayload(job.id, job.payload);
    if (isTask(job)) await removeLog?.(job);
    return true;
  }

  function current(item: Item): Job | undefined {
    return hasExpired(item, clock.now()) ? undefined : jobOf(item);
  }

  return {
    create,
    createWith,
    apply,
    recordAttempt,
    message,
    get,
    getMany,
    history,
    due,
    oldestDue,
    countDue,
    newest,
    expireParts,
    keepParts,
    remove,
  };
}

/** A set of the tasks that run: one is in it once, however often it is put there. */
function slotExpressions(jobId: string, slot: NonNullable<Move["slot"]>) {
  const holder = { ":holder": { SS: [jobId] } };
  if (slot === "back") return { UpdateExpression: "DELETE holders :holder", ExpressionAttributeValues: holder };
  return {
    UpdateExpression: "ADD holders :holder",
    ConditionExpression: "attribute_not_exists(holders) OR size(holders) < :of",
    ExpressionAttributeValues: { ...holder, ":of": { N: String(slot.of) } },
  };
}
