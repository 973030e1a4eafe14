import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient, SendMessageCommand } from "@aws-sdk/client-sqs";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { MINUTE, createClock, type Clock } from "../lib/clock.ts";
import { setClock } from "./clock-file.ts";
import { readEnvFile } from "./env-file.ts";
import { startEmulators, type Emulators } from "./emulators.ts";
import { startSchedule, type Runner } from "./event-sources.ts";
import { createFunctionUrls } from "./function-urls.ts";
import { createGateway, type FunctionUrl } from "./gateway.ts";
import { functionsFolder, startLambdaApi, type LambdaApi } from "./lambda-api.ts";
import { loadFunctions, type LoadedFunction } from "./lambda.ts";
import { expireFiles, rulesOf } from "./lifecycle.ts";
import { mailboxPage, startMailbox } from "./mailbox.ts";
import { ACCOUNT_ID, environmentOf, provision, type References } from "./provision.ts";
import { startScheduler, type Scheduler } from "./scheduler.ts";
import { startStreamMapping } from "./table-stream.ts";
import { readTemplate } from "./template.ts";
import { LOCAL_JWT_SECRET, signToken } from "./token.ts";
import { startWorkers, startWorkersInThread, type WorkerSettings } from "./workers.ts";

// The whole service on this machine: `npm start`. The story is in `start`, its steps below.

const PARENT = process.ppid;
const ROOT = resolve(import.meta.dirname, "..");
const DEMO_APP = "550e8400-e29b-41d4-a716-446655440000";
/** What a stop waits for the work in hand. The stack has to end within 3 s. */
const STOP_WITHIN_MS = 2_500;
/** How long a start waits for the holder of its folder to say that it is ending. */
const SIGN_WITHIN_MS = 4_000;
/** How long it then waits for its end. A busy machine ends in more than 3 s. */
const END_WITHIN_MS = 60_000;

interface Settings {
  readonly port: number;
  readonly dir: string;
  readonly speed: number;
  /** `gateway` takes requests, `worker` runs jobs, `all` does both; a worker joins a stack that runs. */
  readonly role: "all" | "gateway" | "worker";
}

/** What the first process of a stack leaves in DATA_DIR for those that join it. */
interface RunningStack {
  readonly pid: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly references: References;
  /** It takes no more requests and is about to leave the folder. */
  readonly isEnding?: boolean;
}

/** This process's part in it. */
interface Stack extends RunningStack {
  readonly server?: Server;
  /** Tells a start that waits for the folder to wait on. */
  announceEnd(): void;
  stop(): Promise<void>;
}

async function start(settings: Settings): Promise<void> {
  let stop: (() => Promise<void>) | undefined;
  // Watched from the first moment on: a start whose npm is killed must not go on to the end before it sees that.
  onEnd(async () => stop?.());
  mkdirSync(settings.dir, { recursive: true });
  const stack = settings.role === "worker" ? joinStack(settings) : await foundStack(settings);
  Object.assign(process.env, stack.environment);
  const { references } = stack;
  const workers = await startRole(settings.role, { root: ROOT, dir: settings.dir, references });
  stop = async () => {
    stack.announceEnd();
    stack.server?.close();
    await Promise.race([workers?.stop(), sleep(STOP_WITHIN_MS)]);
    await stack.stop();
  };
  if (stack.server) await announce(urlOf(stack.server), settings);
  else process.stdout.write(`ready: a worker of the stack in ${settings.dir}\n`);
}

function settingsOf(env: NodeJS.ProcessEnv): Settings {
  const { PORT = "3000", DATA_DIR = ".local", SPEED = "1", ROLE = "all" } = env;
  const port = Number(PORT);
  const speed = Number(SPEED);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error(`PORT is "${PORT}": expected 0 to 65535`);
  if (!(speed > 0)) throw new Error(`SPEED is "${SPEED}": expected a number above 0, such as 60`);
  if (ROLE !== "all" && ROLE !== "gateway" && ROLE !== "worker") {
    throw new Error(`ROLE is "${ROLE}": expected gateway, worker or all`);
  }
  return { port, speed, role: ROLE, dir: resolve(DATA_DIR) };
}

