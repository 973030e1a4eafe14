import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { EXECUTION_TYPES } from "../../lib/executors/index.ts";
import { METRIC_NAMES } from "../../lib/metrics.ts";
import { readTemplate } from "../../local/template.ts";
import { ALARMS, NAMESPACE, periodOf, put, resourcesOf, stateOf, watchedBy, type Alarm } from "../support/alarms.ts";
import { seriesOf } from "../support/metric-math.ts";
import { ROOT } from "../support/root.ts";
import { DRIVEN, FILTERS, MADE_UP, matches, type Live, type Watch } from "./alarm-conditions.ts";

const alarmOf = (id: string): Alarm => {
  const alarm = ALARMS.find((each) => each.id === id);
  if (!alarm) throw new Error(`No such alarm: ${id}`);
  return alarm;
};

test("each alarm has a condition that these tests bring about", () => {
  expect([...Object.keys(DRIVEN), ...Object.keys(MADE_UP)].toSorted()).toEqual(ALARMS.map(({ id }) => id).toSorted());
});

/** Is well, then bad for as long as the alarm looks back, then well again. */
async function liveThrough(alarm: Alarm, watch: Watch, live: Live): Promise<void> {
  const { EvaluationPeriods: periods, DatapointsToAlarm: needed } = alarm;
  const period = periodOf(alarm) / 60;
  const minutes = async (count: number, isBad: boolean) => {
    for (let n = 0; n < count; n += 1) {
      await live(isBad);
      watch.minute += 1;
    }
    return stateOf(alarm, watch.metrics, watch.minute * 60);
  };
  const well = await minutes(periods * period, false);
  const almost = await minutes((needed - 1) * period, true);
  const bad = await minutes((periods - needed + 1) * period, true);
  const again = await minutes(periods * period, false);
  expect([well, almost, bad, again]).toEqual(["OK", "OK", "ALARM", "OK"]);
}

test.each(Object.entries(DRIVEN))("%s rings for what the service does, and is quiet again", async (id, driven) => {
  const watch: Watch = { metrics: new Map(), minute: 0 };
  await liveThrough(alarmOf(id), watch, driven(watch));
});

test.each(Object.entries(MADE_UP))(
  "%s rings for values of AWS's own metrics that are made up, and is quiet again",
  async (id, { bad, good }) => {
    const alarm = alarmOf(id);
    const watch: Watch = { metrics: new Map(), minute: 0 };
    const metrics = new Map(watchedBy(alarm).map((each) => [each.id, each.metric]));
    await liveThrough(alarm, watch, async (isBad) => {
      for (const [name, value] of Object.entries(isBad ? bad : good)) {
        const metric = metrics.get(name);
        if (!metric) throw new Error(`${id} watches no ${name}`);
        put(watch.metrics, metric, { seconds: watch.minute * 60, value });
      }
    });
  },
);

test("where nothing is measured, only the alarm for a silent sweep rings", () => {
  const ringing = ALARMS.filter((alarm) => stateOf(alarm, new Map(), 86_400) !== "OK");
  expect(ringing.map(({ id }) => id)).toEqual(["SweepSilentAlarm"]);
});

test.each([
  ["OldestDueAlarm", { watched: 300 }],
  ["ApiErrorsAlarm", { errors: 4, requests: 4 }],
  ["ApiErrorsAlarm", { errors: 5, requests: 500 }],
  ["DeadRateAlarm", { dead: 19 }],
  ["DeadRateAlarm", { dead: 20, succeeded: 380 }],
  ["FailedRateAlarm", { failed: 19 }],
  ["FailedRateAlarm", { failed: 20, dead: 20, succeeded: 60 }],
  ["ThrottlesAlarm", { watched: 9 }],
  ["AuthFailuresAlarm", { watched: 100 }],
])("%s is quiet at its threshold: %o", (id, values) => {
  const alarm = alarmOf(id);
  const metrics = new Map();
  const period = periodOf(alarm);
  for (const { id: name, metric } of watchedBy(alarm)) {
    const value = (values as Record<string, number>)[name];
    if (value === undefined) continue;
    for (let at = 0; at < alarm.EvaluationPeriods; at += 1) put(metrics, metric, { seconds: at * period, value });
  }
  expect(stateOf(alarm, metrics, alarm.EvaluationPeriods * period)).toBe("OK");
});

test("the alarm for dead letters watches what waits and what is taken in all five queues, ten metrics at most", () => {
  const dead = Object.keys(readTemplate(ROOT).resources).filter((name) => name.endsWith("DeadLetters"));
  const watched = watchedBy(alarmOf("DeadLettersAlarm")).map(({ metric }) => metric);
  const of = (name: string) => watched.filter(({ Dimensions }) => JSON.stringify(Dimensions).includes(`"${name}.`));
  expect(dead).toHaveLength(5);
  for (const name of dead) expect(of(name)).toHaveLength(2);
  // CloudWatch takes no more in the expression of an alarm.
  for (const alarm of ALARMS) expect(watchedBy(alarm).length).toBeLessThanOrEqual(10);
});

