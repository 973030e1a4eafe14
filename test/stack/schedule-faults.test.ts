import { CreateScheduleCommand, GetScheduleCommand, SchedulerClient } from "@aws-sdk/client-scheduler";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { MINUTE, createClock } from "../../lib/clock.ts";
import { startScheduler, type Scheduler } from "../../local/scheduler.ts";
import {
  endStacks,
  jobIn,
  newApp,
  startStack,
  temporaryDir,
  until,
  webhook,
  type LogLine,
  type Stack,
} from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";
import { jobIdForKey } from "../../lib/job/accept.ts";

// The stack with faults between it and EventBridge.

const INTERNAL = "an-internal-token-of-32-characters-or-more";
const SPEED = 600;

type Fault = (request: IncomingMessage, body: Buffer, response: ServerResponse) => Promise<void>;

let target: Target;
let scheduler: Scheduler;
let front: ReturnType<typeof createServer>;
/** Calls EventBridge through `front`. Tests that kill a process start a stack of their own. */
let stack: Stack;
/** The ids of the jobs whose schedules EventBridge has fired. */
const fired: string[] = [];
/** The number of deliveries of each firing. */
let deliveries = 1;
let handle: Fault;

beforeAll(async () => {
  target = await startTarget();
  front = createServer((request, response) => {
    void buffer(request).then((body) => handle(request, body, response));
  });
  await new Promise<void>((listening) => {
    front.listen(0, "127.0.0.1", listening);
  });
  stack = await startStack({ env: { ...behindFront(), INTERNAL_JWT_TOKEN: INTERNAL, SPEED: String(SPEED) } });
  const { body } = await stack.call("GET", "/health");
  scheduler = await startScheduler({
    dir: temporaryDir(),
    clock: createClock({ real: Date.now(), service: Date.parse(body.now), speed: SPEED }),
    accountId: "000000000000",
    region: "local",
    invoke: async (_, event) => {
      fired.push((event as { fire: { id: string } }).fire.id);
      for (let n = 0; n < deliveries; n += 1) {
        await stack.call("POST", "/internal/v1/process-scheduled-message", { token: INTERNAL, body: event });
      }
    },
    sendToQueue: async () => {},
  });
});
beforeEach(() => {
  deliveries = 1;
  handle = pass;
});
afterAll(async () => {
  await scheduler.stop();
  front.closeAllConnections();
  front.close();
  await endStacks();
  await target.close();
});

function behindFront() {
  return { AWS_ENDPOINT_URL_SCHEDULER: `http://127.0.0.1:${(front.address() as AddressInfo).port}` };
}

/** Forwards a call to EventBridge, and returns its answer. */
async function pass(request: IncomingMessage, body: Buffer, response: ServerResponse): Promise<void> {
  const answer = await forward(request, body);
  const type = answer.headers.get("x-amzn-errortype");
  response.writeHead(answer.status, { "content-type": "application/json", ...(type && { "x-amzn-errortype": type }) });
  response.end(await answer.text());
}

async function forward(request: IncomingMessage, body: Buffer): Promise<Response> {
  const { method = "GET", url = "" } = request;
  return fetch(scheduler.url + url, {
    method,
    headers: { "content-type": "application/json" },
    ...(body.length > 0 && { body: new Uint8Array(body) }),
  });
}

async function schedule(path: string, { on = stack, minutes = 30 } = {}) {
  const { token } = await newApp();
  const execution = { type: "schedule", scheduledAt: await timeIn(minutes, on), targetJob: targetJob(path) };
  const answer = await on.call("POST", "/v1/jobs/create", { token, body: { message: { execution } } });
  return { token, status: answer.status, id: answer.body.data.id as string };
}

async function timeIn(minutes: number, on = stack): Promise<string> {
  const { body } = await on.call("GET", "/health");
  return new Date(Date.parse(body.now) + minutes * MINUTE).toISOString();
}

const targetJob = (path: string) => webhook({ url: target.url, path }).message;
const firings = (id: string) => fired.filter((one) => one === id).length;
const deliveredTo = (path: string) => target.received.filter(({ url }) => url === path).length;
const isNotCreated = (id: string) => (line: LogLine) => line.event === "schedule.not-created" && line.jobId === id;

/** Expects one delivery, also after ten minutes of service time. */
async function staysOnce(path: string, token: string, id: string, on = stack): Promise<void> {
  const { targetJobId } = await jobIn(on, token, id, "SUCCEEDED");
  await jobIn(on, token, targetJobId, "SUCCEEDED");
  await sleep((10 * MINUTE) / SPEED);
  expect(deliveredTo(path)).toBe(1);
}

