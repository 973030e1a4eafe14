import { MINUTE, SECOND, type EpochMs } from "../../lib/clock.ts";
import type { Template } from "../../local/template.ts";
import type { Command } from "./models/client.ts";
import { createDynamoDb } from "./models/dynamodb.ts";
import type { Item } from "./models/dynamodb-value.ts";
import { failed, inTransaction, throttled, timedOut, transactionConflict, type Service } from "./models/faults.ts";
import { createS3 } from "./models/s3.ts";
import { createSchedules } from "./models/scheduler.ts";
import { createSqs } from "./models/sqs.ts";
import type { Process } from "./process.ts";
import type { Random } from "./random.ts";
import type { Time } from "./time.ts";

// The models as processes reach them: over a network that loses calls and answers, to services that fail.

export const TABLE = "jobs";
export const BUCKET = "jobs";

/** What becomes of one try of a call. */
type Fate =
  | "fine"
  | "throttled"
  | "failed"
  | "conflict"
  /** Done, and the answer lost. */
  | "lost"
  /** Not done until the caller has given up. */
  | "late"
  | "dies before"
  | "dies after"
  | "slow";

/** `isFinal`: the SDK does not try again. */
type Tried = { readonly value: object } | { readonly error: Error; readonly isFinal?: boolean };

/** What happens at the nth write of a run, counted from 1: its writer dies before or after it, or its answer is lost. */
export interface Mishap {
  readonly write: number;
  readonly fate: "dies before" | "dies after" | "lost";
}

export interface CloudOptions {
  readonly time: Time;
  readonly random: Random;
  readonly template: Template;
  readonly faultRate: () => number;
  readonly mishaps: readonly Mishap[];
  readonly trace: (line: string) => void;
  readonly onWrite: (before: Item | undefined, after: Item | undefined, writer: Process | undefined) => void;
  /** A partition of the table has been read. */
  readonly onQuery: (reader: Process, partition: string) => void;
  /** A queue has taken a message. */
  readonly onSent: (body: string) => void;
  /** A queue may hold something new to be had. */
  readonly onQueue: () => void;
  /** EventBridge may have a new schedule. */
  readonly onSchedule: () => void;
}

/** To die before or after one of these is to die at the write before it, or after it. */
const READS = /^(Get|BatchGet|Query|Head)/;
const CONFLICTS: ReadonlySet<string> = new Set(["UpdateItemCommand", "PutItemCommand", "TransactWriteItemsCommand"]);
const FATES: readonly Fate[] = ["throttled", "failed", "lost", "lost", "late", "dies before", "dies after", "slow"];
const TRIES = 3;
/** Until the SDK gives an answer up. */
const CALL_TIMEOUT = 2 * SECOND;

