import { setTimeout as sleep } from "node:timers/promises";
import { waitFor, type Answer } from "./api.ts";
import { Skipped, type Check, type Smoke } from "./check.ts";
import { fileCheck, quickPdf, longPdf } from "./documents.ts";
import { echoedHeaders, signatureProblem, type Receiver, type Signed } from "./receiver.ts";

// What a smoke test looks at, a function each: it throws what went wrong, or says in a few words what it has seen.

export const CHECKS: readonly Check[] = [
  { name: "schedule", waits: true, run: schedule },
  { name: "retry", waits: true, run: retry },
  { name: "webhook", run: webhook },
  { name: "signature", run: signature },
  { name: "replay", run: replay },
  { name: "lane", run: lane },
  { name: "sqs", run: modeSqs },
  { name: "cancel", run: cancel },
  { name: "task", run: task },
  { name: "file", run: fileCheck },
  { name: "quick-pdf", run: quickPdf },
  { name: "long-pdf", run: longPdf },
  { name: "invoke", run: invoke },
  { name: "function-url", run: functionUrl },
];

const DAY_MS = 86_400_000;
/** 200: the answer to the first call was lost, and this is the one to its repeat. */
const CREATED = [200, 201];
const FINISHED = ["SUCCEEDED", "FAILED", "DEAD", "CANCELLED"];
/** A change of the secrets takes effect within ten seconds. */
const SECRETS_SETTLE_MS = 11_000;

/** A message that the deployment can deliver: to the receiver, or else to its own /health. */
function message({ api, receiver, run }: Smoke, name: string) {
  const body = JSON.stringify({ smoke: run, name });
  const { origin, pathname } = new URL(`${api.url}/health`);
  return receiver
    ? {
        lambdaProxyMessage: { path: `/${name}`, httpMethod: "POST", body },
        execution: { type: "rest-api", baseUrl: receiver.url },
      }
    : {
        lambdaProxyMessage: { path: pathname, httpMethod: "GET", body: null },
        execution: { type: "rest-api", baseUrl: origin },
      };
}

const keyed = ({ run }: Smoke, name: string) => ({ idempotencyKey: `smoke-${run}-${name}` });

/** Creates a job by `POST /v1/jobs/create` and returns its id. */
async function create(on: Smoke, request: object): Promise<string> {
  const { body } = await on.api.expect(CREATED, "POST", "/v1/jobs/create", { body: request });
  const id = String(body.data.id);
  on.jobs.add(id);
  return id;
}

/** The job once it has ended, which must be in this status. */
async function ended(on: Smoke, id: string, status = "SUCCEEDED"): Promise<Answer["body"]> {
  const job = await waitFor(async () => {
    const { body } = await on.api.expect([200], "GET", `/v1/admin/jobs/${id}`);
    const { data } = body;
    return FINISHED.includes(data.status)
      ? { found: data }
      : { seen: `job ${id} is ${data.status}${data.lastError ? ` (${data.lastError})` : ""}` };
  }, on);
  if (job.status === status) return job;
  throw new Error(`job ${id}: expected ${status}, got ${job.status}${job.lastError ? `: ${job.lastError}` : ""}`);
}

function expectAttempts(job: Answer["body"], ...statuses: readonly number[]): void {
  const got = (job.attempts as { httpStatus: number | null }[]).map(({ httpStatus }) => httpStatus);
  if (got.join() !== statuses.join())
    throw new Error(`job ${job.id}: expected attempts with ${statuses.join(", ")}, got ${got.join(", ") || "none"}`);
}

/** Requests of a job, once there are so many. */
async function arrived(on: Smoke, receiver: Receiver, id: string) {
  return waitFor(async () => {
    const [first] = receiver.of(id);
    return first ? { found: first } : { seen: `no request of job ${id} has come` };
  }, on);
}

async function webhook(on: Smoke): Promise<string> {
  const name = "webhook";
  const id = await create(on, { message: { ...message(on, name), metadata: keyed(on, name) } });
  expectAttempts(await ended(on, id), 200);
  if (!on.receiver) return "delivered to /health of the deployment itself, once";
  const { headers } = await arrived(on, on.receiver, id);
  if (on.receiver.of(id).length !== 1)
    throw new Error(`job ${id}: expected one request, got ${on.receiver.of(id).length}`);
  const attempt = String(headers["x-job-attempt"]);
  if (attempt !== "1") throw new Error(`x-job-attempt is ${attempt}: expected 1`);
  return "delivered once";
}

