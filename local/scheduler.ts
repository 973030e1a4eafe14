import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import * as z from "zod";
import { MINUTE, SECOND, type Clock, type EpochMs } from "../lib/clock.ts";
import { isTimeZone, nextRun, parseExpression } from "../lib/job/schedule-expression.ts";

// EventBridge Scheduler on this machine: its API for schedules, and their firing in service time. A run
// that is due becomes a firing, on disk until the function has succeeded or is given up: a kill at any
// moment fires twice rather than never.

export interface Scheduler {
  readonly url: string;
  /** Waits for the firings in hand, 1 s at most; those that have not succeeded by then fire at the next start. */
  stop(): Promise<void>;
}

export interface SchedulerSettings {
  /** Where schedules are kept, as GROUP/NAME.json. */
  readonly dir: string;
  readonly clock: Clock;
  readonly accountId: string;
  readonly region: string;
  /** Calls the function that a target's ARN names; rejects when it fails or is unknown. */
  readonly invoke: (functionArn: string, event: unknown) => Promise<unknown>;
  /** Sends to the queue that a dead-letter config's ARN names. */
  readonly sendToQueue: (queueArn: string, body: string) => Promise<void>;
}

interface Schedule {
  /** GROUP/NAME */
  readonly id: string;
  readonly definition: Definition;
  /** Of the request that wrote the definition. */
  readonly clientToken?: string | undefined;
  readonly createdAt: EpochMs;
  readonly modifiedAt: EpochMs;
  /** Nothing if it is disabled or has no run left. */
  readonly nextRunAt?: EpochMs | undefined;
  readonly firings: readonly Firing[];
}

interface Firing {
  /** When it was taken up: late, if the stack was down when it was due. */
  readonly since: EpochMs;
  readonly failures: number;
  readonly dueAt: EpochMs;
}

const STOP_WITHIN_MS = 1_000;
/** Real time. Timers stand still while a laptop sleeps, and overflow after 24 days. */
const LONGEST_WAIT_MS = 10_000;

