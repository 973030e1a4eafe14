import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { api, queryOf } from "../../api/http.ts";
import { useQuery } from "../../api/query.ts";
import type { Answer, Job } from "../../api/shapes.ts";
import type { Filter } from "../../filter.ts";
import { appId, ofApp } from "../../me.ts";
import { isFinal } from "../../parts/status.tsx";
import { told } from "../../actions.ts";

// The rows of the list of jobs. The first page is refreshed in place; further ones are added below.

const LIMIT = 50;
const MOST_ROWS = 200;
const LOOKS_FOR_MS = 2_000;
/** Each page is a request, and all of an app's readers have so many a second. */
const MOST_LOOKS = 4;

type Page = Answer<"listJobs">;
interface Looked extends Page {
  /** How many requests it took. */
  readonly looks: number;
}

/** A page may come short: it is gone on with for 2 s, or until it is full. */
async function looked(
  cursor: string | undefined,
  ask: (cursor: string | undefined) => Promise<Page>,
  onSome: (page: Looked) => void = () => {},
): Promise<Looked> {
  const until = performance.now() + LOOKS_FOR_MS;
  let page = await ask(cursor);
  const items = [...page.items];
  let looks = 1;
  for (; looks < MOST_LOOKS && page.nextCursor !== null && items.length < LIMIT; looks += 1) {
    if (performance.now() > until) break;
    if (items.length > 0) onSome({ ...page, items: [...items], looks });
    page = await ask(page.nextCursor);
    items.push(...page.items);
  }
  return { ...page, items, looks };
}

/** What a list has shown, for when one comes back to it. */
interface Kept {
  readonly ids: readonly string[] | undefined;
  readonly more: Looked | undefined;
  readonly scroll: number;
}

const kept = new Map<string, Kept>();
let isBack = false;
addEventListener("popstate", () => (isBack = true));
addEventListener("click", () => (isBack = false), { capture: true });

export interface Rows {
  readonly jobs: readonly Job[];
  /** Whether a first answer is awaited, and whether the rows are those of the search before. */
  readonly isPending: boolean;
  readonly isDim: boolean;
  readonly query: ReturnType<typeof useQuery<Looked>>;
  /** How many newer ones wait above. */
  readonly fresh: number;
  readonly showFresh: () => void;
  readonly end: Page | undefined;
  readonly isLooking: boolean;
  readonly lookFurther: () => Promise<void>;
}

export function useRows(text: string, filter: Filter): Rows {
  const name = `${text} ${appId.value}`;
  const before = useMemo(() => (isBack ? kept.get(name) : undefined), [name]);
  const [more, setMore] = useState<Looked | undefined>(before?.more);
  const [isLooking, setLooking] = useState(false);
  useEffect(() => setMore(before?.more), [name]);
  // What is found before all is looked at.
  const [some, setSome] = useState<{ readonly name: string; readonly page: Looked } | undefined>(undefined);
  const ask = async (cursor: string | undefined, signal?: AbortSignal, onSome?: (page: Looked) => void) =>
    looked(
      cursor,
      async (from) =>
        api<Page>(
          `v1/admin/jobs${queryOf({ ...filter, ...ofApp(), include: "waiting", limit: LIMIT, cursor: from })}`,
          signal ? { signal } : {},
        ),
      onSome,
    );
  const asked = useQuery<Looked>({
    key: ["jobs", text, appId.value],
    ask: async (signal) => ask(undefined, signal, (page) => setSome({ name, page })),
    // A search that takes several requests is not worth that many every two seconds.
    every: (page) =>
      page !== undefined && (page.looks > 1 || page.items.every(({ status }) => isFinal(status))) ? "seldom" : "often",
    keeps: true,
  });
  const isAwaited = asked.isPending || asked.isPlaceholderData;
  const early = isAwaited && some?.name === name ? some.page : undefined;
  const isPending = asked.isPending && !early;
  const isDim = asked.isPlaceholderData && !early;
  // The whole page comes in place of its beginning, and none of its rows are new.
  const of = early ? `${name} begun` : name;
  const settled = useSettled(early ?? asked.data, isDim, { name: of, before: before?.ids });
  const jobs = [...settled.rows, ...(more?.items ?? []).filter(({ id }) => !settled.ids.has(id))];
  const end = early ? undefined : (more ?? asked.data);
  useScroll(name, { ids: settled.shown, more, before });
  const lookFurther = async () => {
    setLooking(true);
    const page = await told(async () => ask(end?.nextCursor ?? undefined));
    setLooking(false);
    if (page) setMore({ ...page, items: [...(more?.items ?? []), ...page.items].slice(LIMIT - MOST_ROWS) });
  };
  const { fresh, show: showFresh } = settled;
  return { jobs, isPending, isDim, query: asked, fresh, showFresh, end, isLooking, lookFurther };
}

