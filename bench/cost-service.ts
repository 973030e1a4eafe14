import { randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { SECOND, serviceTime } from "../lib/clock.ts";
import { startEmulators } from "../local/emulators.ts";
import { environmentOf, provision } from "../local/provision.ts";
import { readTemplate, type FunctionTemplate } from "../local/template.ts";
import { signToken } from "../local/token.ts";
import { SPEED, jobsOf } from "./cost-jobs.ts";
import { createMeter, storedBytesOf, type Counts, type Meter } from "./cost-meter.ts";

// The deployed functions on the embedded table, queues and bucket, each called by the events that AWS would call it
// with.

const ROOT = join(import.meta.dirname, "..");
/** The counts of one job, and the processor milliseconds of each function, by event or message. */
export interface Driven {
  readonly counts: Counts;
  readonly cpuMs: Counts;
}

export type Service = Awaited<ReturnType<typeof createService>>;

export async function createService() {
  const dir = mkdtempSync(join(tmpdir(), "cost-"));
  const standIns = new Worker(new URL("cost-stand-ins.ts", import.meta.url));
  const url = await new Promise<string>((ready, failed) => standIns.once("message", ready).once("error", failed));
  const emulators = await startEmulators(dir);
  const template = readTemplate(ROOT);
  const { endpoints } = emulators;
  const anchor = { real: Date.now(), service: Date.now(), speed: SPEED };
  const base = { AWS_REGION: "local", AWS_ACCESS_KEY_ID: "local", AWS_SECRET_ACCESS_KEY: "local" };
  Object.assign(process.env, base);
  const references = await provision(template, endpoints);
  Object.assign(process.env, environmentOf(template, references), base, {
    AWS_ENDPOINT_URL_DYNAMODB: endpoints.dynamodb,
    AWS_ENDPOINT_URL_SQS: endpoints.sqs,
    AWS_ENDPOINT_URL_S3: endpoints.s3,
    AWS_ENDPOINT_URL_KMS: url,
    AWS_ENDPOINT_URL_LAMBDA: url,
    AWS_ENDPOINT_URL_SCHEDULER: url,
    ALLOW_PRIVATE_TARGETS: "true",
    JWT_SECRET: randomBytes(32).toString("hex"),
    // The lines of attempts tell which have called a target.
    LOG_LEVEL: "debug",
    SERVICE_CLOCK: [anchor.real, anchor.service, anchor.speed].join(","),
  });
  const meter = createMeter();
  const calls = createCalls(meter, template.functions);
  const token = await signToken(TOKEN);
  const now = () => serviceTime(anchor, Date.now());
  const table = references["JobsTable"] ?? "";
  /** What `rounds` of `jobs` jobs use. `idle`: a sweep that finds nothing, which is not counted with those of jobs. */
  const measured = async ({ jobs, rounds = 1, idle }: Measured, work: Work): Promise<Driven> => {
    const ids: string[] = [];
    for (let round = 0; round < rounds; round += 1) ids.push(...(await work(jobs)));
    const all = jobs * rounds;
    const bytes = await storedBytesOf(ids, { endpoint: endpoints.dynamodb, table, template });
    const { cpuMs, sweeps } = calls.takeCpu(all, idle?.cpuMs["sweepJobs"] ?? 0);
    const counts: Record<string, number> = { ...meter.take(), "stored.bytes": bytes };
    for (const [name, n] of Object.entries(idle?.counts ?? {})) counts[name] = (counts[name] ?? 0) - n * sweeps;
    const used = Object.entries(counts).filter(([, n]) => n > 0);
    return { counts: Object.fromEntries(used.map(([name, n]) => [name, rounded(n / all)])), cpuMs };
  };
  const forget = () => {
    meter.take();
    calls.takeCpu(1, 0);
  };
  /** Containers have forgotten what they remember for ten seconds, and nothing is counted of what came before. */
  const forgetAll = () => {
    const real = Date.now.bind(Date);
    Date.now = () => real() + 11 * SECOND;
    forget();
  };
  const jobs = jobsOf({
    meter,
    functions: template.functions,
    call: calls.call,
    app: APP,
    token,
    target: url,
    now,
    forget,
  });
  let warmUntil = 0;
  /** Has containers remember what they remember for ten seconds, uncounted. */
  const keepWarm = async () => {
    if (Date.now() > warmUntil) await jobs.webhooks(1);
    warmUntil = Date.now() + 4 * SECOND;
    forget();
  };
  const end = async () => {
    await emulators.stop();
    await standIns.terminate();
    rmSync(dir, { recursive: true, force: true });
  };
  return { measured, forgetAll, forget, keepWarm, end, ...jobs };
}

interface Measured {
  readonly jobs: number;
  readonly rounds?: number;
  readonly idle?: Driven | undefined;
}

type Work = (jobs: number) => Promise<readonly string[]>;

const rounded = (n: number) => Math.round(n * 1_000) / 1_000;
const APP = randomUUID();
const TOKEN = { appId: APP, sub: randomUUID(), roles: ["APP_ADMIN"], permissions: [], expires: "60d" };

type Handler = (event: unknown, context: object) => Promise<unknown>;

/** Calls functions as AWS does, with what they write to their logs and the processor time that they take. */
function createCalls(meter: Meter, functions: readonly FunctionTemplate[]) {
  let cpu: Record<string, { ms: number; units: number }> = {};

  /** `units`: the messages or changes in the event. */
  async function call(name: string, event: object, units = 1): Promise<unknown> {
    const definition = functions.find((one) => one.name === name);
    const [file = "", exported = ""] = definition?.handler.split(".") ?? [];
    const module = (await import(`../${file}.ts`)) as Record<string, Handler>;
    const context = { functionName: name, getRemainingTimeInMillis: () => definition?.timeoutMs };
    const log = listenToLog((line) => {
      // A deployed function's level is info.
      if (!line.includes('"level":"debug"')) meter.add(`lambda.${name}.logBytes`, Buffer.byteLength(line));
      if (line.includes('"job.attempted"') && line.includes('"rest-api"')) meter.called("target");
    });
    const began = process.threadCpuUsage();
    try {
      return await meter.within(name, async () => module[exported]?.(event, context));
    } finally {
      const { user, system } = process.threadCpuUsage(began);
      log.end();
      const sum = (cpu[name] ??= { ms: 0, units: 0 });
      sum.ms += (user + system) / 1_000;
      sum.units += units;
    }
  }

  /** By event or message; of sweeps, by job, and without what they take when they find nothing. */
  function takeCpu(jobs: number, idleSweepMs: number): { cpuMs: Counts; sweeps: number } {
    const taken = Object.entries(cpu).map(([name, { ms, units }]): [string, number] => {
      const isOfJobs = name === "sweepJobs" && idleSweepMs > 0;
      return [name, rounded(isOfJobs ? Math.max(ms - units * idleSweepMs, 0) / jobs : ms / units)];
    });
    const sweeps = cpu["sweepJobs"]?.units ?? 0;
    cpu = {};
    return { cpuMs: Object.fromEntries(taken), sweeps };
  }

  return { call, takeCpu };
}

/** The lines that functions write to their logs. */
function listenToLog(hear: (line: string) => void) {
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = (text: string | Uint8Array) => {
    for (const line of text.toString().split("\n")) if (line !== "") hear(line);
    return true;
  };
  const end = () => {
    process.stdout.write = write;
  };
  return { end };
}