export async function startScheduler(settings: SchedulerSettings): Promise<Scheduler> {
  const { dir, clock, accountId, region, invoke, sendToQueue } = settings;
  const schedules = new Map(load(dir).map((schedule) => [schedule.id, schedule]));
  const inHand = new Map<Firing, Promise<void>>();
  let timer: NodeJS.Timeout | undefined;
  let stopping = false;

  /** Waits for what is due next. To be called after every change. */
  function arm(): void {
    clearTimeout(timer);
    if (stopping) return;
    let next = Infinity;
    for (const { nextRunAt = Infinity, firings } of schedules.values()) {
      next = firings.reduce((due, firing) => (inHand.has(firing) ? due : Math.min(due, firing.dueAt)), next);
      next = Math.min(next, nextRunAt);
    }
    const wait = Math.ceil(clock.waitFor(Math.max(next - clock.now(), 0)));
    timer = setTimeout(fireDue, Math.min(wait, LONGEST_WAIT_MS));
  }

  function fireDue(): void {
    const now = clock.now();
    for (const given of schedules.values()) {
      const schedule = (given.nextRunAt ?? Infinity) <= now ? keep(takeUp(given, now)) : given;
      for (const firing of schedule.firings) {
        if (firing.dueAt > now || inHand.has(firing)) continue;
        const firingEnds = fire(schedule, firing).finally(() => {
          inHand.delete(firing);
          arm();
        });
        inHand.set(firing, firingEnds);
      }
    }
    arm();
  }

  async function fire(schedule: Schedule, firing: Firing): Promise<void> {
    const { Arn, Input = "{}", RetryPolicy, DeadLetterConfig } = schedule.definition.Target;
    try {
      await invoke(Arn, parsed(Input, Input));
    } catch (error) {
      // What fails while the stack stops fires when it is up again.
      if (stopping || !current(schedule, firing)) return;
      report(schedule, `failure ${firing.failures + 1} of ${Arn}`, error);
      const retry = retryOf(firing, RetryPolicy, clock.now());
      if (retry) return replace(schedule, firing, [retry]);
      // What the queue does not take is lost, as on AWS.
      const lost = (reason: unknown) => report(schedule, `no dead letter in ${DeadLetterConfig?.Arn}`, reason);
      // A dead letter is the whole call of the target.
      const call = JSON.stringify({ FunctionName: Arn, InvocationType: "Event", Payload: Input });
      if (DeadLetterConfig?.Arn) await sendToQueue(DeadLetterConfig.Arn, call).catch(lost);
      if (stopping) return;
    }
    replace(schedule, firing, []);
  }

  /** Does nothing if the schedule was updated or deleted since, or if the scheduler has stopped. */
  function replace(schedule: Schedule, firing: Firing, others: readonly Firing[]): void {
    const now = current(schedule, firing);
    if (!now) return;
    const firings = [...now.firings.filter((other) => other !== firing), ...others];
    const isComplete = firings.length === 0 && now.nextRunAt === undefined;
    if (isComplete && now.definition.ActionAfterCompletion === "DELETE") remove(now);
    else keep({ ...now, firings });
  }

  /** The schedule as it is now, if the firing is still one of its own. */
  function current(schedule: Schedule, firing: Firing): Schedule | undefined {
    const now = schedules.get(schedule.id);
    return now?.firings.includes(firing) ? now : undefined;
  }

  function keep(schedule: Schedule): Schedule {
    save(dir, schedule);
    schedules.set(schedule.id, schedule);
    return schedule;
  }

  function remove(schedule: Schedule): void {
    rmSync(fileOf(dir, schedule), { force: true });
    schedules.delete(schedule.id);
  }

  function answer(method: string, { pathname, searchParams }: URL, body: unknown): Answer {
    if (method === "GET" && pathname === "/schedules") return list(Object.fromEntries(searchParams));
    const [, name = ""] = /^\/schedules\/([^/]+)$/.exec(pathname) ?? [];
    const id = `${searchParams.get("groupName") ?? "default"}/${name}`;
    const schedule = schedules.get(id);
    switch (name && method) {
      case "POST":
        return write("create", { ...Object(body), Name: name });
      case "PUT":
        return write("update", { ...Object(body), Name: name });
      case "GET":
        return schedule ? { body: { ...summaryOf(schedule), ...schedule.definition } } : notFound(id);
      case "DELETE":
        if (schedule) remove(schedule);
        return schedule ? { body: {} } : notFound(id);
      default:
        return refused("UnknownOperationException", `The local scheduler has no ${method} ${pathname}`);
    }
  }

  /** An update replaces everything, waiting retries too. */
  function write(operation: "create" | "update", request: unknown): Answer {
    const { data, error } = scheduleRequest.safeParse(request);
    if (error) return refused("ValidationException", z.prettifyError(error));
    const { ClientToken: clientToken, ...definition } = data;
    const id = `${definition.GroupName}/${definition.Name}`;
    const existing = schedules.get(id);
    const isRepeated = clientToken !== undefined && clientToken === existing?.clientToken;
    if (!isRepeated || !isDeepStrictEqual(definition, existing.definition)) {
      if (operation === "create" && existing) return refused("ConflictException", `Schedule ${id} already exists`);
      if (operation === "update" && !existing) return notFound(id);
      const now = clock.now();
      const problem = expressionProblem(definition, now);
      if (problem) return refused("ValidationException", problem);
      const createdAt = existing?.createdAt ?? now;
      // A new schedule may run right now; an updated one may just have.
      const nextRunAt = runAfter(definition, existing ? now : now - 1, createdAt);
      keep({ id, definition, clientToken, createdAt, modifiedAt: now, nextRunAt, firings: [] });
    }
    return { body: { ScheduleArn: arnOf(id) } };
  }

  function list(query: unknown): Answer {
    const { data, error } = listRequest.safeParse(query);
    if (error) return refused("ValidationException", z.prettifyError(error));
    const { ScheduleGroup, NamePrefix, State, MaxResults, NextToken } = data;
    const found = [...schedules.values()]
      .filter(({ definition }) => (ScheduleGroup ?? definition.GroupName) === definition.GroupName)
      .filter(({ definition }) => (State ?? definition.State) === definition.State)
      .filter(({ id, definition }) => definition.Name.startsWith(NamePrefix) && id > NextToken)
      .toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const page = found.slice(0, MaxResults);
    const next = found.length > page.length ? { NextToken: page.at(-1)?.id } : {};
    return { body: { Schedules: page.map(summaryOf), ...next } };
  }

  function summaryOf({ id, definition, createdAt, modifiedAt }: Schedule) {
    const { Name, GroupName, State, Target } = definition;
    const times = { CreationDate: createdAt / SECOND, LastModificationDate: modifiedAt / SECOND };
    return { Arn: arnOf(id), Name, GroupName, State, Target: { Arn: Target.Arn }, ...times };
  }

  function arnOf(id: string): string {
    return `arn:aws:scheduler:${region}:${accountId}:schedule/${id}`;
  }

  const server = createServer((request, response) => {
    void text(request)
      .then((body) => answer(request.method ?? "", new URL(`http://localhost${request.url}`), parsed(body, undefined)))
      .catch((error: unknown) => refused("InternalServerException", String(error)))
      .then(({ type, body }) => {
        arm();
        const headers = { "content-type": "application/json", ...(type && { "x-amzn-errortype": type }) };
        response.writeHead(type ? REFUSALS[type] : 200, headers).end(JSON.stringify(body));
      });
  });
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  arm();
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      stopping = true;
      clearTimeout(timer);
      server.close();
      server.closeAllConnections();
      await Promise.race([Promise.all(inHand.values()), sleep(STOP_WITHIN_MS)]);
      // What ends later finds no schedule and writes nothing: another stack may have the folder by then.
      schedules.clear();
    },
  };
}

