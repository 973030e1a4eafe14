import { marshall } from "@aws-sdk/util-dynamodb";
import { randomUUID } from "node:crypto";
import { HOUR, MINUTE, SECOND, createClock } from "../../lib/clock.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import type { EngineParts } from "../../lib/engine/engine-parts.ts";
import { newJob } from "../support/new-job.ts";
import { sweep } from "../../lib/engine/sweep.ts";
import { executor } from "../../lib/executors/by-type.ts";
import type { Outcome } from "../../lib/job/attempt.ts";
import { SCHEDULE, nextAttempt, type Job, type WaitingJob } from "../../lib/job/job.ts";
import { after } from "../../lib/job/move.ts";
import { claim, end } from "../../lib/job/moves.ts";
import type { LogFields } from "../../lib/log.ts";
import { createMetrics } from "../../lib/metrics.ts";
import { createBucket } from "../../lib/store/bucket.ts";
import { changeIn } from "../../lib/store/counters.ts";
import { toItem } from "../../lib/store/job-item.ts";
import { createJobStore } from "../../lib/store/job-store.ts";
import { emitMeasured, measuresOf, sweepMetrics } from "../../lib/store/measures.ts";
import { createTable } from "../../lib/store/table.ts";
import { readTemplate } from "../../local/template.ts";
import { clientOf } from "../sim/models/client.ts";
import { createDynamoDb } from "../sim/models/dynamodb.ts";
import { createS3 } from "../sim/models/s3.ts";
import { NAMESPACE, put, resourcesOf, type Metrics } from "../support/alarms.ts";
import { ROOT } from "../support/root.ts";
import { PLENTY, createWorld, request } from "../support/world.ts";

// What makes the service's own metrics go up, and down again: the service does it, on the models of AWS.

/** Lives through a minute, in which things are bad, or as they should be. */
export type Live = (isBad: boolean) => Promise<void>;

/** The metrics that a test gathers, and the minute in which they come. */
export interface Watch {
  readonly metrics: Metrics;
  minute: number;
}

const START = Date.parse("2026-01-01T12:00:00Z");

/** Takes in a line of the embedded metric format. */
function emitTo(watch: Watch) {
  return createMetrics(
    NAMESPACE,
    () => START,
    (line) => {
      const {
        _aws: { CloudWatchMetrics },
        ...values
      } = JSON.parse(line) as EmbeddedMetrics;
      for (const { Namespace, Dimensions: sets, Metrics: named } of CloudWatchMetrics) {
        for (const names of sets) {
          const Dimensions = names.map((Name) => ({ Name, Value: values[Name] }));
          for (const { Name: MetricName } of named)
            for (const value of [values[MetricName]].flat())
              put(
                watch.metrics,
                { Namespace, MetricName, Dimensions },
                { seconds: watch.minute * 60, value: Number(value) },
              );
        }
      }
    },
  );
}

interface EmbeddedMetrics {
  readonly _aws: {
    readonly CloudWatchMetrics: readonly {
      readonly Namespace: string;
      readonly Dimensions: readonly (readonly string[])[];
      readonly Metrics: readonly { readonly Name: string; readonly Unit: string }[];
    }[];
  };
  readonly [name: string]: unknown;
}

interface Filter {
  readonly LogGroupName: { readonly Ref: string };
  readonly FilterPattern: string;
  readonly MetricTransformations: readonly { MetricName: string; MetricNamespace: string; MetricValue: string }[];
}

export const FILTERS = Object.values(resourcesOf("metric-filters.yml")).map(
  ({ Properties }) => Properties as unknown as Filter,
);

/** Takes in a line of the log of a function: `ProcessJobs`. */
function logTo(watch: Watch, by: string, event: string, fields: LogFields): void {
  for (const { LogGroupName, FilterPattern, MetricTransformations } of FILTERS) {
    if (LogGroupName.Ref !== `${by}LogGroup` || !matches(FilterPattern, { ...fields, event })) continue;
    for (const { MetricName, MetricNamespace: Namespace, MetricValue } of MetricTransformations)
      put(watch.metrics, { Namespace, MetricName }, { seconds: watch.minute * 60, value: Number(MetricValue) });
  }
}