test("CreateSchedule answers an error: the sweep fires the schedule at its time, once", async () => {
  handle = async (_, __, response) => void response.writeHead(500).end("{}");
  const { token, id, status } = await schedule("/error");
  expect(status).toBe(201);
  await stack.logged(isNotCreated(id));
  await staysOnce("/error", token, id);
  expect(firings(id)).toBe(0);
});

test("CreateSchedule times out after having worked: EventBridge and the sweep fire, and one of them wins", async () => {
  handle = async (request, body, response) => {
    if (request.method !== "POST") return pass(request, body, response);
    await forward(request, body);
    response.destroy();
  };
  const { token, id, status } = await schedule("/timeout");
  expect(status).toBe(201);
  await stack.logged(isNotCreated(id));
  await until(() => firings(id) > 0);
  await staysOnce("/timeout", token, id);
});

test("CreateSchedule loses one reply: its repeat succeeds, since it has the same token", async () => {
  let lost = 0;
  handle = async (request, body, response) => {
    if (request.method !== "POST" || lost > 0) return pass(request, body, response);
    lost += 1;
    await forward(request, body);
    response.destroy();
  };
  const { token, id } = await schedule("/reply");
  await staysOnce("/reply", token, id);
  expect([lost, firings(id)]).toEqual([1, 1]);
  const warnings = stack.lines.filter((line) => line.includes("schedule.not-created"));
  expect(warnings.join()).not.toContain(id);
});

test("CreateSchedule answers a conflict: what an earlier job has left there is replaced", async () => {
  const { appId, token } = await newApp();
  const Name = jobIdForKey(appId, "reminder");
  const client = new SchedulerClient({ endpoint: scheduler.url });
  const left = {
    Name,
    GroupName: "jobs",
    ScheduleExpression: "at(2099-01-01T00:00:00)",
    FlexibleTimeWindow: { Mode: "OFF" },
    Target: { Arn: "arn:aws:lambda:local:000000000000:function:f", RoleArn: "arn:aws:iam::0:role/r", Input: "{}" },
  } as const;
  await client.send(new CreateScheduleCommand(left));
  const scheduledAt = await timeIn(60);
  const execution = { type: "schedule", scheduledAt, targetJob: targetJob("/conflict") };
  const message = { execution, metadata: { idempotencyKey: "reminder" } };
  const created = await stack.call("POST", "/v1/jobs/create", { token, body: { message } });
  expect(created.body.data.id).toBe(Name);
  expect(await client.send(new GetScheduleCommand({ Name, GroupName: "jobs" }))).toMatchObject({
    ScheduleExpression: `at(${new Date(Math.ceil(Date.parse(scheduledAt) / 1_000) * 1_000).toISOString().slice(0, 19)})`,
    ActionAfterCompletion: "DELETE",
    Target: { Input: JSON.stringify({ fire: { id: Name, run: 1 } }) },
  });
  client.destroy();
});

test("a schedule that EventBridge fires three times creates one target", async () => {
  deliveries = 3;
  const { token, id } = await schedule("/thrice");
  await staysOnce("/thrice", token, id);
  expect(firings(id)).toBe(1);
});

test("the process dies between the put and CreateSchedule: the schedule fires five minutes late, once", async () => {
  const { token, appId } = await newApp();
  const first = await startStack({ env: { ...behindFront(), ROLE: "gateway", SPEED: String(SPEED) } });
  const execution = { type: "schedule", scheduledAt: await timeIn(20, first), targetJob: targetJob("/died-before") };
  const message = { execution, metadata: { idempotencyKey: "k" } };
  const asked = new Promise<void>((come) => {
    handle = async () => come();
  });
  void first.call("POST", "/v1/jobs/create", { token, body: { message } }).catch(() => {});
  await asked;
  await first.end("SIGKILL");
  const second = await startStack({ dir: first.dir, env: { SPEED: String(SPEED) } });
  await staysOnce("/died-before", token, jobIdForKey(appId, "k"), second);
  await second.end();
});

test("the process dies after CreateSchedule, and is down at the time: the schedule fires late, once", async () => {
  const first = await startStack({ env: { ROLE: "gateway", SPEED: String(SPEED) } });
  const minutes = 20;
  const { token, id } = await schedule("/died-after", { on: first, minutes });
  await first.end("SIGKILL");
  await sleep((minutes * MINUTE) / SPEED);
  const second = await startStack({ dir: first.dir, env: { SPEED: String(SPEED) } });
  await staysOnce("/died-after", token, id, second);
  await second.end();
});
