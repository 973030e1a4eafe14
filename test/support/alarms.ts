import { join } from "node:path";
import { readYaml } from "../../local/yaml-file.ts";
import { ROOT } from "./root.ts";
import { seriesOf } from "./metric-math.ts";

// The alarms of deploy/alarms.yml, judged as CloudWatch does, over metrics that a test has gathered.

const PREFIX = "unified-job-api-test";

export interface Alarm {
  readonly id: string;
  readonly AlarmName: string;
  readonly AlarmDescription: string;
  readonly ComparisonOperator: string;
  readonly Threshold: number;
  readonly EvaluationPeriods: number;
  readonly DatapointsToAlarm: number;
  readonly TreatMissingData: string;
  readonly Metrics?: readonly Query[];
  readonly Namespace?: string;
  readonly MetricName?: string;
  readonly Dimensions?: readonly Dimension[];
  readonly Statistic?: string;
  readonly Period?: number;
}

type Dimension = { readonly Name: string; readonly Value: unknown };

interface Query {
  readonly Id: string;
  readonly Expression?: string;
  readonly ReturnData: boolean;
  readonly MetricStat?: {
    readonly Stat: string;
    readonly Period: number;
    readonly Metric: { readonly Namespace: string; readonly MetricName: string; readonly Dimensions?: Dimension[] };
  };
}

/** A value of a metric. `seconds` since the test's beginning. */
interface Datum {
  readonly seconds: number;
  readonly value: number;
}

export type Metrics = Map<string, Datum[]>;
export type State = "OK" | "ALARM" | "INSUFFICIENT_DATA";

type Resources = Record<string, { readonly Type: string; readonly Properties: Record<string, unknown> }>;

/** The resources of a file of `deploy/`, with the name of a stack filled in. */
export function resourcesOf(file: string): Resources {
  const { Resources } = readYaml(join(ROOT, "deploy", file)) as { Resources: Resources };
  return JSON.parse(JSON.stringify(Resources).replaceAll("${self:custom.prefix}", PREFIX)) as Resources;
}

export const NAMESPACE = PREFIX;

export const ALARMS: readonly Alarm[] = Object.entries(resourcesOf("alarms.yml"))
  .filter(([, { Type }]) => Type === "AWS::CloudWatch::Alarm")
  .map(([id, { Properties }]) => ({ ...(Properties as unknown as Omit<Alarm, "id">), id }));

/** Adds a value of a metric. `dimensions` as the template has them. */
export function put(
  metrics: Metrics,
  metric: { readonly Namespace?: string; readonly MetricName?: string; readonly Dimensions?: readonly Dimension[] },
  datum: Datum,
): void {
  const key = keyOf(metric);
  metrics.set(key, [...(metrics.get(key) ?? []), datum]);
}

function keyOf({ Namespace = "", MetricName = "", Dimensions = [] }: Parameters<typeof put>[1]): string {
  return JSON.stringify([Namespace, MetricName, Dimensions.map(({ Name, Value }) => [Name, Value])]);
}

/** The metrics that an alarm watches, each under the name by which its expression knows it. */
export function watchedBy(alarm: Alarm): { readonly id: string; readonly metric: Parameters<typeof put>[1] }[] {
  if (!alarm.Metrics) return [{ id: "watched", metric: alarm }];
  return alarm.Metrics.flatMap(({ Id, MetricStat }) => (MetricStat ? [{ id: Id, metric: MetricStat.Metric }] : []));
}

/** The state of an alarm at a time, by its last evaluation periods. */
export function stateOf(alarm: Alarm, metrics: Metrics, atSeconds: number): State {
  const { EvaluationPeriods: periods, DatapointsToAlarm: needed, TreatMissingData: missing } = alarm;
  const period = periodOf(alarm);
  const values = valuesOf(alarm, metrics, { until: atSeconds, periods, period });
  if (missing === "missing" && values.every((value) => value === undefined)) return "INSUFFICIENT_DATA";
  const breaching = values.filter((value) => (value === undefined ? missing === "breaching" : breaches(alarm, value)));
  return breaching.length >= needed ? "ALARM" : "OK";
}

export function periodOf({ Period, Metrics = [] }: Alarm): number {
  const periods = new Set(
    [Period, ...Metrics.map(({ MetricStat }) => MetricStat?.Period)].filter((it) => it !== undefined),
  );
  const [period, ...others] = periods;
  if (period === undefined || others.length > 0) throw new Error(`Expected one period, got ${[...periods].join(", ")}`);
  return period;
}

interface Window {
  readonly until: number;
  readonly periods: number;
  readonly period: number;
}

function valuesOf(alarm: Alarm, metrics: Metrics, window: Window): (number | undefined)[] {
  const read = (stat: string, metric: Parameters<typeof put>[1]) =>
    inPeriods(metrics.get(keyOf(metric)) ?? [], stat, window);
  const { Metrics: queries, Statistic = "" } = alarm;
  if (!queries) return read(Statistic, alarm);
  const known = new Map(
    queries.flatMap(({ Id, MetricStat }) => (MetricStat ? [[Id, read(MetricStat.Stat, MetricStat.Metric)]] : [])),
  );
  const returned = queries.filter(({ ReturnData }) => ReturnData);
  if (returned.length !== 1) throw new Error(`${alarm.AlarmName} returns ${returned.length} series: expected one`);
  return seriesOf(returned[0]?.Expression ?? "", known, window.periods);
}

function inPeriods(data: readonly Datum[], stat: string, { until, periods, period }: Window): (number | undefined)[] {
  return Array.from({ length: periods }, (_, at) => {
    const from = until - (periods - at) * period;
    const values = data.filter(({ seconds }) => seconds >= from && seconds < from + period).map(({ value }) => value);
    return values.length === 0 ? undefined : statistic(stat, values);
  });
}

function statistic(stat: string, values: readonly number[]): number {
  const percent = /^p(\d+)$/.exec(stat)?.[1];
  if (percent !== undefined) {
    const sorted = values.toSorted((a, b) => a - b);
    return sorted[Math.ceil((Number(percent) / 100) * sorted.length) - 1] ?? 0;
  }
  if (stat === "Sum") return values.reduce((sum, value) => sum + value, 0);
  if (stat === "Maximum") return Math.max(...values);
  throw new Error(`No such statistic: ${stat}`);
}

function breaches({ ComparisonOperator: operator, Threshold: threshold }: Alarm, value: number): boolean {
  if (operator === "GreaterThanThreshold") return value > threshold;
  if (operator === "GreaterThanOrEqualToThreshold") return value >= threshold;
  if (operator === "LessThanThreshold") return value < threshold;
  throw new Error(`No such comparison: ${operator}`);
}
