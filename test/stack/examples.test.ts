import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DOCUMENT } from "../support/api-document.ts";
import { ROOT } from "../support/root.ts";
import { endStacks, jobIn, newApp, sharedStack, temporaryDir, until, type Stack } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";

// The examples in docs/examples, run as documented. Those in Python need a package that may be missing.

const DAY = 86_400_000;
/** Where functions record their payloads by user. */
const folder = temporaryDir();

let stack: Stack;
let target: Target;

beforeAll(async () => {
  [stack, target] = await Promise.all([sharedStack(), startTarget()]);
  const keep = `import { appendFileSync } from "node:fs";
    export const handler = async ({ body }) =>
      appendFileSync(${JSON.stringify(folder)} + "/" + JSON.parse(body).userId + ".jsonl", body + "\\n");`;
  for (const name of ["echo", "reward-processor"]) writeFileSync(join(stack.dir, "functions", `${name}.mjs`), keep);
});
afterAll(async () => {
  await endStacks();
  await target.close();
});

interface Ran {
  readonly code: number;
  readonly jobs: readonly { id: string; executionType: string; status: string; nextRunAt?: string }[];
  readonly stderr: string;
}

interface Language {
  readonly language: string;
  readonly command: string;
  readonly extension: string;
}

const CURL: Language = { language: "curl", command: "bash", extension: "sh" };
const TYPESCRIPT: Language = { language: "typescript", command: process.execPath, extension: "ts" };
const JAVASCRIPT: Language = { language: "javascript", command: process.execPath, extension: "mjs" };

describe("in curl", () => {
  webhooksAndFunctions(CURL);
  schedulesAndWorkflows(CURL);
  settingsAndFaults(CURL, "message.execution.baseUrl");
});

// The door that the client asks, without which there is nothing to test.
describe.skipIf(!DOCUMENT.paths["/v1/send"])("in typescript", () => {
  webhooksAndFunctions(TYPESCRIPT);
  delays(TYPESCRIPT);
  settingsAndFaults(TYPESCRIPT, "url");
});

describe.skipIf(!DOCUMENT.paths["/v1/send"])("in javascript", () => {
  delays(JAVASCRIPT);
});

/** Runs an example with only `env`, so that no proxy or setting of this machine has an effect. */
async function run(
  { language, command, extension }: Language,
  example: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<Ran> {
  const file = join(ROOT, "docs/examples", language, `${example}.${extension}`);
  return new Promise((ended) => {
    // The client of this repository, from its source instead of from what is built of it.
    const NODE_OPTIONS = "--conditions=unified-jobs-source";
    const options = { env: { PATH: process.env["PATH"], NODE_OPTIONS, JOBS_URL: stack.url, ...env } };
    execFile(command, [file, ...args], options, (error, stdout, stderr) => {
      const jobs = stdout.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));
      ended({ code: error ? Number(error.code) : 0, jobs, stderr });
    });
  });
}

/** Runs an example for a new app, and expects success. */
async function example(by: Language, name: string, args: readonly string[] = [], env: Record<string, string> = {}) {
  const { token } = await newApp();
  const again = async () => run(by, name, args, { JOBS_TOKEN: token, TARGET_URL: target.url, ...env });
  const { code, jobs, stderr } = await again();
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return { token, jobs, again };
}

const receivedOf = (orderId: string) =>
  target.received.filter(({ body }) => JSON.parse(body.toString()).orderId === orderId);

