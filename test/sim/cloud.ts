import { MINUTE, SECOND } from "../../lib/clock.ts";
import type { Template } from "../../local/template.ts";
import { createFates, type Fate, type FateParts, type Mishap } from "./fates.ts";
import type { Command } from "./models/client.ts";
import { createDynamoDb } from "./models/dynamodb.ts";
import type { Item } from "./models/dynamodb-value.ts";
import { failed, inTransaction, throttled, timedOut, transactionConflict, type Service } from "./models/faults.ts";
import { createS3 } from "./models/s3.ts";
import { createSchedules } from "./models/scheduler.ts";
import { createSqs } from "./models/sqs.ts";
import type { Process } from "./process.ts";
import type { Time } from "./time.ts";

// The models as processes reach them: over a network that loses calls and answers, to services that fail.

export const TABLE = "jobs";
export const BUCKET = "jobs";
export const START = 1_767_225_600_000;
export const SWEEP_EVERY = MINUTE;

/** `isFinal`: the SDK does not try again. */
type Tried = { readonly value: object } | { readonly error: Error; readonly isFinal?: boolean };

export interface CloudOptions extends Omit<FateParts, "now"> {
  readonly time: Time;
  readonly template: Template;
  readonly mishaps: readonly Mishap[];
  readonly trace: (line: string) => void;
  readonly onWrite: (before: Item | undefined, after: Item | undefined, writer: Process | undefined) => void;
  /** An object of the bucket has gone. */
  readonly onGone: (key: string) => void;
  /** A partition of the table has been read. */
  readonly onQuery: (reader: Process, partition: string) => void;
  /** A queue has accepted a message. */
  readonly onSent: (body: string) => void;
  /** A queue may have a new message. */
  readonly onQueue: () => void;
  /** EventBridge may have a new schedule. */
  readonly onSchedule: () => void;
}

/** Reads have no mishaps: a death before or after one is a death at the write before or after it. */
const READS = /^(Get|BatchGet|Query|Head)/;
const TRIES = 3;
/** How long the SDK waits for an answer. */
const CALL_TIMEOUT = 2 * SECOND;

export type Cloud = ReturnType<typeof createCloud>;

export function createCloud(options: CloudOptions) {
  const { time, mishaps } = options;
  /** Changed by calls. `writer`: the process whose call is carried out now. */
  const state: State = { calls: 0, writes: 0, writer: undefined };
  const parts: Parts = {
    ...options,
    fates: createFates({ ...options, now: time.now }),
    models: modelsOf(options, () => state.writer),
    state,
  };

  /** A call as the SDK makes it: tried again when a service fails or doesn't answer. */
  async function call(process: Process, service: Service, command: Command): Promise<object> {
    state.calls += 1;
    const isWrite = !READS.test(command.constructor.name);
    if (isWrite) state.writes += 1;
    const mishap = mishaps.find((one) => isWrite && one.write === state.writes);
    for (let tries = 1; ; tries += 1) {
      const fate = tries === 1 && mishap ? mishap.fate : parts.fates.of(service, command);
      const tried = await tryOnce(parts, { process, service, command }, fate);
      if ("value" in tried) return tried.value;
      if (tried.isFinal || tries === TRIES) throw afterTries(tried.error, tries);
      await process.pause(options.random.between(20, 200) * tries);
    }
  }

  return {
    ...parts.models,
    call,
    calls: () => state.calls,
    writes: () => state.writes,
    outage: parts.fates.outage,
  };
}

/** The SDK says in its errors how often it has tried. */
function afterTries(error: Error, attempts: number): Error {
  const { $metadata } = error as { $metadata?: object };
  return $metadata ? Object.assign(error, { $metadata: { ...$metadata, attempts } }) : error;
}

interface State {
  calls: number;
  writes: number;
  writer: Process | undefined;
}

interface Parts extends CloudOptions {
  readonly fates: ReturnType<typeof createFates>;
  readonly models: ReturnType<typeof modelsOf>;
  readonly state: State;
}

interface Call {
  readonly process: Process;
  readonly service: Service;
  readonly command: Command;
}

function modelsOf(options: CloudOptions, writer: () => Process | undefined) {
  const { time, random, template, faultRate, isCalm } = options;
  const isRough = () => faultRate() > 0;
  const shuffle = isCalm ? <T>(items: T[]) => items : random.shuffle;
  const indexLagMs = () => (isRough() ? random.pick([0, 0, 50, 1_000, 20_000]) : 20);
  const readLagMs = () => (isRough() ? random.pick([0, 0, 500, 5_000]) : 100);
  return {
    dynamodb: createDynamoDb({
      now: time.now,
      table: TABLE,
      properties: template.resources["JobsTable"]?.Properties ?? {},
      ...(!isCalm && { indexLagMs, readLagMs }),
      pageBytes: 4_096,
      unprocessed: () => isRough() && random.chance(0.05),
      shuffle,
      onWrite: (before, after) => options.onWrite(before, after, writer()),
    }),
    sqs: createSqs({
      now: time.now,
      resources: template.resources,
      duplicates: () => isRough() && random.chance(0.02),
      shuffle,
    }),
    s3: createS3({ bucket: BUCKET, onGone: options.onGone }),
    scheduler: createSchedules({ now: time.now }),
  };
}

