import { useLocation } from "preact-iso/router";
import { useState } from "preact/hooks";
import { api, queryOf } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import type { Answer } from "../api/shapes.ts";
import { parseFilter, searchOf, withWord, wordsOf, type Filter } from "../filter.ts";
import { appId, mayChange, ofApp } from "../me.ts";
import { Icon } from "../parts/icon.tsx";
import { SHOWN, STATUSES } from "../parts/status.tsx";
import { plural } from "../parts/text.tsx";
import { pathOf } from "../root.ts";
import { List } from "./jobs/list.tsx";
import { useTotal } from "./jobs/total.ts";

export default function Jobs() {
  const { query } = useLocation();
  const text = query["q"] ?? "";
  const { filter, problems } = parseFilter(text);
  // The count reads up to twenty times what the rows do, so it is asked for once they are there.
  const [listed, setListed] = useState<string | undefined>(undefined);
  return (
    <div class="stack">
      <div class="title">
        <h1 tabIndex={-1}>Jobs</h1>
        {text !== "" && listed === text && <Total text={text} filter={filter} />}
        <div class="actions">
          {mayChange.value && (
            <a class="button" href={pathOf("/new")}>
              <Icon shape="plus" /> New job
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
      {problems.length === 0 && <List key={appId.value} text={text} filter={filter} onListed={setListed} />}
    </div>
  );
}

function Total({ text, filter }: { readonly text: string; readonly filter: Filter }) {
  const { data } = useTotal(text, filter, "rarely");
  if (!data) return null;
  return (
    <span class="muted">
      {data.isLowerBound ? `${data.count.toLocaleString("en")} or more` : plural(data.count, "job")}
    </span>
  );
}

/** The counts are of all jobs, so they stand only where nothing else narrows the list. */
function StatusTabs({ text }: { readonly text: string }) {
  const counts = useQuery({
    key: ["counts", appId.value],
    ask: async (signal) => api<Answer<"getCounts">>(`v1/admin/counts${queryOf(ofApp())}`, { signal }),
    every: () => "seldom",
  });
  const words = wordsOf(text);
  const chosen = words.flatMap(([name, value]) => (name === "status" ? value.split(",") : []));
  const isNarrowed = words.some(([name]) => name !== "status");
  return (
    <nav class="tabs" aria-label="Statuses">
      <a
        href={pathOf(searchOf(withWord(text, "status", undefined)))}
        {...(chosen.length === 0 && { "aria-current": "true" as const })}
      >
        All
      </a>
      {STATUSES.map((status) => {
        const { word } = SHOWN[status];
        const count = isNarrowed ? undefined : counts.data?.byStatus[status];
        return (
          <a
            key={status}
            href={pathOf(searchOf(withWord(text, "status", word.toLowerCase())))}
            {...(chosen.includes(word.toLowerCase()) && { "aria-current": "true" as const })}
          >
            {word} {count !== undefined && <span class="muted">{count.toLocaleString("en")}</span>}
          </a>
        );
      })}
    </nav>
  );
}