function webhooksAndFunctions(by: Language): void {
  test("the webhook reaches the partner with the payment", async () => {
    const { token, jobs } = await example(by, "webhook", [`${by.language}-1`]);
    expect(jobs).toEqual([{ id: expect.any(String), executionType: "rest-api", status: "PENDING" }]);
    const job = await jobIn(stack, token, jobs[0]?.id ?? "", "SUCCEEDED");
    expect(job.idempotencyKey).toBe(`payment-webhook-${by.language}-1`);
    const [request, ...more] = receivedOf(`${by.language}-1`);
    expect(more).toEqual([]);
    expect(request).toMatchObject({
      method: "POST",
      url: "/api/v1/webhooks/payment-completed",
      headers: { "content-type": "application/json", "x-webhook-source": "job-api", "x-job-id": job.id },
    });
    expect(JSON.parse(request?.body.toString() ?? "")).toEqual({
      orderId: `${by.language}-1`,
      amount: 15_000,
      currency: "KRW",
      status: "paid",
      paidAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    });
  });

  test("run twice with one order, it makes one job, delivered once", async () => {
    const { token, jobs, again } = await example(by, "webhook", [`${by.language}-2`]);
    await jobIn(stack, token, jobs[0]?.id ?? "", "SUCCEEDED");
    const second = await again();
    expect(second).toMatchObject({ code: 0, jobs: [{ id: jobs[0]?.id, status: "SUCCEEDED" }] });
    const { body } = await stack.call("GET", "/v1/admin/jobs", { token });
    expect(body.data.items).toHaveLength(1);
    expect(receivedOf(`${by.language}-2`)).toHaveLength(1);
  });

  test.each(["echo", "reward-processor"])("the function %s is invoked with the reward", async (name) => {
    const userId = `${by.language}-${name}`;
    const env: Record<string, string> = name === "echo" ? {} : { FUNCTION_NAME: name };
    const { token, jobs } = await example(by, "lambda", [userId], env);
    expect(jobs).toEqual([{ id: expect.any(String), executionType: "lambda-invoke", status: "PENDING" }]);
    const job = await jobIn(stack, token, jobs[0]?.id ?? "", "SUCCEEDED");
    expect(job.executionConfig.functionName).toBe(name);
    expect(job.idempotencyKey).toBe(`reward-signup_bonus-${userId}`);
    const kept = await until(async () => readFile(join(folder, `${userId}.jsonl`), "utf8").catch(() => undefined));
    expect(JSON.parse(kept)).toEqual({ userId, rewardType: "signup_bonus", points: 1_000 });
  });
}

function schedulesAndWorkflows(by: Language): void {
  test("the notification is scheduled seven days ahead", async () => {
    const before = Date.now();
    const { token, jobs } = await example(by, "schedule");
    const { body } = await stack.call("GET", `/v1/admin/jobs/${jobs[0]?.id}`, { token });
    const { id, nextRunAt, executionConfig } = body.data;
    expect(jobs).toEqual([{ id, executionType: "schedule", status: "PENDING", nextRunAt }]);
    expectDaysAhead(7, nextRunAt, before);
    expect(body.data).toMatchObject({ status: "PENDING", idempotencyKey: "schedule-trial-expiry-sub-789" });
    expect(body.data.scheduleArn).toMatch(/^arn:aws:scheduler:/);
    expect(executionConfig.scheduleExpression).toBe(`at(${nextRunAt.slice(0, 19)})`);
    const { lambdaProxyMessage, execution, metadata } = executionConfig.targetJob;
    expect(lambdaProxyMessage).toMatchObject({ path: "/api/notifications/send", httpMethod: "POST" });
    expect(JSON.parse(lambdaProxyMessage.body)).toEqual({
      userId: "user-456",
      subscriptionId: "sub-789",
      notificationType: "trial_expiry",
    });
    expect(execution).toMatchObject({ type: "rest-api", baseUrl: target.url });
    expect(metadata).toEqual({ idempotencyKey: "trial-expiry-notification-sub-789" });
  });

  test("the workflow tells the warehouse now and schedules an e-mail for tomorrow, once each", async () => {
    const before = Date.now();
    const { token, jobs, again } = await example(by, "workflow", [`${by.language}-3`]);
    expect(jobs.map(({ executionType }) => executionType)).toEqual(["rest-api", "schedule"]);
    const [fulfillment, email] = jobs;
    await jobIn(stack, token, fulfillment?.id ?? "", "SUCCEEDED");
    const second = await again();
    expect(second.jobs.map(({ id }) => id)).toEqual(jobs.map(({ id }) => id));
    const [request, ...more] = receivedOf(`${by.language}-3`);
    expect(more).toEqual([]);
    expect(request).toMatchObject({ url: "/api/fulfillment/orders", headers: { "x-webhook-event": "order.paid" } });
    expect(JSON.parse(request?.body.toString() ?? "")).toEqual({
      orderId: `${by.language}-3`,
      userId: "user-abc-123",
      amount: 50_000,
      currency: "KRW",
      status: "paid",
      timestamp: expect.any(String),
    });

    expectDaysAhead(1, email?.nextRunAt ?? "", before);
    const { body } = await stack.call("GET", `/v1/admin/jobs/${email?.id}`, { token });
    const { targetJob } = body.data.executionConfig;
    expect(body.data).toMatchObject({ status: "PENDING", idempotencyKey: `schedule-email-${by.language}-3` });
    expect(targetJob).toMatchObject({
      lambdaProxyMessage: { path: "/api/emails/send" },
      execution: { baseUrl: target.url },
      metadata: { idempotencyKey: `followup-email-${by.language}-3` },
    });
    expect(JSON.parse(targetJob.lambdaProxyMessage.body)).toEqual({
      to: "customer@example.com",
      templateId: "order-followup",
      variables: { orderId: `${by.language}-3`, userId: "user-abc-123" },
    });
  });
}

