import { DeleteMessageCommand, ReceiveMessageCommand, SendMessageCommand } from "@aws-sdk/client-sqs";
import type { SQSBatchResponse } from "aws-lambda";
import { createHash } from "node:crypto";
import { acceptJob } from "../lib/api/accept-job.ts";
import { createJobBody } from "../lib/api/job-request.ts";
import { createAppStore, type AppStore } from "../lib/app-store.ts";
import { MINUTE, SECOND, iso } from "../lib/clock.ts";
import { createDestinationStore } from "../lib/destination-store.ts";
import { createEngine, type TimeLeft } from "../lib/engine.ts";
import { ClientError } from "../lib/errors.ts";
import type { Executor } from "../lib/executors/executor.ts";
import { executorOf } from "../lib/executors/index.ts";
import { createFiles } from "../lib/files.ts";
import { createJobStore } from "../lib/job-store.ts";
import type { Outcome } from "../lib/job.ts";
import { createQueue, type QueueRecord } from "../lib/queue.ts";
import { createScheduler } from "../lib/scheduler.ts";
import type { Template } from "../local/template.ts";
import { BUCKET, Broken, START, SWEEP_EVERY, TABLE, createCloud, type Kill } from "./cloud.ts";
import { createInvariants, type Violation } from "./invariants.ts";
import { clientOf, type Command } from "./models/client.ts";
import type { Service } from "./models/faults.ts";
import { APPS, DESTINATIONS, type Action, type Mood, type PersonDoes, type Plan } from "./plan.ts";
import type { Plant } from "./planted.ts";
import { createProcess, type Process } from "./process.ts";
import { createRandom } from "./random.ts";
import { createTime } from "./time.ts";

// The service in one process on virtual time: its engine and stores as they are, in containers that die, on
// models of what they call. A seed says everything that happens.

export interface RunOptions {
  readonly template: Template;
  readonly kills?: readonly Kill[];
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

type Engine = ReturnType<typeof createEngine>;
type Parts = Parameters<typeof createEngine>[0];

interface Container extends Process {
  readonly engine: Engine;
  readonly parts: Parts;
  readonly apps: AppStore;
  isBusy: boolean;
}

/** What EventBridge and the queues' mappings are told of functions, as serverless.yml has it. */
const TIMEOUTS = { "process-jobs": 180 * SECOND, sweep: 55 * SECOND, "fire-schedule": 29 * SECOND, api: 29 * SECOND };
const BATCH = 10;
const POLLERS = 2;
const GROUP = "arn:aws:scheduler:sim:0:schedule-group/jobs";
const SCHEDULER = { group: GROUP, target: "arn:fire", role: "arn:role", deadLetters: "SchedulesDeadLetters" };
const DEAD = ["JobsFairDeadLetters", "JobsMainDeadLetters", "SchedulesDeadLetters"] as const;
/** Nothing in a plan takes longer once faults end: see docs/reliability.md. */
const LONGEST_END = 10 * 60 * MINUTE;

export async function simulate(plan: Plan, options: RunOptions): Promise<Ran> {
  // What the service imports when it first needs it, and what nothing on virtual time may wait for.
  await Promise.all([import("@aws-sdk/client-s3"), import("@aws-sdk/client-scheduler")]);
  const random = createRandom(plan.seed);
  const [chance, moods, order] = [random.fork("processes"), random.fork("moods"), random.fork("order")];
  const time = createTime(START, order);
  const hash = createHash("sha256");
  const elapsed = () => time.now() - START;
  const isRough = () => elapsed() < plan.faultsEndAt;
  const trace = (line: string) => {
    const stamped = `${elapsed().toFixed(3)} ${line}`;
    hash.update(stamped);
    options.onLine?.(stamped);
  };
  const kills = options.kills ?? [];
  const invariants = createInvariants({ now: time.now, trace });
  const cloud = createCloud({
    time,
    random: random.fork("cloud"),
    template: options.template,
    faultRate: () => (isRough() ? plan.faultRate : 0),
    kills,
    trace,
    onWrite: invariants.written,
    onSent: invariants.queued,
    onQueue: () => wakePollers(),
    onSchedule: () => void time.after(0, fireDue),
  });
  const plant = options.plant;
  const later = (ms: number) =>
    new Promise<void>((resolve) => {
      time.after(ms, resolve);
    });
  const mood = new Map<string, Mood>();
  /** The job of each post, once its client knows it. */
  const posted = new Map<number, string>();
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
    const files = createFiles(BUCKET, client("s3"));
    const store = createJobStore({ table: TABLE, files, clock, client: client("dynamodb") });
    const urls = { fair: cloud.sqs.urlOf("JobsFairQueue"), main: cloud.sqs.urlOf("JobsMainQueue") };
    const queue = createQueue({ urls, files, clock, client: client("sqs") });
    // Nothing here is signed, so nothing is sealed.
    const sealer = { seal: async () => new Uint8Array(1), open: async () => new Uint8Array(1) };
    const apps = createAppStore({ table: TABLE, clock, sealer, client: client("dynamodb") });
    const plain: Parts = {
      clock,
      store,
      apps,
      destinations: createDestinationStore({ table: TABLE, clock, client: client("dynamodb") }),
      queue,
      scheduler: createScheduler(SCHEDULER, client("scheduler")),
      files,
      executorOf: () => target(process),
      rules: { allowPrivateTargets: true, invokableFunctions: [], ownFunctions: "", localFunctionUrls: "" },
      log: (_, event, { jobId = "", attempt = "" }) => trace(`${process.name} logs ${event} ${jobId} ${attempt}`),
      retention: 0,
    };
    const parts = plant?.parts ? { ...plain, ...plant.parts(plain) } : plain;
    const container = Object.assign(process, { engine: createEngine(parts), parts, apps, isBusy: false });
    containers.add(container);
    process.onDeath(() => {
      containers.delete(container);
      invariants.died(process);
      trace(`${process.name} dies`);
    });
    return container;
  }