const RUNBOOK = readFileSync(join(ROOT, "docs/runbook.md"), "utf8");
/** Those of alarms. The titles of other chapters are sentences, with a capital letter. */
const sections = new Map(
  RUNBOOK.split(/^## (?=[a-z-]+$)/m)
    .slice(1)
    .map((section) => [section.split("\n", 1)[0] ?? "", section]),
);

test("each alarm has its section in the runbook, and says where it is and what to do first", () => {
  const names = ALARMS.map(({ AlarmName }) => AlarmName.replace(`${NAMESPACE}-`, ""));
  expect([...sections.keys()]).toEqual([...names, "cost"]);
  for (const { AlarmName, AlarmDescription } of ALARMS) {
    expect(AlarmDescription).toMatch(/^\S.*[.] First: (?:aws|curl) .* Then: docs\/runbook\.md#[\w-]+$/);
    expect(AlarmDescription.endsWith(`#${AlarmName.replace(`${NAMESPACE}-`, "")}`)).toBe(true);
    expect(AlarmDescription.length).toBeLessThanOrEqual(1_024);
  }
  for (const section of sections.values()) {
    const steps = [...section.matchAll(/^- \*\*(.+?)\.\*\*/gm)].map(([, step]) => step);
    expect(steps).toEqual(["Meaning", "Look", "Stop the harm", "Mend", "Verify"]);
  }
});

test("the alarm for executions near their time-out knows the time-outs", () => {
  const { functions } = readTemplate(ROOT);
  const expression = alarmOf("NearTimeoutAlarm").Metrics?.find(({ Expression }) => Expression)?.Expression;
  const of = (name: string) => functions.find((each) => each.name === name)?.timeoutMs;
  const [accepting, delivering, sweeping] = ["createJob", "processJobs", "sweepJobs"].map(of);
  expect(expression).toBe(
    `MAX([100 * accepting / ${accepting}, 100 * delivering / ${delivering}, 100 * sweeping / ${sweeping}])`,
  );
});

test("the dashboard shows every metric of the service's own, every type and every alarm", () => {
  const { Properties } = resourcesOf("dashboard.yml")["Dashboard"] ?? {};
  const body = Properties?.["DashboardBody"] as { "Fn::Sub": string };
  const { widgets } = JSON.parse(body["Fn::Sub"]) as { widgets: { properties: { metrics?: unknown[][] } }[] };
  const shown = widgets.flatMap(({ properties: { metrics = [] } }) => metrics).filter(([from]) => from === NAMESPACE);
  expect(new Set(shown.map(([, name]) => name))).toEqual(new Set(METRIC_NAMES));
  const types = shown.flatMap(([, , dimension, value]) => (dimension === "ExecutionType" ? [value] : []));
  expect(new Set(types)).toEqual(new Set(EXECUTION_TYPES));
  for (const { id } of ALARMS) expect(body["Fn::Sub"]).toContain(`\${${id}.Arn}`);
});

test("each filter reads the log of a function that there is", () => {
  const groups = readTemplate(ROOT).functions.map(({ name }) => `${name[0]?.toUpperCase()}${name.slice(1)}LogGroup`);
  for (const { LogGroupName } of FILTERS) expect(groups).toContain(LogGroupName.Ref);
});

test("nobody is told, and no budget is made, unless a deployment asks for it", () => {
  const resources = resourcesOf("alarms.yml") as Record<string, { Condition?: string; Type: string }>;
  const conditional = Object.entries(resources).flatMap(([name, { Condition }]) =>
    Condition ? [[name, Condition]] : [],
  );
  expect(conditional).toEqual([
    ["AlarmsEmail", "HasAlarmEmail"],
    ["CostBudget", "HasBudget"],
  ]);
});

test("metric math is CloudWatch's: an operator has no value where one side has none, a list takes what there is", () => {
  const known = new Map([
    ["a", [1, undefined, 3]],
    ["b", [2, 2, 0]],
  ]);
  const of = (expression: string) => seriesOf(expression, known, 3);
  expect(of("a + b * 2")).toEqual([5, undefined, 3]);
  expect(of("(a + b) * 2 - 1")).toEqual([5, undefined, 5]);
  expect(of("SUM([a, b])")).toEqual([3, 2, 3]);
  expect(of("a / b")).toEqual([0.5, undefined, undefined]);
  expect(of("IF(b >= 2, 10, a)")).toEqual([10, 10, 3]);
  expect(of("MAX([a, b])")).toEqual([2, 2, 3]);
  expect(() => of("c")).toThrow("no metric has the id c");
  expect(() => of("a b")).toThrow("b is too much");
});

test("a filter's pattern holds for the lines that it is for, and for no others", () => {
  const pattern = '{ $.event = "a" && $.status NOT EXISTS && ($.type = "b" || $.type = "c") }';
  expect(matches(pattern, { event: "a", type: "c" })).toBe(true);
  expect(matches(pattern, { event: "a", type: "d" })).toBe(false);
  expect(matches(pattern, { event: "a", type: "b", status: 1 })).toBe(false);
});
