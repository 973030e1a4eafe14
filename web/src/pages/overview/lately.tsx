import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Series } from "../../api/shapes.ts";
import { searchOf } from "../../filter.ts";
import { Chart, type Point } from "../../parts/chart.tsx";
import { Refreshing } from "../../parts/notices.tsx";
import { safeText } from "../../parts/text.tsx";
import { pathOf } from "../../root.ts";
import { absoluteText, durationText } from "../../time.ts";
import { useSeries } from "./series.ts";

const SPANS = [
  [1, "1 h"],
  [24, "24 h"],
  [168, "7 d"],
  [720, "30 d"],
] as const;

/** The last hour, day, week or month: numbers first, then charts. */
export function Lately() {
  const [hours, setHours] = useState(24);
  const series = useSeries(hours);
  return (
    <section class="stack" aria-label="Lately">
      <div class="row">
        <h2 class="grow">Lately</h2>
        <div class="tabs" role="group" aria-label="Span">
          {SPANS.map(([each, word]) => (
            <button key={each} type="button" aria-pressed={each === hours} onClick={() => setHours(each)}>
              {word}
            </button>
          ))}
        </div>
      </div>
      <Refreshing query={series} />
      {series.data && (
        <div class={`stack${series.isPlaceholderData ? " dim" : ""}`}>
          <Charts series={series.data} />
          <Errors series={series.data} />
        </div>
      )}
    </section>
  );
}

type Step = Series["points"][number];

/** `2026-01-31T09:05Z`, for a search. */
const minuteOf = (at: string) => at.replace(/:\d\d\.\d+Z$/, "Z");

function Charts({ series: { points: steps, total, step: size, from } }: { readonly series: Series }) {
  const points = (values: (step: Step) => readonly number[]): Point[] =>
    steps.map((step) => ({ at: step.at, values: values(step) }));
  const timeText = (at: string) => absoluteText(Date.parse(at), "local");
  const { succeeded, failed, accepted, latencyMs } = total;
  const done = succeeded + failed;
  // By five minutes, jobs count where they were accepted, else where they ended.
  const isByStart = size === "5m";
  const since = minuteOf(from);
  const ended = `status:succeeded,failed,dead ${isByStart ? "after" : "updated"}:${since}`;
  const link = (q: string, count: number) => <a href={pathOf(searchOf(q))}>{count.toLocaleString("en")}</a>;
  return (
    <div class="cards">
      <Card title="Ended jobs" figure={link(ended, done)} detail={isByStart && "of those that came in this hour"}>
        <Chart
          title={isByStart ? "Ended jobs, by when they were accepted" : "Ended jobs"}
          series={[
            { name: "failed", tone: "dead" },
            { name: "succeeded", tone: "succeeded" },
          ]}
          points={points((step) => [step.failed, step.succeeded])}
          timeText={timeText}
        />
      </Card>
      <Card
        title="Succeeded"
        figure={done === 0 ? "–" : `${((100 * succeeded) / done).toFixed(1)} %`}
        detail={<>of those that ended; {link(`after:${since}`, accepted)} accepted</>}
      >
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
      </Card>
      <Card
        title="Accepted to succeeded"
        figure={latencyMs.p50 === null ? "–" : durationText(latencyMs.p50)}
        detail={latencyMs.p95 !== null && `half of them; 95 % within ${durationText(latencyMs.p95)}`}
      >
        <Chart
          title="From accepted to succeeded"
          kind="lines"
          series={[
            { name: "p50", tone: "running" },
            { name: "p95", tone: "cancelled" },
          ]}
          points={points(({ latencyMs: { p50, p95 } }) => [p50 ?? 0, p95 ?? 0])}
          timeText={timeText}
          valueText={durationText}
        />
      </Card>
    </div>
  );
}

interface CardProps {
  readonly title: string;
  readonly figure: ComponentChildren;
  readonly detail?: ComponentChildren;
  readonly children: ComponentChildren;
}

function Card({ title, figure, detail, children }: CardProps) {
  return (
    <div class="panel inside stack tight">
      <h3 class="muted">{title}</h3>
      <p>
        <b class="figure">{figure}</b>
        <span class="muted small block">{detail || "\u00a0"}</span>
      </p>
      {children}
    </div>
  );
}

const SHOWN_ERRORS = 6;

/** The longest part of a kind of errors that stands so in each of them. */
function sharedPart(error: string): string {
  const [longest = ""] = error.split(/["…]/).toSorted((a, b) => b.length - a.length);
  return longest.trim();
}

function Errors({ series: { errors, from } }: { readonly series: Series }) {
  const shown = errors.filter(({ error }) => error !== "(others)").slice(0, SHOWN_ERRORS);
  if (shown.length === 0) return null;
  return (
    <div class="row wide">
      <span class="muted">Most frequent errors of attempts</span>
      {shown.map(({ error, count }) => (
        <span key={error}>
          <a href={pathOf(searchOf(`error:"${sharedPart(error)}" updated:${minuteOf(from)}`))}>{safeText(error)}</a>{" "}
          <span class="muted">×{count.toLocaleString("en")}</span>
        </span>
      ))}
    </div>
  );
}