  /** Runs something in a container of a function that is idle, or a new one. `undefined` if it died or threw. */
  async function invoke<T>(
    name: keyof typeof TIMEOUTS,
    run: (container: Container, timeLeft: TimeLeft) => Promise<T>,
  ): Promise<T | undefined> {
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

  // ---- What targets do ----

  function target(process: Process): Executor {
    const base = executorOf("rest-api");
    return {
      ...base,
      execute: async (attempt) => {
        const { baseUrl } = attempt.message.execution as unknown as { baseUrl: string };
        invariants.started(process, attempt);
        trace(`${process.name} sends ${attempt.jobId} attempt ${attempt.number}`);
        const execution = answer(process, mood.get(baseUrl) ?? "well", attempt.signal);
        const outcome = await execution.catch(() => undefined);
        invariants.ran(process, attempt, outcome);
        return outcome && plant?.outcome ? plant.outcome(outcome) : execution;
      },
    };
  }

  async function answer(process: Process, how: Mood, signal: AbortSignal): Promise<Outcome> {
    const took = await arrival(
      process,
      how === "slow" ? moods.between(0, 40) * SECOND : moods.between(5, 400),
      how,
      signal,
    );
    if (took === "late") return { kind: "retry", error: "no complete answer in time" };
    const failing = how === "failing" || (how === "flaky" && moods.chance(0.5));
    if (how === "gone") return { kind: "retry", error: "HTTP 410", httpStatus: 410 };
    if (how === "busy" && moods.chance(0.7))
      return { kind: "retry", error: "HTTP 429", httpStatus: 429, retryAfterMs: 20 * SECOND };
    if (failing && moods.chance(0.1)) return { kind: "rejected", error: "The target is not allowed" };
    if (failing && moods.chance(0.1)) throw new Error("The executor broke");
    return failing ? { kind: "retry", error: "HTTP 500", httpStatus: 500 } : { kind: "succeeded", httpStatus: 200 };
  }

  async function arrival(process: Process, ms: number, how: Mood, signal: AbortSignal): Promise<"answered" | "late"> {
    const late = new Promise<"late">((resolve) => {
      signal.addEventListener("abort", () => resolve("late"));
    });
    if (how === "silent") return late;
    return Promise.race([process.pause(ms).then(() => "answered" as const), late]);
  }

  // ---- What calls functions ----

  let pollers: (() => void)[] = [];

  function wakePollers(): void {
    const waiting = pollers;
    pollers = [];
    for (const wake of waiting) time.after(1, wake);
  }

  /** A mapping's poller: receives, has its function run, deletes what was handled. */
  async function poll(
    name: string,
    run: (container: Container, records: QueueRecord[], timeLeft: TimeLeft) => Promise<SQSBatchResponse>,
  ) {
    const url = cloud.sqs.urlOf(name);
    for (;;) {
      const receive = new ReceiveMessageCommand({
        QueueUrl: url,
        MaxNumberOfMessages: 1 + chance.below(BATCH),
        MessageSystemAttributeNames: ["ApproximateReceiveCount", "MessageGroupId"],
      });
      const { Messages = [] } = (await cloud.sqs.send(receive)) as { Messages?: Received[] };
      if (Messages.length === 0) {
        await untilQueue(name);
        continue;
      }
      const records = Messages.map((message) => recordOf(message, url));
      trace(`${name} gives ${records.map(({ body }) => body.slice(0, 70)).join(" ")}`);
      if (plant?.acknowledges === "before") remove(url, records);
      const handled = await invoke("process-jobs", (container, timeLeft) => run(container, records, timeLeft));
      if (handled) {
        const again = new Set(handled.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
        const done = records.filter(({ messageId }) => plant?.acknowledges === "all" || !again.has(messageId));
        invariants.acknowledged(done);
        // A deletion that fails: they come again.
        if (!isRough() || !chance.chance(plan.faultRate)) remove(url, done);
      }
      await later(5);
    }
  }

  function remove(url: string, records: readonly QueueRecord[]): void {
    for (const { receiptHandle } of records) {
      // Too late for a message of a FIFO queue that shows again: it is not deleted.
      void cloud.sqs.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: receiptHandle })).catch(() => {});
    }
    wakePollers();
  }

  async function untilQueue(name: string): Promise<void> {
    const next = cloud.sqs.nextVisibleAt(name);
    await new Promise<void>((resolve) => {
      pollers.push(resolve);
      if (next !== undefined) time.after(next - time.now() + 1, resolve);
    });
  }

  const firing = new Set<object>();

  /** EventBridge: on time or late, twice or never. What its target does not take goes to the dead letters. */
  function fireDue(): void {
    for (const schedule of cloud.scheduler.schedules()) {
      if (firing.has(schedule) || schedule.isOver) continue;
      firing.add(schedule);
      const wait = schedule.at - time.now() + chance.between(0, 60) * SECOND;
      time.after(wait, () => {
        if (!cloud.scheduler.schedules().includes(schedule)) return;
        const times = isRough() && plan.faultRate > 0 ? chance.pick([0, 1, 1, 1, 2]) : 1;
        cloud.scheduler.fired(schedule);
        for (let n = 0; n < times; n += 1) {
          void invoke("fire-schedule", async ({ engine }) => engine.fire(JSON.parse(schedule.input))).then((fired) => {
            if (fired === undefined) deadLetter(schedule.input);
          });
        }
      });
    }
  }

  function deadLetter(input: string): void {
    const MessageBody = JSON.stringify({ Payload: input });
    const QueueUrl = cloud.sqs.urlOf("SchedulesDeadLetters");
    void cloud.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));
    wakePollers();
  }

  function everyMinute(): void {
    time.after(SWEEP_EVERY, everyMinute);
    if (isRough() && chance.chance(0.05)) return;
    if (!invariants.isAnythingDue(time.now() + MINUTE)) return;
    // A schedule's rule may call its function twice.
    for (let times = isRough() && chance.chance(0.3) ? 2 : 1; times > 0; times -= 1) {
      void invoke("sweep", async ({ engine }, timeLeft) => engine.sweep(timeLeft));
    }
  }

  // ---- What people and clients do ----

  function act(action: Action): void {
    switch (action.kind) {
      case "post":
        for (let n = 0; n < action.times; n += 1) void post(action);
        return;
      case "person":
        return void person(action.does, posted.get(action.post));
      case "settings":
        return void change(APPS[action.app] ?? "", action.settings);
      case "target":
        return void mood.set(DESTINATIONS[action.destination] ?? "", action.mood);
      case "kill":
      case "freeze": {
        const alive = [...containers];
        if (alive.length === 0) return;
        const victim = chance.pick(alive);
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
    invariants.died(victim);
  }

  function empty(queue: string): void {
    const lost = cloud.sqs
      .messages(queue)
      .filter(({ body }) => !body.startsWith('{"job"') && !body.startsWith('{"fire"'));
    trace(`${queue} forgets ${lost.length}`);
    cloud.sqs.forget(queue, lost);
  }

  /** A client: repeats what it does not know the fate of, with the same key. */
  async function post(action: Action & { kind: "post" }): Promise<void> {
    const appId = APPS[action.app] ?? "";
    const body = createJobBody.parse(dated(action.body));
    const key = body.message.metadata.idempotencyKey;
    for (let tries = 0; tries < (key === undefined ? 1 : 4); tries += 1) {
      const caller = { sub: "client", appId, roles: ["APP_ADMIN"], permissions: [] };
      const answered = await invoke("api", async (container) => {
        const { parts, apps, engine } = container;
        const service = { ...parts, apps, engine } as unknown as Parameters<typeof acceptJob>[3];
        return acceptJob(body, caller, undefined, service).catch((error: unknown) => {
          if (error instanceof ClientError) return { status: 400, message: error.message, job: undefined } as const;
          throw error;
        });
      });
      if (answered) {
        trace(`client is answered ${answered.status} ${answered.job?.id ?? ""}`);
        if (answered.job) posted.set(action.n, answered.job.id);
        if (answered.status !== 400) invariants.accepted({ appId, body, key, ...answered });
        return;
      }
      await later(chance.between(1, 20) * SECOND);
    }
  }

  function dated(body: object): object {
    return JSON.parse(JSON.stringify(body), (_, value: unknown) =>
      typeof value === "string" && /^\+\d+$/.test(value)
        ? iso(START + Math.round(Number(value) / SECOND) * SECOND)
        : value,
    ) as object;
  }

  async function person(does: PersonDoes, id: string | undefined): Promise<void> {
    if (id === undefined) return;
    await invoke("api", async ({ engine }) => {
      invariants.asked(id, does);
      try {
        if (does === "retry") await engine.retryJob(id);
        else if (does === "delete") await engine.deleteJob(id);
        else await engine.stopJob(id, does === "cancel" ? "CANCELLED" : "DEAD");
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
      }
    });
  }

  async function change(appId: string, wanted: object): Promise<void> {
    for (;;) {
      const changed = await invoke("api", async ({ apps }) => {
        const before = await apps.read(appId);
        const { version: _, ...settings } = before;
        return apps.change(before, appId, { ...settings, ...wanted }, "person");
      });
      if (changed) return invariants.limited(appId, wanted);
      await later(5 * SECOND);
    }
  }

  async function resume(appId: string, destination: string): Promise<void> {
    const resumed = async ({ parts }: Container) => {
      await parts.destinations.change({ appId, destination }, () => undefined);
      return true;
    };
    while (!(await invoke("api", resumed))) await later(5 * SECOND);
  }

  // ---- The run ----

  for (const name of ["JobsFairQueue", "JobsMainQueue"]) {
    for (let n = 0; n < POLLERS; n += 1)
      void poll(name, async ({ engine }, records, left) => engine.runBatch(records, left));
  }
  for (const name of DEAD) void poll(name, async ({ engine }, records) => engine.recoverBatch(records));
  for (const action of plan.actions) {
    time.after(action.at, () => {
      trace(`happens ${action.kind} ${JSON.stringify({ ...action, body: undefined })}`);
      act(action);
    });
  }
  time.after(SWEEP_EVERY * chance.next(), everyMinute);
  time.after(plan.faultsEndAt, () => {
    for (const destination of DESTINATIONS) mood.set(destination, "well");
    for (const appId of APPS) {
      void change(appId, { paused: false });
      for (const destination of DESTINATIONS) {
        void resume(appId, destination);
      }
    }
  });

  const lastAction = plan.actions.at(-1)?.at ?? 0;
  let nextLook = Math.max(plan.faultsEndAt, lastAction) + 2 * MINUTE;
  let isOver = false;
  const look = () => {
    nextLook = elapsed() + MINUTE;
    isOver = invariants.isSettled() && cloud.scheduler.schedules().length === 0 && isQuiet();
    if (!isOver) time.after(MINUTE, look);
  };
  const isQuiet = () =>
    ["JobsFairQueue", "JobsMainQueue", ...DEAD].every((name) => cloud.sqs.messages(name).length === 0);
  time.after(nextLook, look);
  await time.run(
    () =>
      isOver || broken !== undefined || invariants.violations.length > 0 || elapsed() > plan.faultsEndAt + LONGEST_END,
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

interface Received {
  readonly MessageId: string;
  readonly ReceiptHandle: string;
  readonly Body: string;
  readonly Attributes: { readonly ApproximateReceiveCount: string; readonly MessageGroupId?: string };
}

function recordOf({ MessageId, ReceiptHandle, Body, Attributes }: Received, url: string): QueueRecord {
  const name = url.split("/").at(-1) ?? "";
  return {
    messageId: MessageId,
    receiptHandle: ReceiptHandle,
    body: Body,
    attributes: Attributes,
    eventSourceARN: `arn:aws:sqs:sim:0:${name}`,
  };
}
