import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { jobsConfig, scraping } from "../../lib/config.ts";
import { localDefaults } from "../../local/environment.ts";
import {
  endStacks,
  jobIn,
  newApp,
  sharedStack,
  startStack,
  until,
  webhook,
  type JobOptions,
  type Stack,
} from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";

let stack: Stack;
let target: Target;

beforeAll(async () => {
  [stack, target] = await Promise.all([sharedStack({ SPEED: "60", METRICS: "basic" }), startTarget()]);
});
afterAll(async () => {
  await endStacks();
  await target.close();
});

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-01`;

/** Asks for a webhook at a path of its own. */
async function ask(headers: Record<string, string>, options: Partial<JobOptions> & Record<string, unknown> = {}) {
  const { token } = await newApp();
  const path = `/${randomBytes(6).toString("hex")}`;
  const { onComplete, ...asked } = options;
  const body = { ...webhook({ url: target.url, path, ...asked }), ...(onComplete !== undefined && { onComplete }) };
  const { status, body: answer } = await stack.call("POST", "/v1/jobs/create", { token, body, headers });
  expect(status).toBe(201);
  return { token, path, id: answer.data.id as string };
}

const requestsAt = (path: string) => target.received.filter(({ url }) => url === path);

test("each attempt of a webhook goes on with the trace of the request, and the log names it", async () => {
  let failures = 1;
  target.answer((_, response) => void response.writeHead((failures -= 1) < 0 ? 200 : 500).end());
  const callback = `/${randomBytes(6).toString("hex")}`;
  const onComplete = { url: target.url + callback };
  const { token, id, path } = await ask({ traceparent: TRACEPARENT }, { onComplete });
  await jobIn(stack, token, id, "SUCCEEDED");
  const sent = requestsAt(path).map(({ headers }) => String(headers["traceparent"]));
  expect(sent).toEqual([expect.stringMatching(`^00-${TRACE}-`), expect.stringMatching(`^00-${TRACE}-`)]);
  expect(new Set([...sent, TRACEPARENT]).size).toBe(3);
  const line = await stack.logged(({ event, jobId }) => event === "job.attempted" && jobId === id);
  expect(line["traceId"]).toBe(TRACE);
  const [told] = await until(() => requestsAt(callback).length > 0 && requestsAt(callback));
  expect(told?.headers["traceparent"]).toContain(`00-${TRACE}-`);
});

test.each([
  ["no traceparent", {}, {}, undefined],
  ["a malformed one", { traceparent: "00-abc" }, {}, undefined],
  ["one among the job's own headers", { traceparent: TRACEPARENT }, { traceparent: "its own" }, "its own"],
])("a webhook that was asked for with %s is sent as it would be without traces", async (_, headers, own, expected) => {
  target.answer((__, response) => void response.end());
  const { token, id, path } = await ask(headers, { headers: own });
  await jobIn(stack, token, id, "SUCCEEDED");
  expect(requestsAt(path)[0]?.headers["traceparent"]).toBe(expected);
  const line = await stack.logged(({ event, jobId }) => event === "job.attempted" && jobId === id);
  expect(line["traceId"]).toBe(expected === undefined ? undefined : TRACE);
});

test("the local stack shows its metrics to anyone, as Prometheus reads them", async () => {
  target.answer((_, response) => void response.end());
  const read = async () => (await fetch(`${stack.url}/metrics`)).text();
  const valueOf = (text: string, name: string) => Number(new RegExp(`^${name} (.*)$`, "m").exec(text)?.[1] ?? 0);
  const succeeded = 'jobs_succeeded_total\\{execution_type="rest-api"\\}';
  const before = valueOf(await read(), succeeded);
  const { token, id } = await ask({});
  await jobIn(stack, token, id, "SUCCEEDED");
  const text = await until(async () => {
    const now = await read();
    return valueOf(now, succeeded) > before && valueOf(now, "jobs_last_sweep_timestamp_seconds") > 0 && now;
  });
  expect(valueOf(text, "jobs_latency_seconds_count")).toBeGreaterThan(0);
  const line = await stack.logged((it) => "LostAttempts" in it);
  expect(line).toMatchObject({ SweepLeft: expect.any(Number), OldestDueSeconds: expect.any(Number) });
});

test("a deployment has GET /metrics only with a token, of which it knows the hash", () => {
  expect(scraping({})).toBeUndefined();
  expect(scraping({ METRICS_TOKEN: "a token that a function can't have" })).toBeUndefined();
  expect(scraping({ METRICS_TOKEN_SHA256: "ab" })).toEqual({ sha256: "ab" });
  expect(scraping({ LOCAL_SECRETS_KEY: "key" })).toBe("anyone");
  expect(scraping({ LOCAL_SECRETS_KEY: "key", METRICS_TOKEN: "abc" })).toEqual({
    sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  });
});

test("a local stack writes no lines for CloudWatch unless it is asked to", () => {
  vi.stubEnv("METRICS", undefined);
  expect(localDefaults()["METRICS"]).toBe("off");
  vi.stubEnv("METRICS", "basic");
  expect(localDefaults()["METRICS"]).toBe("basic");
  vi.unstubAllEnvs();
});

test("metrics and levels of the log that there are not are refused", async () => {
  const env = { JOBS_TABLE: "t", S3_JOBS_BUCKET_NAME: "b", LOCAL_SECRETS_KEY: "key" };
  const others = ["JOBS_FAIR_QUEUE_URL", "AWS_SQS_QUEUE_URL", "SQS_JOBS_QUEUE_URL", "SQS_PDF_QUEUE_URL"];
  const arns = ["GROUP_ARN", "TARGET_ARN", "ROLE_ARN", "DEAD_LETTERS_ARN"].map((name) => `AWS_SCHEDULER_${name}`);
  const whole = { ...env, ...Object.fromEntries([...others, ...arns].map((name) => [name, "x"])) };
  expect(() => jobsConfig({ ...whole, METRICS: "all" })).toThrow('METRICS is "all": expected basic or off');
  expect(() => jobsConfig({ ...whole, LOG_LEVEL: "warn" })).toThrow('LOG_LEVEL is "warn": expected debug or info');
  expect(jobsConfig(whole).logLevel).toBe("info");
  await expect(startStack({ env: { LOG_LEVEL: "warn" } })).rejects.toThrow('LOG_LEVEL is "warn": expected');
});
