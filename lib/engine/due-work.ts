import type { EpochMs } from "../clock.ts";
import type { BacklogRef } from "../job/backlog.ts";
import { LARGEST_SEND } from "../queue/queue.ts";
import type { IndexEntry } from "../store/job-item.ts";
import type { Place } from "../store/job-keys.ts";
import type { JobStore } from "../store/job-store.ts";
import type { Page } from "./backlog-look.ts";

// The due work of a sweep, in shares that alternate between the apps: the backlog of one does not delay the others.

/** A share of one app's work: some of its due jobs, or a due backlog, looked at from `from` on. */
export type Share = { readonly appId: string; readonly jobs: readonly IndexEntry[] } | BacklogShare;

export interface BacklogShare extends BacklogRef {
  readonly from?: Page;
}

export interface DueWork {
  /** The next share, in turns of the apps; undefined when there is none. */
  next(): Share | undefined;
  /** Adds work that has come up, such as the next page of a backlog, behind the work of its app. */
  add(share: Share): void;
  /** The backlogs of which some pages are left. */
  begun(): (BacklogRef & { readonly from: Page })[];
  /** The number of jobs and backlogs that no share has had yet. */
  count(): number;
  /** When the oldest of them became due; undefined if there is none. */
  readonly oldest: EpochMs | undefined;
}

/** One query reads as many keys in 100 KB. */
const KEYS_A_PAGE = 1_000;
/**
 * The most jobs of a shard that one invocation takes: more than its part of a million, so that those of other apps are
 * among them. The rest only counts.
 */
const MOST_A_SHARD = 20_000;
/** More would keep the table from those that accept and run jobs. */
const SHARDS_AT_ONCE = 8;

/**
 * Reads which jobs and backlogs are due in some shards. What it has no time to read only counts, and so does what is beyond
 * `enough`: others take all of it over.
 */
export async function dueWork(
  shards: readonly string[],
  until: EpochMs,
  { hasTime, enough = Infinity }: { readonly hasTime: () => boolean; readonly enough?: number },
  { store }: { readonly store: Pick<JobStore, "due" | "countDue"> },
): Promise<DueWork> {
  const due: IndexEntry[] = [];
  // Of each shard the first page: it has the oldest.
  const readsOn = (read: number) => hasTime() && (read === 0 || due.length <= enough);
  let uncounted = 0;
  const unread = [...shards];
  const reader = async () => {
    for (let shard = unread.shift(); shard !== undefined; shard = unread.shift()) {
      const { entries, left } = await readShard(shard, until, readsOn, store);
      uncounted += left;
      for (const entry of entries) due.push(entry);
    }
  };
  const readers = await Promise.allSettled(Array.from({ length: SHARDS_AT_ONCE }, reader));
  for (const ended of readers) if (ended.status === "rejected") throw ended.reason;
  // Over all shards: a few due jobs of an app in each of them fill batches together.
  const byApp = Map.groupBy(due, ({ appId }) => appId);
  const turns = inTurns(new Map([...byApp].map(([appId, entries]) => [appId, sharesOf(appId, entries)])), uncounted);
  const oldest = due.reduce((least, { at }) => Math.min(least, at), Infinity);
  return { ...turns, oldest: due.length > 0 ? oldest : undefined };
}

async function readShard(
  shard: string,
  until: EpochMs,
  readsOn: (read: number) => boolean,
  store: Pick<JobStore, "due" | "countDue">,
): Promise<{ readonly entries: readonly IndexEntry[]; readonly left: number }> {
  const entries: IndexEntry[] = [];
  let from: Place | undefined;
  while (readsOn(entries.length) && entries.length < MOST_A_SHARD) {
    const page = await store.due(shard, until, KEYS_A_PAGE, from);
    entries.push(...page.entries);
    from = page.entries.at(-1);
    if (page.complete || !from) return { entries, left: 0 };
  }
  return { entries, left: await store.countDue(shard, until, from) };
}

/** A backlog is a share of its own; jobs come in shares of a queue's batch, the oldest first. */
function sharesOf(appId: string, entries: readonly IndexEntry[]): Share[] {
  const jobs = entries.filter(({ backlog }) => backlog === undefined).toSorted((a, b) => a.at - b.at);
  const shares: Share[] = entries.flatMap(({ backlog }) => (backlog === undefined ? [] : [{ appId, backlog }]));
  for (let at = 0; at < jobs.length; at += LARGEST_SEND)
    shares.push({ appId, jobs: jobs.slice(at, at + LARGEST_SEND) });
  return shares;
}

function inTurns(byApp: Map<string, Share[]>, uncounted: number): Omit<DueWork, "oldest"> {
  let turns = [...byApp.keys()];
  let at = 0;
  return {
    next: () => {
      if (at >= turns.length) [turns, at] = [[...byApp.keys()], 0];
      const appId = turns[at];
      at += 1;
      if (appId === undefined) return undefined;
      const shares = byApp.get(appId) ?? [];
      const share = shares.shift();
      if (shares.length === 0) byApp.delete(appId);
      return share;
    },
    add: (share) => {
      const own = byApp.get(share.appId);
      if (own) own.push(share);
      else byApp.set(share.appId, [share]);
    },
    begun: () =>
      [...byApp.values()].flat().flatMap((share) => {
        if (!("backlog" in share) || !share.from) return [];
        const { appId, backlog, from } = share;
        return [{ appId, backlog, from }];
      }),
    count: () =>
      [...byApp.values()].flat().reduce((sum, share) => sum + ("jobs" in share ? share.jobs.length : 1), uncounted),
  };
}
