import type { EpochMs } from "../clock.ts";
import { ADVICE, type DatasetParts } from "./commit.ts";
import { budgetKey, overBudget } from "../store/budgets.ts";
import type { AppDatasets, Dataset, Row, SavedPart } from "./dataset.ts";
import {
  NOTHING,
  datasetsOf,
  fileKeys,
  folderOf,
  folderOfApp,
  headOf,
  partOf,
  partsOf,
  rowsIn,
  viewOf,
  type DatasetId,
  type PartId,
} from "./layout.ts";
import { createPartWriter } from "./part-writer.ts";

export interface DatasetRun {
  readonly appId: string;
  readonly jobId: string;
  readonly createdAt: EpochMs;
  readonly attempt: number;
  readonly signal: AbortSignal;
}

export type DatasetStore = ReturnType<typeof createDatasetStore>;

export function createDatasetStore(parts: DatasetParts) {
  return {
    list: async (appId: string): Promise<Dataset[]> => datasetsOf(parts.table, appId),
    get: async (appId: string, name: string): Promise<Dataset | undefined> => get(parts, { appId, name }),
    admit: async (appId: string, asked: Target) => admit(parts, appId, asked),
    of: (run: DatasetRun): AppDatasets => datasetsFor(parts, run),
  };
}

/** A run reads all datasets of its own app, and writes only its own parts of them. */
function datasetsFor(parts: DatasetParts, { appId, jobId, createdAt, attempt, signal }: DatasetRun): AppDatasets {
  const { table } = parts;
  // A job that was deleted and posted again with its key has the same id. The time of creation tells them apart.
  const partId = (name: string): PartId => ({ appId, name, jobId: `${jobId}@${createdAt}` });
  return {
    list: async () => datasetsOf(table, appId),
    get: async (name) => get(parts, { appId, name }),
    rows: (name) => rows(parts, { appId, name }, signal),
    origin: async (name) => {
      const head = await headOf(table, { appId, name });
      return head?.origin && { ...head.origin, rows: head.rows, updatedAt: head.updatedAt };
    },
    committed: async (name) => (await partOf(table, partId(name)))?.result,
    part: (name, saved = NOTHING) => createPartWriter(parts, partId(name), { number: attempt, signal }, saved),
    has: async (name, saved) => has(parts, partId(name), saved),
    removeLost: async (before, isUnfinished, dryRun) =>
      removeLost(parts, { appId, signal }, { before, isUnfinished, dryRun }),
  };
}

/** The dataset that a job is to write. */
export interface Target {
  readonly name: string;
  readonly mode: "append" | "replace";
}

/** Throws FORBIDDEN for a job whose rows its app could not keep anyway. What fits is decided when they are committed. */
async function admit({ table, apps }: DatasetParts, appId: string, { name, mode }: Target): Promise<void> {
  const { datasets, datasetBytes } = await apps.settingsOf(appId);
  const { used = 0, bytes = 0 } = ((await table.get(budgetKey(appId, "DATASETS"))) ?? {}) as Partial<Spent>;
  const isFull = datasetBytes !== null && bytes >= datasetBytes;
  const isLast = datasets !== null && used >= datasets;
  if (!isFull && !isLast) return;
  const isThere = (await headOf(table, { appId, name })) !== undefined;
  if (isLast && !isThere) throw overBudget("datasets", datasets, ADVICE);
  if (isFull && !(isThere && mode === "replace")) throw overBudget("datasetBytes", datasetBytes, ADVICE);
}

interface Spent {
  readonly used: number;
  readonly bytes: number;
}

async function get({ table }: DatasetParts, id: DatasetId): Promise<Dataset | undefined> {
  const head = await headOf(table, id);
  return head && viewOf(id.name, head);
}

/** In the order of their commits. */
async function* rows(
  { table, files }: DatasetParts,
  id: DatasetId,
  signal: AbortSignal,
): AsyncGenerator<readonly Row[]> {
  const head = await headOf(table, id);
  if (!head) return;
  const visible = (await partsOf(table, id))
    .filter(({ generation }) => generation === head.generation)
    .toSorted((a, b) => a.at - b.at || (a.jobId < b.jobId ? -1 : 1));
  for (const part of visible) {
    for (const key of fileKeys({ ...id, jobId: part.jobId }, part)) yield* rowsIn(files.read(key, signal));
  }
}

async function has({ files }: DatasetParts, id: PartId, saved: SavedPart): Promise<boolean> {
  const there = new Set<string>();
  for await (const page of files.list(folderOf(id))) for (const { key } of page) there.add(key);
  return fileKeys(id, saved).every((key) => there.has(key));
}

interface Lost {
  readonly before: EpochMs;
  readonly isUnfinished: (jobId: string) => Promise<boolean>;
  readonly dryRun: boolean;
}

async function removeLost(
  { table, files }: DatasetParts,
  { appId, signal }: Pick<DatasetRun, "appId" | "signal">,
  { before, isUnfinished, dryRun }: Lost,
): Promise<number> {
  let count = 0;
  let judged: { folder: string; isLost: boolean } | undefined;
  for await (const page of files.list(folderOfApp(appId), signal)) {
    const lost: string[] = [];
    for (const { key, modifiedAt } of page) {
      const [, , name = "", run = ""] = key.split("/");
      const folder = `${name}/${run}`;
      if (judged?.folder !== folder) {
        const [jobId = ""] = run.split("@");
        // The order matters: a job that ends between the two reads has written its part before the second one.
        const isLost = !(await isUnfinished(jobId)) && !(await partOf(table, { appId, name, jobId: run }));
        judged = { folder, isLost };
      }
      if (judged.isLost && modifiedAt < before) lost.push(key);
    }
    count += lost.length;
    if (!dryRun) await files.remove(lost, signal);
  }
  return count;
}
