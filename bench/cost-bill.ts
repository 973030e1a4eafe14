import { AGAIN, COUNTING, SWEEP } from "./cost-paths.ts";
import type { Deployment } from "./cost-deployment.ts";
import type { Counts } from "./cost-meter.ts";
import PRICES from "./prices.json" with { type: "json" };

// Makes a bill of what was counted: prices.json has the prices, cost-assumptions.json what no count can tell.

export const SERVICES = ["API Gateway", "Lambda", "DynamoDB", "SQS", "S3", "CloudWatch", "others"] as const;
/** Dollars by service. */
export type Bill = Readonly<Record<(typeof SERVICES)[number], number>>;

/** See cost-assumptions.json. */
export interface Assumptions {
  readonly jobsPerSecond: number;
  readonly targetMs: number;
  readonly appsAtOnce: number;
  readonly keptDays: number;
  readonly pollers: number;
  readonly pollMs: number;
  readonly idlePollSeconds: number;
  readonly streamShards: number;
  readonly intentsPerBatch: number;
  readonly intentCpuMs: number;
  readonly renderMs: number;
  readonly fullCpuMb: number;
  readonly sweepQueriesAtOnce: number;
  readonly cacheSeconds: number;
  readonly logCompression: number;
  readonly platformLineBytes: number;
  readonly tracedLineBytes: number;
  readonly tracedPerSecond: number;
  readonly tracedShare: number;
  readonly metricsWhenIdle: number;
  readonly metricsWhenBusy: number;
  readonly secrets: number;
  /** Milliseconds that a function waits for a call, by what is called. */
  readonly waitMs: Counts;
}

/** A committed figure of each path: what was counted, and the processor milliseconds. */
export type Figures = Readonly<Record<string, { readonly counts: Counts; readonly cpuMs: Counts }>>;

/** How often a function is invoked, and for how long. */
interface Load {
  readonly name: string;
  /** For each job. */
  readonly invocations: number;
  /** Milliseconds of each invocation. */
  readonly ms: number;
  /** Invocations a second, by which traces are sampled. */
  readonly perSecond: number;
}

interface Parts {
  readonly figures: Figures;
  readonly assumed: Assumptions;
  readonly deployment: Deployment;
}

const MB = 1_024;
const GB = 2 ** 30;
const CHUNK = 64 * 1_024;
const MILLION = 1_000_000;
const { perMillion, lambdaGbSecond, perGb, perGbMonth, perMonth } = PRICES;

/** Dollars for a million jobs of a path. `keptMonthly`: for keeping them for a month. `batch`: messages an invocation. */
export interface Priced {
  readonly bill: Bill;
  readonly total: number;
  readonly kept: number;
  readonly batch: number | undefined;
}

export function priceOf(path: string, parts: Parts): Priced {
  const { figures, assumed } = parts;
  const counts = figures[path]?.counts ?? {};
  const of = (name: string) => counts[name] ?? 0;
  const { loads, polls, batch } = loadsOf(path, parts);
  const counting = countingOf(of("stream.jobs"), parts);
  const intents = intentsOf(of("stream.intents"), parts);
  const cached = refreshOf(loads, parts);
  const all = [...loads, counting.load, intents].filter(({ invocations }) => invocations > 0);
  const logBytes = Object.entries(counts).reduce((sum, [name, n]) => sum + (name.endsWith(".logBytes") ? n : 0), 0);
  const bill = {
    "API Gateway": of("apiGateway.requests") * perMillion.apiGatewayRequests,
    Lambda: all.reduce((sum, load) => sum + lambdaOf(load, parts), 0),
    DynamoDB:
      (of("dynamodb.writeUnits") + counting.writeUnits) * perMillion.dynamodbWriteUnits +
      (of("dynamodb.readUnits") + of("stream.intents") + cached.readUnits) * perMillion.dynamodbReadUnits,
    SQS:
      (of("sqs.standard.sends") + polls.standard) * perMillion.sqsFairRequests +
      (of("sqs.fifo.sends") + polls.fifo) * perMillion.sqsFifoRequests,
    S3: of("s3.puts") * perMillion.s3Puts + of("s3.gets") * perMillion.s3Gets,
    CloudWatch: all.reduce((sum, load) => sum + logsOf(load, parts), logDollars(logBytes + counting.logBytes, assumed)),
    others:
      of("scheduler.invocations") * perMillion.schedulerInvocations +
      (of("kms.requests") + cached.kmsRequests) * perMillion.kmsRequests +
      all.reduce((sum, load) => sum + tracesOf(load, parts), 0),
  };
  const gigabytes = (of("stored.bytes") * MILLION) / GB;
  const kept = gigabytes * (perGbMonth.dynamodbStorage + perGbMonth.dynamodbBackup) * (assumed.keptDays / 30);
  return { bill, total: sumOf(bill), kept, batch };
}

