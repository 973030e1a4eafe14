import { api, queryOf } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import type { Answer } from "../api/shapes.ts";
import { appId, ofApp } from "../me.ts";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { StatusBadge, isFinal } from "../parts/status.tsx";
import { plural } from "../parts/text.tsx";
import { Ago } from "../parts/time.tsx";
import { pathOf } from "../root.ts";

const WORDS: Readonly<Record<string, string>> = { ids: "selected by hand", status: "status", errorContains: "error" };

/** The filter of a bulk action in words; the ids of those selected by hand are counted. */
export function filterText(filter: Readonly<Record<string, unknown>>): string {
  return Object.entries(filter)
    .filter(([name]) => name !== "appId")
    .map(([name, value]) => {
      const values = [value].flat().map(String);
      if (name === "ids") return `${plural(values.length, "job")} ${WORDS["ids"]}`;
      return `${WORDS[name] ?? name}: ${values.map((each) => (name === "status" ? each.toLowerCase() : each)).join(", ")}`;
    })
    .join(" · ");
}

export default function Bulk() {
  const list = useQuery({
    key: ["bulk", appId.value, "all"],
    ask: async (signal) =>
      api<Answer<"listBulkActions">>(`v1/admin/bulk-actions${queryOf({ ...ofApp(), limit: 50 })}`, { signal }),
    every: (page) => (page?.items.some(({ status }) => !isFinal(status)) ? "often" : "seldom"),
  });
  if (list.isPending) return <Skeleton title="Bulk actions" />;
  const all = list.data?.items ?? [];
  return (
    <div class="stack">
      <div class="title">
        <h1 tabIndex={-1}>Bulk actions</h1>
      </div>
      <Refreshing query={list} />
      {all.length === 0 ? (
        <div class="empty panel">
          <h2>None yet</h2>
          <p>Search jobs, select all that fit, and retry or cancel them together.</p>
          <a class="button" href={pathOf("/jobs")}>
            To the jobs
          </a>
        </div>
      ) : (
        <div class="panel">
          <table class="table cards-on-phone lines-on-phone">
            <caption class="hidden-text">Bulk actions, newest first</caption>
            <thead>
              <tr>
                <th class="fit">Status</th>
                <th>What</th>
                <th class="fit right">Matched</th>
                <th class="fit right">Changed</th>
                <th class="fit right" aria-sort="descending">
                  Begun
                </th>
              </tr>
            </thead>
            <tbody>
              {all.map(({ id, status, action, filter, matched, changed, createdAt }) => (
                <tr key={id}>
                  <td class="fit first-on-phone">
                    <StatusBadge status={status} />
                  </td>
                  <td class="cut wide-on-phone among-words">
                    <a href={pathOf(`/bulk/${id}`)}>{action === "redrive" ? "Retry" : "Cancel"}</a>{" "}
                    <span class="muted">{filterText(filter)}</span>
                  </td>
                  <td class="fit right not-on-phone">{matched.toLocaleString("en")}</td>
                  <td class="fit right wide-on-phone">
                    {changed.toLocaleString("en")} <span class="on-phone muted">changed</span>
                  </td>
                  <td class="fit right end-on-phone">
                    <Ago at={createdAt} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}
