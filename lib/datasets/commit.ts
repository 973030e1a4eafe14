import { DAY, type Clock } from "../clock.ts";
import type { FileStore } from "../files/file-store.ts";
import { atVersion, expirySeconds, type Table } from "../store/table.ts";
import { mergedColumns, type Commit, type Committed, type SavedPart } from "./dataset.ts";
import {
  NOTHING,
  fileKeys,
  folderOf,
  headItem,
  headOf,
  partItem,
  partKey,
  partsOf,
  type Head,
  type Part,
  type PartId,
} from "./layout.ts";

// A job's rows are its part of a dataset. The part becomes visible as a whole when it is committed.

export interface DatasetParts {
  readonly table: Table;
  readonly clock: Clock;
  readonly files: FileStore;
}

const MOST_TRIES = 20;
/** The retention of a part's item after a later job has replaced its rows. */
const REMEMBERED = 30 * DAY;

/** Adds a job's part to the dataset. A repeat changes nothing. A race lost to another job is retried. */
export async function commit(parts: DatasetParts, id: PartId, saved: SavedPart, asked: Commit): Promise<Committed> {
  const { table, clock } = parts;
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    if (tries > 0) await clock.sleep(clock.random() * 50 * tries);
    const before = await headOf(table, id);
    const kept = asked.mode === "append" ? before : undefined;
    const columns = mergedColumns(kept?.columns ?? {}, asked.columns, asked.otherType);
    if (typeof columns === "string") return { kind: "refused", problem: columns };
    const at = clock.now();
    const version = (before?.version ?? 0) + 1;
    const head: Head = {
      version,
      generation: kept?.generation ?? id.jobId,
      rows: (kept?.rows ?? 0) + saved.rows,
      bytes: (kept?.bytes ?? 0) + saved.bytes,
      columns,
      dateField: asked.dateField ?? kept?.dateField ?? null,
      updatedAt: at,
    };
    const added: Part = { ...saved, jobId: id.jobId, generation: head.generation, at, result: asked.result };
    const standing = await write(table, id, head, added);
    if (!standing) continue;
    await removeFiles(parts, id, standing);
    if (standing.generation === id.jobId) await removeReplaced(parts, id);
    return { kind: "committed", result: standing.result };
  }
  throw table.unavailable(`dataset ${id.name} is changing too fast`);
}

/**
 * The part that is in the table after the write. A retry and the run that it replaced may both write; the first one
 * counts. Undefined if another job has changed the dataset in the meantime.
 */
async function write(table: Table, id: PartId, head: Head, part: Part): Promise<Part | undefined> {
  const outcome = await table.transact([
    { put: partItem(id, part), when: atVersion(0) },
    { put: headItem(id, head), when: atVersion(head.version - 1) },
  ]);
  return outcome.kind === "written" ? part : (outcome.failed[0]?.item as Part | undefined);
}

/** Deletes the files that a job's lost attempts have left, and keeps those of its part. */
async function removeFiles({ files }: DatasetParts, id: PartId, but: SavedPart = NOTHING): Promise<void> {
  const kept = new Set(fileKeys(id, but));
  for await (const page of files.list(folderOf(id))) {
    await files.remove(page.flatMap(({ key }) => (kept.has(key) ? [] : [key])));
  }
}

/** Deletes the rows of earlier generations. Their parts stay for a while, so that no job adds its rows again. */
async function removeReplaced(parts: DatasetParts, { appId, name, jobId: generation }: PartId): Promise<void> {
  const { table, clock } = parts;
  const head = await headOf(table, { appId, name });
  if (head?.generation !== generation) return;
  const all = await partsOf(table, { appId, name });
  for (const { jobId } of all.filter((part) => part.generation !== generation && !("expiresAt" in part))) {
    const id = { appId, name, jobId };
    await removeFiles(parts, id);
    const forget = {
      UpdateExpression: "SET expiresAt = :at",
      values: { ":at": expirySeconds(clock.now() + REMEMBERED) },
    };
    await table.update(partKey(id), forget);
  }
}