export function sumOf(bill: Bill): number {
  return Object.values(bill).reduce((sum, one) => sum + one, 0);
}

/** The invocations by requests, events and messages, and the requests by which Lambda takes and deletes messages. */
function loadsOf(path: string, parts: Parts) {
  const { figures, assumed, deployment } = parts;
  const { counts = {}, cpuMs = {} } = figures[path] ?? {};
  const loads: Load[] = [];
  const polls = { standard: 0, fifo: 0 };
  let largest: number | undefined;
  for (const [key, invocations] of Object.entries(counts)) {
    const name = /^lambda\.(\w+)\.invocations$/.exec(key)?.[1];
    if (name === undefined) continue;
    const ms = cpuTime(name, cpuMs[name] ?? 0, parts) + waitOf(name, counts, invocations, assumed);
    loads.push({ name, invocations, ms, perSecond: invocations * assumed.jobsPerSecond });
  }
  const renderings = Object.entries(counts).reduce((sum, [key, n]) => sum + (key.endsWith(".calls.invoke") ? n : 0), 0);
  if (renderings > 0) {
    const perSecond = renderings * assumed.jobsPerSecond;
    loads.push({ name: "renderPdf", invocations: renderings, ms: assumed.renderMs, perSecond });
  }
  for (const [key, messages] of Object.entries(counts)) {
    const [, name = "", kind] = /^lambda\.(\w+)\.(standard|fifo)\.messages$/.exec(key) ?? [];
    if (kind !== "standard" && kind !== "fifo") continue;
    const own = messagesOf(name, counts);
    const wait = waitOf(name, counts, own, assumed);
    const cpu = cpuTime(name, cpuMs[name] ?? 0, parts);
    const most = deployment.functions[name]?.batchSize ?? 1;
    const size = batchAt(messages * assumed.jobsPerSecond, { wait, cpu, most }, assumed);
    const bytes = (counts[`sqs.${name}.${kind}.bytes`] ?? 0) / messages;
    const batches = messages / size;
    loads.push({ name, invocations: batches, ms: wait + cpu * size, perSecond: batches * assumed.jobsPerSecond });
    polls[kind] += batches * (Math.max(1, Math.ceil((bytes * size) / CHUNK)) + 1);
    largest = Math.max(largest ?? 0, size);
  }
  return { loads, polls, batch: largest };
}

function messagesOf(name: string, counts: Counts): number {
  return (counts[`lambda.${name}.standard.messages`] ?? 0) + (counts[`lambda.${name}.fifo.messages`] ?? 0);
}

/** The calls of one event or message come one after another; those of a batch's messages side by side. */
function waitOf(name: string, counts: Counts, units: number, { waitMs, targetMs, renderMs }: Assumptions): number {
  const waits: Counts = { ...waitMs, target: targetMs, invoke: renderMs };
  const prefix = `lambda.${name}.calls.`;
  const calls = Object.entries(counts).filter(([key]) => key.startsWith(prefix));
  return calls.reduce((sum, [key, n]) => sum + (n / units) * (waits[key.slice(prefix.length)] ?? 0), 0);
}

/** Lambda gives a function a processor's share by its memory. */
function cpuTime(name: string, cpuMs: number, { assumed, deployment }: Parts): number {
  const { memoryMb = NaN } = deployment.functions[name] ?? {};
  return cpuMs / Math.min(1, memoryMb / assumed.fullCpuMb);
}

interface BatchTimes {
  readonly wait: number;
  readonly cpu: number;
  readonly most: number;
}

/**
 * The messages in a batch. Lambda begins with a few pollers, each of which takes what has come while it was busy with
 * its last batch; only when full batches do not suffice does it start more.
 */
export function batchAt(perSecond: number, { wait, cpu, most }: BatchTimes, { pollers, pollMs }: Assumptions): number {
  const each = perSecond / 1_000 / pollers;
  const left = 1 - each * cpu;
  const size = left > 0 ? (each * (wait + pollMs)) / left : most;
  return Math.min(most, Math.max(1, size));
}

/** What the counting of a job's changes takes. */
function countingOf(changes: number, parts: Parts): { load: Load; writeUnits: number; logBytes: number } {
  const { figures, assumed, deployment } = parts;
  const { counts = {}, cpuMs = {} } = figures[COUNTING] ?? {};
  const comeTogether = (changes * assumed.jobsPerSecond * 10) / assumed.streamShards;
  const batch = Math.min(deployment.streamBatch, Math.max(1, comeTogether));
  const invocations = changes / batch;
  const ms = batch * cpuTime("countJobs", cpuMs["countJobs"] ?? 0, parts) + (assumed.waitMs["write"] ?? 0);
  // One for each app: jobs of the last minutes are in one item, or two.
  const items = Math.min(assumed.appsAtOnce, batch);
  return {
    load: { name: "countJobs", invocations, ms, perSecond: invocations * assumed.jobsPerSecond },
    writeUnits: invocations * items * (counts["dynamodb.writeUnits"] ?? 1),
    logBytes: invocations * (counts["lambda.countJobs.logBytes"] ?? 0),
  };
}

