import type { ComponentChildren } from "preact";
import { api, queryOf } from "../../api/http.ts";
import { useQuery } from "../../api/query.ts";
import type { AppSettings, Answer, Counts, Destination, Series } from "../../api/shapes.ts";
import { hostOf } from "../../destinations.ts";
import { searchOf } from "../../filter.ts";
import { appId, mayChange, ofApp } from "../../me.ts";
import { Icon, type Shape } from "../../parts/icon.tsx";
import { Resume } from "../../parts/resume.tsx";
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
          <a href={pathOf(searchOf("after:1h"))}>{plural(jobs, "job")}</a> in the last hour{rate}.
        </span>
      )}
    </div>
  );
}

function look(q: string): ComponentChildren {
  return (
    <a class="button small" href={pathOf(searchOf(q))}>
      Look
    </a>
  );
}

function ended({ counts: { byStatus }, series }: Seen): Problem[] {
  const { DEAD: dead, FAILED: failed } = byStatus;
  const all: Problem[] = [];
  if (dead > 0) {
    all.push({
      tone: "dead",
      shape: "cross",
      what: `${dead.toLocaleString("en")} dead`,
      detail: <>No retry is left. {series && <Lately series={series} />}</>,
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

/** `482 within a day, the first 7 h ago; 97 % of them at hooks.partner.com.` */
function Lately({ series: { points, total, destinations, from } }: { readonly series: Series }) {
  const first = points.find(({ dead }) => dead > 0)?.at;
  if (first === undefined) return null;
  const [most] = destinations.toSorted((a, b) => b.dead - a.dead);
  const within = `status:dead updated:${from.slice(0, 16)}Z`;
  const isTold = most && most.dead > 0 && most.destination !== "(others)";
  const share = Math.min(100, Math.round((100 * (most?.dead ?? 0)) / total.dead));
  return (
    <>
      <a href={pathOf(searchOf(within))}>{total.dead.toLocaleString("en")}</a> within a day, the first{" "}
      <Ago at={first} />
      {isTold && (
        <>
          ; {share} % of them at{" "}
          <a href={pathOf(searchOf(`${within} host:${hostOf(most)}`))}>{safeText(hostOf(most))}</a>
        </>
      )}
      .
    </>
  );
}

function overdue({ stats }: Seen): Problem[] {
  const seconds = stats?.oldestDueAgeSeconds ?? 0;
  if (seconds <= OVERDUE_SECONDS) return [];
  return [
    {
      tone: "retrying",
      shape: "clock",
      what: "Overdue",
      // The service has one line for the jobs of all apps.
      detail: `Of all apps' jobs that are due, the oldest has waited ${durationText(seconds * 1_000)} for a worker.`,
      action: look("waiting:queued,delayed,backoff before:2m"),
    },
  ];
}

/** `, 61 jobs wait`, with a link to them. */
function Waiting({ counts, at }: { readonly counts: Counts; readonly at: Destination }) {
  const found = counts.destinations.find(({ destination }) => destination === at.destination);
  if (!found) return null;
  return (
    <>
      , <a href={pathOf(searchOf(`waiting:${found.reason} host:${hostOf(at)}`))}>{plural(found.waiting, "job")}</a>{" "}
      {found.waiting === 1 ? "waits" : "wait"}
    </>
  );
}

function unreachable({ counts, destinations }: Seen): Problem[] {
  const open = destinations
    .filter(({ state }) => state === "open")
    .map<Problem>((one) => ({
      tone: "retrying",
      shape: "retry",
      what: "Circuit open",
      detail: (
        <>
          {safeText(hostOf(one))}: {safeText(one.lastError ?? "it fails")}
          <Waiting counts={counts} at={one} />.{" "}
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
      detail: (
        <>
          {safeText(hostOf(one))}: {safeText(one.lastError ?? "by a person")}
          <Waiting counts={counts} at={one} /> for you.
        </>
      ),
      action: mayChange.value ? <Resume destination={one.destination} /> : look(`host:${hostOf(one)}`),
    }));
  return [...open, ...held];
}

function paused({ counts, isPaused }: Seen): Problem[] {
  if (!isPaused) return [];
  return [
    {
      tone: "waiting",
      shape: "pause",
      what: "App paused",
      detail: (
        <>
          Jobs are kept, none starts.{" "}
          <a href={pathOf(searchOf("waiting:paused"))}>{plural(counts.waiting.paused, "job")}</a>{" "}
          {counts.waiting.paused === 1 ? "waits" : "wait"}.
        </>
      ),
      action: (
        <a class="button small" href={pathOf("/app/settings")}>
          Settings
        </a>
      ),
    },
  ];
}
