import { createTable } from "../../lib/store/table.ts";
import { createHash } from "node:crypto";
import { createAppStores } from "../../lib/store/app-store.ts";
import { MINUTE, SECOND, type TimeLeft } from "../../lib/clock.ts";
import { createCapacityStore } from "../../lib/flow/capacity-store.ts";
import { createDestinationStore } from "../../lib/flow/destination-store.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import { createBucket } from "../../lib/store/bucket.ts";
import { createJobStore } from "../../lib/store/job-store.ts";
import { HEAD_START, TASK } from "../../lib/job/job.ts";
import { createQueue } from "../../lib/queue/queue.ts";
import { createTaskSlots } from "../../lib/flow/line-store.ts";
import { createScheduler } from "../../lib/queue/scheduler.ts";
import type { Template } from "../../local/template.ts";
import { createCallers } from "./callers.ts";
import { createClients } from "./clients.ts";
import { BUCKET, Broken, START, TABLE, createCloud, type Mishap } from "./cloud.ts";
import { createInvariants, type Violation } from "./invariants.ts";
import { clientOf, type Command } from "./models/client.ts";
import type { Service } from "./models/faults.ts";
import type { Plan } from "./plan.ts";
import type { Plant } from "./plant.ts";
import { createProcess, TIMEOUTS, type Container, type FunctionName, type Parts } from "./process.ts";
import { APPS, DESTINATIONS, MOST_RETRIES } from "./requests.ts";
import { createTargets } from "./targets.ts";
import { createTaskRuns } from "./task-runs.ts";
import { createRandom } from "./random.ts";
import { createTime } from "./time.ts";
import type { Action } from "./action.ts";

// The service in one process on virtual time: its engine and stores as they are, in containers that die, on
// models of what they call. A seed says everything that happens.

export interface RunOptions {
  readonly template: Template;
  readonly mishaps?: readonly Mishap[];
  readonly plant?: Plant;
  /** Every line of what happens. */
  readonly onLine?: (line: string) => void;
}

export interface Ran {
  readonly violations: readonly Violation[];
  /** The same for the same plan: over every call and every event, with its time. */
  readonly hash: string;
  readonly calls: number;
  readonly writes: number;
  readonly jobs: number;
}

const GROUP = "arn:aws:scheduler:sim:0:schedule-group/jobs";
const SCHEDULER = { group: GROUP, target: "arn:fire", role: "arn:role", deadLetters: "SchedulesDeadLetters" };
/** An attempt with all that may come before it: it waits, is lost twice, and runs out its lease. */
const LONGEST_ATTEMPT = 240 * SECOND + 2 * HEAD_START + 45 * SECOND;
/** Of plans. */
const LONGEST_FREEZE = 3 * MINUTE;
/** A job, what follows from it, and what follows from that. */
const LONGEST_CHAIN = 3;

