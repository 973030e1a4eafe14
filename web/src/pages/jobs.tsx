import { useLocation } from "preact-iso/router";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { actOn, bulk, refresh, told } from "../actions.ts";
import { api, queryOf } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import type { Job, Page, Status } from "../api/shapes.ts";
import { announced } from "../announced.ts";
import { parseFilter, withWord, wordsOf } from "../filter.ts";
import { pageKeys } from "../keys.ts";
import { appId, mayChange, ofApp } from "../me.ts";
import { copy } from "../parts/copy.tsx";
import { Confirm } from "../parts/dialog.tsx";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { SHOWN, STATUSES, StatusBadge, isFinal } from "../parts/status.tsx";
import { plural } from "../parts/text.tsx";
import { Ago, Countdown } from "../parts/time.tsx";
import { toast } from "../parts/toasts.tsx";
import { pathOf } from "../root.ts";
import { stateOf, whatOf } from "../what.ts";

const LIMIT = 50;
const MOST_ROWS = 200;

interface Counted {
  readonly count: number;
  readonly isLowerBound: boolean;
}

export default function Jobs() {
  const { query, route } = useLocation();
  const text = query["q"] ?? "";
  const { filter, problems } = parseFilter(text);
  const setText = (q: string) => route(pathOf(`/jobs${q === "" ? "" : `?q=${encodeURIComponent(q)}`}`));
  return (
    <>
      <div class="title">
        <h1 tabIndex={-1}>Jobs</h1>
        <div class="actions">
          {mayChange.value && (
            <a class="button" href={pathOf("/new")}>
              New job
            </a>
          )}
        </div>
      </div>
      <StatusTabs text={text} />
      {problems.map((problem) => (
        <div class="notice" data-tone="failed" key={problem} role="alert">
          {problem}
        </div>
      ))}
      {problems.length === 0 && <List key={`${text} ${appId.value}`} text={text} filter={filter} setText={setText} />}
    </>
  );
}

function StatusTabs({ text }: { readonly text: string }) {
  const counts = useQuery({
    key: ["counts", appId.value],
    ask: async (signal) =>
      api<{ byStatus: Partial<Record<Status, number>> }>(`v1/admin/counts${queryOf(ofApp())}`, { signal }),
    every: () => "seldom",
  });
  const now = wordsOf(text).find(([name]) => name === "status")?.[1];
  return (
    <nav class="tabs" aria-label="Statuses">
      <a
        href={pathOf(linkTo(withWord(text, "status", undefined)))}
        {...(now === undefined && { "aria-current": "true" as const })}
      >
        All
      </a>
      {STATUSES.map((status) => {
        const { word } = SHOWN[status];
        const count = counts.data?.byStatus[status];
        const isHere = now === word.toLowerCase();
        return (
          <a
            key={status}
            href={pathOf(linkTo(withWord(text, "status", word.toLowerCase())))}
            {...(isHere && { "aria-current": "true" as const })}
          >
            {word} {count !== undefined && <span class="muted">{count.toLocaleString("en")}</span>}
          </a>
        );
      })}
    </nav>
  );
}

function linkTo(q: string): string {
  return q === "" ? "/jobs" : `/jobs?q=${encodeURIComponent(q)}`;
}

interface ListProps {
  readonly text: string;
  readonly filter: ReturnType<typeof parseFilter>["filter"];
  readonly setText: (text: string) => void;
}

