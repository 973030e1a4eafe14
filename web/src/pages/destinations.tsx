import { api, queryOf } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import type { Page } from "../api/shapes.ts";
import { refresh, told } from "../actions.ts";
import { appId, mayChange, ofApp } from "../me.ts";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { Safe } from "../parts/text.tsx";
import { Ago } from "../parts/time.tsx";
import { toast } from "../parts/toasts.tsx";
import { pathOf } from "../root.ts";

export interface Destination {
  readonly destination: string;
  readonly state: "closed" | "open" | "held";
  readonly since: string | null;
  readonly consecutiveFailures: number;
  readonly lastError: string | null;
  readonly nextProbeAt: string | null;
  readonly rateLimitPerSecond: number | null;
  readonly maxConcurrency: number | null;
}

export async function resumeDestination(destination: string): Promise<void> {
  await api("v1/admin/destinations/resume", { method: "POST", body: { destination, ...ofApp() } });
  toast(`Resumed ${destination}`);
}

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
  if (list.isPending) return <Skeleton />;
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
                <th class="fit" />
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