/** Starts what the environment does not name an endpoint for, makes tables, queues and the bucket, and listens. */
async function foundStack(settings: Settings): Promise<Stack> {
  const { dir, speed, port } = settings;
  const other = runningStack(dir);
  if (other) await ended(dir, other.pid);
  if (other && isAlive(other.pid)) {
    throw new Error(
      `A local stack (process ${other.pid}) is using ${dir}: stop it, set DATA_DIR to another folder, or join it with ROLE=worker`,
    );
  }
  const template = readTemplate(ROOT);
  const loading = loadFunctions(ROOT, template);
  const { emulators, endpoints } = await emulatorsFor(dir);
  Object.assign(process.env, localDefaults());
  let stopping = false;
  void emulators?.ended.then(() => stopping || fail(new Error("The emulators ended; start the stack again")));
  const references = await provision(template, endpoints);
  const own = ownEnvironment(environmentOf(template, references));
  const functions = await loading;
  const lambdaApi = await startLambdaApi(functions, own["OWN_FUNCTIONS"] ?? "", functionsFolder(ROOT));
  const mailDir = join(dir, "mailbox");
  const mailbox = await startMailbox(mailDir);
  const showMail = (path: string) => mailboxPage(mailDir, path);
  const server = await listen(functions, createFunctionUrls(lambdaApi), showMail, port);
  const anchor = setClock(dir, speed);
  const here = {
    ...localDefaults(),
    ...own,
    AWS_ENDPOINT_URL_DYNAMODB: endpoints.dynamodb,
    AWS_ENDPOINT_URL_SQS: endpoints.sqs,
    AWS_ENDPOINT_URL_S3: endpoints.s3,
    AWS_ENDPOINT_URL_LAMBDA: process.env["AWS_ENDPOINT_URL_LAMBDA"] ?? lambdaApi.url,
    AWS_ENDPOINT_URL_SESV2: process.env["AWS_ENDPOINT_URL_SESV2"] ?? mailbox.url,
    LOCAL_FUNCTION_URLS: `${urlOf(server)}/lambda-url/`,
    LOCAL_SECRETS_KEY: process.env["LOCAL_SECRETS_KEY"] ?? secretsKey(dir),
    SERVICE_CLOCK: [anchor.real, anchor.service, anchor.speed].join(","),
  };
  // A missed schedule fires as soon as the scheduler runs, and functions look here when first called.
  Object.assign(process.env, here);
  const clock = createClock(anchor);
  const scheduler = await scheduling(lambdaApi, references, dir, clock);
  const s3 = new S3Client({ forcePathStyle: true });
  const lifecycle = startSchedule(MINUTE, clock, async () =>
    expireFiles(s3, references["JobsBucket"] ?? "", rulesOf(template, "JobsBucket"), clock),
  );
  const streams = functions.flatMap(({ definition, invoke }) =>
    definition.streams.map(({ table, ...mapping }) =>
      startStreamMapping(
        {
          ...mapping,
          endpoint: endpoints.dynamodb,
          table: references[table] ?? "",
          positionFile: join(dir, `${definition.name}.position`),
        },
        invoke,
      ),
    ),
  );
  const environment = {
    ...here,
    AWS_ENDPOINT_URL_SCHEDULER: process.env["AWS_ENDPOINT_URL_SCHEDULER"] ?? scheduler.url,
  };
  const file = join(dir, "stack.json");
  const leave = (stack: RunningStack) => {
    // Renamed, so that nobody reads half of it.
    writeFileSync(`${file}.new`, JSON.stringify(stack, undefined, 2), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  };
  const running = { pid: process.pid, environment, references };
  leave(running);
  return {
    ...running,
    server,
    announceEnd: () => leave({ ...running, isEnding: true }),
    stop: async () => {
      stopping = true;
      setClock(dir, 1);
      rmSync(file, { force: true });
      lambdaApi.close();
      mailbox.close();
      await Promise.all([scheduler.stop(), lifecycle.stop(), ...streams.map((stream) => stream.stop())]);
      await emulators?.stop();
    },
  };
}

/** The key that stands in for KMS: made once, kept with the data that it encrypts. */
function secretsKey(dir: string): string {
  const file = join(dir, "secrets.key");
  try {
    return readFileSync(file, "utf8");
  } catch {
    const key = randomBytes(32).toString("base64");
    writeFileSync(file, key, { mode: 0o600, flag: "wx" });
    return key;
  }
}

/** EventBridge Scheduler, which calls the stack's functions and has the stack's queues. */
async function scheduling(lambdaApi: LambdaApi, references: References, dir: string, clock: Clock): Promise<Scheduler> {
  const sqs = new SQSClient({ useQueueUrlAsEndpoint: false });
  const { AWS_REGION: region = "" } = process.env;
  return startScheduler({
    dir: join(dir, "schedules"),
    clock,
    region,
    accountId: ACCOUNT_ID,
    invoke: async (arn, event) => {
      const call = await lambdaApi.functionNamed(arn.split(":").at(-1) ?? "");
      if (!call) throw new Error(`No function ${arn}`);
      return call(event);
    },
    sendToQueue: async (arn, MessageBody) => {
      const [name = ""] = Object.entries(references).find(([, value]) => value === arn) ?? [];
      await sqs.send(new SendMessageCommand({ QueueUrl: references[name.replace(/\.Arn$/, "")], MessageBody }));
    },
  });
}

function joinStack({ dir }: Settings): Stack {
  const stack = runningStack(dir);
  if (!stack) throw new Error(`No stack runs in ${dir}: start one with ROLE=gateway npm start, then its workers`);
  return { ...stack, announceEnd: () => {}, stop: async () => {} };
}

function runningStack(dir: string): RunningStack | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, "stack.json"), "utf8")) as RunningStack;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Waits for a stack that was told to stop, or whose npm was killed. One that gives no sign of ending goes on. */
async function ended(dir: string, pid: number): Promise<void> {
  const began = Date.now();
  const patience = () => (runningStack(dir)?.isEnding ? END_WITHIN_MS : SIGN_WITHIN_MS);
  while (isAlive(pid) && Date.now() - began < patience()) await sleep(50);
}

