import { createHash } from "node:crypto";
import { MINUTE } from "../../lib/clock.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import type { RunningAttempt } from "../../lib/executors/executor.ts";
import { TASK } from "../../lib/job/job.ts";
import type { Template } from "../../local/template.ts";
import { expireSome, schedule } from "./acts.ts";
import { createCallers } from "./callers.ts";
import type { ClientParts } from "./client-parts.ts";
import { Broken, START, createCloud, type Cloud } from "./cloud.ts";
import { createInvoke } from "./containers.ts";
import type { Mishap } from "./fates.ts";
import { createInvariants, type Invariants, type Violation } from "./invariants.ts";
import { clientOf, type Command } from "./models/client.ts";
import type { Service } from "./models/faults.ts";
import { createOutcomes, subjectOf, type Outcomes } from "./outcomes.ts";
import type { Plan } from "./plan.ts";
import { afterFaults, hasGroups, isCalm, latestEnd, quietAfter } from "./plan-times.ts";
import type { Plant } from "./plant.ts";
import { preload } from "./preload.ts";
import { createProcess, type Container, type Engine, type Process } from "./process.ts";
import { serviceOn } from "./service.ts";
import { createStream, forget, type Stream } from "./stream.ts";
import { createTargets } from "./targets.ts";
import { createTaskRuns } from "./task-runs.ts";
import { STEADY, createOrder, createRandom, type Random } from "./random.ts";
import { createTime } from "./time.ts";
import type { Outcome } from "../../lib/job/attempt.ts";

// The service in one process on virtual time: its engine and stores as they are, in containers that die, on models
// of the services that they call. A seed decides everything.

export interface RunOptions {
  readonly template: Template;
  readonly mishaps?: readonly Mishap[];
  readonly plant?: Plant;
  /**
   * For a plan without faults: calls take no time, and nothing that is drawn depends on the number of calls, so that
   * the outcomes of the jobs stay the same when the calls change. Default: no.
   */
  readonly calm?: boolean;
  /** Called with every line of the trace. */
  readonly onLine?: (line: string) => void;
}

export interface Ran {
  readonly violations: readonly Violation[];
  /** Of the trace: every call and every event, with its time. The same for the same plan. */
  readonly hash: string;
  readonly calls: number;
  readonly writes: number;
  readonly jobs: number;
  /** Of a calm run: a line a job, sorted. */
  readonly outcomes: readonly string[];
}

export async function simulate(plan: Plan, options: RunOptions): Promise<Ran> {
  await preload();
  const world = createWorld(plan, options);
  const { time, cloud, invariants, callers, stream, mistakes, elapsed } = world;
  if (plan.retentionMs > 0) expireSome(world);
  callers.start();
  schedule(world, plan);
  const lastAction = plan.actions.at(-1)?.at ?? 0;
  let isOver = false;
  const look = () => {
    isOver =
      invariants.isSettled() && cloud.scheduler.schedules().length === 0 && callers.isQuiet() && stream.isQuiet();
    if (!isOver) time.after(MINUTE, look);
  };
  time.after(Math.max(plan.faultsEndAt, lastAction) + 2 * MINUTE, look);
  const { violations } = invariants;
  await time.run(() => isOver || mistakes.length > 0 || violations.length > 0 || elapsed() > latestEnd(plan));
  if (mistakes[0]) throw mistakes[0];
  if (isOver) {
    invariants.atTheEnd();
    await forget(world);
    invariants.afterwards();
    if (mistakes[0]) throw mistakes[0];
  }
  if (!isOver && violations.length === 0) invariants.overdue();
  return {
    violations,
    hash: world.hash.digest("hex").slice(0, 16),
    calls: cloud.calls(),
    writes: cloud.writes(),
    jobs: invariants.jobs(),
    outcomes: world.outcomes?.lines(world.clients.posted) ?? [],
  };
}

