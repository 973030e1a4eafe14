import { useState } from "preact/hooks";
import { api, queryOf } from "../api/http.ts";
import { STATES, hostOf } from "../destinations.ts";
import { useQuery } from "../api/query.ts";
import type { Answer, AppSettings, Counts, Destination } from "../api/shapes.ts";
import { searchOf } from "../filter.ts";
import { appId, mayChange, ofApp } from "../me.ts";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { Resume } from "../parts/resume.tsx";
import { Safe } from "../parts/text.tsx";
import { Ago } from "../parts/time.tsx";
import { pathOf } from "../root.ts";
import { now } from "../time.ts";
import { Hold } from "./destinations/hold.tsx";

const FAILED_LATELY = ["waiting", "Failed lately"] as const;

/** One that has failed lately or is held, or one with a limit of its own. */
type Shown = Pick<Destination, "destination" | "state" | "nextProbeAt" | "lastError"> & {
  readonly since: string | null;
  readonly rateLimitPerSecond: number | null;
  readonly maxConcurrency: number | null;
};

const ORDER = ["held", "open", "closed"];

/** Those that fail or are held, and those that only have limits. */
function shownOf(failing: readonly Destination[], limits: AppSettings["destinations"]): readonly Shown[] {
  const limited = limits
    .filter(({ destination }) => failing.every((each) => each.destination !== destination))
    .map(({ destination, rateLimitPerSecond, maxConcurrency }) => ({
      destination,
      rateLimitPerSecond: rateLimitPerSecond ?? null,
      maxConcurrency: maxConcurrency ?? null,
      state: "closed" as const,
      since: null,
      nextProbeAt: null,
      lastError: null,
    }));
  return [...failing, ...limited].toSorted((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state));
}

export default function Destinations() {
  // Empty: one that is not listed, whose name is asked for.
  const [holding, setHolding] = useState<string | undefined>(undefined);
  const list = useQuery({
    key: ["destinations", appId.value],
    ask: async (signal) => api<Answer<"listDestinations">>(`v1/admin/destinations${queryOf(ofApp())}`, { signal }),
    every: () => "seldom",
  });
  const counts = useQuery({
    key: ["counts", appId.value],
    ask: async (signal) => api<Counts>(`v1/admin/counts${queryOf(ofApp())}`, { signal }),
    every: () => "seldom",
  });
  const settings = useQuery({
    key: ["app", appId.value],
    ask: async (signal) => api<AppSettings>(`v1/admin/apps/${appId.value}`, { signal }),
    enabled: appId.value !== undefined,
  });
  if (list.isPending) return <Skeleton title="Destinations" />;
  const all = shownOf(list.data?.items ?? [], settings.data?.destinations ?? []);
  const waiting = new Map(counts.data?.destinations.map((each) => [each.destination, each]));
  return (
    <div class="stack">
      <div class="title">
        <h1 tabIndex={-1}>Destinations</h1>
        <div class="actions">
          {mayChange.value && (
            <button type="button" class="button" onClick={() => setHolding("")}>
              Hold a destination
            </button>
          )}
        </div>
      </div>
      <Refreshing query={list} />
      {list.data && all.length === 0 && (
        <div class="empty panel">
          <h2>All is well</h2>
          <p>A destination is listed once it fails again and again, is held, or has a limit of its own.</p>
        </div>
      )}
      {all.length > 0 && (
        <div class="panel">
          <table class="table cards-on-phone lines-on-phone">
            <caption class="hidden-text">Destinations that deviate</caption>
            <thead>
              <tr>
                <th>Destination</th>
                <th class="fit">State</th>
                <th class="fit">Since</th>
                <th class="fit right">Waiting</th>
                <th class="fit">Next probe</th>
                <th class="fit right">Limits</th>
                <th>Last error</th>
                <td class="fit" />
              </tr>
            </thead>
            <tbody>
              {all.map((one) => (
                <Row key={one.destination} one={one} waits={waiting.get(one.destination)} onHold={setHolding} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {holding !== undefined && <Hold destination={holding} onClose={() => setHolding(undefined)} />}
    </div>
  );
}

interface RowProps {
  readonly one: Shown;
  readonly waits: Counts["destinations"][number] | undefined;
  readonly onHold: (destination: string) => void;
}

function Row({ one, waits, onHold }: RowProps) {
  const host = hostOf(one);
  const [tone, word] = one.state === "closed" && one.lastError !== null ? FAILED_LATELY : STATES[one.state];
  const limits = [
    ...(one.rateLimitPerSecond === null ? [] : [`${one.rateLimitPerSecond}/s`]),
    ...(one.maxConcurrency === null ? [] : [`${one.maxConcurrency} at once`]),
  ];
  return (
    <tr>
      <td class="cut first-on-phone" title={one.destination}>
        <a href={pathOf(searchOf(`host:${host}`))}>{host}</a>
      </td>
      <td class="fit">
        <span class="badge" data-tone={tone}>
          {word}
        </span>
      </td>
      <td class="fit since-on-phone">{one.since !== null && <Ago at={one.since} />}</td>
      <td class="fit right wide-on-phone">
        {waits && (
          <>
            <a href={pathOf(searchOf(`waiting:${waits.reason} host:${host}`))}>{waits.waiting.toLocaleString("en")}</a>
            <span class="on-phone muted"> waiting</span>
          </>
        )}
      </td>
      <td class="fit wide-on-phone">
        {one.state === "open" && (
          <>
            <span class="on-phone muted">Next probe </span>
            {one.nextProbeAt !== null && Date.parse(one.nextProbeAt) <= now() ? "now" : <Ago at={one.nextProbeAt} />}
          </>
        )}
      </td>
      <td class="fit right wide-on-phone">{limits.join(", ")}</td>
      <td class="cut wide-on-phone" title={one.lastError ?? ""}>
        <Safe text={one.lastError ?? ""} />
      </td>
      <td class="fit right end-on-phone">
        {mayChange.value && one.state !== "held" && (
          <button type="button" class="button small" onClick={() => onHold(one.destination)}>
            Hold
          </button>
        )}{" "}
        {one.state !== "closed" && <Resume destination={one.destination} />}
      </td>
    </tr>
  );
}