/** What curl asks for by a schedule, the client asks for by a delay. */
function delays(by: Language): void {
  const waiting = { executionType: "rest-api", status: "PENDING" };

  test("the notification waits for seven days", async () => {
    const { token, jobs } = await example(by, "schedule");
    expect(jobs).toEqual([{ id: expect.any(String), ...waiting }]);
    const { body } = await stack.call("GET", `/v1/admin/jobs/${jobs[0]?.id}`, { token });
    expect(body.data).toMatchObject({ ...waiting, idempotencyKey: "trial-expiry-sub-789", attempts: [] });
    expect(body.data.lambdaProxyMessage).toMatchObject({ path: "/api/notifications/send", httpMethod: "POST" });
    expect(JSON.parse(body.data.lambdaProxyMessage.body)).toMatchObject({ notificationType: "trial_expiry" });
  });

  test("the workflow tells the warehouse now and keeps an e-mail for tomorrow, once each", async () => {
    const { token, jobs, again } = await example(by, "workflow", [`${by.language}-3`]);
    const [fulfillment, email] = jobs;
    await jobIn(stack, token, fulfillment?.id ?? "", "SUCCEEDED");
    const second = await again();
    expect(second.jobs.map(({ id }) => id)).toEqual(jobs.map(({ id }) => id));
    const [request, ...more] = receivedOf(`${by.language}-3`);
    expect(more).toEqual([]);
    expect(request).toMatchObject({ url: "/api/fulfillment/orders", headers: { "x-webhook-event": "order.paid" } });
    const { body } = await stack.call("GET", `/v1/admin/jobs/${email?.id}`, { token });
    expect(body.data).toMatchObject({ ...waiting, idempotencyKey: `email-${by.language}-3`, attempts: [] });
  });
}

function settingsAndFaults(by: Language, field: string): void {
  test("without TARGET_URL, the stack's own echo target gets it", async () => {
    const { token } = await newApp();
    const { jobs } = await run(by, "webhook", [], { JOBS_TOKEN: token });
    const { attempts } = await jobIn(stack, token, jobs[0]?.id ?? "", "SUCCEEDED");
    expect(attempts).toMatchObject([{ httpStatus: 200 }]);
    const echoed = `echo   POST /echo/api/v1/webhooks/payment-completed  200  job ${jobs[0]?.id}  attempt 1`;
    await until(() => stack.lines.includes(echoed));
  });

  test("without a token, it says how to get one and fails", async () => {
    for (const name of ["webhook", "lambda", "schedule", "workflow"]) {
      const { code, jobs, stderr } = await run(by, name, [], {});
      expect({ code, jobs }).toEqual({ code: 1, jobs: [] });
      expect(stderr).toBe(
        "JOBS_TOKEN is not set. For the local stack: export JOBS_TOKEN=$(npm run --silent token -- --app UUID)\n",
      );
    }
  });

  test("a refusal is shown with what is wrong, and not repeated", async () => {
    const { token } = await newApp();
    const { code, jobs, stderr } = await run(by, "webhook", [], { JOBS_TOKEN: token, TARGET_URL: "ftp://a.example" });
    expect({ code, jobs }).toEqual({ code: 1, jobs: [] });
    expect(stderr.match(/Validation failed/g)).toHaveLength(1);
    expect(stderr).toContain(field);
    expect(stderr).toContain("expected a URL that begins with https:// or http://");
  });

  test("after a lost answer and a 503, the same job is posted again with the same key", async () => {
    const service = await startTarget();
    const data = { id: "1", appId: "a", executionType: "rest-api", status: "PENDING" };
    service.answer((_, response) => {
      const count = service.received.length;
      if (count === 1) response.destroy();
      else response.writeHead(count === 2 ? 503 : 201).end(JSON.stringify({ success: true, data }));
    });
    const { code, jobs } = await run(by, "webhook", ["o1"], { JOBS_TOKEN: "any", JOBS_URL: service.url });
    await service.close();
    expect({ code, jobs }).toEqual({ code: 0, jobs: [{ id: "1", executionType: "rest-api", status: "PENDING" }] });
    const [first, ...repeated] = service.received.map(({ body }) => body.toString());
    expect(first).toContain("payment-webhook-o1");
    expect(repeated).toEqual([first, first]);
  });
}

/** Examples drop the milliseconds. */
function expectDaysAhead(days: number, time: string, before: number): void {
  expect(Date.parse(time)).toBeGreaterThan(before + days * DAY - 1_000);
  expect(Date.parse(time)).toBeLessThanOrEqual(Date.now() + days * DAY);
}
