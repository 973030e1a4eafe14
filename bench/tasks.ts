import { createTable } from "../lib/store/table.ts";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createAppStores } from "../lib/store/app-store.ts";
import { CLIENT_DEFAULTS } from "../lib/aws.ts";
import { createClock } from "../lib/clock.ts";
import { createDatasetStore } from "../lib/datasets/dataset-store.ts";
import { createUploads } from "../lib/files/uploads.ts";
import { createFileStore } from "../lib/files/file-store.ts";
import { createBucket } from "../lib/store/bucket.ts";
import { createJobStore } from "../lib/store/job-store.ts";
import { createMail } from "../lib/outbound/mail.ts";
import { createSealer } from "../lib/store/sealer.ts";
import { createPageQuota } from "../lib/pdf/page-quota.ts";
import { createPdfs } from "../lib/pdf/pdfs.ts";
import { createTaskServices } from "../lib/tasks/services.ts";
import { definitionOf } from "../lib/tasks/index.ts";
import { peakMb } from "./measure.ts";

// `npm run bench -- tasks`: a million rows in and out of a dataset, each task in a process of its own,
// on embedded parts in memory. Prints rows per second, the most memory held, and writes to DynamoDB.

const ROWS = Number(process.env["ROWS"] ?? 1_000_000);
/** Makes rows longer: `FILL=950` is a gigabyte. */
const FILL = "x".repeat(Number(process.env["FILL"] ?? 0));
/** Node's heap limits in a Lambda of 256 MB: 5 % and 90 % of it. Without them, the machine's memory is the limit. */
const HEAP = ["--max-semi-space-size=12", "--max-old-space-size=230"];

const COLUMNS = {
  id: "integer",
  region: "string",
  amount: "number",
  paid: "boolean",
  on: "date",
  note: "string",
};

const PAYLOADS = {
  import: ["import_csv", { dataset: "rows", columns: COLUMNS }],
  csv: ["export_report", { reportType: "rows", format: "csv" }],
  json: ["export_report", { reportType: "rows", format: "json" }],
  xlsx: ["export_report", { reportType: "rows", format: "xlsx" }],
  group: [
    "data_processing",
    {
      source: "rows",
      target: "regions",
      groupBy: { fields: ["region"], aggregates: { total: { op: "sum", field: "amount" } } },
    },
  ],
} as const;

type Case = keyof typeof PAYLOADS;

interface Order {
  readonly what: Case;
  readonly env: Record<string, string>;
  readonly appId: string;
  readonly fileKey: string;
}

interface Reply {
  readonly ms: number;
  readonly writes: number;
  /** The number of progress reports: one more write each, if the executor stores all of them. */
  readonly shown: number;
  readonly outcome: unknown;
}

export async function benchTasks(): Promise<void> {
  const local = { AWS_REGION: "local", AWS_ACCESS_KEY_ID: "local", AWS_SECRET_ACCESS_KEY: "local" };
  Object.assign(process.env, local);
  const { createTaskWorld } = await import("../test/support/task-world.ts");
  const world = await createTaskWorld();
  const env = {
    ...local,
    AWS_ENDPOINT_URL_DYNAMODB: world.endpoints.dynamodb,
    AWS_ENDPOINT_URL_S3: world.endpoints.s3,
    TABLE: world.tableName,
    BUCKET: world.bucket,
  };
  const file = world.files.upload(`files/${world.appId}/bench/rows.csv`, "text/csv");
  await file.write(Buffer.from(`${Object.keys(COLUMNS).join(",")}\n`));
  for (let from = 0; from < ROWS; from += 10_000) {
    const rows = Array.from({ length: Math.min(10_000, ROWS - from) }, (_, index) => rowOf(from + index));
    await file.write(Buffer.from(rows.join("")));
  }
  const bytes = await file.complete();
  process.stdout.write(`${ROWS} rows, ${(bytes / 1e6).toFixed(0)} MB of CSV\n`);
  for (const what of Object.keys(PAYLOADS) as Case[]) {
    const order = { what, env, appId: world.appId, fileKey: `files/${world.appId}/bench/rows.csv` };
    const child = fork(fileURLToPath(import.meta.url), { execArgv: HEAP });
    child.send(order satisfies Order);
    const [reply] = (await once(child, "message")) as [Reply];
    const perSecond = Math.round((1_000 * ROWS) / reply.ms);
    const memory = peakMb(child.pid ?? 0).toFixed(0);
    process.stdout.write(
      `${what.padEnd(7)} ${String(perSecond).padStart(8)} rows/s  ${(reply.ms / 1_000).toFixed(1)} s  ` +
        `${memory} MB at most  ${reply.writes} writes to DynamoDB and ${reply.shown} of progress  ${JSON.stringify(reply.outcome)}\n`,
    );
    child.disconnect();
  }
  await world.end();
}

function rowOf(id: number): string {
  return `${id},region-${id % 50},${(id % 1_000) / 8},${id % 2 === 0},2026-01-${String((id % 28) + 1).padStart(2, "0")},"a note, of row ${id}${FILL}"\n`;
}

/** Runs one task in this process, with the context that an executor gives it. */
async function work({ what, env, appId, fileKey }: Order): Promise<void> {
  Object.assign(process.env, env);
  const { BUCKET = "", TABLE: name = "" } = env;
  const bucket = createBucket({ name: BUCKET });
  const clock = createClock();
  const client = new DynamoDBClient(CLIENT_DEFAULTS);
  let writes = 0;
  client.middlewareStack.add(
    (next, { commandName = "" }) =>
      async (args) => {
        if (!/^(Get|BatchGet|Query)/.test(commandName)) writes += 1;
        return next(args);
      },
    { step: "initialize" },
  );
  const table = createTable({ name, clock, client });
  const files = createFileStore({ bucket, clock });
  const store = createJobStore({ table, files: bucket, clock });
  const sealer = createSealer({ kind: "local", key: Buffer.alloc(32) });
  const { apps } = createAppStores({ table, clock, sealer });
  const servicesOf = createTaskServices({
    clock,
    store,
    apps,
    files,
    pdfs: createPdfs({ files, render: async () => ({}) }),
    pages: createPageQuota({ table, clock, log: () => {}, apps }),
    datasets: createDatasetStore({ table, clock, files, apps }),
    uploads: createUploads({ table, bucket, clock, apps }),
    mail: createMail(undefined),
    rules: { allowPrivateTargets: false },
    people: { retryJob: async () => undefined, stopJob: async () => undefined },
    walks: { begin: async () => undefined, step: async (pass) => pass, conclude: async () => undefined },
    waits: async () => ({ backlogsFor: async () => [] }),
    executionTypes: [],
  });
  const [jobType, asked] = PAYLOADS[what];
  const task = await definitionOf(jobType);
  const run = { appId, jobId: clock.uuid(), createdAt: 0, attempt: 1, signal: new AbortController().signal };
  let shown = 0;
  const line = async () => {};
  const started = performance.now();
  const outcome = await task.run(task.payload.parse(asked), {
    ...servicesOf(run),
    job: { id: run.jobId, appId, attempt: 1, createdAt: clock.now(), file: { key: fileKey, name: "rows.csv" } },
    log: { debug: line, info: line, warning: line, error: line },
    progress: async () => void (shown += 1),
    signal: run.signal,
    saved: undefined,
    checkpoint: async () => {},
    submit: async () => "",
    pause: async () => {},
    now: () => clock.now(),
  });
  process.send?.({ ms: performance.now() - started, writes, shown, outcome } satisfies Reply);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.once("message", (order) => void work(order as Order));
}
