import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { isDeepStrictEqual } from "node:util";
import * as z from "../lib/zod.ts";
import { SECOND, type Clock } from "../lib/clock.ts";
import { answer as refuse, createGuard, type Guard } from "./guard.ts";
import { arm, parsed, stopFiring, type Firings, type Targets } from "./firings.ts";
import { listenLocally } from "./listen.ts";
import {
  expressionProblem,
  listRequest,
  openSchedules,
  runAfter,
  scheduleRequest,
  type Schedule,
  type Schedules,
} from "./schedule.ts";

// EventBridge Scheduler on this machine: its API for schedules. Their firing is in firings.ts.

export interface Scheduler {
  readonly url: string;
  /** Waits for the firings in hand, 1 s at most; those that have not succeeded by then fire at the next start. */
  stop(): Promise<void>;
}

export interface SchedulerSettings extends Targets {
  /** Where schedules are kept, as GROUP/NAME.json. */
  readonly dir: string;
  readonly clock: Clock;
  readonly accountId: string;
  readonly region: string;
  readonly guard?: Guard;
  /** Its last URL. */
  readonly before?: string | undefined;
}

/** The parts that an answer of the API needs. */
interface Api {
  readonly schedules: Schedules;
  readonly clock: Clock;
  readonly arnOf: (id: string) => string;
}

export async function startScheduler(settings: SchedulerSettings): Promise<Scheduler> {
  const { dir, clock, accountId, region, guard = createGuard(process.env), invoke, sendToQueue } = settings;
  const schedules = openSchedules(dir);
  const firings: Firings = { schedules, clock, invoke, sendToQueue, inHand: new Map(), stopping: false };
  const api = { schedules, clock, arnOf: (id: string) => `arn:aws:scheduler:${region}:${accountId}:schedule/${id}` };
  const server = createServer((request, response) => {
    const foreign = guard.refuse(request);
    if (foreign) return refuse(response, foreign);
    const url = () => new URL(`http://localhost${request.url}`);
    void text(request)
      .then((body) => answer(api, request.method ?? "", url(), parsed(body, undefined)))
      .catch((error: unknown) => refused("InternalServerException", String(error)))
      .then(({ type, body }) => {
        arm(firings);
        const headers = { "content-type": "application/json", ...(type && { "x-amzn-errortype": type }) };
        response.writeHead(type ? REFUSALS[type] : 200, headers).end(JSON.stringify(body));
      });
  });
  const listensAt = await listenLocally(server, settings.before);
  arm(firings);
  return {
    url: listensAt,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await stopFiring(firings);
    },
  };
}

function answer(api: Api, method: string, { pathname, searchParams }: URL, body: unknown): Answer {
  if (method === "GET" && pathname === "/schedules") return list(api, Object.fromEntries(searchParams));
  const [, name = ""] = /^\/schedules\/([^/]+)$/.exec(pathname) ?? [];
  const id = `${searchParams.get("groupName") ?? "default"}/${name}`;
  const schedule = api.schedules.byId.get(id);
  switch (name && method) {
    case "POST":
      return write(api, "create", { ...Object(body), Name: name });
    case "PUT":
      return write(api, "update", { ...Object(body), Name: name });
    case "GET":
      return schedule ? { body: { ...summaryOf(api, schedule), ...schedule.definition } } : notFound(id);
    case "DELETE":
      if (schedule) api.schedules.remove(schedule);
      return schedule ? { body: {} } : notFound(id);
    default:
      return refused("UnknownOperationException", `The local scheduler has no ${method} ${pathname}`);
  }
}

/** An update replaces everything, waiting retries too. */
function write({ schedules, clock, arnOf }: Api, operation: "create" | "update", request: unknown): Answer {
  const { data, error } = scheduleRequest.safeParse(request);
  if (error) return refused("ValidationException", z.prettifyError(error));
  const { ClientToken: clientToken, ...definition } = data;
  const id = `${definition.GroupName}/${definition.Name}`;
  const existing = schedules.byId.get(id);
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
    schedules.keep({ id, definition, clientToken, createdAt, modifiedAt: now, nextRunAt, firings: [] });
  }
  return { body: { ScheduleArn: arnOf(id) } };
}

function list(api: Api, query: unknown): Answer {
  const { data, error } = listRequest.safeParse(query);
  if (error) return refused("ValidationException", z.prettifyError(error));
  const { ScheduleGroup, NamePrefix, State, MaxResults, NextToken } = data;
  const found = [...api.schedules.byId.values()]
    .filter(({ definition }) => (ScheduleGroup ?? definition.GroupName) === definition.GroupName)
    .filter(({ definition }) => (State ?? definition.State) === definition.State)
    .filter(({ id, definition }) => definition.Name.startsWith(NamePrefix) && id > NextToken)
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const page = found.slice(0, MaxResults);
  const next = found.length > page.length ? { NextToken: page.at(-1)?.id } : {};
  return { body: { Schedules: page.map((schedule) => summaryOf(api, schedule)), ...next } };
}

function summaryOf({ arnOf }: Api, { id, definition, createdAt, modifiedAt }: Schedule) {
  const { Name, GroupName, State, Target } = definition;
  const times = { CreationDate: createdAt / SECOND, LastModificationDate: modifiedAt / SECOND };
  return { Arn: arnOf(id), Name, GroupName, State, Target: { Arn: Target.Arn }, ...times };
}

// ---- Answers ----

interface Answer {
  /** The error's type; undefined if the request succeeded. */
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
