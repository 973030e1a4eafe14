import { useLocation } from "preact-iso/router";
import { useEffect, useState } from "preact/hooks";
import { api, queryOf } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import type { Answer, Entry } from "../api/shapes.ts";
import { told } from "../actions.ts";
import { appId } from "../me.ts";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { Safe } from "../parts/text.tsx";
import { Ago } from "../parts/time.tsx";
import { pathOf } from "../root.ts";

export default function Audit() {
  const { query, route } = useLocation();
  const object = query["object"] ?? "";
  const [older, setOlder] = useState<Answer<"listAudit"> | undefined>(undefined);
  useEffect(() => setOlder(undefined), [object]);
  const ask = async (cursor: string | undefined, signal?: AbortSignal) =>
    api<Answer<"listAudit">>(
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
  const further = async () => {
    const page = await told(async () => ask(end?.nextCursor ?? undefined));
    if (page) setOlder({ ...page, items: [...(older?.items ?? []), ...page.items] });
  };
  return (
    <div class="stack">
      <div class="title">
        <h1 tabIndex={-1}>Audit log</h1>
      </div>
      {object !== "" && (
        <p class="row">
          About <code class="long">{object}</code>
          <button type="button" class="button small" onClick={() => route(pathOf("/app/audit"))}>
            All
          </button>
        </p>
      )}
      <Refreshing query={list} />
      {entries.length === 0 ? (
        <div class="empty panel">Nothing has been changed by a person.</div>
      ) : (
        <Table entries={entries} />
      )}
      {end && end.nextCursor !== null && (
        <button type="button" class="button small" onClick={() => void further()}>
          Older
        </button>
      )}
    </div>
  );
}

function Table({ entries }: { readonly entries: readonly Entry[] }) {
  return (
    <div class="panel">
      <table class="table cards-on-phone lines-on-phone">
        <caption class="hidden-text">Who changed what, newest first</caption>
        <thead>
          <tr>
            <th class="fit" aria-sort="descending">
              When
            </th>
            <th class="fit">Who</th>
            <th class="fit">What</th>
            <th>Changes</th>
          </tr>
        </thead>
        <tbody>
          {entries.map((entry) => (
            <tr key={entry.at + entry.action + String(entry.object)}>
              <td class="fit end-on-phone">
                <Ago at={entry.at} />
              </td>
              <td class="fit first-on-phone">
                <Safe text={entry.by} />
              </td>
              <td class="fit wide-on-phone among-words">
                {entry.action} <ObjectLink object={entry.object} />
              </td>
              <td class="cut wide-on-phone" title={changesText(entry)}>
                <Safe text={changesText(entry)} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const PAGES: Readonly<Record<string, (id: string) => string>> = {
  job: (id) => `/jobs/${id}`,
  schedule: (id) => `/jobs/${id}`,
  settings: () => "/app/settings",
  limits: () => "/app/usage",
  secret: () => "/app/secrets",
  destination: (name) => `/jobs?q=${encodeURIComponent(`host:${name.replace(/^https?:\/\//, "")}`)}`,
};

function ObjectLink({ object }: { readonly object: string | null }) {
  const [kind = "", id = ""] = object?.split(/:(.*)/s) ?? [];
  const page = PAGES[kind];
  const word = kind === "job" || kind === "schedule" || kind === "secret" ? id.slice(0, 8) : id || kind;
  if (!page) return <span class="muted">{object}</span>;
  return (
    <a href={pathOf(page(id))} title={object ?? ""}>
      <Safe text={word} />
    </a>
  );
}

function changesText({ changes }: Entry): string {
  const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  return changes
    .map(({ field, from, to, omitted }) => {
      if (omitted) return `${field}: changed`;
      if ((from ?? null) === null && to === null) return field;
      return `${field}: ${from === null || from === undefined ? "" : `${text(from)} → `}${text(to)}`;
    })
    .join("; ");
}
