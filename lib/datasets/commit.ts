import { DAY, type Clock } from "../clock.ts";
import type { FileStore } from "../files/file-store.ts";
import type { SettingsInForce } from "../store/app-settings.ts";
import type { AppStore } from "../store/app-store.ts";
import { budgetKey, refusal, spend, type Spending } from "../store/budgets.ts";
import { atVersion, expirySeconds, type Item, type Table } from "../store/table.ts";
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
  /** For `datasets` and `datasetBytes`, what an app may have. */
  readonly apps: Pick<AppStore, "settingsOf">;
  readonly clock: Clock;
  readonly files: FileStore;
}

const MOST_TRIES = 20;
/** The retention of a part's item after a later job has replaced its rows. */
const REMEMBERED = 30 * DAY;

/**
 * Adds a job's part to the dataset. A repeat changes nothing. A race lost to another job is retried. The app's count of
 * datasets and bytes changes with it, and refuses what the operator does not allow.
 */
export async function commit(parts: DatasetParts, id: PartId, saved: SavedPart, asked: Commit): Promise<Committed> {
  const { table, clock, apps } = parts;
  const allowed = await apps.settingsOf(id.appId);
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
      ...(asked.origin && !kept && { origin: asked.origin }),
    };
    const added: Part = { ...saved, jobId: id.jobId, generation: head.generation, at, result: asked.result };
    const counts = {
      used: { by: before ? 0 : 1, most: allowed.datasets },
      bytes: { by: head.bytes - (before?.bytes ?? 0), most: allowed.datasetBytes },
    };
    const standing = await write(table, id, [partItem(id, added), headItem(id, head), counts], head.version);
    if (standing === "full") return { kind: "refused", problem: await overWhich(parts, id, before, allowed) };
    if (!standing) continue;
    await removeFiles(parts, id, standing);
    if (standing.generation === id.jobId) await removeReplaced(parts, id);
    return { kind: "committed", result: standing.result };
  }
  throw table.unavailable(`dataset ${id.name} is changing too fast`);
}

/**
 * The part that is in the table after the write. A retry and the run that it replaced may both write; the first one
 * counts. Undefined if another job has changed the dataset in the meantime, "full" if the app may not have as much.
 */
async function write(
  table: Table,
  { appId }: PartId,
  [part, head, counts]: readonly [Item, Item, Readonly<Record<string, Spending>>],
  version: number,
): Promise<Part | "full" | undefined> {
  const outcome = await table.transact([
    { put: part, when: atVersion(0) },
    { put: head, when: atVersion(version - 1) },
    spend(appId, "DATASETS", counts),
  ]);
  if (outcome.kind === "written") return part as unknown as Part;
  const [ofPart, ofHead, ofCounts] = outcome.failed;
  if (ofPart) return ofPart.item as Part | undefined;
  return ofCounts && !ofHead ? "full" : undefined;
}

/** The limit that is in the way of a dataset, in words. */
async function overWhich(
  { table }: DatasetParts,
  { appId }: PartId,
  before: Head | undefined,
  { datasets, datasetBytes }: Pick<SettingsInForce, "datasets" | "datasetBytes">,
): Promise<string> {
  const { used = 0 } = ((await table.get(budgetKey(appId, "DATASETS"))) ?? {}) as { used?: number };
  const isByCount = !before && datasets !== null && used >= datasets;
  return isByCount ? refusal("datasets", datasets, ADVICE) : refusal("datasetBytes", datasetBytes, ADVICE);
}

/** What an app can do that has as many datasets, or as many bytes of them, as it may. */
export const ADVICE = "replace the rows of a dataset that is there";

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
