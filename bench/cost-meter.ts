import { DynamoDBClient, QueryCommand, type AttributeValue, type ConsumedCapacity } from "@aws-sdk/client-dynamodb";
import { subscribe } from "node:diagnostics_channel";
import type { ClientRequest } from "node:http";
import { adaptClients } from "../lib/aws.ts";
import type { Template } from "../local/template.ts";
import { AwsRequest, KB, Memory, itemBytes } from "../test/support/aws/rule.ts";

// Counts what AWS bills of the calls that the functions of this process make.

/** Amounts by name, such as `dynamodb.writeUnits` or `lambda.createJob.invocations`. */
export type Counts = Readonly<Record<string, number>>;

/** A message that the service has sent. `isDelayed`: it is to arrive later. */
export interface Mail {
  readonly queue: string;
  readonly body: string;
  readonly group: string | undefined;
  readonly isDelayed: boolean;
}

const SQS_CHUNK = 64 * KB;
/** Items of an app: its settings, keys and destinations, which a container reads every ten seconds, not for each job. */
const CACHED = /^APP#/;

type Key = Readonly<Record<string, AttributeValue>>;
type Batch = { readonly Keys: readonly Key[] } | Record<string, { readonly Key?: Key }>[];

/** The fields of requests that are looked at. */
interface Input {
  readonly Key?: Key;
  readonly Item?: Key;
  readonly TransactItems?: readonly Readonly<Record<string, { readonly Key?: Key; readonly Item?: Key }>>[];
  readonly RequestItems?: Readonly<Record<string, Batch>>;
  readonly ExpressionAttributeValues?: Key;
  readonly Entries?: readonly {
    readonly MessageBody: string;
    readonly MessageGroupId?: string;
    readonly DelaySeconds?: number;
  }[];
  readonly QueueUrl?: string;
  readonly Target?: { readonly Input?: string };
}

type Next = (args: { input: object }) => Promise<{ output: object }>;
type Middleware = (next: Next, context: { readonly clientName?: string; readonly commandName?: string }) => Next;

export type Meter = ReturnType<typeof createMeter>;

/** Sees the clients of the service that are made from now on. */
export function createMeter() {
  const sums = createSums();
  const mail: Mail[] = [];
  const events: string[] = [];

  const watch: Middleware =
    (next, { clientName, commandName = "" }) =>
    async (args) => {
      const input = args.input as Input;
      if (clientName === "DynamoDBClient") {
        Object.assign(input, { ReturnConsumedCapacity: "INDEXES" });
        const answer = await next(args);
        const { ConsumedCapacity: used } = answer.output as {
          ConsumedCapacity?: ConsumedCapacity | ConsumedCapacity[];
        };
        countCall(commandName, input, [used ?? []].flat(), sums);
        return answer;
      }
      if (commandName.startsWith("SendMessage")) mail.push(...countSend(input, sums));
      if (commandName.startsWith("CreateSchedule")) events.push(input.Target?.Input ?? "");
      if (clientName === "SchedulerClient") sums.called("scheduler");
      return next(args);
    };
  adaptClients((client) => {
    (client.middlewareStack as unknown as Stack).add(watch, { step: "initialize" });
  });
  watchOthers(sums);
  /** `events`: those of the schedules that EventBridge was given. */
  return { ...sums, mail, events };
}

interface Stack {
  add(middleware: Middleware, at: { readonly step: "initialize" }): void;
}

type Sums = ReturnType<typeof createSums>;

function createSums() {
  let counts = new Map<string, number>();
  let caller = "";
  const add = (name: string, by = 1) => void counts.set(name, (counts.get(name) ?? 0) + by);
  return {
    add,
    /** Counts calls that the function waits for. */
    called: (what: string, times = 1) => add(`lambda.${caller}.calls.${what}`, times),
    caller: () => caller,
    /** Calls are those of this function. */
    within: async <T>(name: string, work: () => Promise<T>): Promise<T> => {
      caller = name;
      return work();
    },
    /** What was counted since the last time. */
    take: (): Counts => {
      const taken = Object.fromEntries([...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)));
      counts = new Map();
      return taken;
    },
  };
}

/** A call of DynamoDB, and the changes of the table's stream that its functions are called with. */
function countCall(command: string, input: Input, used: readonly ConsumedCapacity[], { add, called }: Sums): void {
  const units = used.reduce((sum, { CapacityUnits = NaN }) => sum + CapacityUnits, 0);
  const keys = keysOf(input);
  if (/^(?:Get|BatchGet|Query)/.test(command)) {
    const isCached = keys.length > 0 && keys.every(({ pk }) => CACHED.test(pk));
    add(isCached ? "cached.readUnits" : "dynamodb.readUnits", units);
    if (!isCached) called("read");
    return;
  }
  add("dynamodb.writeUnits", units);
  for (const { Table, GlobalSecondaryIndexes = {} } of used) {
    for (const [name, { CapacityUnits = NaN } = {}] of Object.entries({ table: Table, ...GlobalSecondaryIndexes })) {
      add(`units.${name}`, CapacityUnits);
    }
  }
  called(command.startsWith("Transact") ? "transaction" : "write");
  for (const { sk } of keys) {
    if (sk === "J") add("stream.jobs");
    if (sk.startsWith("W#")) add("stream.intents");
  }
}

