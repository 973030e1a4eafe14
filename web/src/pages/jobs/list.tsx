import { useLocation } from "preact-iso/router";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { BulkAct } from "../../actions.ts";
import { announce } from "../../announced.ts";
import type { Filter } from "../../filter.ts";
import { pageKeys } from "../../keys.ts";
import { mayChange } from "../../me.ts";
import { Refreshing, Skeleton } from "../../parts/notices.tsx";
import { plural } from "../../parts/text.tsx";
import { Ago } from "../../parts/time.tsx";
import { pathOf } from "../../root.ts";
import { None } from "./none.tsx";
import { Row } from "./row.tsx";
import { useRows, type Rows } from "./rows.ts";
import { Selection } from "./selection.tsx";

interface ListProps {
  readonly text: string;
  readonly filter: Filter;
  /** Called with the text whose rows are all there. */
  readonly onListed: (text: string) => void;
}

export function List({ text, filter, onListed }: ListProps) {
  const { route } = useLocation();
  const rows = useRows(text, filter);
  const { jobs, end, fresh } = rows;
  const chosen = useChosen(rows, text);
  const [asked, setAsked] = useState<BulkAct | undefined>(undefined);
  const isListed = end !== undefined && !rows.isDim;
  useEffect(() => {
    if (isListed) onListed(text);
  }, [text, isListed]);
  useEffect(
    () =>
      pageKeys({
        r: () => mayChange.value && chosen.selected.size > 0 && setAsked("redrive"),
        c: () => mayChange.value && chosen.selected.size > 0 && setAsked("cancel"),
      }),
    [chosen.selected],
  );
  useEffect(() => {
    if (rows.isPending) return;
    announce(`${plural(jobs.length, "job")} shown${fresh === 0 ? "" : `, ${plural(fresh, "new job")} above`}`);
  }, [jobs.length, fresh, rows.isPending]);
  if (rows.isPending) return <Skeleton rows={8} />;
  return (
    <div class="stack">
      <Refreshing query={rows.query} />
      {fresh > 0 && (
        <button type="button" class="button small fresh" onClick={rows.showFresh}>
          {plural(fresh, "new job")}
        </button>
      )}
      {jobs.length === 0 && end && <None text={text} end={end} rows={rows} onClear={() => route(pathOf("/jobs"))} />}
      {jobs.length > 0 && <Table text={text} rows={rows} chosen={chosen} />}
      {chosen.selected.size > 0 && (
        <Selection
          text={text}
          filter={filter}
          jobs={jobs.filter(({ id }) => chosen.selected.has(id))}
          ids={[...chosen.selected]}
          isAll={chosen.isAll}
          setAll={chosen.setAll}
          onClear={chosen.clear}
          asked={asked}
          setAsked={setAsked}
        />
      )}
      {jobs.length > 0 && end && end.nextCursor !== null && (
        <div class="row muted">
          {end.lookedBackTo && (
            <span>
              Looked back to <Ago at={end.lookedBackTo} />
            </span>
          )}
          <button type="button" class="button small" disabled={rows.isLooking} onClick={() => void rows.lookFurther()}>
            {rows.isLooking ? "Looking…" : "Look further"}
          </button>
        </div>
      )}
    </div>
  );
}

type Chosen = ReturnType<typeof useChosen>;

/** Which rows are selected, and on which one the keys are. */
function useChosen({ jobs }: Rows, text: string) {
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  // The focus shows it: no row is drawn anew for it.
  const active = useRef(-1);
  // Where a range begins: the row that was selected last.
  const anchor = useRef(-1);
  const [isAll, setAll] = useState(false);
  const body = useRef<HTMLTableSectionElement>(null);
  const select = (ids: Iterable<string>) => {
    setAll(false);
    setSelected(new Set(ids));
  };
  useEffect(() => {
    select([]);
    active.current = -1;
    anchor.current = -1;
  }, [text]);
  const toggle = (id: string, isRange: boolean) => {
    const at = jobs.findIndex((job) => job.id === id);
    const begin = isRange && anchor.current >= 0 ? anchor.current : at;
    const [from, to] = [Math.min(begin, at), Math.max(begin, at)];
    const next = new Set(selected);
    const isOn = !selected.has(id);
    for (const job of jobs.slice(from, to + 1))
      if (isOn) next.add(job.id);
      else next.delete(job.id);
    select(next);
    active.current = at;
    anchor.current = at;
  };
  const move = (by: number) => {
    const at = Math.min(jobs.length - 1, Math.max(0, active.current + by));
    active.current = at;
    body.current?.querySelectorAll<HTMLElement>("tr")[at]?.querySelector<HTMLElement>("a")?.focus();
  };
  // The rows keep what they were given first.
  const latest = useRef({ jobs, toggle });
  latest.current = { jobs, toggle };
  const ofRow = useMemo(
    () => ({
      onToggle: (id: string, isRange: boolean) => latest.current.toggle(id, isRange),
      onFocus: (id: string) => (active.current = latest.current.jobs.findIndex((job) => job.id === id)),
    }),
    [],
  );
  const mark = (isRange: boolean) => {
    const job = jobs[active.current];
    if (job) toggle(job.id, isRange);
  };
  useEffect(
    () =>
      pageKeys({
        j: () => move(1),
        k: () => move(-1),
        x: () => mark(false),
        X: () => mark(true),
      }),
    [jobs, selected],
  );
  return { selected, isAll, setAll, select, ofRow, body, clear: () => select([]) };
}

function Table({ text, rows, chosen }: { readonly text: string; readonly rows: Rows; readonly chosen: Chosen }) {
  const { jobs, isDim } = rows;
  const { selected, select, ofRow, body } = chosen;
  return (
    <div class="panel">
      <table class={`table cards-on-phone${isDim ? " dim" : ""}`}>
        <caption class="hidden-text">Jobs that fit {text === "" ? "no filter" : text}, newest first</caption>
        <thead>
          <tr>
            <th class="fit">
              <input
                type="checkbox"
                aria-label="Select all rows"
                checked={selected.size > 0 && jobs.every(({ id }) => selected.has(id))}
                onChange={(event) => select(event.currentTarget.checked ? jobs.map(({ id }) => id) : [])}
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
        <tbody ref={body}>
          {jobs.map((job) => (
            <Row key={job.id} job={job} isSelected={selected.has(job.id)} {...ofRow} />
          ))}
        </tbody>
      </table>
    </div>
  );
}
