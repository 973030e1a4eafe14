import { writeFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  endStacks,
  jobIn,
  newApp,
  sharedStack,
  startStack,
  temporaryDir,
  until,
  type Answer,
  type Stack,
} from "../support/stack.ts";

const CREATE = "/v1/jobs/create";
const folder = temporaryDir();

let stack: Stack;

beforeAll(async () => {
  stack = await sharedStack();
  const sources = {
    "invoked-keep.mjs": `import { writeFileSync } from "node:fs";
      export const handler = async (event) => writeFileSync(${JSON.stringify(join(folder, "kept.json"))}, JSON.stringify(event));`,
    "invoked-echo.ts": `export const handler = async (event: unknown): Promise<unknown> => ({ received: event });`,
    "invoked-fail.mjs": `export const handler = async () => { throw new Error("no stock left"); };`,
    "invoked-long.mjs": `export const handler = async () => "x".repeat(5000);`,
    "invoked-slow.mjs": `export const handler = () => new Promise(() => {});`,
  };
  for (const [name, source] of Object.entries(sources)) writeFileSync(join(stack.dir, "functions", name), source);
});
afterAll(endStacks);

function invocation(functionName: string, execution: Record<string, unknown> = {}) {
  const lambdaProxyMessage = { path: "/invoke", httpMethod: "POST", body: '{"userId":"user-123"}' };
  return { message: { lambdaProxyMessage, execution: { type: "lambda-invoke", functionName, ...execution } } };
}

async function run(functionName: string, execution: Record<string, unknown>, ...statuses: string[]) {
  const { token } = await newApp();
  const { status, body } = await stack.call("POST", CREATE, { token, body: invocation(functionName, execution) });
  expect(status).toBe(201);
  return jobIn(stack, token, body.data.id, ...statuses);
}

/** What the function of a job that has run once gets. */
const eventOf = ({ id: jobId, appId, lambdaProxyMessage }: Answer["body"]) => ({
  ...lambdaProxyMessage,
  requestContext: { ...lambdaProxyMessage.requestContext, job: { appId, jobId, attempt: 1 } },
});

test("an event names the app of its job, whatever the job claims", async () => {
  const { appId, token } = await newApp();
  const other = randomUUID();
  const job = { appId: other, jobId: other, attempt: 9 };
  const asked = invocation("invoked-echo", { invocationType: "RequestResponse" });
  const lambdaProxyMessage = { ...asked.message.lambdaProxyMessage, requestContext: { job, stage: "test" } };
  const body = { message: { ...asked.message, lambdaProxyMessage } };
  const created = await stack.call("POST", CREATE, { token, body });
  const done = await jobIn(stack, token, created.body.data.id, "SUCCEEDED");
  const { number, responseExcerpt } = done.attempts.at(-1);
  const { received } = JSON.parse(responseExcerpt);
  expect(received.requestContext).toMatchObject({ job: { appId, jobId: done.id, attempt: number }, stage: "test" });
  const top = { message: { ...asked.message, lambdaProxyMessage: { ...asked.message.lambdaProxyMessage, job } } };
  expect((await stack.call("POST", CREATE, { token, body: top })).status).toBe(400);
});

test("an Event is a success once Lambda has taken it, and the function gets the whole lambdaProxyMessage", async () => {
  const job = await run("invoked-keep", {}, "SUCCEEDED");
  expect(job.executionConfig).toEqual({
    type: "lambda-invoke",
    functionName: "invoked-keep",
    invocationType: "Event",
    timeoutSeconds: 30,
  });
  expect(job.attempts).toMatchObject([{ outcome: "succeeded", httpStatus: 202, responseExcerpt: null }]);
  const { default: kept } = await until(async () =>
    import(join(folder, "kept.json"), { with: { type: "json" } }).catch(() => undefined),
  );
  expect(kept).toEqual(eventOf(job));
});

test("a RequestResponse keeps the first 1 KB of the result", async () => {
  const job = await run("invoked-echo", { invocationType: "RequestResponse" }, "SUCCEEDED");
  expect(JSON.parse(job.attempts[0].responseExcerpt)).toEqual({ received: eventOf(job) });
  const long = await run("invoked-long", { invocationType: "RequestResponse" }, "SUCCEEDED");
  expect(long.attempts[0].responseExcerpt).toHaveLength(1_024);
});

