import { KB, MB, each, itemBytes, keysIn, rate, type Rule } from "./rule.ts";

// AWS's rules about requests, most of which the embedded parts do not keep: from the quotas and API references of each
// service. Of checksums: https://github.com/aws/aws-sdk-go-v2/issues/3005.

const PRINTABLE = /^[!-~]{1,128}$/;
const XML_TEXT = /^[\t\n\r -\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]+$/u;
const OWN_ACCOUNT = "000000000000";

const S3: readonly Rule[] = [
  [
    "an upload in parts names no checksum, since its completion names none",
    "s3 CreateMultipartUpload",
    ({ headers }) => "x-amz-checksum-algorithm" in headers,
  ],
  [
    "a part has no checksum, since the completion of its upload names none",
    "s3 UploadPart",
    ({ headers, query }) =>
      [...Object.keys(headers), ...query.keys()].some((name) => /^x-amz-(?:sdk-)?(?:checksum|trailer)/i.test(name)),
  ],
  [
    "a part has 5 GB at most, and a number from 1 to 10,000",
    "s3 UploadPart",
    ({ query, bytes }) =>
      bytes > 5_000 * MB || !(Number(query.get("partNumber")) >= 1 && Number(query.get("partNumber")) <= 10_000),
  ],
  [
    "all parts but the last have 5 MB at least",
    "s3 CompleteMultipartUpload",
    ({ text, query, memory }) => {
      const sizes = [...text.matchAll(/<PartNumber>(\d+)</g)].map(([, n]) =>
        memory.parts.get(`${query.get("uploadId")} ${n}`),
      );
      return sizes.slice(0, -1).some((size) => size !== undefined && size < 5 * MB);
    },
  ],
  [
    "a completion names the parts in the order of their numbers, each with its ETag",
    "s3 CompleteMultipartUpload",
    ({ text }) => {
      const numbers = [...text.matchAll(/<PartNumber>(\d+)</g)].map(([, number]) => Number(number));
      const isSorted = numbers.every((number, at) => at === 0 || number > (numbers[at - 1] ?? 0));
      return numbers.length === 0 || !isSorted || (text.match(/<ETag>/g) ?? []).length !== numbers.length;
    },
  ],
  [
    "an object that is put has a length",
    "s3 PutObject",
    ({ headers, bytes }) =>
      bytes > 0 &&
      (!("content-length" in headers) ||
        ("transfer-encoding" in headers && !("x-amz-decoded-content-length" in headers))),
  ],
  [
    "a deletion of many names 1,000 keys at most, and has a checksum",
    "s3 DeleteObjects",
    ({ text, headers }) =>
      (text.match(/<Key>/g) ?? []).length > 1_000 ||
      !Object.keys(headers).some((name) => name === "content-md5" || name.startsWith("x-amz-checksum-")),
  ],
  [
    "a key has 1,024 bytes at most",
    "s3",
    ({ path }) => Buffer.byteLength(decodeURIComponent(path.split("/").slice(2).join("/"))) > 1_024,
  ],
  [
    "metadata has 2 KB at most, and is ASCII",
    "s3",
    ({ headers }) => {
      const metadata = Object.entries(headers).filter(([name]) => name.startsWith("x-amz-meta-"));
      return metadata.join("").length > 2 * KB || !/^[ -~]*$/.test(metadata.join(""));
    },
  ],
  [
    "a signed link is good for seven days at most, and asks for no checksum",
    "s3 link",
    ({ query }) =>
      Number(query.get("X-Amz-Expires")) > 604_800 || [...query.keys()].some((name) => /checksum/i.test(name)),
  ],
];