/** A pattern of CloudWatch Logs, as far as the filters use it: `=`, `NOT EXISTS`, `&&`, and `||` in parentheses. */
export function matches(pattern: string, line: Readonly<Record<string, unknown>>): boolean {
  const [, inner = ""] = /^\{ (.*) \}$/.exec(pattern) ?? [];
  return inner.split(" && ").every((part) =>
    part
      .replace(/^\((.*)\)$/, "$1")
      .split(" || ")
      .some(holds),
  );

  function holds(condition: string): boolean {
    const [, field = "", rest = ""] = /^\$\.(\w+) (.*)$/.exec(condition) ?? [];
    if (rest === "NOT EXISTS") return line[field] === undefined;
    const [, value] = /^= "(.*)"$/.exec(rest) ?? [];
    if (value === undefined) throw new Error(`No such condition: ${condition}`);
    return line[field] === value;
  }
}

const { Properties: properties = {} } = readTemplate(ROOT).resources["JobsTable"] ?? {};

interface Trouble {
  /** Makes the jobs of a minute in which things are bad. */
  readonly prepare: (make: (job: Partial<Job>) => Promise<unknown>, now: number) => Promise<void>;
  /** Whether jobs can't be written in it. */
  readonly breaks: boolean;
}

/** Sweeps once a minute. */
function sweeping(watch: Watch, { prepare, breaks }: Trouble): Live {
  const now = () => START + watch.minute * MINUTE;
  const clock = { ...createClock(), now };
  const client = clientOf(createDynamoDb({ now, table: "JobsTable", properties }).send);
  const files = createBucket({ name: "jobsbucket", client: clientOf(createS3({ bucket: "jobsbucket" }).send) });
  const store = createJobStore({ table: createTable({ name: "JobsTable", clock, client }), files, clock });
  const emit = emitTo(watch);
  let isBroken = false;
  const apply: typeof store.apply = async (...args) => {
    if (isBroken) throw new Error("The table takes no writes");
    return store.apply(...args);
  };
  // Only the parts that the sweep uses.
  const parts = {
    clock,
    store: { ...store, apply },
    queue: { sendAttempts: async () => [] },
    flow: { waitOf: async () => undefined },
    noteSweep: async (figures: Parameters<typeof sweepMetrics>[0]) => emit(sweepMetrics(figures)),
    log: () => {},
    retention: 0,
  } as unknown as EngineParts;
  const make = async (change: Partial<Job>) =>
    store.create({ ...newJob(request("db"), now() - HOUR, clock.uuid()), ...change } as Job);
  return async (isBad) => {
    if (isBad) await prepare(make, now());
    isBroken = isBad && breaks;
    await sweep(PLENTY, parts);
  };
}

/** One job stays due, since it can't be written. */
function unwritten(watch: Watch): Live {
  let isMade = false;
  const prepare: Trouble["prepare"] = async (make, now) => {
    if (!isMade) await make({ startAt: now - 10 * MINUTE, dueAt: now - 6 * MINUTE });
    isMade = true;
  };
  return sweeping(watch, { prepare, breaks: true });
}

function lateSchedules(watch: Watch): Live {
  const prepare: Trouble["prepare"] = async (make, now) => {
    await make({ executionType: SCHEDULE, startAt: now - 3 * MINUTE, dueAt: now });
  };
  return sweeping(watch, { prepare, breaks: false });
}

/** Jobs that end in a minute, as the stream tells of them. In a bad one, some end so. */
function ending(outcome: Outcome, count: number) {
  return (watch: Watch): Live => {
    const emit = emitTo(watch);
    const told = (outcome: Outcome) => {
      const [before, ended] = endOf(outcome);
      return changeIn({ OldImage: imageOf(before), NewImage: imageOf(ended) });
    };
    const bad = told(outcome);
    const fine = told({ kind: "succeeded" });
    return async (isBad) => {
      const some = Array.from({ length: isBad ? count : 0 }, () => bad);
      emitMeasured(measuresOf([...some, ...Array.from({ length: 20 }, () => fine)]), emit);
    };
  };
}

function endOf(outcome: Outcome): [before: Job, after: Job] {
  // What is rejected with retries left has failed, and what has none left is dead.
  const maxRetries = outcome.kind === "rejected" ? 3 : 0;
  const job: WaitingJob = { ...newJob(request("both"), START, randomUUID()), maxRetries };
  const running = after(job, claim(nextAttempt(job), START, START + MINUTE));
  return [
    running,
    after(running, end(running, { outcome, now: START + SECOND, durationMs: 5, chance: 0, retention: 0 })),
  ];
}

function imageOf(job: Job): Record<string, object> {
  return marshall(toItem(job), { removeUndefinedValues: true });
}

