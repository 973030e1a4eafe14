import { createTable } from "../../lib/store/table.ts";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SESv2Client } from "@aws-sdk/client-sesv2";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAppStores } from "../../lib/store/app-store.ts";
import { CLIENT_DEFAULTS, FRESH_CONNECTIONS } from "../../lib/aws.ts";
import { createClock, type Clock } from "../../lib/clock.ts";
import { createDatasetStore } from "../../lib/datasets/dataset-store.ts";
import { EXECUTION_TYPES } from "../../lib/executors/index.ts";
import { createUploads } from "../../lib/files/uploads.ts";
import { createFileStore, filesPrefix } from "../../lib/files/file-store.ts";
import { createBucket } from "../../lib/store/bucket.ts";
import { createJobStore, type JobStore } from "../../lib/store/job-store.ts";
import type { Job } from "../../lib/job/job.ts";
import { createMail } from "../../lib/outbound/mail.ts";
import type { GroupPass } from "../../lib/job/group.ts";
import { encodeMessage } from "../../lib/job/payload.ts";
import { createSealer } from "../../lib/store/sealer.ts";
import { createPageQuota } from "../../lib/pdf/page-quota.ts";
import { createPdfs } from "../../lib/pdf/pdfs.ts";
import { createTaskServices } from "../../lib/tasks/services.ts";
import { definitionOf } from "../../lib/tasks/index.ts";
import type { LogLevel, Task, TaskContext, TaskJob, TaskOutcome } from "../../lib/tasks/task.ts";
import { emailsIn, startMailbox } from "../../local/mailbox.ts";
import { emulated } from "./emulated.ts";
import type { Status } from "../../lib/job/status.ts";
import type { Execution } from "../../lib/job/message.ts";
import { accept } from "../../lib/job/accept.ts";
import type { Row } from "../../lib/datasets/dataset.ts";

export interface Ran {
  /** Undefined when the run threw. */
  readonly outcome: TaskOutcome | undefined;
  readonly thrown: unknown;
  readonly logs: readonly { level: LogLevel; message: string; rowNumber?: number | undefined }[];
  readonly steps: readonly { step: number; total: number; percent: number; label?: string | undefined }[];
  /** The last checkpoint, which the next attempt is given. */
  readonly saved: unknown;
  /** The waits that it asked for, in milliseconds. They take no time. */
  readonly pauses: readonly number[];
}

interface RunOptions {
  readonly appId?: string;
  readonly jobId?: string;
  /** Differs for a job that was posted again. */
  readonly createdAt?: number;
  readonly attempt?: number;
  readonly file?: TaskJob["file"];
  readonly saved?: unknown;
  readonly signal?: AbortSignal;
  /** Called at each checkpoint and progress: a throw is a crash. */
  readonly at?: (what: "checkpoint" | "progress", count: number) => void;
}

/** The parts of built-in tasks: real emulators, and the context that an executor gives a run. */
export async function createTaskWorld() {
  const { endpoints, references } = await emulated();
  process.env["AWS_ENDPOINT_URL_S3"] = endpoints.s3;
  const mailDir = mkdtempSync(join(tmpdir(), "mailbox-"));
  const mailbox = await startMailbox(mailDir);
  const bucketName = references["JobsBucket"] ?? "";
  const bucket = createBucket({ name: bucketName });
  const client = new DynamoDBClient({ ...CLIENT_DEFAULTS, endpoint: endpoints.dynamodb });
  const ses = new SESv2Client({ endpoint: mailbox.url, maxAttempts: 1, requestHandler: FRESH_CONNECTIONS });
  // A client of the test's own, independent of the connections of the service's.
  const s3 = new S3Client({ endpoint: endpoints.s3, forcePathStyle: true });
  let ahead = 0;
  const real = createClock();
  const clock: Clock = { ...real, now: () => real.now() + ahead };
  const tableName = references["JobsTable"] ?? "";
  const table = createTable({ name: tableName, clock, client });
  const files = createFileStore({ bucket, clock });
  const store = createJobStore({ table, files: bucket, clock });
  const sealer = createSealer({ kind: "local", key: randomBytes(32) });
  const { apps } = createAppStores({ table, clock, sealer });
  const datasets = createDatasetStore({ table, clock, files, apps });
  const uploads = createUploads({ table, bucket, clock, apps });
  const mail = createMail("jobs@example.com", ses);
  const parts = {
    clock,
    store,
    apps,
    files,
    uploads,
    datasets,
    mail,
    pdfs: createPdfs({ files, render: async () => ({}) }),
    pages: createPageQuota({ table, clock, log: () => {}, apps }),
    people: { retryJob: async () => undefined, stopJob: async () => undefined },
    walks: { begin: async () => undefined, step: async (pass: GroupPass) => pass, conclude: async () => undefined },
    waits: async () => ({ backlogsFor: async () => [] }),
    executionTypes: EXECUTION_TYPES,
  };
  const servicesOf = createTaskServices({ ...parts, rules: { allowPrivateTargets: true } });
  const guardedServicesOf = createTaskServices({ ...parts, rules: { allowPrivateTargets: false } });
  const appId = randomUUID();

  /** `which`: the type of a built-in task, or another task. */
  const run = async (which: string | Task, payload: unknown, options: RunOptions = {}, services = servicesOf) =>
    runTask({ clock, appId, services }, which, payload, options);

  return {
    appId,
    bucket: bucketName,
    table,
    tableName,
    endpoints,
    clock,
    files,
    store,
    apps,
    uploads,
    datasets,
    servicesOf,
    run,
    /** Runs a task as a deployment would, where no private address may be called. */
    guarded: () => async (jobType: string, payload: unknown) => run(jobType, payload, {}, guardedServicesOf),
    ...createFileReaders({ appId, bucketName, clock, files, s3, servicesOf }),
    emails: () => emailsIn(mailDir),
    mailDir,
    /** Moves service time on; the bucket goes by real time. */
    pass: (ms: number) => {
      ahead += ms;
    },
    job: async (status: Status, fields: Partial<Job> = {}, execution?: Execution) =>
      jobAs({ appId, store, clock }, status, fields, execution),
    end: async () => {
      client.destroy();
      s3.destroy();
      ses.destroy();
      mailbox.close();
      rmSync(mailDir, { recursive: true, force: true });
    },
  };
}

