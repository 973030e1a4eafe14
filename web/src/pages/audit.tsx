import { useLocation } from "preact-iso/router";
import { useState } from "preact/hooks";
import { api, queryOf } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import type { Page } from "../api/shapes.ts";
import { told } from "../actions.ts";
import { appId } from "../me.ts";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { Safe } from "../parts/text.tsx";
import { Ago } from "../parts/time.tsx";
import { pathOf } from "../root.ts";

interface Entry {
  readonly at: string;
  readonly by: string;
  readonly action: string;
  readonly object: string | null;
  readonly changes: readonly { readonly field: string; readonly from: unknown; readonly to: unknown }[];
}

export default function Audit() {
  const { query, route } = useLocation();
  const object = query["object"] ?? "";
  const [older, setOlder] = useState<Page<Entry> | undefined>(undefined);
  const ask = async (cursor: string | undefined, signal?: AbortSignal) =>
    api<Page<Entry>>(
      `v1/admin/apps/${appId.value}/audit${queryOf({ object, limit: 50, cursor })}`,
      signal ? { signal } : {},
    );
  const list = useQuery({
    key: ["audit", appId.value, object],
    ask: async (signal) => ask(undefined, signal),
    enabled: appId.value !== undefined,
    every: () => "seldom",
  });
  if (list.isPending) return <Skeleton title="Audit log" />;
  const entries = [...(list.data?.items ?? []), ...(older?.items ?? [])];
  const end = older ?? list.data;
  return (
    <div class="stack">
      <div class="title">
        <h1 tabIndex={-1}>Audit log</h1>
      </div>
      {object !== "" && (
        <p class="row">
          About <code>{object}</code>
          <button type="button" class="button small" onClick={() => route(pathOf("/app/audit"))}>
            All
          </button>
        </p>
      )}
      <Refreshing query={list} />
      {entries.length === 0 ? (
        <div class="empty panel">
          <p>Nothing has been changed by a person.</p>
        </div>
      ) : (
        <div class="panel">
          <table class="table">
            <caption class="hidden-text">Who changed what, newest first</caption>
            <thead>
              <tr>
                <th class="fit">When</th>
                <th class="fit">Who</th>
                <th class="fit">What</th>
                <th>Changes</th>
              </tr>
            </thead>
            <tbody>
              {entries.map((entry) => (
                <tr key={entry.at + entry.action + String(entry.object)}>
                  <td class="fit">
                    <Ago at={entry.at} />
                  </td>
                  <td class="fit">
                    <Safe text={entry.by} />
                  </td>
                  <td class="fit">
                    {entry.action} <ObjectLink object={entry.object} />
                  </td>
                  <td class="cut" title={changesText(entry)}>
                    <Safe text={changesText(entry)} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {end && end.nextCursor !== null && (
        <button
          type="button"
          class="button small"
          onClick={() =>
            void told(async () => ask(end.nextCursor ?? undefined)).then(
              (page) => page && setOlder({ ...page, items: [...(older?.items ?? []), ...page.items] }),
            )
          }
        >
          Older
        </button>
      )}
    </div>
  );
}

function ObjectLink({ object }: { readonly object: string | null }) {
  const [kind, id = ""] = object?.split(/:(.*)/s) ?? [];
  if (kind === "job" || kind === "schedule") return <a href={pathOf(`/jobs/${id}`)}>{id.slice(0, 8)}</a>;
  if (kind === "settings" || kind === "limits") return <a href={pathOf("/app/settings")}>{kind}</a>;
  return <span class="muted">{object}</span>;
}

function changesText({ changes }: Entry): string {
  const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  return changes
    .map(
      ({ field, from, to }) => `${field}: ${from === null || from === undefined ? "" : `${text(from)} → `}${text(to)}`,
    )
    .join("; ");
}
