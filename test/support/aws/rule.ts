// A request of the SDK, as a rule sees it.

export const KB = 1_024;
export const MB = KB * KB;

/** What it says, to which requests it applies (a service, or one of its operations), and whether a request breaks it. */
export type Rule = readonly [says: string, of: string, isBroken: (request: AwsRequest) => boolean];

type Attributes = Readonly<Record<string, { readonly S?: string; readonly [type: string]: unknown }>>;

// oxlint-disable-next-line typescript/no-explicit-any -- what the SDK has sent is looked at, not trusted
type Input = any;

/** What a process has sent before. */
export class Memory {
  /** The sizes of parts, by upload and number. */
  readonly parts = new Map<string, number>();
  /** Of each partition key: the second, and the writes in it. */
  readonly writes = new Map<string, readonly [second: number, count: number]>();
}

export interface Sent {
  readonly method: string;
  /** With its query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Empty for the bytes of files. */
  readonly body: Buffer;
  readonly bytes: number;
  /** Whether its connection is kept for the next request. */
  readonly isKept: boolean;
}

export class AwsRequest {
  /** `s3 UploadPart` */
  readonly operation: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Sent["headers"];
  readonly bytes: number;
  readonly isKept: boolean;
  readonly at = Date.now();
  readonly memory: Memory;
  readonly #body: Buffer;
  #input: Input;

  constructor({ method, url, headers, body, bytes, isKept }: Sent, memory: Memory) {
    const [path = "", query = ""] = url.split("?");
    this.path = path;
    this.query = new URLSearchParams(query);
    this.headers = headers;
    this.bytes = bytes;
    this.isKept = isKept;
    this.memory = memory;
    this.#body = body;
    this.operation = operationOf(method, path, this.query, headers);
  }

  get text(): string {
    return this.#body.toString();
  }

  /** The body, where it is JSON. */
  get input(): Input {
    if (this.#input !== undefined) return this.#input;
    const isJson = /json/.test(this.headers["content-type"] ?? "") && this.#body.length > 0;
    return (this.#input = isJson ? JSON.parse(this.text) : {});
  }

  /** The items that a request of DynamoDB puts. */
  get items(): readonly Attributes[] {
    return this.#writes.flatMap(({ Item }) => Item ?? []);
  }

  /** The keys of the table that it names. */
  get keys(): readonly { readonly pk: string; readonly sk: string }[] {
    const read = Object.values<Input>(this.input.RequestItems ?? {}).flatMap(({ Keys }) => Keys ?? []);
    const named = [...read, ...this.#writes.map(({ Item, Key }) => Item ?? Key)];
    return named.flatMap((key) =>
      key?.pk?.S !== undefined && key.sk?.S !== undefined ? { pk: key.pk.S, sk: key.sk.S } : [],
    );
  }

  /** The expressions of each read and write, and the names that they are given. */
  get expressions(): readonly { readonly text: Readonly<Record<string, string>>; readonly given: readonly string[] }[] {
    return this.#writes.map((write) => {
      const { ExpressionAttributeNames = {}, ExpressionAttributeValues = {} } = write;
      const text = Object.entries<string>(write).filter(([name]) => name.endsWith("Expression"));
      const given = [...Object.keys(ExpressionAttributeNames), ...Object.keys(ExpressionAttributeValues)];
      return { text: Object.fromEntries(text), given };
    });
  }

  /** The parts of a transaction or a batch; else the request itself. */
  get #writes(): Input[] {
    const { TransactItems, RequestItems } = this.input;
    if (TransactItems !== undefined) return TransactItems.flatMap((one: object) => Object.values(one));
    if (RequestItems === undefined) return [this.input];
    return Object.values<Input>(RequestItems).flatMap((of) =>
      Array.isArray(of) ? of.flatMap((one: object) => Object.values(one)) : [],
    );
  }
}

const TARGETS: Readonly<Record<string, string>> = {
  DynamoDB_20120810: "dynamodb",
  DynamoDBStreams_20120810: "dynamodbstreams",
  AmazonSQS: "sqs",
  TrentService: "kms",
};

function operationOf(method: string, path: string, query: URLSearchParams, headers: Sent["headers"]): string {
  const [target = "", name] = (headers["x-amz-target"] ?? "").split(".");
  if (name !== undefined) return `${TARGETS[target] ?? target} ${name}`;
  if (query.has("X-Amz-Signature")) return "s3 link";
  const [, service = "unknown"] =
    /Credential=[^/]+\/\d{8}\/[^/]+\/([^/]+)\//.exec(headers["authorization"] ?? "") ?? [];
  const operations: Readonly<Record<string, () => string>> = {
    s3: () => s3Operation(method, query),
    lambda: () => (path.endsWith("/invocations") ? "Invoke" : path),
    ses: () => (path === "/v2/email/outbound-emails" ? "SendEmail" : path),
    scheduler: () => `${{ POST: "Create", PUT: "Update", GET: "Get", DELETE: "Delete" }[method]}Schedule`,
  };
  return `${service} ${operations[service]?.() ?? path}`;
}

function s3Operation(method: string, query: URLSearchParams): string {
  if (query.has("uploads")) return "CreateMultipartUpload";
  if (query.has("partNumber")) return "UploadPart";
  if (query.has("uploadId")) return method === "POST" ? "CompleteMultipartUpload" : "AbortMultipartUpload";
  if (query.has("delete")) return "DeleteObjects";
  return `${method[0]}${method.slice(1).toLowerCase()}Object`;
}

/** The values of a field in those entries that have it. */
export function each(
  entries: readonly Readonly<Record<string, string | number>>[] | undefined,
  field: string,
): string[] {
  return [...(entries ?? [])].flatMap((entry) => (entry[field] === undefined ? [] : [`${entry[field]}`]));
}

export function keysIn(keys: AwsRequest["keys"]): string[] {
  return keys.map(({ pk, sk }) => JSON.stringify([pk, sk]));
}

/** DynamoDB's size of an item, about: names and values in UTF-8, binary decoded. */
export function itemBytes(item: Attributes): number {
  return Object.entries(item).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + valueBytes(value), 0);
}

function valueBytes(value: unknown): number {
  if (typeof value !== "object" || value === null) return Buffer.byteLength(String(value));
  return Object.entries(value).reduce((sum, [type, inner]) => {
    if (type === "B") return sum + Math.floor((String(inner).length * 3) / 4);
    if (type === "M") return sum + itemBytes(inner as Attributes);
    if (Array.isArray(inner)) return sum + inner.reduce((all: number, one) => all + valueBytes(one), 0);
    return sum + Buffer.byteLength(String(inner));
  }, 0);
}

/** Counts one more, and returns how many there were in this second. */
export function rate(counts: Memory["writes"], key: string, at: number): number {
  const second = Math.floor(at / 1_000);
  const [last, count] = counts.get(key) ?? [second, 0];
  const now = last === second ? count + 1 : 1;
  counts.set(key, [second, now]);
  return now;
}