type World = Awaited<ReturnType<typeof createWorld>>;

/** Hands dead letters to the function that takes them in. */
function recovering(letters: (world: World) => Promise<string[]>) {
  return (watch: Watch): Live => {
    const worlds = createWorld({ isQuick: true });
    return async (isBad) => {
      const world = await worlds;
      const from = world.logged.length;
      const bodies = isBad ? await letters(world) : [];
      await world.engine.recoverBatch(
        bodies.map((body) => ({
          messageId: randomUUID(),
          receiptHandle: "",
          body,
          attributes: { ApproximateReceiveCount: "1" },
          eventSourceARN: "arn:aws:sqs:local:0:dead",
        })),
      );
      for (const { event, fields } of world.logged.slice(from)) logTo(watch, "RecoverDeadLetters", event, fields);
    };
  };
}

/** Runs jobs whose target has an address that no job may call. */
function callingPrivate(watch: Watch): Live {
  const worlds = createWorld({ isQuick: true });
  return async (isBad) => {
    const world = await worlds;
    const engine = createEngine({ ...world.parts, executorOf: () => executor });
    const from = world.logged.length;
    for (let jobs = isBad ? 3 : 0; jobs > 0; jobs -= 1) {
      const asked = request("both");
      const execution = { ...asked.message.execution, baseUrl: "https://10.0.0.1" };
      await engine.submit({ ...asked, message: { ...asked.message, execution } });
    }
    for (let records = await world.receive("fair"); records.length > 0; records = await world.receive("fair"))
      await engine.runBatch(records, PLENTY);
    for (const { event, fields } of world.logged.slice(from)) logTo(watch, "ProcessJobs", event, fields);
  };
}

/** By alarm: what the service does. `test/stack/auth.test.ts` shows that a request without a token leaves that line. */
export const DRIVEN: Readonly<Record<string, (watch: Watch) => Live>> = {
  OldestDueAlarm: unwritten,
  SweepLeftAlarm: unwritten,
  ScheduleLateAlarm: lateSchedules,
  DeadRateAlarm: ending({ kind: "retry", error: "HTTP 500" }, 5),
  FailedRateAlarm: ending({ kind: "rejected", error: "HTTP 404", httpStatus: 404 }, 10),
  RecoveredAlarm: recovering(async (world) => {
    const job = await world.submit("db");
    return [JSON.stringify({ attempt: nextAttempt(job) })];
  }),
  UnreadableAlarm: recovering(async () => ["nothing that the service has written"]),
  AuthFailuresAlarm: (watch) => async (isBad) => {
    for (let requests = isBad ? 30 : 0; requests > 0; requests -= 1)
      logTo(watch, "CreateJob", "request.unauthorized", { route: "POST /v1/jobs/create" });
  },
  RefusedAddressesAlarm: callingPrivate,
};

/** By alarm: values that AWS would measure in a minute, by the names of the alarm's expression. */
export const MADE_UP: Readonly<Record<string, { readonly bad: Values; readonly good: Values }>> = {
  SweepSilentAlarm: { bad: { invocations: 1, errors: 1 }, good: { invocations: 1, errors: 0 } },
  ApiErrorsAlarm: { bad: { errors: 2, requests: 100 }, good: { errors: 0, requests: 100 } },
  StreamLateAlarm: { bad: { counts: 400_000, payloads: 10 }, good: { counts: 12_000 } },
  FairQueueAlarm: { bad: { watched: 301 }, good: { watched: 2 } },
  MainQueueAlarm: { bad: { watched: 301 }, good: { watched: 2 } },
  TasksQueueAlarm: { bad: { watched: 1_801 }, good: { watched: 300 } },
  PdfQueueAlarm: { bad: { watched: 1_801 }, good: { watched: 300 } },
  // Those that a function which fails has in hand, for three minutes each, and those that nothing takes.
  DeadLettersAlarm: { bad: { fairWaiting: 0, fairTaken: 1 }, good: { fairWaiting: 0, fairTaken: 0 } },
  ThrottlesAlarm: { bad: { watched: 2 }, good: { watched: 0 } },
  TableThrottlesAlarm: { bad: { writes: 15, due: 5 }, good: {} },
  NearTimeoutAlarm: { bad: { accepting: 900, sweeping: 44_100 }, good: { accepting: 900, sweeping: 3_000 } },
};

type Values = Readonly<Record<string, number>>;
