import { MINUTE } from "../../../lib/clock.ts";
import { createEngine } from "../../../lib/engine/engine.ts";
import type { Runner, RunningAttempt } from "../../../lib/executors/executor.ts";
import type { TaskExecution } from "../../../lib/executors/task.ts";
import { TASK } from "../../../lib/job/job.ts";
import type { NewJob } from "../../../lib/job/accept.ts";
import type { Outcome } from "../../../lib/job/attempt.ts";
import type { Template } from "../../../local/template.ts";
import { Broken, START } from "../cloud.ts";
import { createInvoke } from "../containers.ts";
import { clientOf } from "../models/client.ts";
import type { Item } from "../models/dynamodb-value.ts";
import type { Service } from "../models/faults.ts";
import { createProcess, type Container, type Engine, type Invoke, type Process } from "../process.ts";
import { createOrder, createRandom } from "../random.ts";
import { serviceOn } from "../service.ts";
import { auditGroup, isGroupAudit } from "../group-tasks.ts";
import { createStream, forget } from "../stream.ts";
import { createTime, type Time } from "../time.ts";
import { createVolumeCallers } from "./callers.ts";
import { createVolumeCloud, type Watch } from "./cloud.ts";
import { createCounts } from "./counts.ts";
import { createRun } from "./run.ts";
import { createPeople, serviceOf } from "./people.ts";
import type { VolumePlant } from "./volume-plant.ts";

// Thousands of jobs on virtual time: the engine as it is, on the models, with counters of what each job costs.

/** How an attempt goes. `dies`: with its process. Default: 50 ms and a success. */
export interface Run {
  readonly ms?: number;
  readonly outcome?: Outcome;
  readonly dies?: boolean;
}

export interface VolumeOptions {
  readonly template: Template;
  readonly seed: string;
  readonly plant?: VolumePlant | undefined;
  /** With it, the function of the table's stream runs. Default: 0, which is forever. */
  readonly retentionMs?: number;
  readonly runs?: (attempt: RunningAttempt) => Run;
  readonly atOnce?: Readonly<Record<string, number>>;
  /** The processor time of a function's calls, as a multiple of Lambda's with 512 MB. Default: 1. */
  readonly slowness?: Partial<Readonly<Record<string, number>>>;
  readonly onSweep?: (stage: "before" | "after") => void;
  /** With it, the function of the table's stream runs that counts members. Default: no. */
  readonly isCounting?: boolean;
  readonly mostInline?: number;
  /** Called after each walk of a task over the members of a group. */
  readonly onWalk?: (ms: number) => void;
  /** Called after each attempt whose process has lived to its end. */
  readonly onRan?: (attempt: RunningAttempt) => void;
  /** Whether Lambda has no room for an invocation: the messages come again when their visibility ends. Default: no. */
  readonly isRefused?: () => boolean;
  /** Whether SQS refuses an entry of a batch that is sent. Default: no. */
  readonly refuses?: () => boolean;
  /** How long entries of audit logs are kept. Default: for good. */
  readonly auditKeptFor?: number;
  readonly watch?: Watch;
}

/** A whole processor, where a function with 512 MB has 0.29 of one. */
export const WHOLE = 0.29;
/**
 * Measured on a whole processor: 1.1 ms for an update by the SDK, 1.4 ms for a batch of ten messages, 3.2 ms for a
 * BatchGetItem of a hundred jobs.
 */
export const LAMBDA_CPU = { callMs: 3.8, itemMs: 0.1 };
const POSTED_AT_ONCE = 200;
/** What an asynchronous invocation takes to be accepted. */
const START_MS = 30;