async function emulatorsFor(dir: string): Promise<{ emulators?: Emulators; endpoints: Emulators["endpoints"] }> {
  const { AWS_ENDPOINT_URL: all, AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL_SQS, AWS_ENDPOINT_URL_S3 } = process.env;
  const dynamodb = AWS_ENDPOINT_URL_DYNAMODB ?? all;
  const sqs = AWS_ENDPOINT_URL_SQS ?? all;
  const s3 = AWS_ENDPOINT_URL_S3 ?? all;
  if (dynamodb && sqs && s3) return { endpoints: { dynamodb, sqs, s3 } };
  const emulators = await startEmulators(dir);
  const own = emulators.endpoints;
  return { emulators, endpoints: { dynamodb: dynamodb ?? own.dynamodb, sqs: sqs ?? own.sqs, s3: s3 ?? own.s3 } };
}

/** Fixed for development, so that a token works whatever DATA_DIR is; the environment may set others. */
function localDefaults(): Record<string, string> {
  const { env } = process;
  return {
    AWS_REGION: env["AWS_REGION"] ?? "local",
    AWS_ACCESS_KEY_ID: env["AWS_ACCESS_KEY_ID"] ?? "local",
    AWS_SECRET_ACCESS_KEY: env["AWS_SECRET_ACCESS_KEY"] ?? "local",
    ...(!env["JWKS_URL"] && { JWT_SECRET: env["JWT_SECRET"] || LOCAL_JWT_SECRET }),
    ALLOW_PRIVATE_TARGETS: env["ALLOW_PRIVATE_TARGETS"] ?? "true",
    INVOKABLE_FUNCTIONS: env["INVOKABLE_FUNCTIONS"] ?? "*",
    CORS_ORIGINS: env["CORS_ORIGINS"] ?? "*",
    EMAIL_SENDER: env["EMAIL_SENDER"] ?? "jobs@example.com",
  };
}