test("an event holds no header by which a gateway tells a function who is calling", async () => {
  const { token } = await newApp();
  const asked = invocation("invoked-echo", { invocationType: "RequestResponse" });
  const headers = { "X-Forwarded-For": "10.0.0.1", "X-Amzn-Oidc-Identity": "admin", Host: "a.example", "X-Own": "1" };
  Object.assign(asked.message.lambdaProxyMessage, { headers });
  const { body } = await stack.call("POST", CREATE, { token, body: asked });
  const job = await jobIn(stack, token, body.data.id, "SUCCEEDED");
  const { received } = JSON.parse(job.attempts[0].responseExcerpt);
  expect(received.headers).toEqual({ Host: "a.example", "X-Own": "1" });
});

test("a function's error is a failed attempt, with its message", async () => {
  const job = await run("invoked-fail", { invocationType: "RequestResponse" }, "RETRYING");
  expect(job.lastError).toBe("The function failed: no stock left");
  expect(job.attempts[0].responseExcerpt).toContain("no stock left");
});

test("a function that does not answer in time is a failed attempt", async () => {
  const job = await run("invoked-slow", { invocationType: "RequestResponse", timeoutSeconds: 1 }, "RETRYING");
  expect(job.lastError).toBe("no answer of the function in time");
});

test("a name, an ARN and an ARN with an alias name the same function", async () => {
  const arn = "arn:aws:lambda:eu-west-1:000000000000:function:invoked-echo";
  for (const name of ["invoked-echo", "invoked-echo:live", "000000000000:function:invoked-echo", arn, `${arn}:live`]) {
    await run(name, { invocationType: "RequestResponse" }, "SUCCEEDED");
  }
});

test("an unknown function is told by name", async () => {
  expect((await run("nobody", {}, "RETRYING")).lastError).toBe("no such function");
});

test("the service's own functions are refused, by name and by ARN", async () => {
  const { token } = await newApp();
  const own = "unified-job-api-local-createJob";
  for (const name of [own, `${own}:1`, `arn:aws:lambda:eu-west-1:000000000000:function:${own}`]) {
    const { status, body } = await stack.call("POST", CREATE, { token, body: invocation(name) });
    expect(status).toBe(400);
    expect(body.error.details).toEqual([
      { field: "message.execution.functionName", message: expect.stringContaining("the service's own") },
    ]);
  }
});

test("throttling, denied access and faults of Lambda are told apart", async () => {
  const answers: Record<string, [number, string]> = {
    throttled: [429, "TooManyRequestsException"],
    denied: [403, "AccessDeniedException"],
    large: [413, "RequestTooLargeException"],
    broken: [500, "ServiceException"],
  };
  const api = createServer((request, response) => {
    const [status, type] = answers[/functions\/(\w+)\//.exec(request.url ?? "")?.[1] ?? ""] ?? [
      404,
      "ResourceNotFoundException",
    ];
    response.writeHead(status, { "x-amzn-errortype": type, "content-type": "application/json" }).end("{}");
  });
  await new Promise<void>((listening) => {
    api.listen(0, "127.0.0.1", listening);
  });
  const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
  const other = await startStack({
    env: { AWS_ENDPOINT_URL_LAMBDA: url, INVOKABLE_FUNCTIONS: "thr*, denied,large ,broken" },
  });
  const { token } = await newApp();
  const errorOf = async (name: string, status: string) => {
    const created = await other.call("POST", CREATE, { token, body: invocation(name) });
    return (await jobIn(other, token, created.body.data.id, status)).lastError;
  };
  expect(await errorOf("throttled", "RETRYING")).toBe("the function is throttled");
  expect(await errorOf("denied", "RETRYING")).toContain("access to the function is denied");
  expect(await errorOf("broken", "RETRYING")).toBe("Lambda did not take the request (ServiceException)");
  expect(await errorOf("large", "FAILED")).toBe("Lambda refused the request (RequestTooLargeException)");

  // A function that no pattern names is refused when the job is created.
  const unlisted = await other.call("POST", CREATE, { token, body: invocation("denied-2") });
  expect(unlisted.status).toBe(400);
  expect(unlisted.body.error.details[0].message).toContain("INVOKABLE_FUNCTIONS");
  await other.end();
  api.close();
});
