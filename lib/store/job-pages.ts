import type { JobStore } from "./job-store.ts";
import type { Job } from "../job/job.ts";
import type { AppIndex } from "./job-index.ts";
import { merged, type Position } from "./merge.ts";

/** Pages by number, for the dialects whose lists have them. */
export interface NumberedPage {
  readonly jobs: readonly Job[];
  /** Exact to 10,000: of more jobs, only the newest 10,000 are read. */
  readonly total: number;
  readonly page: number;
  readonly pageSize: number;
  readonly totalPages: number;
}

const MOST_LOOKED_AT = 10_000;
const KEYS_A_QUERY = 1_000;

/** Newest first. A filter costs a read of every job of the index, not only of those on the page. */
export async function numberedPage(
  store: Pick<JobStore, "newest" | "partitionsOf" | "getMany">,
  index: AppIndex,
  { page, pageSize }: { readonly page: number; readonly pageSize: number },
  filter?: (job: Job) => boolean,
): Promise<NumberedPage> {
  const ids = await idsOf(store, index);
  const shown = <T>(all: readonly T[]) => all.slice((page - 1) * pageSize, page * pageSize);
  const matching = filter && (await readAll(store, ids)).filter(filter);
  const jobs = matching ? shown(matching) : await readAll(store, shown(ids));
  const total = (matching ?? ids).length;
  return { jobs, total, page, pageSize, totalPages: Math.ceil(total / pageSize) };
}

async function idsOf(store: Pick<JobStore, "newest" | "partitionsOf">, index: AppIndex): Promise<string[]> {
  const sources = store.partitionsOf(index).map((partition) => ({ ...partition, created: {} }));
  const ids: string[] = [];
  let from: Position | undefined;
  do {
    const page = await merged(store, sources, { limit: KEYS_A_QUERY }, from);
    ids.push(...page.entries.map(({ id }) => id));
    from = page.next;
  } while (from && ids.length < MOST_LOOKED_AT);
  return ids;
}

async function readAll(store: Pick<JobStore, "getMany">, ids: readonly string[]): Promise<Job[]> {
  const parts: string[][] = [];
  for (let at = 0; at < ids.length; at += KEYS_A_QUERY) parts.push(ids.slice(at, at + KEYS_A_QUERY));
  return (await Promise.all(parts.map((part) => store.getMany(part, { consistent: false })))).flat();
}