async function tryOnce(parts: Parts, call: Call, fate: Fate): Promise<Tried> {
  const { fates, random, time, trace } = parts;
  const { process, service, command } = call;
  const name = `${process.name} ${service} ${command.constructor.name.replace("Command", "")}${subject(command)}`;
  await process.pause(fates.latency());
  switch (fate) {
    case "dies before":
      trace(`${name} † before`);
      process.kill();
      break;
    case "throttled":
    case "failed":
      trace(`${name} ${fate}`);
      return { error: fate === "throttled" ? throttled(service) : failed(service) };
    case "conflict":
      trace(`${name} conflict`);
      return conflictOf(command);
    case "late":
      // It arrives when its caller has given up.
      time.after(random.between(2, 10) * SECOND, () => void made(parts, call, `${name} (late)`));
      await process.pause(CALL_TIMEOUT);
      return { error: timedOut() };
    case "fine":
    case "lost":
    case "slow":
    case "dies after":
      break;
    default:
      return fate satisfies never;
  }
  // Never resolves if the process is dead.
  await process.pause(0);
  const answer = await made(parts, call, `${name}${fate === "fine" ? "" : ` (${fate})`}`);
  if (fate === "dies after") process.kill();
  const slow = () => random.between(500, CALL_TIMEOUT);
  await process.pause(fate === "lost" ? CALL_TIMEOUT : fate === "slow" ? slow() : fates.latency());
  return fate === "lost" ? { error: timedOut() } : answer;
}

/** Carries out a call in one step, as a service does. */
async function made(parts: Parts, { process, service, command }: Call, name: string): Promise<Tried> {
  const { fates, models, state, trace } = parts;
  const [taken, refused] = fates.partly(service, command);
  state.writer = process;
  const done = taken ? models[service].send(taken) : Promise.resolve({});
  state.writer = undefined;
  if (command.constructor.name === "QueryCommand") parts.onQuery(process, partitionOf(command));
  const answer = await done.then(
    (value) => ({ value: refused ? { ...value, Failed: [refused] } : value }),
    (error: Error) => ({ error, isFinal: true }),
  );
  trace(`${name} ${"error" in answer ? answer.error.name : "ok"}`);
  if ("error" in answer) {
    // A refusal by a model, or one that AWS would make, is a mistake of the simulator or of lib/.
    const isMistake = answer.error.message.startsWith("The model") || answer.error.name === "ValidationException";
    return isMistake ? { error: new Broken(answer.error), isFinal: true } : answer;
  }
  if (service === "sqs" && taken) took(parts, taken);
  if (service === "scheduler") parts.onSchedule();
  return answer;
}

function conflictOf({ input }: Command): Tried {
  const { TransactItems } = input as { TransactItems?: unknown[] };
  return TransactItems
    ? { error: transactionConflict(TransactItems.length), isFinal: true }
    : { error: inTransaction() };
}

function took(parts: Parts, { input }: Command): void {
  const { Entries = [] } = input as { Entries?: { MessageBody?: string }[] };
  for (const { MessageBody } of Entries) if (MessageBody !== undefined) parts.onSent(MessageBody);
  parts.onQueue();
}

/** A mistake of the simulator, not of the service that it runs. */
export class Broken extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
  }
}

function partitionOf({ input }: Command): string {
  const { ExpressionAttributeValues = {} } = input as { ExpressionAttributeValues?: Record<string, { S?: string }> };
  return ExpressionAttributeValues[":pk"]?.S ?? "";
}

/** The subject of a call, for a reader of the trace. */
function subject({ input }: Command): string {
  const { Key, Item, TransactItems, Entries, Name } = input as {
    Key?: Record<string, { S?: string }> | string;
    Item?: Record<string, { S?: string }>;
    TransactItems?: unknown[];
    Entries?: unknown[];
    Name?: string;
  };
  const key = typeof Key === "object" ? Key : Item;
  if (key) return ` ${(key["pk"]?.S ?? "").slice(0, 48)}/${(key["sk"]?.S ?? "").slice(0, 12)}`;
  if (TransactItems) return ` of ${TransactItems.length}`;
  if (Entries) return ` of ${Entries.length}`;
  return Name === undefined ? "" : ` ${Name}`;
}
