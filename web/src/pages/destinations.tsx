import { api, queryOf } from "../api/http.ts";
import { resumeDestination, type Destination } from "../destinations.ts";
import { useQuery } from "../api/query.ts";
import type { Page } from "../api/shapes.ts";
import { refresh, told } from "../actions.ts";
import { appId, mayChange, ofApp } from "../me.ts";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { Safe } from "../parts/text.tsx";
import { Ago } from "../parts/time.tsx";
import { pathOf } from "../root.ts";

const STATES = {
  closed: ["succeeded", "Well"],
  open: ["retrying", "Circuit open"],
  held: ["dead", "Held"],
} as const;

export default function Destinations() {
  const list = useQuery({
    key: ["destinations", appId.value],
    ask: async (signal) => api<Page<Destination>>(`v1/admin/destinations${queryOf(ofApp())}`, { signal }),
    every: () => "seldom",
  });
  if (list.isPending) return <Skeleton title="Destinations" />;
  const all = list.data?.items ?? [];
  return (
    <div class="stack">
      <div class="title">
        <h1 tabIndex={-1}>Destinations</h1>
      </div>
      <Refreshing query={list} />
      {all.length === 0 ? (
        <div class="empty panel">
          <h2>All is well</h2>
          <p>A destination is listed once it fails again and again, is held, or has a limit of its own.</p>
        </div>
      ) : (
        <div class="panel">
          <table class="table">
            <caption class="hidden-text">Destinations that deviate</caption>
            <thead>
              <tr>
                <th>Destination</th>
                <th class="fit">State</th>
                <th class="fit">Since</th>
                <th class="fit">Next probe</th>
                <th class="fit right">Limits</th>
                <th>Last error</th>
                <td class="fit" />
              </tr>
            </thead>
            <tbody>
              {all.map((one) => (
                <tr key={one.destination}>
                  <td class="cut">
                    <a
                      href={pathOf(
                        `/jobs?q=${encodeURIComponent(`host:${one.destination.replace(/^https?:\/\//, "")}`)}`,
                      )}
                    >
                      {one.destination}
                    </a>
                  </td>
                  <td class="fit">
                    <span class="badge" data-tone={STATES[one.state][0]}>
                      {STATES[one.state][1]}
                    </span>
                  </td>
                  <td class="fit">
                    <Ago at={one.since} />
                  </td>
                  <td class="fit">
                    <Ago at={one.nextProbeAt} />
                  </td>
                  <td class="fit right">
                    {one.rateLimitPerSecond !== null && `${one.rateLimitPerSecond}/s `}
                    {one.maxConcurrency !== null && `${one.maxConcurrency} at once`}
                  </td>
                  <td class="cut">
                    <Safe text={one.lastError ?? ""} />
                  </td>
                  <td class="fit">
                    {mayChange.value && one.state !== "closed" && (
                      <button
                        type="button"
                        class="button small"
                        onClick={() => void told(async () => resumeDestination(one.destination)).then(refresh)}
                      >
                        Resume
                      </button>
                    )}
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
