import * as z from "../../zod.ts";
import { SECOND } from "../../clock.ts";
import { COUNTED } from "../../store/measures.ts";
import type { Totals } from "../../store/totals.ts";
import { route } from "../http/http.ts";

// The figures of the metrics in the text format of Prometheus, for scrapers.

const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export const getMetrics = route({
  key: "GET /metrics",
  id: "getMetrics",
  summary: "The figures of the service in the text format of Prometheus",
  contentTypes: ["text/plain"],
  answers: {
    200: z
      .string()
      .check(
        z.describe(
          "Counters since the first deployment, and what the latest sweep has found. Filters on the log alone count unreadable and recovered messages, refused addresses and requests without a valid token: those are in CloudWatch.",
        ),
      ),
  },
  access: "scrape",
  handle: async (_request, { totals }) => ({
    status: 200,
    headers: { "content-type": CONTENT_TYPE },
    body: Buffer.from(prometheusText(await totals.read())),
  }),
});

const HELP: Readonly<Record<(typeof COUNTED)[number], string>> = {
  Accepted: "Jobs accepted",
  Succeeded: "Jobs that succeeded",
  Retried: "Attempts that another one follows",
  Failed: "Jobs that failed",
  Dead: "Jobs that used up their retries, or were put among the dead letters",
};

type Sample = readonly [labels: string, value: number];

export function prometheusText({ counts, latency, sweep }: Totals): string {
  const counters = COUNTED.map((name) => {
    const samples = counts.map(({ executionType, counts: of }): Sample => [
      `execution_type="${executionType}"`,
      of[name],
    ]);
    return family(`jobs_${name.toLowerCase()}_total`, "counter", HELP[name], samples);
  });
  return [...counters, latencyText(latency), ...(sweep ? sweepTexts(sweep) : [])].join("");
}

function latencyText({ below, count, seconds }: Totals["latency"]): string {
  const name = "jobs_latency_seconds";
  const buckets = [...below, ["+Inf", count] as const].map(([le, jobs]) => `${name}_bucket{le="${le}"} ${jobs}\n`);
  const head = headOf(name, "histogram", "From acceptance, or the start asked for, to success; schedules aside");
  return `${head}${buckets.join("")}${name}_sum ${seconds}\n${name}_count ${count}\n`;
}

function sweepTexts(sweep: NonNullable<Totals["sweep"]>): string[] {
  const gauge = (name: string, help: string, value: number) => family(`jobs_${name}`, "gauge", help, [["", value]]);
  const lost = "Attempts whose lease was over";
  return [
    gauge("last_sweep_timestamp_seconds", "When the latest sweep was", sweep.at / SECOND),
    gauge(
      "oldest_due_seconds",
      "How long the oldest due work has been due",
      Math.floor((sweep.oldestDueMs ?? 0) / SECOND),
    ),
    gauge("sweep_left", "Due work that the latest sweep has left", sweep.left),
    gauge("destinations_shut", "Destinations that fail or are held, with jobs that wait", sweep.destinationsShut),
    gauge("paused_apps", "Paused apps with jobs that wait", sweep.pausedApps),
    gauge("schedule_late_seconds", "How late the latest schedule fired", Math.floor(sweep.scheduleLateMs / SECOND)),
    family("jobs_lost_attempts_total", "counter", lost, [["", sweep.lostAttempts]]),
  ];
}

function family(name: string, type: "counter" | "gauge", help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([labels, value]) => `${name}${labels === "" ? "" : `{${labels}}`} ${value}\n`);
  return headOf(name, type, help) + lines.join("");
}

function headOf(name: string, type: string, help: string): string {
  return `# HELP ${name} ${help}.\n# TYPE ${name} ${type}\n`;
}