function createWorld(plan: Plan, options: RunOptions) {
  const { template, plant, mishaps, calm = false } = options;
  const random = createRandom(plan.seed);
  const draws = random.fork("processes");
  const chance = calm ? STEADY : draws;
  const time = createTime(START, calm ? createOrder() : random.fork("order"));
  const hash = createHash("sha256");
  const elapsed = () => time.now() - START;
  const isRough = () => !calm && elapsed() < plan.faultsEndAt;
  const trace = (line: string) => {
    const stamped = `${elapsed().toFixed(3)} ${line}`;
    hash.update(stamped);
    options.onLine?.(stamped);
  };
  const mistakes: Error[] = [];
  const onMistake = (error: Error) => void mistakes.push(error);
  const outcomes = calm ? createOutcomes() : undefined;
  const invariants = createInvariants({
    now: time.now,
    trace,
    retention: plan.retentionMs,
    isCalm: isCalm(plan) && mishaps === undefined,
    startedAt: START,
    quietFrom: START + (mishaps ? afterFaults(plan) : quietAfter(plan)),
    items: () => cloud.dynamodb.items(),
    objects: () => cloud.s3.objects().keys(),
    inQueue: () => cloud.sqs.messages("JobsMainQueue"),
  });
  const cloud: Cloud = createCloud({
    time,
    random: random.fork("cloud"),
    template,
    faultRate: () => (isRough() ? plan.faultRate : 0),
    isCalm: calm,
    mishaps: mishaps ?? [],
    trace,
    onWrite: (before, after, writer) => {
      invariants.written(before, after, writer);
      outcomes?.written(after);
      stream.written(before, after);
    },
    onQuery: (reader, partition) => {
      if (partition.startsWith("WAIT#")) invariants.looked(reader, partition.slice("WAIT#".length));
    },
    onGone: invariants.objectGone,
    onSent: invariants.queued,
    onQueue: () => callers.wakePollers(),
    onSchedule: () => void time.after(0, callers.fireDue),
  });
  const executors = createExecutors({ random, invariants, outcomes, plant, trace });
  const containers = new Set<Container>();
  let started = 0;
  const startProcess = (name: string): Process => {
    started += 1;
    const own = draws.fork(`${name}-${started}`);
    return createProcess(`${name}-${started}`, time, calm ? STEADY : own, own);
  };
  const onDeath = (process: Process) => invariants.died(process);
  const start = createStart({
    startProcess,
    cloud,
    ...executors,
    containers,
    plan,
    plant,
    trace,
    onDeath,
    onMistake,
  });
  const invoke = createInvoke({ time, containers, start, onMistake, trace });
  const streaming = { time, random: random.fork("stream"), template, invoke, isRough, trace };
  const stream: Stream = createStream(streaming, hasGroups(plan));
  const called = { time, random: chance, invariants, invoke, plant, trace };
  const callers = createCallers({ ...called, cloud, faultRate: plan.faultRate, isRough });
  const clients: ClientParts = { ...called, posted: new Map() };
  const { targets } = executors;
  const acting = { time, chance, cloud, invariants, clients, targets, containers, isCalm: calm, trace };
  return { ...acting, hash, elapsed, mistakes, outcomes, callers, stream };
}

const MOST_INLINE = 5;

interface ExecutorParts {
  readonly random: Random;
  readonly invariants: Invariants;
  readonly outcomes: Outcomes | undefined;
  readonly plant: Plant | undefined;
  readonly trace: (line: string) => void;
}

function createExecutors({ random, invariants, outcomes, plant, trace }: ExecutorParts) {
  /** In a calm run, the draws for an attempt do not depend on what ran before it. */
  const drawsOf = (draws: Random) => (attempt: RunningAttempt) =>
    outcomes ? draws.fork(`${subjectOf(attempt)} ${attempt.number}`) : draws;
  const onEnd = (process: Process, attempt: RunningAttempt, outcome: Outcome | undefined) => {
    invariants.ran(process, attempt, outcome);
    outcomes?.ran(attempt, outcome);
  };
  const targets = createTargets({
    randomOf: drawsOf(random.fork("moods")),
    onStart: (process, attempt, sent) => {
      invariants.started(process, attempt, sent);
      trace(`${process.name} sends ${attempt.jobId} attempt ${attempt.number}`);
    },
    onEnd,
    told: plant?.outcome,
    shown: plant?.shown,
  });
  const taskRuns = createTaskRuns({
    randomOf: drawsOf(random.fork("tasks")),
    onStart: (process, attempt) => {
      invariants.started(process, attempt);
      trace(`${process.name} runs ${attempt.jobId} attempt ${attempt.number}`);
    },
    onEnd,
    onSave: (attempt, saved, stage) => invariants.saves(attempt.jobId, attempt.number, saved, stage),
  });
  return { targets, taskRuns };
}

interface StartParts extends ReturnType<typeof createExecutors> {
  readonly startProcess: (name: string) => Process;
  readonly cloud: Cloud;
  readonly containers: Set<Container>;
  readonly plan: Plan;
  readonly plant: Plant | undefined;
  readonly trace: (line: string) => void;
  readonly onDeath: (process: Process) => void;
  readonly onMistake: (error: Error) => void;
}

/** Returns the function that starts a container: a process with an engine and stores of its own. */
function createStart(given: StartParts) {
  const { startProcess, cloud, targets, taskRuns, containers, plan, plant, trace, onDeath, onMistake } = given;

  function start(name: string): Container {
    const process = startProcess(name);
    const client = (service: Service) =>
      clientOf(async (command: Command) => {
        try {
          return await cloud.call(process, service, command);
        } catch (error) {
          if (error instanceof Broken) onMistake(error);
          throw error;
        }
      });
    const { plain, ...stores } = serviceOn({
      clock: process.clock,
      client,
      urlOf: cloud.sqs.urlOf,
      executorOf: ({ executionType: type }) =>
        type === TASK ? taskRuns.executorIn(process, () => engine) : targets.executorIn(process),
      log: (_, event, { jobId = "", attempt = "" }) => trace(`${process.name} logs ${event} ${jobId} ${attempt}`),
      retention: plan.retentionMs,
      // Small walks are as good as large ones, and go both ways.
      mostInline: MOST_INLINE,
    });
    const parts = plant?.parts ? { ...plain, ...plant.parts(plain) } : plain;
    const engine: Engine = createEngine(parts);
    const container = Object.assign(process, { engine, parts, ...stores, isBusy: false });
    containers.add(container);
    process.onDeath(() => {
      containers.delete(container);
      onDeath(process);
      trace(`${process.name} dies`);
    });
    return container;
  }

  return start;
}