export function createCloud(options: CloudOptions) {
  const { time, random, template, faultRate, trace } = options;
  const isRough = () => faultRate() > 0;
  const dynamodb = createDynamoDb({
    now: time.now,
    table: TABLE,
    properties: template.resources["JobsTable"]?.Properties ?? {},
    indexLagMs: () => (isRough() ? random.pick([0, 0, 50, 1_000, 20_000]) : 20),
    readLagMs: () => (isRough() ? random.pick([0, 0, 500, 5_000]) : 100),
    pageBytes: 4_096,
    unprocessed: () => isRough() && random.chance(0.05),
    shuffle: random.shuffle,
    onWrite: (before, after) => options.onWrite(before, after, writer),
  });
  const sqs = createSqs({
    now: time.now,
    resources: template.resources,
    duplicates: () => isRough() && random.chance(0.02),
    shuffle: random.shuffle,
  });
  const s3 = createS3({ bucket: BUCKET });
  const scheduler = createSchedules({ now: time.now });
  const models = { dynamodb, sqs, s3, scheduler };
  const outages = new Map<Service, EpochMs>();
  let calls = 0;
  let writes = 0;
  let writer: Process | undefined;

  /** A call as the SDK makes it: tried again when a service fails or doesn't answer. */
  async function call(process: Process, service: Service, command: Command): Promise<object> {
    calls += 1;
    const isWrite = !READS.test(command.constructor.name);
    if (isWrite) writes += 1;
    const mishap = options.mishaps.find((one) => isWrite && one.write === writes);
    for (let tries = 1; ; tries += 1) {
      const fate = tries === 1 && mishap ? mishap.fate : draw(service, command);
      const tried = await tryOnce(process, service, command, fate);
      if ("value" in tried) return tried.value;
      if (tried.isFinal || tries === TRIES) throw tried.error;
      await process.pause(random.between(20, 200) * tries);
    }
  }

  async function tryOnce(process: Process, service: Service, command: Command, fate: Fate): Promise<Tried> {
    const name = `${process.name} ${service} ${command.constructor.name.replace("Command", "")}${subject(command)}`;
    await process.pause(latency());
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
        // It is on its way, and arrives when nobody waits for it any more.
        time.after(random.between(2, 10) * SECOND, () => void made(process, service, command, `${name} (late)`));
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
    // The dead do nothing.
    await process.pause(0);
    const answer = await made(process, service, command, `${name}${fate === "fine" ? "" : ` (${fate})`}`);
    if (fate === "dies after") process.kill();
    await process.pause(
      fate === "lost" ? CALL_TIMEOUT : fate === "slow" ? random.between(500, CALL_TIMEOUT) : latency(),
    );
    return fate === "lost" ? { error: timedOut() } : answer;
  }

  /** Done at once, as a service does it. */
  async function made(process: Process, service: Service, command: Command, name: string): Promise<Tried> {
    const [taken, refused] = partly(service, command);
    writer = process;
    const done = taken ? models[service].send(taken) : Promise.resolve({});
    writer = undefined;
    if (command.constructor.name === "QueryCommand") options.onQuery(process, partitionOf(command));
    const answer = await done.then(
      (value) => ({ value: refused ? { ...value, Failed: [refused] } : value }),
      (error: Error) => ({ error, isFinal: true }),
    );
    trace(`${name} ${"error" in answer ? answer.error.name : "ok"}`);
    if ("error" in answer) {
      // What a model does not know, or AWS would refuse, is a mistake of the simulator or of ours.
      const isMistake = answer.error.message.startsWith("The model") || answer.error.name === "ValidationException";
      return isMistake ? { error: new Broken(answer.error), isFinal: true } : answer;
    }
    if (service === "sqs" && taken) took(taken);
    if (service === "scheduler") options.onSchedule();
    return answer;
  }

  /** A batch of which SQS does not take one entry. */
  function partly(service: Service, command: Command): readonly [Command | undefined, object?] {
    const { Entries = [], ...input } = command.input as { Entries?: { Id?: string }[] };
    if (service !== "sqs" || Entries.length === 0 || !isRough() || !random.chance(0.02)) return [command];
    const refused = random.pick(Entries);
    const rest = Entries.filter((entry) => entry !== refused);
    const failure = { Id: refused.Id, Code: "InternalError", SenderFault: false };
    if (rest.length === 0) return [undefined, failure];
    const taken = Object.create(Object.getPrototypeOf(command) as object) as Command;
    return [Object.assign(taken, { input: { ...input, Entries: rest } }), failure];
  }

  function conflictOf({ input }: Command): Tried {
    const { TransactItems } = input as { TransactItems?: unknown[] };
    return TransactItems
      ? { error: transactionConflict(TransactItems.length), isFinal: true }
      : { error: inTransaction() };
  }

  function took({ input }: Command): void {
    const { Entries = [] } = input as { Entries?: { MessageBody?: string }[] };
    for (const { MessageBody } of Entries) if (MessageBody !== undefined) options.onSent(MessageBody);
    options.onQueue();
  }

  function latency(): number {
    return isRough() && random.chance(0.03) ? random.between(50, 1_000) : random.between(1, 6);
  }

  function draw(service: Service, command: Command): Fate {
    const rate = faultRate();
    if ((outages.get(service) ?? 0) > time.now()) return random.pick(["throttled", "failed", "lost"]);
    if (rate === 0 || !random.chance(rate)) return "fine";
    const isWritten = CONFLICTS.has(command.constructor.name);
    return random.pick([...FATES, isWritten ? "conflict" : "failed"]);
  }

  return {
    ...models,
    call,
    calls: () => calls,
    writes: () => writes,
    outage: (service: Service, ms: number) => void outages.set(service, time.now() + ms),
  };
}

/** The simulator is at fault, not what it runs. */
export class Broken extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
  }
}

function partitionOf({ input }: Command): string {
  const { ExpressionAttributeValues = {} } = input as { ExpressionAttributeValues?: Record<string, { S?: string }> };
  return ExpressionAttributeValues[":pk"]?.S ?? "";
}

/** What a call is about, for a reader. */
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

export const START = 1_767_225_600_000;
export const SWEEP_EVERY = MINUTE;