export function appId(n: number): string {
  return `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
}

export function createVolumeWorld(options: VolumeOptions) {
  const { template, seed, plant, retentionMs = 0, runs = () => ({}), atOnce = {}, slowness = {} } = options;
  const random = createRandom(seed);
  const time = createTime(START, createOrder(), true);
  const ran = { runs, onWalk: options.onWalk, onRan: options.onRan, time };
  const counts = createCounts(time.now);
  const mistakes: Error[] = [];
  const onMistake = (error: Error) => void mistakes.push(error);
  const containers = new Set<Container>();
  // Jobs come as fast as a scenario wants.
  const slownessOf = (by: string) => slowness[by] ?? (by === "api" ? 0 : 1);
  const { refuses = () => false } = options;
  const onQueue = () => callers.wake();
  const onWrite = (before: Item | undefined, after: Item | undefined) => {
    counts.written(before, after);
    if (retentionMs > 0 || options.isCounting) stream.written(before, after);
  };
  const wrapped = { plant, refuses, watch: options.watch, onQueue, onWrite };
  const cloud = createVolumeCloud({ time, template, counts, cpu: LAMBDA_CPU, slownessOf, ...wrapped });
  let started = 0;

  function start(name: string): Container {
    started += 1;
    const process = createProcess(`${name}-${started}`, time, random.fork(`${name}-${started}`));
    const { plain, ...stores } = serviceOn({
      clock: process.clock,
      client: (service: Service) => clientOf(async (command) => cloud.call(process, service, command).catch(noted)),
      urlOf: cloud.sqs.urlOf,
      executorOf: () => executorIn(process, { ...ran, engine: () => engine }),
      log: () => {},
      retention: retentionMs,
      auditKeptFor: options.auditKeptFor ?? 0,
      sweepMore: async (part) => {
        await process.pause(START_MS);
        callers.sweepMore(part);
      },
      ...(options.mostInline !== undefined && { mostInline: options.mostInline }),
    });
    const parts = plant?.parts ? { ...plain, ...plant.parts(plain) } : plain;
    const engine: Engine = createEngine(parts);
    const container = Object.assign(process, { engine, parts, ...stores, isBusy: false });
    containers.add(container);
    process.onDeath(() => containers.delete(container));
    return container;
  }

  const noted = noting(onMistake);
  const invoke = createInvoke({ time, containers, start, onMistake, trace: () => {} });
  const streaming = { time, random, template, invoke, isRough: () => false, trace: () => {} };
  const stream = createStream(streaming, options.isCounting);
  const { onSweep = () => {}, isRefused = () => false } = options;
  const callers = createVolumeCallers({ time, cloud, invoke, atOnce, onSweep, isRefused });
  const people = createPeople(async (act) => {
    callers.acted();
    await invoke("api", async (container) => act(container, serviceOf(container)).catch(onMistake));
    callers.acted();
  });
  callers.start();
  const posts = createPosts({ time, invoke, onMistake });

  /** Whether all jobs have been posted and have ended. */
  const isDone = () => time.now() > posts.lastAt() && counts.open() === 0;
  return {
    time,
    cloud,
    counts,
    random,
    invoke,
    post: posts.post,
    /** Has something happen at a time from the start. */
    at: (ms: number, happens: () => void) => void time.after(START + ms - time.now(), happens),
    run: createRun(time, mistakes),
    isDone,
    elapsed: () => time.now() - START,
    /** Has all that has expired after `ms` be gone, and the stream read. */
    forget: async (ms: number) => forget({ time, cloud, stream }, ms),
    mostSweeps: callers.mostSweeps,
    ...people,
  };
}

/** Has the run end at a mistake of the simulator. */
function noting(onMistake: (error: Error) => void) {
  return (error: unknown): never => {
    if (error instanceof Broken) onMistake(error);
    throw error;
  };
}

interface PostParts {
  readonly time: Time;
  readonly invoke: Invoke;
  readonly onMistake: (error: Error) => void;
}

function createPosts({ time, invoke, onMistake }: PostParts) {
  let lastPostAt = START;

  /** Has jobs accepted by the engine, `all` within `overMs` from `atMs` on, so many at once. */
  function post(all: readonly NewJob[], atMs = 0, overMs = 0, atOnce = POSTED_AT_ONCE): void {
    for (let from = 0; from < all.length; from += atOnce) {
      const some = all.slice(from, from + atOnce);
      const at = START + atMs + Math.floor((overMs * from) / all.length);
      lastPostAt = Math.max(lastPostAt, at + MINUTE);
      time.after(at - time.now(), () => {
        void invoke("api", async ({ engine }) => {
          return Promise.all(some.map(async (one) => engine.submit(one))).catch(onMistake);
        });
      });
    }
  }

  return { post, lastAt: () => lastPostAt };
}

interface RunParts {
  readonly runs: (attempt: RunningAttempt) => Run;
  readonly engine: () => Engine;
  readonly onWalk: VolumeOptions["onWalk"];
  readonly onRan: VolumeOptions["onRan"];
  readonly time: Time;
}

function executorIn(process: Process, { runs, engine, onWalk, onRan, time }: RunParts): Runner {
  async function execute(attempt: RunningAttempt): Promise<Outcome> {
    if (isGroupAudit(attempt)) {
      const began = time.now();
      const walked = await auditGroup(attempt as RunningAttempt<TaskExecution>, engine(), () => {});
      onWalk?.(time.now() - began);
      return walked;
    }
    const { ms = 50, outcome = { kind: "succeeded", httpStatus: 200 }, dies = false } = runs(attempt);
    if (dies) process.kill();
    const late = new Promise<"late">((resolve) => {
      attempt.signal.addEventListener("abort", () => resolve("late"));
    });
    const ended = await Promise.race([process.pause(ms), late]);
    onRan?.(attempt);
    return ended === "late" ? { kind: "retry", error: "no complete answer in time" } : outcome;
  }
  return { execute };
}

/** A webhook job. */
export function webhook(app: string, given: Webhook = {}): NewJob {
  const {
    mode = "both",
    startAt,
    lane,
    host = "https://a.example",
    maxRetries = 3,
    body = "{}",
    timeoutSeconds,
  } = given;
  return {
    appId: app,
    mode,
    ...(startAt !== undefined && { startAt }),
    message: {
      lambdaProxyMessage: {
        body,
        path: "/",
        resource: "/{proxy+}",
        httpMethod: "POST",
        isBase64Encoded: false,
        pathParameters: {},
        headers: {},
        requestContext: {},
      },
      execution: { type: "rest-api", baseUrl: host, timeoutSeconds: timeoutSeconds ?? 30 },
      metadata: { maxRetries, ...(lane !== undefined && { messageGroupId: lane }) },
      ...(given.callback === true && {
        onComplete: { url: "https://done.example/done", headers: {}, on: ["SUCCEEDED", "FAILED", "DEAD"] as const },
      }),
    },
  };
}

interface Webhook {
  readonly mode?: NewJob["mode"];
  readonly startAt?: number;
  readonly lane?: string;
  readonly host?: string;
  readonly maxRetries?: number;
  readonly body?: string;
  readonly timeoutSeconds?: number;
  readonly callback?: boolean;
}

/** A task of an app. `jobType`: of the built-in ones. */
export function taskJob(app: string, jobType = "example", payload: object = { words: ["a"] }): NewJob {
  return {
    appId: app,
    mode: "both",
    message: { execution: { type: TASK, jobType, payload }, metadata: { maxRetries: 1 } },
  };
}

/** A webhook every so many minutes. */
export function everyMinutes(app: string, minutes: number): NewJob {
  const { message } = webhook(app);
  const scheduleExpression = `rate(${minutes} minutes)`;
  return {
    appId: app,
    mode: "both",
    message: {
      execution: { type: "schedule", scheduleExpression, scheduleExpressionTimezone: "UTC", targetJob: message },
      metadata: { maxRetries: 1 },
    },
  };
}