export async function simulate(plan: Plan, options: RunOptions): Promise<Ran> {
  // What the service imports when it first needs it, and what nothing on virtual time may wait for.
  await Promise.all([import("@aws-sdk/client-s3"), import("@aws-sdk/client-scheduler")]);
  const random = createRandom(plan.seed);
  const [chance, order] = [random.fork("processes"), random.fork("order")];
  const time = createTime(START, order);
  const hash = createHash("sha256");
  const elapsed = () => time.now() - START;
  const isRough = () => elapsed() < plan.faultsEndAt;
  const trace = (line: string) => {
    const stamped = `${elapsed().toFixed(3)} ${line}`;
    hash.update(stamped);
    options.onLine?.(stamped);
  };
  const invariants = createInvariants({
    now: time.now,
    trace,
    retention: plan.retentionMs,
    isCalm: isCalm(plan) && options.mishaps === undefined,
    startedAt: START,
    quietFrom: START + (options.mishaps ? afterFaults(plan) : quietAfter(plan)),
    items: () => cloud.dynamodb.items(),
    inQueue: () => cloud.sqs.messages("JobsMainQueue"),
  });
  const cloud = createCloud({
    time,
    random: random.fork("cloud"),
    template: options.template,
    faultRate: () => (isRough() ? plan.faultRate : 0),
    mishaps: options.mishaps ?? [],
    trace,
    onWrite: invariants.written,
    onQuery: (reader, partition) => {
      if (partition.startsWith("WAIT#")) invariants.looked(reader, partition.slice("WAIT#".length));
    },
    onSent: invariants.queued,
    onQueue: () => callers.wakePollers(),
    onSchedule: () => void time.after(0, callers.fireDue),
  });
  const plant = options.plant;
  const targets = createTargets({
    random: random.fork("moods"),
    onStart: (process, attempt, sent) => {
      invariants.started(process, attempt, sent);
      trace(`${process.name} sends ${attempt.jobId} attempt ${attempt.number}`);
    },
    onEnd: invariants.ran,
    told: plant?.outcome,
    shown: plant?.shown,
  });
  const taskRuns = createTaskRuns({
    random: random.fork("tasks"),
    onStart: (process, attempt) => {
      invariants.started(process, attempt);
      trace(`${process.name} runs ${attempt.jobId} attempt ${attempt.number}`);
    },
    onEnd: invariants.ran,
    onSave: (attempt, saved, stage) => invariants.saves(attempt.jobId, attempt.number, saved, stage),
  });
  let broken: unknown;

  // ---- Containers ----

  const containers = new Set<Container>();
  let started = 0;

  function start(name: string): Container {
    const process = createProcess(`${name}-${(started += 1)}`, time, chance.fork(`${name}-${started}`));
    const client = (service: Service) =>
      clientOf(async (command: Command) => {
        try {
          return await cloud.call(process, service, command);
        } catch (error) {
          if (error instanceof Broken) broken ??= error;
          throw error;
        }
      });
    const { clock } = process;
    const table = createTable({ name: TABLE, clock, client: client("dynamodb") });
    const files = createBucket({ name: BUCKET, client: client("s3") });
    const store = createJobStore({ table, files, clock });
    const urls = {
      fair: cloud.sqs.urlOf("JobsFairQueue"),
      main: cloud.sqs.urlOf("JobsMainQueue"),
      tasks: cloud.sqs.urlOf("JobsTasksQueue"),
      pdf: cloud.sqs.urlOf("JobsPdfQueue"),
    };
    const queue = createQueue({ urls, files, clock, client: client("sqs") });
    // Nothing here is signed, so nothing is sealed.
    const sealer = { seal: async () => new Uint8Array(1), open: async () => new Uint8Array(1) };
    const { apps, audit } = createAppStores({ table, clock, sealer });
    const plain: Parts = {
      clock,
      store,
      apps,
      destinations: createDestinationStore({ table, clock }),
      capacity: createCapacityStore({ table, clock }),
      queue,
      scheduler: createScheduler(SCHEDULER, client("scheduler")),
      files,
      executorOf: ({ executionType: type }) => (type === TASK ? taskRuns : targets).executorIn(process),
      slots: createTaskSlots({ table, clock }),
      rules: { allowPrivateTargets: true, invokableFunctions: [], ownFunctions: "", localFunctionUrls: "" },
      log: (_, event, { jobId = "", attempt = "" }) => trace(`${process.name} logs ${event} ${jobId} ${attempt}`),
      callbackBodies: {},
      retention: plan.retentionMs,
    };
    const parts = plant?.parts ? { ...plain, ...plant.parts(plain) } : plain;
    const container = Object.assign(process, { engine: createEngine(parts), parts, apps, audit, isBusy: false });
    containers.add(container);
    process.onDeath(() => {
      containers.delete(container);
      invariants.died(process);
      trace(`${process.name} dies`);
    });
    return container;
  }

  /** Runs something in a container of a function that is idle, or a new one. `undefined` if it died or threw. */
  async function invoke<T>(name: FunctionName, run: (container: Container, timeLeft: TimeLeft) => Promise<T>) {
    const idle = [...containers].find((one) => one.name.startsWith(`${name}-`) && !one.isBusy);
    const container = idle ?? start(name);
    container.isBusy = true;
    const until = time.now() + TIMEOUTS[name];
    const died = new Promise<undefined>((resolve) => {
      container.onDeath(() => resolve(undefined));
    });
    const cancel = time.after(TIMEOUTS[name], () => container.kill());
    const ran = await Promise.race([run(container, () => until - time.now()).catch(threw), died]);
    cancel();
    container.isBusy = false;
    return ran;
  }

  function threw(error: unknown): undefined {
    // The services' faults are expected; a mistake of ours is not.
    const isOurs = error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError;
    if (isOurs) broken ??= error;
    trace(`threw ${(error as Error).name}`);
    return undefined;
  }

  const callers = createCallers({
    time,
    random: chance,
    cloud,
    invariants,
    invoke,
    faultRate: plan.faultRate,
    isRough,
    plant,
    trace,
  });

  const clients = createClients({ time, random: chance, invariants, invoke, plant, trace });

  // ---- What happens ----

  function act(action: Action): void {
    switch (action.kind) {
      case "post":
        for (let n = 0; n < action.times; n += 1) void clients.post(action);
        return;
      case "person":
        return void clients.person(action);
      case "settings":
        return void clients.change(APPS[action.app] ?? "", action.settings);
      case "target":
        return targets.become(DESTINATIONS[action.destination] ?? "", action.mood);
      case "kill":
      case "freeze": {
        const alive = [...containers];
        if (alive.length === 0) return;
        const busy = alive.filter(({ isBusy }) => isBusy);
        const victim = chance.pick(busy.length > 0 && chance.chance(0.7) ? busy : alive);
        return action.kind === "kill" ? victim.kill() : freeze(victim, action.ms);
      }
      case "outage":
        return cloud.outage(action.service, action.ms);
      case "empty":
        return empty(action.queue);
      default:
        return action satisfies never;
    }
  }

  function freeze(victim: Container, ms: number): void {
    trace(`${victim.name} stands still for ${ms}`);
    victim.freeze(ms);
    invariants.frozen(victim);
  }

  function empty(queue: string): void {
    const lost = cloud.sqs
      .messages(queue)
      .filter(({ body }) => !body.startsWith('{"job"') && !body.startsWith('{"fire"'));
    trace(`${queue} forgets ${lost.length}`);
    cloud.sqs.forget(queue, lost);
  }

  // ---- The run ----

  /** TTL deletes what has expired, sooner or later. */
  function expireSome(): void {
    time.after(MINUTE, expireSome);
    for (const item of cloud.dynamodb.removeExpired(() => chance.chance(0.3))) {
      trace(`TTL removes ${item["pk"]?.S} ${item["sk"]?.S}`);
    }
  }

  if (plan.retentionMs > 0) expireSome();
  callers.start();
  for (const action of plan.actions) {
    time.after(action.at, () => {
      trace(`happens ${action.kind} ${JSON.stringify({ ...action, body: undefined })}`);
      act(action);
    });
  }
  time.after(plan.faultsEndAt, () => {
    for (const destination of DESTINATIONS) targets.become(destination, "well");
    for (const appId of APPS) {
      void clients.change(appId, { paused: false });
      for (const destination of DESTINATIONS) void clients.resume(appId, destination);
    }
  });

  const lastAction = plan.actions.at(-1)?.at ?? 0;
  let nextLook = Math.max(plan.faultsEndAt, lastAction) + 2 * MINUTE;
  let isOver = false;
  const look = () => {
    nextLook = elapsed() + MINUTE;
    isOver = invariants.isSettled() && cloud.scheduler.schedules().length === 0 && callers.isQuiet();
    if (!isOver) time.after(MINUTE, look);
  };
  time.after(nextLook, look);
  await time.run(
    () => isOver || broken !== undefined || invariants.violations.length > 0 || elapsed() > latestEnd(plan),
  );
  if (broken) throw broken as Error;
  if (isOver) invariants.atTheEnd();
  else if (invariants.violations.length === 0) invariants.overdue();
  return {
    violations: invariants.violations,
    hash: hash.digest("hex").slice(0, 16),
    calls: cloud.calls(),
    writes: cloud.writes(),
    jobs: invariants.jobs(),
  };
}

/** By when everything has ended: a job that was overdue while things went wrong waits as long again. */
function latestEnd({ faultsEndAt }: Plan): number {
  return faultsEndAt + LONGEST_CHAIN * ((MOST_RETRIES + 1) * LONGEST_ATTEMPT + faultsEndAt);
}

/** From when on no call fails, no process dies, and all that stood still go on. */
function quietAfter(plan: Plan): number {
  const isQuiet = isCalm(plan) && plan.actions.every(({ kind }) => kind !== "empty");
  return isQuiet ? 0 : afterFaults(plan);
}

function afterFaults({ faultsEndAt }: Plan): number {
  return faultsEndAt + LONGEST_FREEZE + MINUTE;
}

function isCalm({ faultRate, actions }: Plan): boolean {
  return faultRate === 0 && actions.every(({ kind }) => kind !== "kill" && kind !== "freeze" && kind !== "outage");
}
