import type { ComponentChildren } from "preact";
import { refresh, told } from "../../actions.ts";
import { api, queryOf } from "../../api/http.ts";
import { useQuery } from "../../api/query.ts";
import type { AppSettings, Answer, Counts, Destination, Series } from "../../api/shapes.ts";
import { hostOf, resumeDestination } from "../../destinations.ts";
import { appId, mayChange, ofApp } from "../../me.ts";
import { Icon, type Shape } from "../../parts/icon.tsx";
import type { Tone } from "../../parts/status.tsx";
import { plural, safeText } from "../../parts/text.tsx";
import { Ago } from "../../parts/time.tsx";
import { pathOf } from "../../root.ts";
import { durationText, now } from "../../time.ts";
import { useSeries } from "./series.ts";

// What needs a person, worst first.

interface Problem {
  readonly tone: Tone;
  readonly shape: Shape;
  readonly what: string;
  readonly detail: ComponentChildren;
  readonly action: ComponentChildren;
}

interface Seen {
  readonly counts: Counts;
  readonly stats: Answer<"getStats"> | undefined;
  readonly destinations: readonly Destination[];
  readonly series: Series | undefined;
  readonly isPaused: boolean;
}

const OVERDUE_SECONDS = 120;

export function Problems({ counts }: { readonly counts: Counts }) {
  const app = queryOf(ofApp());
  const stats = useQuery({
    key: ["stats", appId.value],
    ask: async (signal) => api<Answer<"getStats">>(`v1/admin/stats${app}`, { signal }),
    every: () => "seldom",
  });
  const destinations = useQuery({
    key: ["destinations", appId.value],
    ask: async (signal) => api<Answer<"listDestinations">>(`v1/admin/destinations${app}`, { signal }),
    every: () => "rarely",
  });
  const settings = useQuery({
    key: ["app", appId.value],
    ask: async (signal) => api<AppSettings>(`v1/admin/apps/${appId.value}`, { signal }),
    enabled: appId.value !== undefined,
    every: () => "rarely",
  });
  const series = useSeries(24).data;
  const isPaused = settings.data ? settings.data.paused || settings.data.inForce.paused : counts.waiting.paused > 0;
  const seen: Seen = { counts, stats: stats.data, destinations: destinations.data?.items ?? [], series, isPaused };
  const problems = [...ended(seen), ...overdue(seen), ...unreachable(seen), ...paused(seen)];
  if (problems.length === 0) return <Well stats={stats.data} />;
  return (
    <section class="panel" aria-labelledby="problems">
      <header>
        <h2 id="problems">{problems.length === 1 ? "One thing needs you" : `${problems.length} things need you`}</h2>
      </header>
      <ul role="list" class="problems">
        {problems.map(({ tone, shape, what, detail, action }, at) => (
          <li key={at}>
            <span class="badge" data-tone={tone}>
              <Icon shape={shape} /> {what}
            </span>
            <span>{detail}</span>
            {action}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Well({ stats }: { readonly stats: Seen["stats"] }) {
  const { jobs = 0, successRate = null } = stats?.lastHour ?? {};
  const rate = successRate === null ? "" : `, ${(successRate * 100).toFixed(1)} % succeeded`;
  return (
    <div class="notice" data-tone="succeeded">
      <Icon shape="check" /> <b>Nothing needs you.</b>
      {stats && (
        <span>
          {plural(jobs, "job")} in the last hour{rate}.
        </span>
      )}
    </div>
  );
}

function look(q: string): ComponentChildren {
  return (
    <a class="button small" href={pathOf(`/jobs?q=${encodeURIComponent(q)}`)}>
      Look
    </a>
  );
}

function ended({ counts: { byStatus }, series }: Seen): Problem[] {
  const { DEAD: dead, FAILED: failed } = byStatus;
  const all: Problem[] = [];
  if (dead > 0) {
    const since = series?.points.find((point) => point.dead > 0)?.at;
    all.push({
      tone: "dead",
      shape: "cross",
      what: `${dead.toLocaleString("en")} dead`,
      detail: (
        <>
          No retry is left.
          {since !== undefined && (
            <>
              {" "}
              The first within a day: <Ago at={since} />.{mostAt(series)}
            </>
          )}
        </>
      ),
      action: look("status:dead"),
    });
  }
  if (failed > 0)
    all.push({
      tone: "failed",
      shape: "bang",
      what: `${failed.toLocaleString("en")} failed`,
      detail: "Another try would not have helped.",
      action: look("status:failed"),
    });
  return all;
}

/** ` Of 482 failures within a day, 97 % were at hooks.partner.com.` */
function mostAt(series: Series | undefined): string {
  const failed = series?.destinations.filter((each) => each.failed > 0) ?? [];
  const [most] = failed.toSorted((a, b) => b.failed - a.failed);
  if (!most || most.destination === "(others)") return "";
  const all = failed.reduce((sum, each) => sum + each.failed, 0);
  const share = Math.round((100 * most.failed) / all);
  return ` Of ${plural(all, "failure")} within a day, ${share} % ${all === 1 ? "was" : "were"} at ${safeText(hostOf(most))}.`;
}

function overdue({ stats }: Seen): Problem[] {
  const seconds = stats?.oldestDueAgeSeconds ?? 0;
  if (seconds <= OVERDUE_SECONDS) return [];
  return [
    {
      tone: "retrying",
      shape: "clock",
      what: "Overdue",
      detail: `The oldest job that is due has waited ${durationText(seconds * 1_000)}.`,
      action: look("status:waiting,retrying"),
    },
  ];
}

function unreachable({ counts, destinations }: Seen): Problem[] {
  const waiting = (one: Destination) =>
    counts.destinations.find(({ destination }) => destination === one.destination)?.waiting ?? 0;
  const wait = (one: Destination) => {
    const count = waiting(one);
    return count === 0 ? "" : `, ${plural(count, "job")} ${count === 1 ? "waits" : "wait"}`;
  };
  const open = destinations
    .filter(({ state }) => state === "open")
    .map<Problem>((one) => ({
      tone: "retrying",
      shape: "retry",
      what: "Circuit open",
      detail: (
        <>
          {safeText(hostOf(one))}: {safeText(one.lastError ?? "it fails")}
          {wait(one)}.{" "}
          {one.nextProbeAt !== null && (
            <>Next probe {Date.parse(one.nextProbeAt) > now() ? <Ago at={one.nextProbeAt} /> : "now"}.</>
          )}
        </>
      ),
      action: look(`host:${hostOf(one)}`),
    }));
  const held = destinations
    .filter(({ state }) => state === "held")
    .map<Problem>((one) => ({
      tone: "dead",
      shape: "pause",
      what: "Held",
      detail: `${safeText(hostOf(one))}: ${safeText(one.lastError ?? "by a person")}${wait(one)} for you.`,
      action: mayChange.value ? <Resume destination={one.destination} /> : look(`host:${hostOf(one)}`),
    }));
  return [...open, ...held];
}

function Resume({ destination }: { readonly destination: string }) {
  return (
    <button
      type="button"
      class="button small"
      onClick={() => void told(async () => resumeDestination(destination)).then(refresh)}
    >
      Resume
    </button>
  );
}

function paused({ counts, isPaused }: Seen): Problem[] {
  if (!isPaused) return [];
  return [
    {
      tone: "waiting",
      shape: "pause",
      what: "App paused",
      detail: `Jobs are kept, none starts. ${plural(counts.waiting.paused, "job")} ${counts.waiting.paused === 1 ? "waits" : "wait"}.`,
      action: (
        <a class="button small" href={pathOf("/app/settings")}>
          Settings
        </a>
      ),
    },
  ];
}