/** What functions find in their environment but for what the stack's own defaults say. */
function ownEnvironment(environment: Record<string, string>): Record<string, string> {
  const entries = Object.entries(environment);
  return Object.fromEntries(entries.filter(([name, value]) => value !== "" && !(name in localDefaults())));
}

async function startRole(role: Settings["role"], settings: WorkerSettings): Promise<Runner | undefined> {
  switch (role) {
    case "gateway":
      return undefined;
    case "worker":
      return startWorkers(settings);
    case "all":
      return startWorkersInThread(settings);
    default:
      return role satisfies never;
  }
}

async function listen(
  functions: readonly LoadedFunction[],
  functionUrl: FunctionUrl,
  showMail: Parameters<typeof createGateway>[2],
  port: number,
): Promise<Server> {
  const routes = functions.flatMap(({ definition, invoke }) => definition.routes.map((key) => [key, invoke] as const));
  const server = createGateway(
    new Map(routes.toSorted(([a], [b]) => Number(a === "*") - Number(b === "*"))),
    functionUrl,
    showMail,
  );
  return new Promise((resolveListening, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const inUse = error.code === "EADDRINUSE";
      reject(
        inUse ? new Error(`Port ${port} is in use: set PORT to another one, or to 0 for any that is free`) : error,
      );
    });
    server.listen(port, "127.0.0.1", () => resolveListening(server));
  });
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function announce(url: string, { dir, speed }: Settings): Promise<void> {
  const token = await signToken({
    appId: DEMO_APP,
    sub: "developer",
    roles: ["APP_ADMIN"],
    permissions: [],
    expires: "12h",
  });
  const job = {
    message: {
      lambdaProxyMessage: { path: "/hello", httpMethod: "POST", body: '{"orderId":"123"}' },
      execution: { type: "rest-api", baseUrl: `${url}/echo` },
      metadata: { idempotencyKey: "first-job" },
    },
  };
  process.stdout.write(`ready: ${url}  (data in ${dir}${speed === 1 ? "" : `, clock at ${speed} times`})

A token for app ${DEMO_APP}, role APP_ADMIN, good for 12 hours:
${token}

Send a first job to the echo target:
curl -s ${url}/v1/jobs/create -H 'Authorization: Bearer ${token}' -H 'Content-Type: application/json' -d '${JSON.stringify(job)}'

See what became of it:
curl -s '${url}/v1/admin/jobs?limit=10' -H 'Authorization: Bearer ${token}'

Browse the API and try it out, with that token behind "Authorize":
${url}/api-docs

Read the e-mails that jobs have sent:
${url}/local/mailbox

`);
}

function onEnd(stop: () => Promise<void>): void {
  let stopping = false;
  const end = () => {
    if (stopping) return;
    stopping = true;
    void stop().finally(() => process.exit(0));
  };
  process.on("SIGTERM", end).on("SIGINT", end);
  // A killed npm cannot pass its signal on: without it, nobody would know of this process.
  if (process.env["npm_lifecycle_event"]) setInterval(() => process.ppid !== PARENT && end(), 250).unref();
}

function fail(error: unknown): never {
  process.stderr.write(`The local stack can't go on. ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

try {
  readEnvFile();
  await start(settingsOf(process.env));
} catch (error) {
  fail(error);
}