const SQS: readonly Rule[] = [
  [
    "a queue's name has 80 characters at most",
    "sqs",
    ({ input }) =>
      !/^(?=.{0,80}$)[\w-]*(?:\.fifo)?$/.test(
        String(input.QueueUrl ?? input.QueueName ?? "")
          .split("/")
          .at(-1) ?? "",
      ),
  ],
  [
    "a batch has one to ten entries, of ids that differ",
    "sqs",
    ({ input: { Entries } }) =>
      Entries !== undefined &&
      (Entries.length < 1 || Entries.length > 10 || new Set(each(Entries, "Id")).size < Entries.length),
  ],
  [
    "an entry's id has 80 characters at most",
    "sqs",
    ({ input: { Entries } }) => each(Entries, "Id").some((id) => !/^[\w-]{1,80}$/.test(id)),
  ],
  [
    "a batch has 1 MiB at most",
    "sqs",
    ({ input: { Entries } }) =>
      each(Entries, "MessageBody").reduce((sum, body) => sum + Buffer.byteLength(body), 0) > MB,
  ],
  [
    "a message's text is not empty, and XML could hold it",
    "sqs",
    ({ input: { Entries } }) => each(Entries, "MessageBody").some((body) => !XML_TEXT.test(body)),
  ],
  [
    "the ids of groups and duplicates have 128 printable characters at most",
    "sqs",
    ({ input: { Entries } }) =>
      [...each(Entries, "MessageGroupId"), ...each(Entries, "MessageDeduplicationId")].some(
        (id) => !PRINTABLE.test(id),
      ),
  ],
  [
    "a message is delayed by 15 minutes at most, and in a FIFO queue not at all",
    "sqs",
    ({ input: { Entries, QueueUrl } }) =>
      each(Entries, "DelaySeconds").some((s) => !(Number(s) >= 0 && Number(s) <= 900) || QueueUrl.endsWith(".fifo")),
  ],
  [
    "a message in a FIFO queue has a group, and an id for duplicates",
    "sqs SendMessageBatch",
    ({ input: { Entries, QueueUrl } }) =>
      QueueUrl.endsWith(".fifo") &&
      [...Entries].some(({ MessageGroupId, MessageDeduplicationId }) => !MessageGroupId || !MessageDeduplicationId),
  ],
  [
    "a message is hidden for 12 hours at most",
    "sqs",
    ({ input: { Entries } }) =>
      each(Entries, "VisibilityTimeout").some((seconds) => !(Number(seconds) >= 0 && Number(seconds) <= 43_200)),
  ],
  [
    "one to ten messages are received, after 20 s at most",
    "sqs ReceiveMessage",
    ({ input }) =>
      (input.MaxNumberOfMessages ?? 1) < 1 ||
      (input.MaxNumberOfMessages ?? 1) > 10 ||
      (input.WaitTimeSeconds ?? 0) > 20,
  ],
];

