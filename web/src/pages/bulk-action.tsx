import { useRoute } from "preact-iso/router";
import { api } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import type { BulkAction } from "../api/shapes.ts";
import { refresh, told } from "../actions.ts";
import { mayChange } from "../me.ts";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { StatusBadge, isFinal } from "../parts/status.tsx";
import { plural } from "../parts/text.tsx";
import { Ago } from "../parts/time.tsx";
import { pathOf } from "../root.ts";
import { filterText } from "./bulk.tsx";

export default function BulkActionPage() {
  const { params } = useRoute();
  const id = params["id"] ?? "";
  const asked = useQuery({
    key: ["bulk-action", id],
    ask: async (signal) => api<BulkAction>(`v1/admin/bulk-actions/${id}`, { signal }),
    every: (one) => (one === undefined || !isFinal(one.status) ? "often" : "never"),
  });
  if (asked.isPending) return <Skeleton title="Bulk action" />;
  const one = asked.data;
  if (!one) return <Refreshing query={asked} />;
  const isRunning = !isFinal(one.status);
  const abort = async () => {
    await told(async () => api(`v1/admin/bulk-actions/${id}/abort`, { method: "POST" }));
    await refresh();
  };
  return (
    <div class="stack">
      <div class="title">
        <h1 tabIndex={-1}>{one.action === "redrive" ? "Retry many" : "Cancel many"}</h1>
        <StatusBadge status={one.status} />
        <div class="actions">
          {isRunning && mayChange.value && (
            <button type="button" class="button danger" onClick={() => void abort()}>
              Stop here
            </button>
          )}
          <a class="button" href={pathOf("/bulk")}>
            All bulk actions
          </a>
        </div>
      </div>
      <Refreshing query={asked} />
      <p class="why">
        {isRunning ? "So far" : "In all"} {plural(one.changed, "job")}{" "}
        {one.action === "redrive" ? "set to run again" : "cancelled"}, of {plural(one.matched, "job")} that fit;{" "}
        {plural(one.looked, "job")} looked at.
      </p>
      {isRunning && (
        <div
          class="bar"
          role="progressbar"
          aria-label="Progress"
          aria-valuetext={`${one.changed} changed of ${one.matched} matched`}
        >
          <span class="bar-fill" />
        </div>
      )}
      {one.error !== null && (
        <div class="notice" data-tone="dead">
          {one.error}
        </div>
      )}
      <dl class="facts">
        <dt>Which</dt>
        <dd>{filterText(one.filter)}</dd>
        <dt>Begun</dt>
        <dd>
          <Ago at={one.createdAt} />
        </dd>
        {one.completedAt !== null && (
          <>
            <dt>Ended</dt>
            <dd>
              <Ago at={one.completedAt} />
            </dd>
          </>
        )}
      </dl>
      {isRunning && (
        <p class="muted">Jobs that change meanwhile are left alone. What has been changed stays so when you stop.</p>
      )}
    </div>
  );
}
