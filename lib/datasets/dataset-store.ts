import {
  GetItemCommand,
  QueryCommand,
  TransactWriteItemsCommand,
  TransactionCanceledException,
  UpdateItemCommand,
  type AttributeValue,
  type QueryCommandOutput,
} from "@aws-sdk/client-dynamodb";
import { marshall, unmarshall } from "@aws-sdk/util-dynamodb";
import { askOf } from "../aws.ts";
import { DAY, type Clock, type EpochMs } from "../clock.ts";
import type { Table } from "../store/table.ts";
import { Unavailable } from "../errors.ts";
import type { FileStore } from "../files/file-store.ts";
import type { Upload } from "../files/multipart.ts";
import { MARSHALL, expirySeconds, type Item } from "../store/job-item.ts";
import {
  mergedColumns,
  type Columns,
  type Row,
  type Dataset,
  type Commit,
  type Committed,
  type SavedPart,
  type PartWriter,
  type AppDatasets,
} from "./dataset.ts";

// An app's datasets: rows in files of the bucket, one JSON object a line, and in the table what of
// them is there. A job's rows are its part, which becomes visible as a whole when it is committed.

interface Head extends Omit<Dataset, "name"> {
  readonly version: number;
  /** Only parts of this generation are visible; every replacement begins a new one. */
  readonly generation: string;
}

interface Part extends SavedPart {
  readonly jobId: string;
  readonly generation: string;
  readonly at: EpochMs;
  readonly result: Readonly<Record<string, unknown>>;
}

export interface DatasetRun {
  readonly appId: string;
  readonly jobId: string;
  readonly attempt: number;
  readonly signal: AbortSignal;
}

export type DatasetStore = ReturnType<typeof createDatasetStore>;

const TABLE = "The jobs table";
const NDJSON = "application/x-ndjson";
const MOST_TRIES = 20;
/** How long a job is remembered to have added rows that a later job has replaced. */
const REMEMBERED = 30 * DAY;
/** Rows are turned into bytes this many characters at a time. */
const LINES = 64 * 1_024;

