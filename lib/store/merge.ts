import type { EpochMs } from "../clock.ts";
import type { IndexEntry } from "./job-item.ts";
import type { TimeRange } from "../job/job-filter.ts";
import type { Partition } from "./job-index.ts";
import type { JobStore } from "./job-store.ts";

// Several partitions of indexes, read as one list.

/** A partition and the time from which its jobs are wanted. */
export interface Source extends Partition {
  readonly created: TimeRange;
}

/** The progress of a list. It names no partitions but those below, so that a deployment may get more of them. */
export interface Position {
  /** Whatever is newer was taken. */
  readonly at: EpochMs;
  /** The last entry that was taken of this very millisecond, by partition. */
  readonly ids: Readonly<Record<string, string>>;
}

interface Wanted {
  readonly limit: number;
  /** Queries at the same time. Default: those of all sources. */
  readonly atOnce?: number;
  readonly most?: number;
  readonly wanted?: (entry: IndexEntry) => boolean;
}

export interface Merged {
  /** Newest first. */
  readonly entries: readonly IndexEntry[];
  /** `undefined` at the end. */
  readonly next: Position | undefined;
}

const everyEntry = () => true;

/**
 * The next entries of all sources, `most` at the most: one query of `limit` entries a source. Those that are not
 * `wanted` are passed over, and count for nothing.
 */
export async function merged(
  store: Pick<JobStore, "newest">,
  sources: readonly Source[],
  { limit, atOnce = sources.length, most = Infinity, wanted = everyEntry }: Wanted,
  position?: Position,
): Promise<Merged> {
  const pageOf = async (source: Source) => {
    const name = nameOf(source);
    const { from = 0, to = Infinity } = source.created;
    const created = { from, to: Math.min(to, position?.at ?? Number.MAX_SAFE_INTEGER) };
    if (created.to < from) return { name, entries: [], complete: true };
    const id = position?.ids[name];
    const page = await store.newest(source, created, limit, position && id ? { id, at: position.at } : undefined);
    return { name, ...page };
  };
  const pages: Awaited<ReturnType<typeof pageOf>>[] = [];
  while (pages.length < sources.length) {
    const asked = sources.slice(pages.length, pages.length + Math.max(atOnce, 1));
    pages.push(...(await Promise.all(asked.map(pageOf))));
  }
  // An entry that a source has not shown is no newer than the last one it has shown.
  const horizon = Math.max(...pages.map(({ entries, complete }) => (complete ? 0 : (entries.at(-1)?.at ?? 0))));
  const shown = pages
    .flatMap(({ name, entries }) => entries.map((entry) => ({ name, entry })))
    .toSorted((a, b) => b.entry.at - a.entry.at);
  const within = shown.filter(({ entry }) => entry.at >= horizon);
  const last = within.filter(({ entry }) => wanted(entry))[most - 1];
  const taken = last ? within.slice(0, within.indexOf(last) + 1) : within;
  const isEnd = taken.length === shown.length && pages.every(({ complete }) => complete);
  const entries = taken.map(({ entry }) => entry).filter(wanted);
  return { entries, next: isEnd ? undefined : positionAfter(taken, position) };
}

function positionAfter(
  taken: readonly { readonly name: string; readonly entry: IndexEntry }[],
  before: Position | undefined,
): Position | undefined {
  const at = taken.at(-1)?.entry.at;
  if (at === undefined) return before;
  const ids = taken.filter(({ entry }) => entry.at === at).map(({ name, entry }) => [name, entry.id] as const);
  return { at, ids: { ...(before?.at === at && before.ids), ...Object.fromEntries(ids) } };
}

function nameOf({ index, key }: Partition): string {
  // Without the app, which is the same in all of them.
  return `${index}#${key.slice(key.indexOf("#") + 1)}`;
}