/** The first page is refreshed in place; further ones are added below. */
function List({ text, filter, setText }: ListProps) {
  const [more, setMore] = useState<Page<Job> | undefined>(undefined);
  const [isLooking, setLooking] = useState(false);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [active, setActive] = useState(-1);
  const [asked, setAsked] = useState<"redrive" | "cancel" | undefined>(undefined);
  const [isAll, setAll] = useState(false);
  const ask = async (cursor: string | undefined, signal?: AbortSignal) =>
    looked(cursor, async (from) =>
      api<Page<Job>>(
        `v1/admin/jobs${queryOf({ ...filter, ...ofApp(), include: "waiting", limit: LIMIT, cursor: from })}`,
        signal ? { signal } : {},
      ),
    );
  const first = useQuery({
    key: ["jobs", text, appId.value],
    ask: async (signal) => ask(undefined, signal),
    every: (page) => (page === undefined || page.items.some(({ status }) => !isFinal(status)) ? "often" : "seldom"),
  });
  const settled = useRows(first.data);
  const jobs = [...settled.rows, ...(more?.items ?? []).filter(({ id }) => !settled.ids.has(id))];
  const end = more ?? first.data;
  const lookFurther = async () => {
    setLooking(true);
    const page = await told(async () => ask(end?.nextCursor ?? undefined));
    setLooking(false);
    if (page) setMore({ ...page, items: [...(more?.items ?? []), ...page.items].slice(-MOST_ROWS) });
  };
  const toggle = (id: string, isRange: boolean) => {
    const at = jobs.findIndex((job) => job.id === id);
    const from = isRange && active >= 0 ? Math.min(active, at) : at;
    const to = isRange && active >= 0 ? Math.max(active, at) : at;
    const next = new Set(selected);
    const isOn = !selected.has(id);
    for (const job of jobs.slice(from, to + 1))
      if (isOn) next.add(job.id);
      else next.delete(job.id);
    setAll(false);
    setSelected(next);
    setActive(at);
  };
  const rows = useRef<HTMLTableSectionElement>(null);
  const move = (by: number) => {
    const at = Math.min(jobs.length - 1, Math.max(0, active + by));
    setActive(at);
    rows.current?.querySelectorAll<HTMLElement>("tr")[at]?.querySelector<HTMLElement>("a")?.focus();
  };
  useEffect(
    () =>
      pageKeys({
        j: () => move(1),
        k: () => move(-1),
        x: (event) => jobs[active] && toggle(jobs[active].id, event.shiftKey),
        X: () => jobs[active] && toggle(jobs[active].id, true),
        r: () => mayChange.value && selected.size > 0 && setAsked("redrive"),
        c: () => mayChange.value && selected.size > 0 && setAsked("cancel"),
      }),
    [jobs.length, active, selected],
  );
  useEffect(() => {
    if (first.data) announced.value = `${plural(jobs.length, "job")} shown`;
  }, [jobs.length]);
  if (first.isPending) return <Skeleton rows={8} />;
  return (
    <div class="stack">
      <Refreshing query={first} />
      {settled.fresh > 0 && (
        <button type="button" class="button small" onClick={settled.show}>
          {plural(settled.fresh, "new job")}
        </button>
      )}
      {jobs.length === 0 && !first.data ? null : jobs.length === 0 ? (
        <None
          text={text}
          lookedBackTo={end?.lookedBackTo ?? null}
          hasMore={(end?.nextCursor ?? null) !== null}
          onLook={lookFurther}
          onClear={() => setText("")}
        />
      ) : (
        <div class="panel">
          <table class={`table cards-on-phone${first.isPlaceholderData ? " dim" : ""}`}>
            <caption class="hidden-text">Jobs that fit {text === "" ? "no filter" : text}, newest first</caption>
            <thead>
              <tr>
                <th class="fit">
                  <input
                    type="checkbox"
                    aria-label="Select all rows"
                    checked={selected.size > 0 && jobs.every(({ id }) => selected.has(id))}
                    onChange={(event) => (
                      setAll(false),
                      setSelected(event.currentTarget.checked ? new Set(jobs.map(({ id }) => id)) : new Set())
                    )}
                  />
                </th>
                <th class="fit">Status</th>
                <th class="most">What</th>
                <th class="fit right">Tries</th>
                <th>Waits for, or error</th>
                <th class="fit right" aria-sort="descending">
                  Age
                </th>
              </tr>
            </thead>
            <tbody ref={rows}>
              {jobs.map((job, at) => (
                <Row
                  key={job.id}
                  job={job}
                  isSelected={selected.has(job.id)}
                  onToggle={toggle}
                  onFocus={() => setActive(at)}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {selected.size > 0 && (
        <Selection
          count={selected.size}
          text={text}
          filter={filter}
          isAll={isAll}
          setAll={setAll}
          onAsk={setAsked}
          onClear={() => (setSelected(new Set()), setAll(false))}
          ids={[...selected]}
          asked={asked}
          onClose={() => setAsked(undefined)}
        />
      )}
      {jobs.length > 0 && end && end.nextCursor !== null && (
        <div class="row muted">
          {end.lookedBackTo && (
            <span>
              Looked back to <Ago at={end.lookedBackTo} />
            </span>
          )}
          <button type="button" class="button small" disabled={isLooking} onClick={() => void lookFurther()}>
            {isLooking ? "Looking…" : "Look further"}
          </button>
        </div>
      )}
    </div>
  );
}

const LOOKS_FOR_MS = 2_000;
/** Each page is a request, and all of an app's readers have so many a second. */
const MOST_LOOKS = 4;

/** A page may come short: it is gone on with for 2 s, or until it is full. */
async function looked(
  cursor: string | undefined,
  ask: (cursor: string | undefined) => Promise<Page<Job>>,
): Promise<Page<Job>> {
  const until = performance.now() + LOOKS_FOR_MS;
  let page = await ask(cursor);
  const items = [...page.items];
  for (let looks = 1; looks < MOST_LOOKS && page.nextCursor !== null && items.length < LIMIT; looks += 1) {
    if (performance.now() > until) break;
    page = await ask(page.nextCursor);
    items.push(...page.items);
  }
  return { ...page, items };
}

/** Rows change in place and never move: what is new waits until it is asked for. */
function useRows(page: Page<Job> | undefined) {
  const shownIds = useRef<readonly string[] | undefined>(undefined);
  const newest = useRef(new Map<string, Job>());
  const [, again] = useState(0);
  for (const job of page?.items ?? []) {
    const known = newest.current.get(job.id);
    if (!known || known.updatedAt <= job.updatedAt) newest.current.set(job.id, job);
  }
  shownIds.current ??= page?.items.map(({ id }) => id);
  const ids = new Set(shownIds.current);
  const fresh = (page?.items ?? []).filter(({ id }) => !ids.has(id)).length;
  const isShort = (shownIds.current?.length ?? 0) === 0;
  const show = () => {
    shownIds.current = page?.items.map(({ id }) => id);
    again((n) => n + 1);
  };
  if (isShort && fresh > 0) shownIds.current = page?.items.map(({ id }) => id);
  const rows = (shownIds.current ?? []).flatMap((id) => newest.current.get(id) ?? []);
  return { rows, ids: new Set(shownIds.current), fresh: isShort ? 0 : fresh, show };
}

interface RowProps {
  readonly job: Job;
  readonly isSelected: boolean;
  readonly onToggle: (id: string, isRange: boolean) => void;
  readonly onFocus: () => void;
}

function Row({ job, isSelected, onToggle, onFocus }: RowProps) {
  const { id, status, attemptsStarted = job.retryCount, maxRetries, waiting, createdAt } = job;
  const state = stateOf(job);
  return (
    <tr aria-selected={isSelected} onFocus={onFocus}>
      <td class="fit">
        <input
          type="checkbox"
          aria-label={`Select ${whatOf(job)}`}
          checked={isSelected}
          onClick={(event) => onToggle(id, event.shiftKey)}
        />
      </td>
      <td class="fit">
        <span class="tinted" key={status}>
          <StatusBadge status={status} />
        </span>
      </td>
      <td class="cut wide-on-phone" title={whatOf(job)}>
        <a href={pathOf(`/jobs/${id}`)}>{whatOf(job)}</a>{" "}
        {job.idempotencyKey !== null && <span class="muted small">{job.idempotencyKey}</span>}
      </td>
      <td class="fit right not-on-phone">
        {attemptsStarted}/{maxRetries + 1}
      </td>
      <td class="cut wide-on-phone" title={waiting?.detail ?? state}>
        {status === "RETRYING" && job.nextRetryAt !== null && waiting?.reason === "backoff" ? (
          <>
            try {attemptsStarted + 1} in <Countdown to={job.nextRetryAt} />
          </>
        ) : (
          state
        )}
      </td>
      <td class="fit right">
        <Ago at={createdAt} suffix={false} />
      </td>
    </tr>
  );
}

interface NoneProps {
  readonly text: string;
  readonly lookedBackTo: string | null;
  readonly hasMore: boolean;
  readonly onLook: () => Promise<void>;
  readonly onClear: () => void;
}

function None({ text, lookedBackTo, hasMore, onLook, onClear }: NoneProps) {
  if (text === "") {
    return (
      <div class="empty panel">
        <h2>No jobs yet</h2>
        <p>Send the first one: by a form, or with the curl that stands beside it.</p>
        <a class="button primary" href={pathOf("/new")}>
          Send a job
        </a>
      </div>
    );
  }
  return (
    <div class="empty panel">
      <h2>No job fits</h2>
      <p>
        {lookedBackTo === null ? (
          "All jobs were looked at."
        ) : (
          <>
            Looked back to <Ago at={lookedBackTo} />.
          </>
        )}
      </p>
      <div class="row">
        {hasMore && (
          <button type="button" class="button" onClick={() => void onLook()}>
            Look further
          </button>
        )}
        <button type="button" class="button" onClick={onClear}>
          Clear the search
        </button>
      </div>
    </div>
  );
}

interface SelectionProps {
  readonly count: number;
  readonly text: string;
  readonly filter: object;
  readonly ids: readonly string[];
  readonly isAll: boolean;
  readonly setAll: (isAll: boolean) => void;
  readonly asked: "redrive" | "cancel" | undefined;
  readonly onAsk: (action: "redrive" | "cancel") => void;
  readonly onClose: () => void;
  readonly onClear: () => void;
}

const MOST_IDS = 100;

function Selection({ count, text, filter, ids, isAll, setAll, asked, onAsk, onClose, onClear }: SelectionProps) {
  const { route } = useLocation();
  const total = useQuery({
    key: ["count", text, appId.value],
    ask: async (signal) => api<Counted>(`v1/admin/jobs/count${queryOf({ ...filter, ...ofApp() })}`, { signal }),
  });
  const all = total.data;
  const chosen = useMemo(() => (isAll ? filter : { ids }), [isAll, filter, ids]);
  const many = isAll ? (all?.count ?? 0) : count;
  const word = `${isAll && all?.isLowerBound ? "at least " : ""}${plural(many, "job")}`;
  const run = async (action: "redrive" | "cancel") => {
    if (!isAll && ids.length === 1) {
      await actOn(ids[0] ?? "", action === "redrive" ? "retry" : "cancel");
      onClear();
      return;
    }
    const begun = await told(async () => bulk(action, chosen));
    if (!begun) return;
    onClear();
    toast(action === "redrive" ? "Retrying has begun" : "Cancelling has begun", {
      action: { word: "Watch", act: () => route(pathOf(`/bulk/${begun.id}`)) },
    });
    await refresh();
  };
  const isTooMany = !isAll && ids.length > MOST_IDS;
  return (
    <div class="selection" role="region" aria-label="Selection">
      <b>{isAll ? `All that fit: ${word}` : `${count} selected`}</b>
      {!isAll && all !== undefined && all.count > count && (
        <button type="button" class="button small" onClick={() => setAll(true)}>
          Select all {all.isLowerBound ? `${all.count}+` : all.count}
        </button>
      )}
      <span class="grow" />
      {isTooMany && <span class="small muted">At most {MOST_IDS} by their ids: select all that fit instead</span>}
      {mayChange.value && (
        <>
          <button type="button" class="button primary" disabled={isTooMany} onClick={() => onAsk("redrive")}>
            Retry
          </button>
          <button type="button" class="button danger" disabled={isTooMany} onClick={() => onAsk("cancel")}>
            Cancel
          </button>
        </>
      )}
      <button type="button" class="button" onClick={() => void copy(ids.join("\n"), plural(ids.length, "id"))}>
        Copy ids
      </button>
      <button type="button" class="button plain" onClick={onClear}>
        Clear
      </button>
      <Confirm
        title={asked === "cancel" ? `Cancel ${word}?` : `Retry ${word}?`}
        yes={asked === "cancel" ? `Cancel ${word}` : `Retry ${word}`}
        no="Keep them"
        isDangerous={asked === "cancel"}
        count={many}
        isOpen={asked !== undefined}
        onClose={onClose}
        act={async () => run(asked ?? "redrive")}
      >
        {asked === "cancel" ? (
          <p>
            Those that wait end at once. A running attempt is let finish; if it succeeds, its job counts as succeeded.
            This cannot be undone.
          </p>
        ) : (
          <p>
            Failed and dead ones start anew, with fresh retries, within the limits of their destinations. Jobs that
            change meanwhile are left alone. What was sent stays sent.
          </p>
        )}
      </Confirm>
    </div>
  );
}