type Services = ReturnType<typeof createTaskServices>;

/** Runs a task as an executor would. */
async function runTask(
  { clock, appId, services }: { clock: Clock; appId: string; services: Services },
  which: string | Task,
  payload: unknown,
  options: RunOptions,
): Promise<Ran> {
  const task = typeof which === "string" ? await definitionOf(which) : which;
  const { jobId = clock.uuid(), createdAt = 0, attempt = 1, file, signal = new AbortController().signal, at } = options;
  const by = { appId: options.appId ?? appId, jobId, createdAt, attempt, signal };
  const logs: { level: LogLevel; message: string; rowNumber?: number | undefined }[] = [];
  const steps: { step: number; total: number; percent: number; label?: string | undefined }[] = [];
  const pauses: number[] = [];
  let saved = options.saved;
  let checkpoints = 0;
  const line = (level: LogLevel) => async (message: string, detail?: { readonly rowNumber?: number }) =>
    void logs.push({ level, message, rowNumber: detail?.rowNumber });
  const context: TaskContext = {
    ...services(by),
    job: { id: jobId, appId: by.appId, attempt, createdAt: clock.now(), ...(file && { file }) },
    log: { debug: line("debug"), info: line("info"), warning: line("warning"), error: line("error") },
    progress: async (step, total, shown) => {
      steps.push({ step, total, percent: shown?.percent ?? Math.floor((100 * step) / total), label: shown?.label });
      at?.("progress", steps.length);
    },
    signal,
    saved,
    checkpoint: async (value) => {
      const text = JSON.stringify(value);
      if (text.length > 4_096) throw new Error(`A checkpoint of ${text.length} characters`);
      saved = JSON.parse(text) as unknown;
      checkpoints += 1;
      at?.("checkpoint", checkpoints);
    },
    submit: async () => {
      throw new Error("No built-in task submits another");
    },
    pause: async (ms) => void pauses.push(ms),
    now: () => clock.now(),
  };
  const parsed = task.payload.parse(payload);
  try {
    const outcome = await task.run(parsed, context);
    return { outcome, thrown: undefined, logs, steps, saved, pauses };
  } catch (thrown) {
    return { outcome: undefined, thrown, logs, steps, saved, pauses };
  }
}

interface FileParts {
  readonly appId: string;
  readonly bucketName: string;
  readonly clock: Clock;
  readonly files: ReturnType<typeof createFileStore>;
  readonly s3: S3Client;
  readonly servicesOf: Services;
}

/** Puts and reads files and datasets. */
function createFileReaders({ appId, bucketName, clock, files, s3, servicesOf }: FileParts) {
  /** Puts a file at the key of an upload. */
  async function upload(content: string | Uint8Array, name = "rows.csv", mimeType = "text/csv") {
    const key = `${filesPrefix(appId)}${clock.uuid()}/${name}`;
    await s3.send(new PutObjectCommand({ Bucket: bucketName, Key: key, Body: content, ContentType: mimeType }));
    return { key, name };
  }

  async function rowsOf(dataset: string, of = appId): Promise<Row[]> {
    const { datasets: own } = servicesOf({
      appId: of,
      jobId: "-",
      createdAt: 0,
      attempt: 1,
      signal: new AbortController().signal,
    });
    const rows: Row[] = [];
    for await (const batch of own.rows(dataset)) rows.push(...batch);
    return rows;
  }

  async function content(key: string): Promise<Buffer> {
    const object = await s3.send(new GetObjectCommand({ Bucket: bucketName, Key: key }));
    return Buffer.from((await object.Body?.transformToByteArray()) ?? []);
  }

  /** All keys with a prefix. */
  async function keys(prefix: string): Promise<string[]> {
    const found: string[] = [];
    for await (const page of files.list(prefix)) found.push(...page.map(({ key }) => key));
    return found;
  }

  return { upload, rowsOf, content, keys };
}

/** Stores a job of the app as if it had come to this status. */
async function jobAs(
  { appId, store, clock }: { appId: string; store: Pick<JobStore, "create">; clock: Clock },
  status: Status,
  fields: Partial<Job>,
  execution: Execution | undefined,
): Promise<Job> {
  const webhook = { type: "rest-api", baseUrl: "https://a.example", timeoutSeconds: 30 };
  const message = { execution: execution ?? webhook, metadata: {} };
  const payload = { at: "inline", bytes: encodeMessage(message) } as const;
  const terms = { destination: "https://a.example", timeoutMs: 30_000 };
  const accepted = accept({ appId, mode: "both", message }, terms, payload, clock.now(), clock.uuid());
  const { dueAt, ...finished } = accepted;
  const kept = ["PENDING", "RUNNING", "RETRYING"].includes(status) && dueAt !== undefined ? { dueAt } : {};
  const job = { ...finished, ...kept, status, ...fields } as Job;
  await store.create(job);
  return job;
}

export type TaskWorld = Awaited<ReturnType<typeof createTaskWorld>>;