/** Only the sweep sends several messages on purpose. Those of others share a call by chance, and count as if alone. */
function countSend({ Entries = [], QueueUrl = "" }: Input, { add, called, caller }: Sums): Mail[] {
  const queue = QueueUrl.split("/").at(-1) ?? "";
  const calls = caller() === "sweepJobs" ? [Entries] : Entries.map((entry) => [entry]);
  for (const call of calls) {
    const bytes = call.reduce((sum, { MessageBody }) => sum + Buffer.byteLength(MessageBody), 0);
    add(`sqs.${kindOf(queue)}.sends`, Math.ceil(bytes / SQS_CHUNK));
  }
  called("send", calls.length);
  return Entries.map(({ MessageBody: body, MessageGroupId: group, DelaySeconds = 0 }) => ({
    queue,
    body,
    group,
    isDelayed: DelaySeconds > 0,
  }));
}

/** The clients of S3, KMS and Lambda, by their requests. */
function watchOthers({ add, called }: Sums): void {
  const memory = new Memory();
  subscribe("http.client.request.created", (message) => {
    const { request } = message as { request: ClientRequest };
    if (!request.hasHeader("amz-sdk-invocation-id")) return;
    const headers = Object.fromEntries(
      Object.entries(request.getHeaders()).map(([name, value]) => [name, String(value)]),
    );
    const sent = { method: request.method, url: request.path, headers, body: Buffer.alloc(0), bytes: 0, isKept: false };
    const { operation } = new AwsRequest(sent, memory);
    if (operation.startsWith("s3 ")) {
      const isRead = /Get|Head/.test(operation);
      // Deletions are free.
      if (!/Delete|Abort/.test(operation)) add(isRead ? "s3.gets" : "s3.puts");
      called(isRead ? "get" : "put");
    }
    if (operation.startsWith("kms ")) add("kms.requests");
    if (operation === "lambda Invoke") called("invoke");
  });
}

export function kindOf(queue: string): "fifo" | "standard" {
  return queue.endsWith(".fifo") ? "fifo" : "standard";
}

/** The keys that a call names; of a query, its partition. */
function keysOf({ Key, Item, TransactItems = [], RequestItems = {}, ExpressionAttributeValues: values }: Input) {
  const partition = values?.[":pk"];
  const inTransaction = TransactItems.flatMap((one) => Object.values(one).map((of) => of.Key ?? of.Item));
  const inBatch = Object.values(RequestItems).flatMap((of): (Key | undefined)[] =>
    Array.isArray(of) ? of.flatMap((one) => Object.values(one).map((each) => each.Key)) : [...of.Keys],
  );
  const named = [Key ?? Item ?? (partition && { pk: partition }), ...inTransaction, ...inBatch];
  return named.flatMap((key) => (key?.["pk"] ? [{ pk: key["pk"].S ?? "", sk: key["sk"]?.S ?? "" }] : []));
}

/** What DynamoDB bills beside the bytes of each item, in the table and in each index. */
const ITEM_OVERHEAD = 100;

interface Index {
  readonly KeySchema: readonly { readonly AttributeName: string }[];
  readonly Projection: { readonly NonKeyAttributes?: readonly string[] };
}

interface StoredIn {
  readonly endpoint: string;
  readonly table: string;
  readonly template: Template;
}

/** The bytes that the items of jobs take, and their places in indexes. */
export async function storedBytesOf(ids: readonly string[], { endpoint, table, template }: StoredIn): Promise<number> {
  const client = new DynamoDBClient({ endpoint });
  const { GlobalSecondaryIndexes } = template.resources["JobsTable"]?.Properties ?? {};
  const indexes = (GlobalSecondaryIndexes as readonly Index[]).map(({ KeySchema, Projection }) => ({
    keys: KeySchema.map(({ AttributeName }) => AttributeName),
    others: Projection.NonKeyAttributes ?? [],
  }));
  let bytes = 0;
  for (const id of ids) {
    const query = { KeyConditionExpression: "pk = :pk", ExpressionAttributeValues: { ":pk": { S: `J#${id}` } } };
    const { Items = [] } = await client.send(new QueryCommand({ TableName: table, ...query }));
    for (const item of Items) {
      bytes += sizeOf(item, Object.keys(item));
      for (const { keys, others } of indexes) {
        if (keys.every((key) => item[key])) bytes += sizeOf(item, ["pk", "sk", ...keys, ...others]);
      }
    }
  }
  client.destroy();
  return bytes;
}

function sizeOf(item: Key, names: readonly string[]): number {
  return names.reduce((sum, name) => sum + attributeBytes(name, item[name]), ITEM_OVERHEAD);
}

/** The SDK has made bytes of binary attributes, which a request has as text. */
function attributeBytes(name: string, value: AttributeValue | undefined): number {
  if (!value) return 0;
  if (value.B) return Buffer.byteLength(name) + value.B.length;
  return itemBytes({ [name]: value as unknown as { readonly S?: string } });
}
