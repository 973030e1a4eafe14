import type { EpochMs } from "./clock.ts";

// Metrics as lines of the log, in CloudWatch's embedded metric format: no call of a service, and no dependency.

type Unit = "Count" | "Milliseconds" | "Seconds";

/** Every metric and its unit. A line can hold nothing else: no payload, no secret, no id. */
const UNITS = {
  Accepted: "Count",
  Succeeded: "Count",
  Retried: "Count",
  Failed: "Count",
  Dead: "Count",
  LatencyMs: "Milliseconds",
  OldestDueSeconds: "Seconds",
  SweepLeft: "Count",
  LostAttempts: "Count",
  DestinationsShut: "Count",
  PausedApps: "Count",
  ScheduleLateSeconds: "Seconds",
} as const satisfies Record<string, Unit>;

export type MetricName = keyof typeof UNITS;
export const METRIC_NAMES = Object.keys(UNITS) as readonly MetricName[];

/** CloudWatch takes no more values of one metric in a line. */
export const MOST_VALUES = 100;

/** `executionType`: the values count for that type, and for all of them together. */
export type Metrics = (values: Partial<Record<MetricName, number | readonly number[]>>, executionType?: string) => void;

/** `namespace`: that of the metrics in CloudWatch, one for each deployment. */
export function createMetrics(
  namespace: string,
  now: () => EpochMs,
  write: (line: string) => void = (line) => void process.stdout.write(line),
): Metrics {
  return (values, executionType) => {
    const names = Object.keys(values) as MetricName[];
    if (names.length === 0) return;
    const about = {
      Namespace: namespace,
      Dimensions: executionType === undefined ? [[]] : [[], ["ExecutionType"]],
      Metrics: names.map((Name) => ({ Name, Unit: UNITS[Name] })),
    };
    const line = {
      _aws: { Timestamp: now(), CloudWatchMetrics: [about] },
      ...(executionType !== undefined && { ExecutionType: executionType }),
      ...values,
    };
    write(`${JSON.stringify(line)}\n`);
  };
}