// ---- What a schedule may be ----

// A group is a folder and a name is a file, so neither may be . or ..
const groupOrName = z.string().regex(/^(?!\.{1,2}$)[\w.-]{1,64}$/, "expected 1 to 64 of 0-9, a-z, A-Z, - _ and .");
const state = z.enum(["ENABLED", "DISABLED"]);
const LONGEST_INPUT = 256 * 1_024;

const target = z.looseObject({
  Arn: z.string().min(1),
  RoleArn: z.string().min(1),
  Input: z
    .string()
    .min(1)
    .refine((text) => Buffer.byteLength(text) <= LONGEST_INPUT, `expected at most ${LONGEST_INPUT} bytes`)
    .optional(),
  RetryPolicy: z
    .object({
      MaximumEventAgeInSeconds: z.int().min(60).max(86_400).default(86_400),
      MaximumRetryAttempts: z.int().min(0).max(185).default(185),
    })
    .prefault({}),
  DeadLetterConfig: z.object({ Arn: z.string().min(1).optional() }).optional(),
});

const scheduleRequest = z.object({
  Name: groupOrName,
  GroupName: groupOrName.default("default"),
  ScheduleExpression: z.string().min(1).max(256),
  ScheduleExpressionTimezone: z.string().refine(isTimeZone, "expected a time zone such as Asia/Seoul").default("UTC"),
  /** Seconds since 1970, as all times of this API. */
  StartDate: z.number().optional(),
  EndDate: z.number().optional(),
  State: state.default("ENABLED"),
  ActionAfterCompletion: z.enum(["DELETE", "NONE"]).default("NONE"),
  FlexibleTimeWindow: z.looseObject({ Mode: z.enum(["OFF", "FLEXIBLE"]) }),
  Target: target,
  Description: z.string().max(512).optional(),
  KmsKeyArn: z.string().optional(),
  ClientToken: z.string().min(1).max(64).optional(),
});

type Definition = Omit<z.infer<typeof scheduleRequest>, "ClientToken">;

const listRequest = z.object({
  ScheduleGroup: groupOrName.optional(),
  NamePrefix: z.string().default(""),
  State: state.optional(),
  MaxResults: z.coerce.number().int().min(1).max(100).default(100),
  /** The last one of the page before, as GROUP/NAME. */
  NextToken: z.string().default(""),
});

