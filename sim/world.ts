import { createHash } from "node:crypto";
import { acceptJob } from "../lib/api/accept-job.ts";
import { createJobBody } from "../lib/api/job-request.ts";
import { createAppStore, type AppStore } from "../lib/app-store.ts";
import { MINUTE, SECOND, iso } from "../lib/clock.ts";
import { createDestinationStore } from "../lib/destination-store.ts";
import { createEngine, type TimeLeft } from "../lib/engine.ts";
import { ClientError } from "../lib/errors.ts";
import { createFiles } from "../lib/files.ts";
import { createJobStore } from "../lib/job-store.ts";
import { HEAD_START } from "../lib/job.ts";
import { createQueue } from "../lib/queue.ts";
import { createTaskSlots } from "../lib/task-slots.ts";
import { createScheduler } from "../lib/scheduler.ts";
import type { Template } from "../local/template.ts";
import { createCallers } from "./callers.ts";
import { BUCKET, Broken, START, TABLE, createCloud, type Kill } from "./cloud.ts";
import { createInvariants, type Violation } from "./invariants.ts";
import { clientOf, type Command } from "./models/client.ts";
import type { Service } from "./models/faults.ts";
import { APPS, DESTINATIONS, MOST_RETRIES, type Action, type PersonDoes, type Plan } from "./plan.ts";
import type { Plant } from "./planted.ts";
import { createProcess, type Process } from "./process.ts";
import { createTargets } from "./targets.ts";
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

export interface Container extends Process {
  readonly engine: Engine;
  readonly parts: Parts;
  readonly apps: AppStore;
  isBusy: boolean;
}

/** What EventBridge and the queues' mappings are told of functions, as serverless.yml has it. */
const TIMEOUTS = { "process-jobs": 180 * SECOND, sweep: 55 * SECOND, "fire-schedule": 29 * SECOND, api: 29 * SECOND };
type FunctionName = keyof typeof TIMEOUTS;

/** Has something run in a container of a function. Nothing comes of it if that died, or threw. */
export type Invoke = <T>(
  name: FunctionName,
  run: (container: Container, timeLeft: TimeLeft) => Promise<T>,
) => Promise<T | undefined>;

const GROUP = "arn:aws:scheduler:sim:0:schedule-group/jobs";
const SCHEDULER = { group: GROUP, target: "arn:fire", role: "arn:role", deadLetters: "SchedulesDeadLetters" };
/** An attempt with all that may come before it: it waits, is lost twice, and runs out its lease. */
const LONGEST_ATTEMPT = 240 * SECOND + 2 * HEAD_START + 45 * SECOND;
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
    onQueue: () => callers.wakePollers(),
    onSchedule: () => void time.after(0, callers.fireDue),
  });
  const plant = options.plant;
  const targets = createTargets({
    random: random.fork("moods"),
    onStart: (process, attempt) => {
      invariants.started(process, attempt);
      trace(`${process.name} sends ${attempt.jobId} attempt ${attempt.number}`);
    },
    onEnd: invariants.ran,
    told: plant?.outcome,
  });
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
    const urls = {
      fair: cloud.sqs.urlOf("JobsFairQueue"),
      main: cloud.sqs.urlOf("JobsMainQueue"),
      tasks: cloud.sqs.urlOf("JobsTasksQueue"),
    };
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
      executorOf: () => targets.executorIn(process),
      slots: createTaskSlots({ table: TABLE, clock, client: client("dynamodb") }),
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
        return targets.become(DESTINATIONS[action.destination] ?? "", action.mood);
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
    invariants.frozen(victim);
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
      await time.pass(chance.between(1, 20) * SECOND);
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
      await time.pass(5 * SECOND);
    }
  }

  async function resume(appId: string, destination: string): Promise<void> {
    const resumed = async ({ parts }: Container) => {
      // What is down has to be found up again by a probe.
      await parts.destinations.change({ appId, destination }, (known) => (known?.state === "held" ? undefined : known));
      return true;
    };
    while (!(await invoke("api", resumed))) await time.pass(5 * SECOND);
  }

  // ---- The run ----

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
