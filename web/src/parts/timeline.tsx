import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Attempt, JobDetail } from "../api/shapes.ts";
import { absoluteText, durationText, now, tick } from "../time.ts";
import { isFinal } from "./status.tsx";
import { TimelineDown, type Bar } from "./timeline-down.tsx";

// The life of a job in one line: attempts as bars, the waits between them compressed and labelled, planned tries hollow.

const LEAST_ATTEMPT = 14;
const MOST_SHOWN = 60;

/** The bars of a job, from its creation on. Durations are real time and waits are service time: none has a common axis. */
export function barsOf(job: JobDetail, attempts: readonly Attempt[], at: number): readonly Bar[] {
  const bars: Bar[] = [];
  const longest = Math.max(1, ...attempts.map(({ durationMs }) => durationMs ?? 0));
  let before = Date.parse(job.createdAt);
  const skipped = Math.max(0, attempts.length - MOST_SHOWN);
  for (const attempt of attempts.slice(skipped)) {
    const { number, startedAt, durationMs, outcome, httpStatus } = attempt;
    if (startedAt === null) {
      bars.push({
        kind: "lost",
        width: 22,
        label: "lost",
        number,
        tone: "failed",
        title: `Attempt ${number} was lost`,
      });
      continue;
    }
    const started = Date.parse(startedAt);
    if (started - before > 1_500) bars.push(wait(started - before));
    const tone = outcome === "succeeded" ? "succeeded" : outcome === "running" ? "running" : "failed";
    const label =
      httpStatus === null
        ? outcome === "succeeded"
          ? "ok"
          : outcome === "running"
            ? "running"
            : "×"
        : String(httpStatus);
    const took = durationMs === null ? "" : `, ${durationText(durationMs)}`;
    bars.push({
      kind: "attempt",
      width: Math.max(LEAST_ATTEMPT, label.length * 8 + 6, 12 + 48 * Math.sqrt((durationMs ?? 0) / longest)),
      label,
      tone,
      number,
      title: `Attempt ${number}: ${outcome}${took}, ${absoluteText(started, "local")}`,
    });
    before = started + (durationMs ?? 0);
  }
  if (isFinal(job.status)) return bars;
  const planned = (
    job.nextRetries ?? (job.nextRetryAt === null || job.status === "RUNNING" ? [] : [job.nextRetryAt])
  ).map(Date.parse);
  if (job.status !== "RUNNING" && at - before > 1_500) bars.push(wait(at - before));
  bars.push({ kind: "now", width: 8, label: "now", title: "Now" });
  let last = at;
  // What waits for something else is behind its plan.
  for (const time of planned.filter((each) => each > at).slice(0, 8)) {
    if (time - last > 1_500) bars.push(wait(time - last));
    bars.push({
      kind: "planned",
      width: LEAST_ATTEMPT,
      label: "",
      tone: "waiting",
      title: `Planned for ${absoluteText(time, "local")}`,
    });
    last = Math.max(last, time);
  }
  return bars;
}

function wait(ms: number): Bar {
  const label = durationText(ms);
  return {
    kind: "wait",
    width: Math.min(110, 6 + label.length * 5.6 + 2 * Math.log10(ms / 1_000 + 1)),
    label,
    title: `${label} of waiting`,
  };
}

const MIDDLE = 30;

export function Timeline({
  job,
  selected,
  onSelect,
}: {
  readonly job: JobDetail;
  readonly selected: number | undefined;
  readonly onSelect: (number: number) => void;
}) {
  const { attempts } = job;
  void (isFinal(job.status) ? 0 : tick.value);
  const bars = useMemo(() => barsOf(job, attempts, now()), [job, Math.floor(now() / 5_000)]);
  const place = useRef<HTMLElement>(null);
  // Where it is longer than the page, what is now and next is seen first.
  useEffect(() => {
    if (place.current) place.current.scrollLeft = place.current.scrollWidth;
  }, [attempts.length]);
  let x = 2;
  const width = bars.reduce((sum, bar) => sum + bar.width + 4, 8);
  return (
    // It may be wider than the window: keys scroll it, too.
    <figure
      class="timeline"
      ref={place}
      tabIndex={0}
      onScroll={({ currentTarget: at }) => at.toggleAttribute("data-cut", at.scrollLeft > 0)}
    >
      <figcaption class="hidden-text">{summaryOf(job, attempts)}</figcaption>
      <svg width={width} viewBox={`0 0 ${width} 64`} preserveAspectRatio="xMinYMid meet" aria-hidden="true">
        {bars.some(({ kind }) => kind === "lost") && <Hatch />}
        {bars.map((bar, at) => {
          const left = x;
          x += bar.width + 4;
          return (
            <Drawn
              key={at}
              bar={bar}
              x={left}
              isSelected={bar.number !== undefined && bar.number === selected}
              onSelect={onSelect}
            />
          );
        })}
      </svg>
      <TimelineDown bars={bars} selected={selected} onSelect={onSelect} />
    </figure>
  );
}

/** What attempts are filled with of which nothing is known. */
function Hatch() {
  return (
    <pattern
      id="hatch"
      data-tone="failed"
      width="5"
      height="5"
      patternUnits="userSpaceOnUse"
      patternTransform="rotate(45)"
    >
      <rect width="2" height="5" fill="var(--solid)" />
    </pattern>
  );
}

function Drawn({
  bar,
  x,
  isSelected,
  onSelect,
}: {
  readonly bar: Bar;
  readonly x: number;
  readonly isSelected: boolean;
  readonly onSelect: (number: number) => void;
}) {
  const { kind, width, label, tone, number, title } = bar;
  const centre = x + width / 2;
  switch (kind) {
    case "wait":
      return (
        <g>
          <title>{title}</title>
          <line x1={x} x2={x + width} y1={MIDDLE} y2={MIDDLE} stroke="var(--control)" stroke-dasharray="2 3" />
          <text x={centre} y={MIDDLE - 6} text-anchor="middle">
            {label}
          </text>
        </g>
      );
    case "now":
      return (
        <g>
          <line x1={centre} x2={centre} y1={10} y2={50} stroke="var(--accent)" stroke-width="2" />
          <text x={centre} y={62} text-anchor="middle">
            now
          </text>
        </g>
      );
    case "planned":
      return (
        <g data-tone={tone}>
          <title>{title}</title>
          <circle cx={centre} cy={MIDDLE} r="5.5" fill="var(--bg)" stroke="var(--solid)" stroke-width="2" />
        </g>
      );
    case "attempt":
    case "lost":
      return (
        <g
          class="attempt"
          data-tone={tone}
          {...(isSelected && { "data-selected": "" })}
          onClick={() => number !== undefined && onSelect(number)}
        >
          <title>{title}</title>
          <rect x={x} y={MIDDLE - 11} width={width} height="22" rx="3" {...(kind === "lost" && { class: "lost" })} />
          <text x={centre} y={MIDDLE + 26} text-anchor="middle">
            {label}
          </text>
        </g>
      );
    default:
      return kind satisfies never;
  }
}

function summaryOf(job: JobDetail, attempts: readonly Attempt[]): string {
  const outcomes = attempts.map(
    ({ number, outcome, httpStatus }) => `${number} ${outcome}${httpStatus === null ? "" : ` (${httpStatus})`}`,
  );
  const tries = attempts.length === 0 ? "No attempt has started" : `Attempts: ${outcomes.join(", ")}`;
  const next =
    job.status === "RETRYING" && job.nextRetryAt !== null
      ? `. The next one is planned for ${absoluteText(Date.parse(job.nextRetryAt), "local")}`
      : "";
  return tries + next;
}