async function signature(on: Smoke): Promise<string> {
  const { secret, secretId } = on;
  if (secret instanceof Skipped) throw secret;
  let problem = await signatureOf(on, secret, "signed");
  if (problem !== undefined && secretId !== undefined) {
    // A function may still sign with the secrets that it has read before.
    await sleep(SECRETS_SETTLE_MS);
    problem = await signatureOf(on, secret, "signed-again");
  }
  if (problem !== undefined) throw new Error(problem);
  return "genuine, with the app's secret";
}

async function signatureOf(on: Smoke, secret: string, name: string): Promise<string | undefined> {
  const body = JSON.stringify({ smoke: on.run, name });
  const target = new URL(on.receiver?.url ?? on.echo ?? "");
  const query = Object.fromEntries(target.searchParams);
  const id = await create(on, {
    message: {
      lambdaProxyMessage: { path: target.pathname, httpMethod: "POST", body, queryStringParameters: query },
      execution: { type: "rest-api", baseUrl: target.origin },
      metadata: { ...keyed(on, name), maxRetries: 0 },
    },
  });
  const signed = on.receiver ? await signedIn(on, on.receiver, id) : await signedInEcho(on, id);
  if (signed.id !== id) return `webhook-id is ${signed.id}: expected the job's id, ${id}`;
  return signatureProblem(secret, signed, Buffer.from(body));
}

async function signedIn(on: Smoke, receiver: Receiver, job: string): Promise<Signed> {
  const { headers } = await arrived(on, receiver, job);
  const value = (name: string) => String(headers[`webhook-${name}`] ?? "");
  return { id: value("id"), timestamp: value("timestamp"), signatures: value("signature") };
}

/** The service keeps the first 1 KB of an answer that is a failure. */
async function signedInEcho(on: Smoke, id: string): Promise<Signed> {
  const { attempts, lastError } = await ended(on, id, "DEAD").catch((error: Error) => {
    if (!error.message.endsWith("got SUCCEEDED")) throw error;
    throw new Error(`${on.echo} answered 2xx, of which nothing is kept: expected an echo with a status of 4xx or 5xx`);
  });
  const signed = echoedHeaders(String(attempts[0]?.responseExcerpt ?? ""));
  if (signed) return signed;
  throw new Error(
    `${on.echo} (${lastError}) has not answered with the headers webhook-id, webhook-timestamp and webhook-signature in its first 1 KB`,
  );
}

async function replay(on: Smoke): Promise<string> {
  const name = "replay";
  const request = { message: { ...message(on, name), metadata: keyed(on, name) } };
  const id = await create(on, request);
  const { headers, body } = await on.api.expect([200], "POST", "/v1/jobs/create", { body: request });
  on.jobs.add(String(body.data.id));
  if (body.data.id !== id) throw new Error(`the same request made another job: ${body.data.id} beside ${id}`);
  if (headers.get("idempotent-replayed") !== "true")
    throw new Error("the repeat has no header Idempotent-Replayed: expected true");
  const { lambdaProxyMessage } = request.message;
  const other = { ...request.message, lambdaProxyMessage: { ...lambdaProxyMessage, httpMethod: "PUT" } };
  await on.api.expect([422], "POST", "/v1/jobs/create", { body: { message: other } });
  expectAttempts(await ended(on, id), 200);
  return "the same request is the same job, another one with its key is 422";
}

async function lane(on: Smoke): Promise<string> {
  const ids: string[] = [];
  for (const name of ["lane-1", "lane-2", "lane-3"]) {
    const metadata = { ...keyed(on, name), messageGroupId: `smoke-${on.run}` };
    ids.push(await create(on, { message: { ...message(on, name), metadata } }));
  }
  for (const id of ids) await ended(on, id);
  if (!on.receiver) return "three jobs of one group, delivered";
  const order = on.receiver.received.map(({ headers }) => String(headers["x-job-id"])).filter((id) => ids.includes(id));
  if (order.join() !== ids.join()) throw new Error(`expected the order ${ids.join(", ")}, got ${order.join(", ")}`);
  return "three jobs of one group, delivered in their order";
}

