import { useLocation } from "preact-iso/router";
import { useRef, useState } from "preact/hooks";
import { told } from "../actions.ts";
import { api, queryOf } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import type { Answer, Schedule } from "../api/shapes.ts";
import { appId, mayChange, ofApp } from "../me.ts";
import { Icon } from "../parts/icon.tsx";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { isFinal } from "../parts/status.tsx";
import { hasMore } from "../pages-of.ts";
import { pathOf } from "../root.ts";
import { One } from "./schedules/one.tsx";

/** Whether the job of its last run has yet to end. */
function isRunning({ lastRun }: Schedule): boolean {
  const status = lastRun?.status ?? null;
  return status !== null && !isFinal(status);
}

const STATES = {
  "": "All",
  "ACTIVE,PAUSED": "Not ended",
  ACTIVE: "Active",
  PAUSED: "Paused",
  ENDED: "Ended",
} as const;

/** By their next runs as they were first shown: one that is paused or run stays below the pointer. */
function useSteady(name: string): (items: readonly Schedule[]) => readonly Schedule[] {
  const seen = useRef({ name, places: new Map<string, string>() });
  if (seen.current.name !== name) seen.current = { name, places: new Map() };
  const { places } = seen.current;
  const placeOf = ({ id }: Schedule) => places.get(id) ?? "";
  return (items) => {
    for (const { id, nextRuns } of items) if (!places.has(id)) places.set(id, nextRuns[0] ?? "9");
    return items.toSorted((a, b) => placeOf(a).localeCompare(placeOf(b)));
  };
}

export default function Schedules() {
  const { query } = useLocation();
  const state = query["state"] ?? "";
  const [more, setMore] = useState<Answer<"listSchedules"> | undefined>(undefined);
  const steady = useSteady(`${state} ${appId.value}`);
  const ask = async (cursor: string | undefined, signal?: AbortSignal) =>
    api<Answer<"listSchedules">>(
      `v1/schedules${queryOf({ ...ofApp(), state, limit: 50, cursor })}`,
      signal ? { signal } : {},
    );
  const list = useQuery({
    key: ["schedules", state, appId.value],
    ask: async (signal) => ask(undefined, signal),
    every: (page) => (page?.items.some(isRunning) ? "often" : "seldom"),
    keeps: true,
  });
  if (list.isPending) return <Skeleton title="Schedules" />;
  const items = [...(list.data?.items ?? []), ...(more?.items ?? [])];
  const all = steady(items);
  const end = more ?? list.data;
  const further = async () => {
    const page = await told(async () => ask(end?.nextCursor ?? undefined));
    if (page) setMore({ ...page, items: [...(more?.items ?? []), ...page.items] });
  };
  return (
    <div class="stack">
      <div class="title">
        <h1 tabIndex={-1}>Schedules</h1>
        <div class="actions">
          {mayChange.value && (
            <a class="button" href={pathOf("/new?type=schedule")}>
              <Icon shape="plus" /> New schedule
            </a>
          )}
        </div>
      </div>
      <nav class="tabs" aria-label="States">
        {Object.entries(STATES).map(([each, word]) => (
          <a
            key={each}
            href={pathOf(`/schedules${each === "" ? "" : `?state=${each}`}`)}
            onClick={() => setMore(undefined)}
            {...(each === state && { "aria-current": "true" as const })}
          >
            {word}
          </a>
        ))}
      </nav>
      <Refreshing query={list} />
      {all.length === 0 && (
        <div class="empty panel">
          <h2>No schedule</h2>
          <p>A schedule sends a job at the times of an expression, such as every weekday at nine in Berlin.</p>
        </div>
      )}
      {all.map((schedule) => (
        <One key={schedule.id} schedule={schedule} />
      ))}
      {hasMore(end) && (
        <button type="button" class="button small" onClick={() => void further()}>
          Show more
        </button>
      )}
    </div>
  );
}