function expressionProblem(definition: Definition, now: EpochMs): string | undefined {
  const { ScheduleExpression, ScheduleExpressionTimezone } = definition;
  const expression = parseExpression(ScheduleExpression, ScheduleExpressionTimezone);
  const invalid = `Invalid Schedule Expression ${ScheduleExpression}`;
  if (expression.kind === "malformed") return `${invalid}: ${expression.problem}`;
  return expression.kind === "at" && expression.time < now ? `${invalid}: the time is in the past` : undefined;
}

// ---- When it runs ----

/** The first run after a time, if it is enabled. A one-off has no use for StartDate and EndDate, as on AWS. */
function runAfter(definition: Definition, time: EpochMs, createdAt: EpochMs): EpochMs | undefined {
  const { ScheduleExpression, ScheduleExpressionTimezone, StartDate, EndDate = Infinity, State } = definition;
  const expression = parseExpression(ScheduleExpression, ScheduleExpressionTimezone);
  if (State === "DISABLED" || expression.kind === "malformed") return undefined;
  if (expression.kind === "at") return nextRun(expression, time, time);
  const start = StartDate === undefined ? createdAt : StartDate * SECOND;
  // On AWS a rate runs at its start for the first time, and nextRun's first run is one interval after its anchor.
  const anchor = expression.kind === "rate" ? start - expression.everyMs : start;
  const next = nextRun(expression, Math.max(time, start - 1), anchor) ?? Infinity;
  return next < Infinity && next <= EndDate * SECOND ? next : undefined;
}

/** Runs that were missed are made up for by this one. */
function takeUp(schedule: Schedule, now: EpochMs): Schedule {
  const nextRunAt = runAfter(schedule.definition, now, schedule.createdAt);
  return { ...schedule, nextRunAt, firings: [...schedule.firings, { since: now, failures: 0, dueAt: now }] };
}

/**
 * After 1 s, 2 s, 4 s and so on, at most 8 min: 185 of them, which is AWS's default, take the 24 h that are
 * its other default. Nothing if the policy allows no more.
 */
function retryOf(firing: Firing, policy: Definition["Target"]["RetryPolicy"], now: EpochMs): Firing | undefined {
  const failures = firing.failures + 1;
  const dueAt = now + Math.min(SECOND * 2 ** firing.failures, 8 * MINUTE);
  const isTooLate = dueAt - firing.since > policy.MaximumEventAgeInSeconds * SECOND;
  return failures > policy.MaximumRetryAttempts || isTooLate ? undefined : { ...firing, failures, dueAt };
}

/** Not the error's message, which may quote the input. */
function report(schedule: Schedule, what: string, error: unknown): void {
  const name = error instanceof Error ? error.name : typeof error;
  process.stderr.write(`schedule ${schedule.id}: ${what} (${name})\n`);
}

// ---- Where it is kept ----

function fileOf(dir: string, schedule: Schedule): string {
  return join(dir, `${schedule.id}.json`);
}

function save(dir: string, schedule: Schedule): void {
  const file = fileOf(dir, schedule);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, JSON.stringify(schedule));
  renameSync(`${file}.new`, file);
}

function load(dir: string): Schedule[] {
  mkdirSync(dir, { recursive: true });
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".json"))
    .map(({ parentPath, name }) => JSON.parse(readFileSync(join(parentPath, name), "utf8")) as Schedule);
}

// ---- Answers ----

interface Answer {
  /** What went wrong, if something did. */
  readonly type?: keyof typeof REFUSALS;
  readonly body: object;
}

const REFUSALS = {
  ValidationException: 400,
  ResourceNotFoundException: 404,
  UnknownOperationException: 404,
  ConflictException: 409,
  InternalServerException: 500,
};

function refused(type: keyof typeof REFUSALS, Message: string): Answer {
  return { type, body: { Message } };
}

function notFound(id: string): Answer {
  return refused("ResourceNotFoundException", `Schedule ${id} does not exist`);
}

function parsed(json: string, otherwise: unknown): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return otherwise;
  }
}