export function createDatasetStore(parts: { table: Table; clock: Clock; files: FileStore }) {
  const { clock, files } = parts;
  const TableName = parts.table.name;
  const { dynamodb } = parts.table;

  async function list(appId: string): Promise<Dataset[]> {
    const items = await query(headKey(appId, "").pk, "DATASET#");
    return items.map((item) => viewOf(String(item["sk"]).slice("DATASET#".length), headIn(item)));
  }

  async function get(appId: string, name: string): Promise<Dataset | undefined> {
    const head = await headOf(appId, name);
    return head && viewOf(name, head);
  }

  async function headOf(appId: string, name: string): Promise<Head | undefined> {
    const found = await item(headKey(appId, name));
    return found && headIn(found);
  }

  async function partOf(appId: string, name: string, jobId: string): Promise<Part | undefined> {
    return (await item(partKey(appId, name, jobId))) as Part | undefined;
  }

  async function partsOf(appId: string, name: string): Promise<Part[]> {
    return (await query(partKey(appId, name, "").pk, "PART#")) as unknown as Part[];
  }

  async function* rows(appId: string, name: string, signal: AbortSignal): AsyncGenerator<readonly Row[]> {
    const head = await headOf(appId, name);
    if (!head) return;
    const visible = (await partsOf(appId, name))
      .filter(({ generation }) => generation === head.generation)
      .toSorted((a, b) => a.at - b.at || (a.jobId < b.jobId ? -1 : 1));
    for (const part of visible) {
      for (const key of fileKeys(appId, name, part.jobId, part)) yield* rowsIn(files.read(key, signal));
    }
  }

  function part({ appId, jobId, attempt, signal }: DatasetRun, name: string, saved: SavedPart = NOTHING): PartWriter {
    const earlier = saved.files.filter(([by]) => by !== attempt);
    const state = { rows: saved.rows, bytes: saved.bytes };
    let written = saved.files.find(([by]) => by === attempt)?.[1] ?? 0;
    let upload: Upload | undefined;
    let lines: string[] = [];
    let characters = 0;
    const soFar = (): SavedPart => ({ ...state, files: written > 0 ? [...earlier, [attempt, written]] : earlier });

    async function putLines(): Promise<void> {
      if (lines.length === 0) return;
      signal.throwIfAborted();
      upload ??= files.upload(fileKey(appId, name, jobId, attempt, written), NDJSON, signal);
      const bytes = Buffer.from(lines.join(""));
      state.rows += lines.length;
      state.bytes += bytes.length;
      lines = [];
      characters = 0;
      await upload.write(bytes);
    }

    async function flush(): Promise<SavedPart> {
      await putLines();
      if (upload) {
        await upload.complete();
        upload = undefined;
        written += 1;
      }
      return soFar();
    }

    return {
      write: async (row) => {
        const line = `${JSON.stringify(row)}\n`;
        lines.push(line);
        characters += line.length;
        if (characters >= LINES) await putLines();
      },
      flush,
      earlier: async function* () {
        for (const key of fileKeys(appId, name, jobId, saved)) yield* rowsIn(files.read(key, signal));
      },
      commit: async (asked) => commit({ appId, name, jobId }, await flush(), asked),
      abort: async () => {
        await upload?.abort();
        upload = undefined;
        lines = [];
      },
      discard: async () => {
        await upload?.abort();
        // Not those of other attempts: one of them may have gone on without this one.
        if (await partOf(appId, name, jobId)) return;
        const own = `${folderOf(appId, name)}${jobId}/${attempt}/`;
        for await (const page of files.list(own)) await files.remove(page.map(({ key }) => key));
      },
    };
  }

  /** Adds a job's part to the dataset once, however often it is asked to. Looks again when another job was faster. */
  async function commit(
    { appId, name, jobId }: { appId: string; name: string; jobId: string },
    saved: SavedPart,
    { mode, columns, dateField, otherType, result }: Commit,
  ): Promise<Committed> {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      if (tries > 0) await clock.sleep(clock.random() * 50 * tries);
      const before = await headOf(appId, name);
      const kept = mode === "append" ? before : undefined;
      const merged = mergedColumns(kept?.columns ?? {}, columns, otherType);
      if (typeof merged === "string") return { kind: "refused", problem: merged };
      const at = clock.now();
      const version = before?.version ?? 0;
      const head: Head = {
        version: version + 1,
        generation: kept?.generation ?? jobId,
        rows: (kept?.rows ?? 0) + saved.rows,
        bytes: (kept?.bytes ?? 0) + saved.bytes,
        columns: merged,
        dateField: dateField ?? kept?.dateField ?? null,
        updatedAt: at,
      };
      const added: Part = { ...saved, jobId, generation: head.generation, at, result };
      const outcome = await write(appId, name, version, head, added);
      if (outcome === "stale") continue;
      // A retry and the run that it replaced may both get here: the part that stands is the one.
      const standing = outcome === "there" ? await partOf(appId, name, jobId) : added;
      if (!standing) continue;
      await removePart(appId, name, jobId, standing);
      if (standing.generation === jobId) await removeReplaced(appId, name, jobId);
      return { kind: "committed", result: standing.result };
    }
    throw new Unavailable(TABLE, new Error(`dataset ${name} is changing too fast`));
  }

  async function write(appId: string, name: string, version: number, head: Head, part: Part) {
    const unchanged =
      version === 0
        ? { ConditionExpression: "attribute_not_exists(pk)" }
        : {
            ConditionExpression: "version = :version",
            ExpressionAttributeValues: marshall({ ":version": version }),
          };
    // A map in DynamoDB has no order, and reports have the columns in theirs.
    const stored = { ...head, columns: JSON.stringify(head.columns) };
    const partItem = { ...partKey(appId, name, part.jobId), ...part };
    const TransactItems = [
      {
        Put: { TableName, Item: marshall(partItem, MARSHALL), ConditionExpression: "attribute_not_exists(pk)" },
      },
      { Put: { TableName, Item: marshall({ ...headKey(appId, name), ...stored }, MARSHALL), ...unchanged } },
    ];
    try {
      await askOf(TABLE, dynamodb().send(new TransactWriteItemsCommand({ TransactItems })));
      return "written";
    } catch (error) {
      if (!(error instanceof TransactionCanceledException)) throw error;
      const [ofPart] = error.CancellationReasons ?? [];
      return ofPart?.Code === "ConditionalCheckFailed" ? "there" : "stale";
    }
  }

  /** Deletes a job's files but those that are its part: what lost attempts have left. */
  async function removePart(appId: string, name: string, jobId: string, but: SavedPart = NOTHING): Promise<void> {
    const kept = new Set(fileKeys(appId, name, jobId, but));
    for await (const page of files.list(`${folderOf(appId, name)}${jobId}/`)) {
      await files.remove(page.flatMap(({ key }) => (kept.has(key) ? [] : [key])));
    }
  }

  /** Deletes the rows of earlier generations. That their jobs have added them is remembered for a while. */
  async function removeReplaced(appId: string, name: string, generation: string): Promise<void> {
    const head = await headOf(appId, name);
    if (head?.generation !== generation) return;
    const replaced = (await partsOf(appId, name)).filter(
      (part) => part.generation !== generation && !("expiresAt" in part),
    );
    for (const { jobId } of replaced) {
      await removePart(appId, name, jobId);
      const forget = new UpdateItemCommand({
        TableName,
        Key: marshall(partKey(appId, name, jobId)),
        UpdateExpression: "SET expiresAt = :at",
        ExpressionAttributeValues: marshall({ ":at": expirySeconds(clock.now() + REMEMBERED) }),
      });
      await askOf(TABLE, dynamodb().send(forget));
    }
  }

  async function has({ appId, jobId }: DatasetRun, name: string, saved: SavedPart): Promise<boolean> {
    const there = new Set<string>();
    for await (const page of files.list(`${folderOf(appId, name)}${jobId}/`))
      for (const { key } of page) there.add(key);
    return fileKeys(appId, name, jobId, saved).every((key) => there.has(key));
  }

  async function removeLost(
    { appId, signal }: DatasetRun,
    before: EpochMs,
    isUnfinished: (jobId: string) => Promise<boolean>,
    dryRun: boolean,
  ): Promise<number> {
    let count = 0;
    let judged: { folder: string; isLost: boolean } | undefined;
    for await (const page of files.list(`datasets/${appId}/`, signal)) {
      const lost: string[] = [];
      for (const { key, modifiedAt } of page) {
        const [, , name = "", run = ""] = key.split("/");
        const folder = `${name}/${run}`;
        if (judged?.folder !== folder) {
          const [jobId = ""] = run.split("@");
          // In this order: a job that ends in between has made its part known by then.
          const isLost = !(await isUnfinished(jobId)) && !(await partOf(appId, name, run));
          judged = { folder, isLost };
        }
        if (judged.isLost && modifiedAt < before) lost.push(key);
      }
      count += lost.length;
      if (!dryRun) await files.remove(lost, signal);
    }
    return count;
  }

  async function item(key: { pk: string; sk: string }): Promise<Item | undefined> {
    const get = new GetItemCommand({ TableName, Key: marshall(key), ConsistentRead: true });
    const { Item: found } = await askOf(TABLE, dynamodb().send(get));
    return found && unmarshall(found);
  }

  async function query(pk: string, prefix: string): Promise<Item[]> {
    const found: Item[] = [];
    let start: Record<string, AttributeValue> | undefined;
    do {
      const query = new QueryCommand({
        TableName,
        KeyConditionExpression: "pk = :pk AND begins_with(sk, :prefix)",
        ExpressionAttributeValues: marshall({ ":pk": pk, ":prefix": prefix }),
        ConsistentRead: true,
        ...(start && { ExclusiveStartKey: start }),
      });
      const page: QueryCommandOutput = await askOf(TABLE, dynamodb().send(query));
      found.push(...(page.Items ?? []).map((each) => unmarshall(each)));
      start = page.LastEvaluatedKey;
    } while (start);
    return found;
  }

  /** What a run of a job may use: its own app's datasets, and of those only its own part to write. */
  function of(asked: DatasetRun & { readonly createdAt: EpochMs }): AppDatasets {
    // A job that was deleted, and posted again with its key, has the same id and is another one.
    const run = { ...asked, jobId: `${asked.jobId}@${asked.createdAt}` };
    const { appId, jobId, signal } = run;
    return {
      list: async () => list(appId),
      get: async (name) => get(appId, name),
      rows: (name) => rows(appId, name, signal),
      committed: async (name) => (await partOf(appId, name, jobId))?.result,
      part: (name, saved) => part(run, name, saved),
      has: async (name, saved) => has(run, name, saved),
      removeLost: async (before, isUnfinished, dryRun) => removeLost(run, before, isUnfinished, dryRun),
    };
  }

  return { list, get, of };
}