const DYNAMODB: readonly Rule[] = [
  ["an item has 400 KB at most", "dynamodb", ({ items }) => items.some((item) => itemBytes(item) > 400 * KB)],
  [
    "a partition key has 1 to 2,048 bytes, and a sort key 1 to 1,024",
    "dynamodb",
    ({ keys }) =>
      keys.some(({ pk, sk }) =>
        [Buffer.byteLength(pk), Buffer.byteLength(sk)].some((n, at) => n < 1 || n > 2_048 / (at + 1)),
      ),
  ],
  [
    "the keys of an index have the sizes of keys",
    "dynamodb",
    ({ items }) =>
      items.some((item) =>
        ["due", "byApp", "byStatus", "byOwner", "byGroup"].some((name) => {
          const bytes = Buffer.byteLength(item[name]?.S ?? "-");
          return bytes < 1 || bytes > 2_048;
        }),
      ),
  ],
  [
    "100 items at most are read at once, each once",
    "dynamodb BatchGetItem",
    ({ keys }) => keys.length > 100 || new Set(keysIn(keys)).size < keys.length,
  ],
  [
    "25 items at most are written at once, each once",
    "dynamodb BatchWriteItem",
    ({ keys }) => keys.length > 25 || new Set(keysIn(keys)).size < keys.length,
  ],
  [
    "a transaction has 100 writes and 4 MB at most, and one of each item",
    "dynamodb TransactWriteItems",
    ({ keys, bytes }) => keys.length > 100 || bytes > 4 * MB || new Set(keysIn(keys)).size < keys.length,
  ],
  [
    "a transaction's token has 36 characters at most",
    "dynamodb TransactWriteItems",
    ({ input }) => String(input.ClientRequestToken ?? "").length > 36,
  ],
  [
    "an index gives no consistent reads",
    "dynamodb Query",
    ({ input }) => input.IndexName !== undefined && input.ConsistentRead === true,
  ],
  [
    "an expression has 4 KB at most",
    "dynamodb",
    ({ expressions }) =>
      expressions.some(({ text }) => Object.values(text).some((one) => Buffer.byteLength(one) > 4 * KB)),
  ],
  [
    "each name and value of an expression is used, and each used one is there",
    "dynamodb",
    ({ expressions }) =>
      expressions.some(({ text, given }) => {
        const used = new Set(
          Object.values(text)
            .join(" ")
            .match(/[#:]\w+/g),
        );
        return used.size !== given.length || given.some((name) => !used.has(name));
      }),
  ],
  [
    "an item or a partition takes 1,000 writes a second",
    "dynamodb",
    ({ operation, keys, memory, at }) =>
      operation.startsWith("dynamodb ") &&
      /Put|Update|Delete|Write/.test(operation) &&
      keys.some(({ pk }) => rate(memory.writes, pk, at) > 1_000),
  ],
];

const OTHERS: readonly Rule[] = [
  [
    "an event has 1 MB at most, and a call 6 MB",
    "lambda Invoke",
    ({ headers, bytes }) => bytes > (headers["x-amz-invocation-type"] === "Event" ? MB : 6 * MB),
  ],
  [
    "a function is of the service's own account",
    "lambda Invoke",
    ({ path }) => (/(?:^|[:/])(\d{12}):/.exec(decodeURIComponent(path))?.[1] ?? OWN_ACCOUNT) !== OWN_ACCOUNT,
  ],
  [
    "what is not repeated goes over a connection of its own",
    "lambda Invoke",
    ({ path, isKept }) => isKept && !path.includes("-renderPdf"),
  ],
  ["an e-mail goes over a connection of its own", "ses SendEmail", ({ isKept }) => isKept],
  [
    "an e-mail has a sender, 1 to 50 receivers and a subject",
    "ses SendEmail",
    ({ input }) => {
      const { ToAddresses = [], CcAddresses = [], BccAddresses = [] } = input.Destination ?? {};
      const count = ToAddresses.length + CcAddresses.length + BccAddresses.length;
      return !input.FromEmailAddress || count < 1 || count > 50 || !input.Content?.Simple?.Subject?.Data;
    },
  ],
  [
    "a schedule's name and token have 64 characters at most",
    "scheduler",
    ({ path, input }) =>
      (path.startsWith("/schedules/") && !/^\/schedules\/[\w.-]{1,64}$/.test(path)) ||
      !/^[\w-]{1,64}$/.test(input.ClientToken ?? "-"),
  ],
  [
    "a schedule's event has 256 KB at most",
    "scheduler",
    ({ input }) => Buffer.byteLength(input.Target?.Input ?? "") > 256 * KB,
  ],
  [
    "a schedule's expression is a time to the second, a rate or a cron expression",
    "scheduler CreateSchedule",
    ({ input }) =>
      !/^(?:at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)|rate\(\d+ (?:minute|hour|day)s?\)|cron\(.+\))$/.test(
        input.ScheduleExpression,
      ),
  ],
  [
    "the dead letters of a schedule go to a standard queue",
    "scheduler",
    ({ input }) => String(input.Target?.DeadLetterConfig?.Arn ?? "").endsWith(".fifo"),
  ],
  [
    "4 KB at most are encrypted at once",
    "kms Encrypt",
    ({ input }) => Buffer.from(input.Plaintext ?? "", "base64").length > 4 * KB,
  ],
];

export const RULES: readonly Rule[] = [...S3, ...SQS, ...DYNAMODB, ...OTHERS];
