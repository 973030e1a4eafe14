import { DAY, MINUTE, SECOND, type EpochMs } from "../lib/clock.ts";
import type { Template } from "../local/template.ts";
import type { Command } from "./models/client.ts";
import { createDynamoDb } from "./models/dynamodb.ts";
import type { Item } from "./models/dynamodb-value.ts";
import { failed, inTransaction, throttled, timedOut, type Service } from "./models/faults.ts";
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
type Fate = "fine" | "throttled" | "failed" | "lost" | "dies before" | "dies after" | "slow";

/** Dies at the nth write of a run, counted from 1: before it is made, or once it is done. */
export interface Kill {
  readonly write: number;
  readonly when: "before" | "after";
}

export interface CloudOptions {
  readonly time: Time;
  readonly random: Random;
  readonly template: Template;
  readonly faultRate: () => number;
  readonly kills: readonly Kill[];
  readonly trace: (line: string) => void;
  readonly onWrite: (before: Item | undefined, after: Item | undefined, writer: Process | undefined) => void;
  /** A queue has taken a message. */
  readonly onSent: (body: string) => void;
  /** A queue may hold something new to be had. */
  readonly onQueue: () => void;
  /** EventBridge may have a new schedule. */
  readonly onSchedule: () => void;
}

/** To die before or after one of these is to die at the write before it, or after it. */
const READS = /^(Get|BatchGet|Query|Head)/;
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
    if (!READS.test(command.constructor.name)) writes += 1;
    const kill = options.kills.find((one) => one.write === writes && !READS.test(command.constructor.name));
    for (let tries = 1; ; tries += 1) {
      const fate = tries === 1 && kill ? (`dies ${kill.when}` as const) : draw(service);
      const name = `${process.name} ${service} ${command.constructor.name.replace("Command", "")}${subject(command)}`;
      await process.pause(latency());
      if (fate === "dies before") {
        trace(`${name} † before`);
        process.kill();
        await process.pause(0);
      }
      if (fate === "throttled" || fate === "failed") {
        trace(`${name} ${fate}`);
        if (tries === TRIES) throw fate === "throttled" ? throttled(service) : failed(service);
        await process.pause(random.between(20, 200) * tries);
        continue;
      }
      if (
        service === "dynamodb" &&
        command.constructor.name === "UpdateItemCommand" &&
        isRough() &&
        random.chance(0.01)
      ) {
        trace(`${name} conflict`);
        if (tries === TRIES) throw inTransaction();
        continue;
      }
      writer = process;
      const done = models[service].send(command);
      writer = undefined;
      const answer = await done.then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      );
      trace(`${name} ${"error" in answer ? (answer.error as Error).name : "ok"}${fate === "fine" ? "" : ` (${fate})`}`);
      if (service === "sqs" && "value" in answer) took(command);
      if (service === "scheduler") options.onSchedule();
      if (fate === "dies after") {
        process.kill();
        await process.pause(0);
      }
      if (fate === "lost") {
        await process.pause(CALL_TIMEOUT);
        if (tries === TRIES) throw timedOut();
        continue;
      }
      await process.pause(fate === "slow" ? random.between(500, CALL_TIMEOUT) : latency());
      if ("error" in answer) {
        // A model that does not know what it is asked is a fault of the simulator.
        if ((answer.error as Error).message.startsWith("The model")) throw new Broken(answer.error as Error);
        throw answer.error;
      }
      return answer.value;
    }
  }

  function took({ input }: Command): void {
    const { Entries = [] } = input as { Entries?: { MessageBody?: string }[] };
    for (const { MessageBody } of Entries) if (MessageBody !== undefined) options.onSent(MessageBody);
    options.onQueue();
  }

  function latency(): number {
    return isRough() && random.chance(0.03) ? random.between(50, 1_000) : random.between(1, 6);
  }

  function draw(service: Service): Fate {
    const rate = faultRate();
    if ((outages.get(service) ?? 0) > time.now()) return random.pick(["throttled", "failed", "lost"]);
    if (rate === 0 || !random.chance(rate)) return "fine";
    return random.pick(["throttled", "failed", "lost", "lost", "dies before", "dies after", "slow"]);
  }

  return {
    ...models,
    call,
    calls: () => calls,
    writes: () => writes,
    outage: (service: Service, ms: number) => void outages.set(service, time.now() + ms),
    /** TTL, as late as it comes. */
    forgetExpired: () => dynamodb.removeExpired((item) => Number(item["expiresAt"]?.N) * SECOND < time.now() - DAY / 2),
  };
}

/** The simulator is at fault, not what it runs. */
export class Broken extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
  }
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
