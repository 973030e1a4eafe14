import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { api, queryOf } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import type { BulkAction, Page, Status } from "../api/shapes.ts";
import { told, refresh } from "../actions.ts";
import { appId, mayChange, ofApp } from "../me.ts";
import { Chart, type Point } from "../parts/chart.tsx";
import { Icon, type Shape } from "../parts/icon.tsx";
import { Refreshing, Skeleton } from "../parts/notices.tsx";
import { SHOWN, isFinal, type Tone } from "../parts/status.tsx";
import { plural } from "../parts/text.tsx";
import { Ago } from "../parts/time.tsx";
import { pathOf } from "../root.ts";
import { absoluteText, durationText, now } from "../time.ts";
import { WAITING } from "../what.ts";
import { resumeDestination, type Destination } from "../destinations.ts";

export interface Counts {
  readonly byStatus: Readonly<Partial<Record<Status, number>>>;
  readonly waiting: Readonly<Record<string, number>>;
  readonly destinations: readonly {
    readonly destination: string;
    readonly waiting: number;
    readonly reason: string;
    readonly since: string | null;
    readonly lastError: string | null;
  }[];
  readonly asOf: string;
}

export interface Figures {
  readonly accepted: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly retried: number;
  readonly latencyMs: { readonly p50: number | null; readonly p95: number | null };
}

export interface Step extends Figures {
  readonly at: string;
}

export interface SeriesAnswer {
  readonly points: readonly Step[];
  readonly total: Figures;
  readonly errors: readonly { readonly error: string; readonly count: number }[];
}

interface Stats {
  readonly oldestDueAgeSeconds?: number | null;
}

const HOUR = 3_600_000;

export default function Overview() {
  const app = queryOf(ofApp());
  const counts = useQuery({
    key: ["counts", appId.value],
    ask: async (signal) => api<Counts>(`v1/admin/counts${app}`, { signal }),
    every: () => "often",
  });
  const stats = useQuery({
    key: ["stats", appId.value],
    ask: async (signal) => api<Stats>(`v1/admin/stats${app}`, { signal }),
    every: () => "seldom",
  });
  const destinations = useQuery({
    key: ["destinations", appId.value],
    ask: async (signal) => api<Page<Destination>>(`v1/admin/destinations${app}`, { signal }),
    every: () => "seldom",
  });
  const bulk = useQuery({
    key: ["bulk", appId.value],
    ask: async (signal) =>
      api<Page<BulkAction>>(`v1/admin/bulk-actions${queryOf({ ...ofApp(), limit: 5 })}`, { signal }),
    every: (page) => (page?.items.some(({ status }) => !isFinal(status)) ? "often" : "seldom"),
  });
  if (counts.isPending) return <Skeleton title="Overview" rows={8} />;
  const running = bulk.data?.items.find(({ status }) => !isFinal(status));
  return (
    <div class="stack">
      <div class="title">
        <h1 tabIndex={-1}>Overview</h1>
        <div class="actions">
          {mayChange.value && (
            <a class="button" href={pathOf("/new")}>
              <Icon shape="plus" /> New job
            </a>
          )}
        </div>
      </div>
      <Refreshing query={counts} />
      {counts.data && (
        <Problems
          counts={counts.data}
          oldestDue={stats.data?.oldestDueAgeSeconds ?? 0}
          destinations={destinations.data?.items ?? []}
        />
      )}
      {counts.data && <Now counts={counts.data} />}
      <Charts />
      {running && (
        <p class="row">
          Bulk: {running.action === "redrive" ? "retrying" : "cancelling"} jobs, {plural(running.changed, "job")} so
          far. <a href={pathOf(`/bulk/${running.id}`)}>Watch</a>
        </p>
      )}
    </div>
  );
}

interface Problem {
  readonly tone: Tone;
  readonly shape: Shape;
  readonly what: string;
  readonly detail: ComponentChildren;
  readonly action: ComponentChildren;
}