/** The intents of payloads, when they have expired. */
function intentsOf(intents: number, parts: Parts): Load {
  const { assumed } = parts;
  const invocations = intents / assumed.intentsPerBatch;
  const cpu = cpuTime("removePayloads", assumed.intentCpuMs, parts) * assumed.intentsPerBatch;
  const ms = cpu + (assumed.waitMs["read"] ?? 0);
  return { name: "removePayloads", invocations, ms, perSecond: invocations * assumed.jobsPerSecond };
}

/** What containers read again and again of the apps that they serve, for each job. */
function refreshOf(loads: readonly Load[], { figures, assumed }: Parts): { readUnits: number; kmsRequests: number } {
  const again = figures[AGAIN]?.counts ?? {};
  const { cacheSeconds, appsAtOnce, jobsPerSecond } = assumed;
  const containers = loads.reduce((sum, { perSecond, ms }) => sum + Math.max(1, (perSecond * ms) / 1_000), 0);
  const perJob = Math.min(loads.length, (containers * appsAtOnce) / cacheSeconds / jobsPerSecond);
  return {
    readUnits: perJob * (again["cached.readUnits"] ?? 0),
    kmsRequests: perJob * (again["kms.requests"] ?? 0),
  };
}

function lambdaOf({ name, invocations, ms }: Load, { deployment }: Pick<Parts, "deployment">): number {
  const { memoryMb = NaN, architecture = "arm64" } = deployment.functions[name] ?? {};
  const gbSeconds = (Math.ceil(ms) / 1_000) * (memoryMb / MB) * invocations;
  return invocations * perMillion.lambdaRequests + gbSeconds * MILLION * lambdaGbSecond[architecture];
}

/** Lambda's own lines. */
function logsOf({ name, invocations }: Load, { assumed, deployment }: Parts): number {
  const { isTraced = false, hasPlatformLines = true } = deployment.functions[name] ?? {};
  if (!hasPlatformLines) return 0;
  return logDollars(invocations * (assumed.platformLineBytes + (isTraced ? assumed.tracedLineBytes : 0)), assumed);
}

function logDollars(bytes: number, { logCompression, keptDays }: Assumptions): number {
  const gigabytes = (bytes * MILLION) / GB;
  return gigabytes * (perGb.logs + logCompression * perGbMonth.logStorage * (keptDays / 30));
}

function tracesOf({ name, invocations, perSecond }: Load, { assumed, deployment }: Parts): number {
  if (!deployment.functions[name]?.isTraced) return 0;
  const { tracedPerSecond, tracedShare } = assumed;
  const traced = Math.min(perSecond, tracedPerSecond) + Math.max(0, perSecond - tracedPerSecond) * tracedShare;
  return invocations * (traced / perSecond) * perMillion.xrayTraces;
}

const MONTH_SECONDS = 730 * 3_600;

/** Dollars a month of a deployment without jobs, by what they are for. */
export function idleOf(parts: Parts): Readonly<Record<string, number>> {
  const { figures, assumed, deployment } = parts;
  const { counts = {}, cpuMs = {} } = figures[SWEEP] ?? {};
  const sweeps = MONTH_SECONDS / 60 / MILLION;
  const wait = waitOf("sweepJobs", counts, 1, assumed) / assumed.sweepQueriesAtOnce;
  const ms = wait + cpuTime("sweepJobs", cpuMs["sweepJobs"] ?? 0, parts);
  const load = { name: "sweepJobs", invocations: sweeps, ms, perSecond: 1 / 60 };
  const polls = (MONTH_SECONDS / assumed.idlePollSeconds / MILLION) * assumed.pollers;
  const { polled } = deployment;
  return {
    "sweeps, Lambda": lambdaOf(load, parts),
    "sweeps, reads": sweeps * (counts["dynamodb.readUnits"] ?? 0) * perMillion.dynamodbReadUnits,
    "sweeps, log and traces":
      logsOf(load, parts) +
      logDollars(sweeps * (counts["lambda.sweepJobs.logBytes"] ?? 0), assumed) +
      tracesOf(load, parts),
    "polling of queues":
      polls * (polled.standard * perMillion.sqsStandardRequests + polled.fifo * perMillion.sqsFifoRequests),
    alarms: deployment.alarms * perMonth.alarm,
    "metrics of their own": assumed.metricsWhenIdle * perMonth.metric,
    dashboards: deployment.dashboards * perMonth.dashboard,
    "keys and secrets": deployment.keys * perMonth.kmsKey + assumed.secrets * perMonth.secret,
  };
}
