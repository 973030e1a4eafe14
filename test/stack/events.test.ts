import { randomBytes } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startEmulators, type Emulators } from "../../local/emulators.ts";
import { createGuard } from "../../local/guard.ts";
import { functionsFolder, startLambdaApi, type LambdaApi } from "../../local/lambda-api.ts";
import { createFunctions, type Invoke } from "../../local/lambda.ts";
import { environmentOf, provision } from "../../local/provision.ts";
import { readTemplate } from "../../local/template.ts";
import { LOCAL_JWT_SECRET } from "../../local/token.ts";
import { checkAnswer } from "../support/api-document.ts";
import { ROOT } from "../support/root.ts";

let emulators: Emulators;
let lambdaApi: LambdaApi;
const functions = new Map<string, Invoke>();
const template = readTemplate(ROOT);

beforeAll(async () => {
  emulators = await startEmulators();
  const { endpoints } = emulators;
  const references = await provision(template, endpoints);
  const environment = environmentOf(template, references);
  Object.assign(process.env, environment, {
    AWS_ENDPOINT_URL_DYNAMODB: endpoints.dynamodb,
    AWS_ENDPOINT_URL_SQS: endpoints.sqs,
    AWS_ENDPOINT_URL_S3: endpoints.s3,
    JWT_SECRET: LOCAL_JWT_SECRET,
    LOCAL_SECRETS_KEY: randomBytes(32).toString("base64"),
    ALLOW_PRIVATE_TARGETS: "true",
  });
  const loaded = createFunctions(ROOT, template.functions);
  for (const { definition, invoke } of loaded) functions.set(fileOf(definition.handler), invoke);
  lambdaApi = await startLambdaApi(loaded, environment["OWN_FUNCTIONS"] ?? "", functionsFolder(ROOT), createGuard({}));
  process.env["AWS_ENDPOINT_URL_LAMBDA"] = lambdaApi.url;
});
afterAll(async () => {
  lambdaApi.close();
  await emulators.stop();
});

const fileOf = (handler: string) => handler.replace(/^functions\/(.*)\.handler$/, "$1");

/** The answer to each sample, in the order of their calls. */
const EXPECTED: Record<string, unknown> = {
  "create-job": { statusCode: 201 },
  "create-job-batch": { statusCode: 207 },
  "create-job-db": { statusCode: 201 },
  "create-job-send": { statusCode: 201 },
  "create-job-sqs": { statusCode: 202, body: "null" },
  "admin-api-list": { statusCode: 200 },
  "admin-api-get": { statusCode: 404 },
  "admin-api-patch": { statusCode: 200 },
  "admin-api-resend": { statusCode: 404 },
  "admin-api-stats": { statusCode: 200 },
  "admin-api-bulk-actions": { statusCode: 200 },
  "admin-api-count": { statusCode: 200 },
  "admin-api-redrive-dry-run": { statusCode: 200 },
  "admin-api-counts": { statusCode: 200 },
  "admin-api-series": { statusCode: 200 },
  "admin-api-group": { statusCode: 201 },
  "admin-api-wait": { statusCode: 404 },
  "admin-api-me": { statusCode: 200 },
  "admin-api-schedule": { statusCode: 201 },
  "count-jobs": undefined,
  "admin-api-metrics": { statusCode: 200 },
  "create-job-callback-http": { statusCode: 201 },
  "fire-schedule": "skipped",
  // The endpoint does not exist without INTERNAL_JWT_TOKEN.
  "internal-api": { statusCode: 404 },
  "pdf-api-create": { statusCode: 202 },
  "process-jobs-fair": { batchItemFailures: [] },
  "process-jobs-main": { batchItemFailures: [] },
  "recover-dead-letters": { batchItemFailures: [] },
  "pdf-api-quick": { statusCode: 200 },
  "render-pdf": { kind: "made", pages: 1, truncated: false, file: expect.any(String) },
  "remove-payloads": undefined,
  "run-pdfs-queue": { batchItemFailures: [] },
  "run-tasks": { batchItemFailures: [] },
  "site-api-docs": { statusCode: 200 },
  "site-api-docs-file": { statusCode: 200 },
  "site-dashboard-sign-in": { statusCode: 200 },
  "site-health": { statusCode: 200 },
  "site-openapi": { statusCode: 200 },
  "task-api-create": { statusCode: 201 },
  "task-api-list": { statusCode: 200 },
  "task-api-upload": { statusCode: 201 },
  "sweep-jobs": { sent: expect.any(Number), expired: 0, left: 0 },
};

const samples = readdirSync(join(ROOT, "events")).map((file) => file.replace(/\.json$/, ""));

test.each(samples)("the sample %s is handled as its function promises", async (sample) => {
  const [, invoke] = [...functions].find(([name]) => sample.startsWith(name)) ?? [];
  const event: unknown = JSON.parse(readFileSync(join(ROOT, "events", `${sample}.json`), "utf8"));
  const expected = EXPECTED[sample];
  const answer = await invoke?.(event);
  if (isHttp(event)) checkInvoked(event, answer);
  if (typeof expected === "object") expect(answer).toMatchObject(expected as object);
  else expect(answer).toBe(expected);
});

interface HttpEvent {
  readonly rawPath: string;
  readonly requestContext: { readonly http: { readonly method: string } };
}

function isHttp(event: unknown): event is HttpEvent {
  return typeof event === "object" && event !== null && "rawPath" in event;
}

/** Checks a function's answer against the API document, as `stack.call` does. */
function checkInvoked({ rawPath: path, requestContext }: HttpEvent, answer: unknown): void {
  const { statusCode: status, headers, body: text } = answer as { statusCode: number; headers: object; body: string };
  const { method } = requestContext.http;
  checkAnswer({ method, path, status, text, headers: new Headers(Object.entries(headers)) });
}

test("a function whose time is over before it has an answer says that nobody knows what came of the request", async () => {
  const { handler } = await import("../../functions/create-job.ts");
  const event = JSON.parse(readFileSync(join(ROOT, "events", "create-job-db.json"), "utf8")) as HttpEvent;
  const answer = await handler(event as never, { getRemainingTimeInMillis: () => 6 });
  checkInvoked(event, answer);
  expect(answer).toMatchObject({
    statusCode: 503,
    body: expect.stringContaining("repeat it with the same idempotency key"),
  });
});

test("every function has a sample", () => {
  for (const { handler } of template.functions) {
    expect(samples.some((sample) => sample.startsWith(fileOf(handler)))).toBe(true);
  }
});