/** What mode `sqs` carries is stored nowhere, so that only its receiver can tell. */
async function modeSqs(on: Smoke): Promise<string> {
  const { receiver, run } = on;
  if (!receiver) throw new Skipped("no receiver of this machine to see it: give --receiver and --listen");
  const name = "sqs";
  await on.api.expect([202], "POST", "/v1/jobs/create", {
    body: { mode: "sqs", message: { ...message(on, name), metadata: keyed(on, name) } },
  });
  const body = JSON.stringify({ smoke: run, name });
  await waitFor(async () => {
    const found = receiver.received.some((each) => each.body.toString() === body);
    return found ? { found } : { seen: "no request has come" };
  }, on);
  return "delivered";
}

async function retry(on: Smoke): Promise<string> {
  const { origin, pathname } = new URL(`${on.api.url}/smoke-finds-nothing-here`);
  const id = await create(on, {
    message: {
      lambdaProxyMessage: { path: pathname, httpMethod: "GET", body: null },
      execution: { type: "rest-api", baseUrl: origin },
      metadata: { ...keyed(on, "retry"), maxRetries: 1, retry: { baseDelaySeconds: 1, maxDelaySeconds: 1 } },
    },
  });
  expectAttempts(await ended(on, id, "DEAD"), 404, 404);
  return "a target that answers 404 is tried twice, and its job is DEAD";
}

async function schedule(on: Smoke): Promise<string> {
  const { body } = await on.api.expect([200], "GET", "/health");
  const scheduledAt = new Date(Date.parse(body.now) + 5_000).toISOString();
  const id = await create(on, {
    message: {
      execution: { type: "schedule", scheduledAt, targetJob: { ...message(on, "scheduled"), metadata: {} } },
      metadata: keyed(on, "schedule"),
    },
  });
  const { targetJobId } = await ended(on, id);
  on.jobs.add(String(targetJobId));
  const { createdAt } = await ended(on, String(targetJobId));
  const late = Math.round((Date.parse(createdAt) - Date.parse(scheduledAt)) / 1_000);
  return `fired ${late <= 0 ? "at its second" : `${late} s late`}, and its job was delivered`;
}

async function cancel(on: Smoke): Promise<string> {
  const { body } = await on.api.expect([200], "GET", "/health");
  const scheduledAt = new Date(Date.parse(body.now) + DAY_MS).toISOString();
  const id = await create(on, {
    message: {
      execution: { type: "schedule", scheduledAt, targetJob: message(on, "cancelled") },
      metadata: keyed(on, "cancel"),
    },
  });
  await on.api.expect([200], "POST", `/v1/admin/jobs/${id}/cancel`);
  await ended(on, id, "CANCELLED");
  return "a schedule for tomorrow is cancelled";
}

async function task(on: Smoke): Promise<string> {
  const { body } = await on.api.expect(CREATED, "POST", "/v1/jobs", {
    body: { jobType: "example", payload: { words: ["smoke", "test"] }, ...keyed(on, "task") },
  });
  const id = String(body.jobId);
  on.jobs.add(id);
  await ended(on, id);
  const shown = await on.api.expect([200], "GET", `/v1/jobs/${id}/status`);
  const { letters } = shown.body.job.result ?? {};
  if (letters !== 9) throw new Error(`job ${id}: expected 9 letters, got ${letters}`);
  return "example counted nine letters";
}

async function invoke(on: Smoke): Promise<string> {
  const { functionName } = on;
  if (functionName === undefined) throw new Skipped("no --function");
  const id = await create(on, {
    message: {
      lambdaProxyMessage: { path: "/smoke", httpMethod: "POST", body: JSON.stringify({ smoke: on.run }) },
      execution: { type: "lambda-invoke", functionName, invocationType: "RequestResponse" },
      metadata: { ...keyed(on, "invoke"), maxRetries: 0 },
    },
  });
  await ended(on, id);
  return `${functionName} was invoked`;
}

async function functionUrl(on: Smoke): Promise<string> {
  if (on.functionUrl === undefined) throw new Skipped("no --function-url");
  const id = await create(on, {
    message: {
      lambdaProxyMessage: { path: "/smoke", httpMethod: "POST", body: JSON.stringify({ smoke: on.run }) },
      execution: { type: "lambda-url", functionUrl: on.functionUrl },
      metadata: { ...keyed(on, "function-url"), maxRetries: 0 },
    },
  });
  await ended(on, id);
  return `${on.functionUrl} was called, signed`;
}
