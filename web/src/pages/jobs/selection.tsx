import { useLocation } from "preact-iso/router";
import { actOn, bulk, refresh, told, type BulkAct } from "../../actions.ts";
import { api } from "../../api/http.ts";
import { useQuery } from "../../api/query.ts";
import type { AppSettings, Job } from "../../api/shapes.ts";
import { tellIfShut } from "../../destinations.ts";
import type { Filter } from "../../filter.ts";
import { appId, mayChange } from "../../me.ts";
import { copy } from "../../parts/copy.tsx";
import { Confirm } from "../../parts/dialog.tsx";
import { SHOWN } from "../../parts/status.tsx";
import { plural } from "../../parts/text.tsx";
import { toast } from "../../parts/toasts.tsx";
import { pathOf } from "../../root.ts";
import { useTotal } from "./total.ts";

// What can be done to many jobs: those that are selected, or all that fit.

interface SelectionProps {
  readonly text: string;
  readonly filter: Filter;
  /** Those of the selected that are shown. */
  readonly jobs: readonly Job[];
  readonly ids: readonly string[];
  readonly isAll: boolean;
  readonly setAll: (isAll: boolean) => void;
  readonly asked: BulkAct | undefined;
  readonly setAsked: (action: BulkAct | undefined) => void;
  readonly onClear: () => void;
}

const MOST_IDS = 100;

export function Selection(props: SelectionProps) {
  const { text, filter, ids, isAll, setAll, setAsked, onClear } = props;
  const all = useTotal(text, filter).data;
  const many = isAll ? (all?.count ?? 0) : ids.length;
  const count = `${isAll && all?.isLowerBound ? "at least " : ""}${many.toLocaleString("en")}`;
  const isTooMany = !isAll && ids.length > MOST_IDS;
  return (
    <div class="selection" role="region" aria-label="Selection">
      <b>{isAll ? `All that fit: ${count}` : `${count} selected`}</b>
      {!isAll && all !== undefined && all.count > ids.length && text !== "" && (
        <button type="button" class="button small" onClick={() => setAll(true)}>
          Select all {all.count.toLocaleString("en")}
          {all.isLowerBound && "+"}
        </button>
      )}
      <span class="grow" />
      {isTooMany && <span class="small muted">At most {MOST_IDS} by their ids: select all that fit instead</span>}
      {mayChange.value && (
        <>
          <button type="button" class="button primary" disabled={isTooMany} onClick={() => setAsked("redrive")}>
            Retry
          </button>
          <button type="button" class="button danger" disabled={isTooMany} onClick={() => setAsked("cancel")}>
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
      <Question {...props} many={many} count={count} />
    </div>
  );
}

interface QuestionProps extends SelectionProps {
  readonly many: number;
  readonly count: string;
}

/** Names the count, the effect and the limits. */
function Question({ filter, jobs, ids, isAll, asked, setAsked, onClear, many, count }: QuestionProps) {
  const { route } = useLocation();
  const word = `${count} ${statusWord(filter, jobs, isAll)}${many === 1 ? "job" : "jobs"}`;
  const run = async (action: BulkAct) => {
    const [one] = jobs;
    if (!isAll && ids.length === 1 && one) {
      const done = await actOn(one, action === "redrive" ? "retry" : "cancel");
      onClear();
      if (done && action === "redrive" && one.destination !== null) await tellIfShut(one.destination);
      return;
    }
    const begun = await told(async () => bulk(action, isAll ? filter : { ids }));
    if (!begun) return;
    onClear();
    toast(action === "redrive" ? "Retrying has begun" : "Cancelling has begun", {
      action: { word: "Watch", act: () => route(pathOf(`/bulk/${begun.id}`)) },
    });
    await refresh();
  };
  return (
    <Confirm
      title={asked === "cancel" ? `Cancel ${word}?` : `Retry ${word}?`}
      yes={
        asked === "cancel"
          ? `Cancel ${count} ${many === 1 ? "job" : "jobs"}`
          : `Retry ${count} ${many === 1 ? "job" : "jobs"}`
      }
      no="Keep them"
      isDangerous={asked === "cancel"}
      count={many}
      isOpen={asked !== undefined}
      onClose={() => setAsked(undefined)}
      act={async () => run(asked ?? "redrive")}
    >
      {asked === "cancel" ? (
        <p>
          Those that wait end at once. A running attempt is let finish; if it succeeds, its job counts as succeeded.
          This cannot be undone.
        </p>
      ) : (
        <p>
          {asked === "redrive" && <Where filter={filter} jobs={jobs} isAll={isAll} />} Jobs that change meanwhile are
          left alone. What was sent stays sent.
        </p>
      )}
    </Confirm>
  );
}

function statusWord(filter: Filter, jobs: readonly Job[], isAll: boolean): string {
  const statuses = isAll ? [filter["status"] ?? []].flat() : [...new Set(jobs.map(({ status }) => status))];
  const [one] = statuses;
  return statuses.length === 1 && one !== undefined ? `${SHOWN[one as Job["status"]].word.toLowerCase()} ` : "";
}

/** Whether a destination is named by a host, with or without its port. */
function isAt(destination: string, host: string): boolean {
  const bare = destination.replace(/^https?:\/\//, "");
  return bare === host || bare.replace(/:\d+$/, "") === host;
}

/** `They go to hooks.partner.com with fresh retries, at most 5 a second.` */
function Where({ filter, jobs, isAll }: Pick<SelectionProps, "filter" | "jobs" | "isAll">) {
  // The list of destinations has only those that have failed lately.
  const app = useQuery({
    key: ["app", appId.value],
    ask: async (signal) => api<AppSettings>(`v1/admin/apps/${appId.value}`, { signal }),
    enabled: appId.value !== undefined,
  });
  const places = isAll
    ? [filter["host"] ?? []].flat()
    : [...new Set(jobs.flatMap(({ destination }) => destination ?? []))];
  const [place] = places;
  if (places.length !== 1 || place === undefined)
    return <>They start anew, with fresh retries, within the limits of their destinations.</>;
  const host = place.replace(/^https?:\/\//, "");
  const rates = (app.data?.destinations ?? []).filter((each) => isAt(each.destination, host));
  const rate = rates.length === 1 ? (rates[0]?.rateLimitPerSecond ?? null) : null;
  return (
    <>
      They go to {host} with fresh retries{rate !== null && `, at most ${rate} a second`}.
    </>
  );
}