/** In this order: dead, failed, overdue, open circuits, held destinations, a paused app. */
function Problems({
  counts,
  oldestDue,
  destinations,
}: {
  readonly counts: Counts;
  readonly oldestDue: number;
  readonly destinations: readonly Destination[];
}) {
  const look = (q: string) => (
    <a class="button small" href={pathOf(`/jobs?q=${encodeURIComponent(q)}`)}>
      Look
    </a>
  );
  const { DEAD: dead = 0, FAILED: failed = 0 } = counts.byStatus;
  const paused = counts.waiting["paused"] ?? 0;
  const problems: Problem[] = [];
  if (dead > 0)
    problems.push({
      tone: "dead",
      shape: "cross",
      what: `${dead.toLocaleString("en")} dead`,
      detail: "No retry is left. Retry them when the cause is mended.",
      action: look("status:dead"),
    });
  if (failed > 0)
    problems.push({
      tone: "failed",
      shape: "bang",
      what: `${failed.toLocaleString("en")} failed`,
      detail: "Another try would not have helped.",
      action: look("status:failed"),
    });
  if (oldestDue > 120)
    problems.push({
      tone: "retrying",
      shape: "clock",
      what: "Overdue",
      detail: `The oldest job that is due has waited ${durationText(oldestDue * 1_000)}.`,
      action: look("status:waiting,retrying"),
    });
  for (const one of destinations) {
    if (one.state === "open")
      problems.push({
        tone: "retrying",
        shape: "retry",
        what: "Circuit open",
        detail: (
          <>
            {one.destination}: it fails, and is probed.{" "}
            {one.since && (
              <>
                Since <Ago at={one.since} />.
              </>
            )}
          </>
        ),
        action: look(`host:${hostOf(one)}`),
      });
    if (one.state === "held")
      problems.push({
        tone: "dead",
        shape: "pause",
        what: "Held",
        detail: `${one.destination} answered 410 Gone: its jobs wait for you.`,
        action: mayChange.value ? (
          <button
            type="button"
            class="button small"
            onClick={() => void told(async () => resumeDestination(one.destination)).then(refresh)}
          >
            Resume
          </button>
        ) : (
          look(`host:${hostOf(one)}`)
        ),
      });
  }
  if (paused > 0)
    problems.push({
      tone: "waiting",
      shape: "pause",
      what: "App paused",
      detail: `${plural(paused, "job")} wait.`,
      action: (
        <a class="button small" href={pathOf("/app/settings")}>
          Settings
        </a>
      ),
    });
  if (problems.length === 0) {
    return (
      <div class="notice" data-tone="succeeded">
        <Icon shape="check" /> <b>Nothing needs you.</b>
      </div>
    );
  }
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

export function hostOf({ destination }: Pick<Destination, "destination">): string {
  return destination.replace(/^https?:\/\//, "");
}

function Now({ counts }: { readonly counts: Counts }) {
  const shown = (["RUNNING", "RETRYING", "PENDING"] as const).map(
    (status) => [status, counts.byStatus[status] ?? 0] as const,
  );
  const reasons = Object.entries(counts.waiting).filter(([, count]) => count > 0);
  return (
    <section class="stack tight" aria-label="Now">
      <div class="numbers">
        {shown.map(([status, count]) => {
          const { word, shape, tone } = SHOWN[status];
          return (
            <a key={status} class="number" href={pathOf(`/jobs?q=status:${word.toLowerCase()}`)} data-tone={tone}>
              <Icon shape={shape} /> <b>{count.toLocaleString("en")}</b> {word.toLowerCase()}
            </a>
          );
        })}
      </div>
      {reasons.length > 0 && (
        <p class="muted small">
          Waiting:{" "}
          {reasons.map(([reason, count]) => `${count.toLocaleString("en")} ${WAITING[reason] ?? reason}`).join(" · ")}
        </p>
      )}
    </section>
  );
}

function Charts() {
  const [hours, setHours] = useState(24);
  const series = useQuery({
    key: ["series", hours, appId.value],
    ask: async (signal) => {
      const to = now();
      const range = {
        from: new Date(to - hours * HOUR).toISOString(),
        to: new Date(to).toISOString(),
        step: hours > 48 ? "1d" : "1h",
      };
      return api<SeriesAnswer>(`v1/admin/series${queryOf({ ...ofApp(), ...range })}`, { signal });
    },
    every: () => "seldom",
    keeps: true,
  });
  const steps = series.data?.points ?? [];
  const sum = (of: (step: Step) => number) => steps.reduce((total, step) => total + of(step), 0);
  const [done, failed] = [sum(({ succeeded }) => succeeded), sum((step) => step.failed)];
  const share = done + failed === 0 ? undefined : (100 * done) / (done + failed);
  const points = (values: (step: Step) => readonly number[]): Point[] =>
    steps.map((step) => ({ at: step.at, values: values(step) }));
  const timeText = (at: string) => absoluteText(Date.parse(at), "local");
  return (
    <section class="stack" aria-label="Lately">
      <div class="row">
        <h2 class="grow">Lately</h2>
        <div class="tabs" role="group" aria-label="Span">
          {(
            [
              [24, "24 h"],
              [168, "7 d"],
              [720, "30 d"],
            ] as const
          ).map(([each, word]) => (
            <button key={each} type="button" aria-pressed={each === hours} onClick={() => setHours(each)}>
              {word}
            </button>
          ))}
        </div>
      </div>
      <Refreshing query={series} />
      <div class="cards">
        <div class="panel">
          <header>
            <h3 class="grow">Ended jobs</h3>
            <span class="muted small">{plural(done + failed, "job")}</span>
          </header>
          <div class="inside">
            <Chart
              title="Ended jobs"
              series={[
                { name: "failed", tone: "dead" },
                { name: "succeeded", tone: "succeeded" },
              ]}
              points={points((step) => [step.failed, step.succeeded])}
              timeText={timeText}
            />
          </div>
        </div>
        <div class="panel">
          <header>
            <h3 class="grow">Accepted, retried</h3>
            <span class="muted small">{share === undefined ? "no end yet" : `${share.toFixed(1)} % succeeded`}</span>
          </header>
          <div class="inside">
            <Chart
              title="Accepted and retried"
              kind="lines"
              series={[
                { name: "accepted", tone: "running" },
                { name: "retried", tone: "retrying" },
              ]}
              points={points((step) => [step.accepted, step.retried])}
              timeText={timeText}
            />
          </div>
        </div>
        <div class="panel">
          <header>
            <h3 class="grow">From acceptance to end</h3>
          </header>
          <div class="inside">
            <Chart
              title="From acceptance to end"
              kind="lines"
              series={[
                { name: "p50", tone: "running" },
                { name: "p95", tone: "cancelled" },
              ]}
              points={points(({ latencyMs }) => [latencyMs.p50 ?? 0, latencyMs.p95 ?? 0])}
              timeText={timeText}
              valueText={durationText}
            />
          </div>
        </div>
      </div>
      {(series.data?.errors.length ?? 0) > 0 && (
        <p>
          <span class="muted">Most frequent errors: </span>
          {series.data?.errors.slice(0, 5).map(({ error, count }, at) => (
            <>
              {at > 0 && " · "}
              <a href={pathOf(`/jobs?q=${encodeURIComponent(`error:"${error}"`)}`)}>{error}</a> ×
              {count.toLocaleString("en")}
            </>
          ))}
        </p>
      )}
    </section>
  );
}
