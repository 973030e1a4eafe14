import { api, queryOf } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import type { BulkAction, Page } from "../api/shapes.ts";
import { appId, ofApp } from "../me.ts";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { StatusBadge, isFinal } from "../parts/status.tsx";
import { Ago } from "../parts/time.tsx";
import { pathOf } from "../root.ts";

export function filterText(filter: Readonly<Record<string, unknown>>): string {
  return Object.entries(filter)
    .map(([name, value]) => `${name}: ${Array.isArray(value) ? value.join(", ") : String(value)}`)
    .join(" · ");
}

export default function Bulk() {
  const list = useQuery({
    key: ["bulk", appId.value, "all"],
    ask: async (signal) =>
      api<Page<BulkAction>>(`v1/admin/bulk-actions${queryOf({ ...ofApp(), limit: 50 })}`, { signal }),
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
          <table class="table">
            <caption class="hidden-text">Bulk actions, newest first</caption>
            <thead>
              <tr>
                <th class="fit">Status</th>
                <th>What</th>
                <th class="fit right">Matched</th>
                <th class="fit right">Changed</th>
                <th class="fit right">Begun</th>
              </tr>
            </thead>
            <tbody>
              {all.map(({ id, status, action, filter, matched, changed, createdAt }) => (
                <tr key={id}>
                  <td class="fit">
                    <StatusBadge status={status} />
                  </td>
                  <td class="cut">
                    <a href={pathOf(`/bulk/${id}`)}>{action === "redrive" ? "Retry" : "Cancel"}</a>{" "}
                    <span class="muted">{filterText(filter)}</span>
                  </td>
                  <td class="fit right">{matched.toLocaleString("en")}</td>
                  <td class="fit right">{changed.toLocaleString("en")}</td>
                  <td class="fit right">
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