/**
 * Rows change in place and never move: what is new waits until it is asked for, and what the page has no more, since it
 * fits no longer or newer ones fill the page, stays with what has become of it.
 */
function useSettled(
  page: Looked | undefined,
  isOfBefore: boolean,
  { name, before }: { readonly name: string; readonly before: readonly string[] | undefined },
) {
  const state = useRef<{ name: string; shown: readonly string[] | undefined }>({ name, shown: before });
  const newest = useRef(new Map<string, Job>());
  const [, again] = useState(0);
  note(newest.current, page?.items);
  const ids = page?.items.map(({ id }) => id);
  const isEmpty = (state.current.shown?.length ?? 0) === 0;
  // The rows of the search before stay, dimmed, until the answer to this one is there.
  if (!isOfBefore && (state.current.name !== name || isEmpty)) state.current = { name, shown: before ?? ids };
  const { shown = [] } = state.current;
  const known = new Set(shown);
  const there = new Set(ids);
  const hasEnded = (id: string) => /^(?:SUCCEEDED|CANCELLED)$/.test(newest.current.get(id)?.status ?? "");
  note(newest.current, useLeft(ids && !isOfBefore ? shown.filter((id) => !there.has(id) && !hasEnded(id)) : []));
  const fresh = isOfBefore ? 0 : (ids ?? []).filter((id) => !known.has(id)).length;
  const show = () => {
    state.current = { name, shown: ids };
    again((n) => n + 1);
  };
  const rows = shown.flatMap((id) => newest.current.get(id) ?? []);
  return { rows, ids: known, shown: state.current.shown, fresh, show };
}

/** An answer that is older than what is shown is dropped. */
function note(newest: Map<string, Job>, jobs: readonly Job[] = []): void {
  for (const job of jobs) {
    const known = newest.get(job.id);
    if (!known || known.updatedAt <= job.updatedAt) newest.set(job.id, job);
  }
}

/** As many ids as the service takes. */
const MOST_IDS = 100;

/** The jobs of rows that are on the page no more. */
function useLeft(left: readonly string[]): readonly Job[] | undefined {
  const ids = left.slice(0, MOST_IDS);
  return useQuery({
    key: ["jobs-left", ids],
    ask: async (signal) =>
      api<Page>(`v1/admin/jobs${queryOf({ ...ofApp(), ids, include: "waiting", limit: MOST_IDS })}`, { signal }),
    enabled: ids.length > 0,
    every: () => "seldom",
    keeps: true,
  }).data?.items;
}

/** Keeps how far the page was scrolled, and goes there again on the way back. */
function useScroll(
  name: string,
  { ids, more, before }: Pick<Kept, "ids" | "more"> & { readonly before: Kept | undefined },
) {
  const scroll = useRef(0);
  const now = useRef({ ids, more });
  now.current = { ids, more };
  useLayoutEffect(() => {
    if (before) scrollTo(0, before.scroll);
    const note = () => (scroll.current = scrollY);
    addEventListener("scroll", note, { passive: true });
    return () => {
      removeEventListener("scroll", note);
      kept.set(name, { ...now.current, scroll: scroll.current });
    };
  }, [name]);
}