const NOTHING: SavedPart = { rows: 0, bytes: 0, files: [] };

function headIn(item: Item): Head {
  const head = item as unknown as Head;
  return { ...head, columns: JSON.parse(String(item["columns"])) as Columns };
}

function viewOf(name: string, { rows, bytes, columns, dateField, updatedAt }: Head): Dataset {
  return { name, rows, bytes, columns, dateField, updatedAt };
}

function headKey(appId: string, name: string) {
  return { pk: `APP#${appId}`, sk: `DATASET#${name}` };
}

function partKey(appId: string, name: string, jobId: string) {
  return { pk: `DATASET#${appId}#${name}`, sk: `PART#${jobId}` };
}

function folderOf(appId: string, name: string): string {
  return `datasets/${appId}/${name}/`;
}

/** Each attempt has files of its own: one that has lost its lease can't change what another has written. */
function fileKey(appId: string, name: string, jobId: string, attempt: number, index: number): string {
  return `${folderOf(appId, name)}${jobId}/${attempt}/${String(index).padStart(5, "0")}.ndjson`;
}

function fileKeys(appId: string, name: string, jobId: string, { files }: SavedPart): string[] {
  return files.flatMap(([attempt, count]) =>
    Array.from({ length: count }, (_, index) => fileKey(appId, name, jobId, attempt, index)),
  );
}

/** The rows of a file, as many at a time as a chunk holds. */
async function* rowsIn(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Row[]> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (lines.length > 0) yield lines.map((line) => JSON.parse(line) as Row);
  }
  if (rest !== "") throw new Error("A dataset's file ends within a row");
}
