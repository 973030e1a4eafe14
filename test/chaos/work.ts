import { randomBytes } from "node:crypto";
import { HOUR } from "../../lib/clock.ts";
import type { FinalStatus } from "../../lib/job/status.ts";
import type { Random } from "../sim/random.ts";
import { csvForm, type Answer, type Client } from "./clients.ts";

// What ordinary apps ask for: webhooks, built-in tasks, bulk actions and PDFs. Each kind knows how it is asked for, how
// it may end, and what must have come of it.

type Kind = "webhook" | "example" | "import_csv" | "export_report" | "bulk_action" | "long PDF" | "quick PDF";

export interface Accepted {
  readonly id: string;
  readonly by: Client;
  readonly kind: Kind | "schedule";
  /** How it ends. `any`: nobody knows what came of its only attempt. */
  readonly ends: FinalStatus | "any";
  /** Its end is to be told to the target. */
  readonly calledBack: boolean;
  /** What is wrong with its result, once it has ended well. */
  readonly check?: () => Promise<string | undefined>;
  /** Of an import. */
  readonly rows?: number;
  /** Whether its request was answered with another one's job. */
  readonly replayed: boolean;
  /** By `performance.now()`. */
  readonly acceptedAt: number;
  /** Undefined if its request was repeated. */
  readonly answeredMs: number | undefined;
}

interface Asked {
  readonly by: Client;
  readonly random: Random;
  readonly target: string;
  /** No other job of the app has it. */
  readonly key: string;
}

type AskFor = (asked: Asked) => Promise<readonly Accepted[]>;

/** An attempt that was lost holds its job until its lease ends, 15 s after this: shorter is sooner. */
const TIMEOUT_SECONDS = 2;
/** More than faults can use up. */
const PATIENT = 50;
const DATASET = "chaos";
const CREATED = [200, 201, 202];
const SCHEDULES = 3;

const KINDS: Readonly<Record<Kind, AskFor>> = {
  webhook: async ({ by, random, target, key }) => [await postWebhook(by, anyWebhook(random, target, key))],

  example: async ({ by, random, key }) => {
    const words = Array.from({ length: 1 + random.below(5) }, () => "a".repeat(1 + random.below(9)));
    const letters = words.join("").length;
    return [await postTask(by, key, "example", { words }, (result) => differs(result, { letters }))];
  },

  // All go to one dataset, whose rows are counted in the end.
  import_csv: async ({ by, random, key }) => {
    const rows = 1 + random.below(50);
    const payload = JSON.stringify({ dataset: DATASET, columns: { key: "string", n: "integer" } });
    const lines = Array.from({ length: rows }, (_, n) => `${key},${n}\n`);
    const { bytes, type } = await csvForm({ jobType: "import_csv", payload }, `key,n\n${lines.join("")}`);
    const headers = { "content-type": type, "idempotency-key": key };
    const asked = await timed(by.ask({ method: "POST", path: "/api/jobs", body: bytes, headers }));
    const { id } = created(asked).json() as { id: string };
    const check = async () => differs(await resultOf(by, id), { imported: rows, rejected: 0 });
    return [acceptedAs("import_csv", by, id, asked, { check, rows })];
  },

  export_report: async ({ by, key }) => [
    await postTask(by, key, "export_report", { reportType: "jobs", format: "csv", bom: false }, reportProblem),
  ],

  bulk_action: async ({ by, target, key }) => {
    const scheduledAt = new Date((await by.now()) + 100 * HOUR).toISOString();
    const schedules: Accepted[] = [];
    for (let n = 0; n < SCHEDULES; n += 1) {
      const { message: targetJob } = plainWebhook(target, `${key}-${n}-run`);
      const execution = { type: "schedule", scheduledAt, targetJob };
      const message = { execution, metadata: { idempotencyKey: `${key}-${n}` } };
      schedules.push({ ...(await postWebhook(by, { message })), kind: "schedule", ends: "CANCELLED" });
    }
    const payload = { action: "cancel", filter: { executionType: "schedule" } };
    return [...schedules, await postTask(by, key, "bulk_action", payload)];
  },

  "long PDF": async ({ by, key }) => {
    const document = { input_type: "html", html: `<h1>${key}</h1>${"<p>A line of text.</p>".repeat(100)}` };
    const body = { ...document, webhook_url: null, idempotency_key: key };
    const asked = await timed(by.ask({ method: "POST", path: "/longjob", body }));
    const { job_id: id } = created(asked).json() as { job_id: string };
    return [acceptedAs("long PDF", by, id, asked, { check: async () => longPdfProblem(by, id) })];
  },

  "quick PDF": async ({ by, key }) => {
    const body = { input_type: "html", html: `<h1>${key}</h1>`, idempotency_key: key };
    const asked = await timed(by.ask({ method: "POST", path: "/quickjob", body }));
    const { status, headers, bytes } = asked.answer;
    const isMade = status === 200 && isPdf(bytes);
    // 409: the job of an earlier try, of which nobody knows what came.
    const id = isMade ? String(headers["x-job-id"]) : jobOfKey(asked.answer);
    return [acceptedAs("quick PDF", by, id, asked, { ends: isMade ? "SUCCEEDED" : "any" })];
  },
};

/** Dealt like cards, so that even a short run has every kind. */
const DECK: readonly Kind[] = [
  ...Array.from({ length: 30 }, () => "webhook" as const),
  ...Array.from({ length: 4 }, () => "example" as const),
  "import_csv",
  "import_csv",
  "export_report",
  "bulk_action",
  "long PDF",
  "quick PDF",
];

/** Returns the function that asks for the nth job of the apps. */
export function createWork(apps: readonly Client[], random: Random, target: string) {
  const kinds: Kind[] = [];
  const kindOf = (n: number): Kind => {
    while (kinds.length <= n) kinds.push(...random.shuffle([...DECK]));
    return kinds[n] ?? "webhook";
  };
  return async (n: number): Promise<readonly Accepted[]> => {
    const by = apps[n % apps.length] as Client;
    const ask: AskFor = KINDS[kindOf(n)];
    return ask({ by, random: random.fork(`job ${n}`), target, key: `chaos-${n}` });
  };
}

/** What is wrong with the rows that an app has imported. `statuses`: of its imports, with their rows. */
export async function importProblem(by: Client, imports: readonly Imported[]): Promise<string | undefined> {
  const rowsOf = (some: readonly Imported[]) => some.reduce((sum, { rows }) => sum + rows, 0);
  const { datasets } = (await by.ask({ method: "GET", path: "/v1/datasets" })).json() as {
    datasets: { name: string; rows: number }[];
  };
  const { rows = 0 } = datasets.find(({ name }) => name === DATASET) ?? {};
  // One that ran out of attempts may have added its rows before its last attempt was lost.
  const [least, most] = [rowsOf(imports.filter(({ status }) => status === "SUCCEEDED")), rowsOf(imports)];
  if (rows >= least && rows <= most) return undefined;
  return `${by.appId} has imported ${least === most ? least : `${least} to ${most}`} rows, and its dataset has ${rows}`;
}

export interface Imported {
  readonly rows: number;
  readonly status: string | undefined;
}

// ---- Webhooks ----

/** A request for a webhook, with a drawn mode, size, lane, retries and callback. */
function anyWebhook(random: Random, target: string, key: string): object {
  // Incompressible sizes for the job's item, an item of its own, and the bucket.
  const size = random.chance(0.02) ? 600_000 : random.chance(0.1) ? 3_000 : 0;
  const { message } = plainWebhook(target, key);
  const { lambdaProxyMessage, execution, metadata } = message;
  const patient = { maxRetries: PATIENT, retry: { baseDelaySeconds: 30, maxDelaySeconds: 240 } };
  const retries = random.chance(0.1) ? { maxRetries: 2 } : patient;
  const lane = random.chance(0.15) && { messageGroupId: `lane-${random.below(5)}` };
  return {
    mode: random.chance(0.2) ? "db" : "both",
    message: {
      lambdaProxyMessage: { ...lambdaProxyMessage, body: randomBytes((size * 3) / 4).toString("base64") },
      execution: { ...execution, timeoutSeconds: TIMEOUT_SECONDS },
      metadata: { ...metadata, ...retries, ...lane },
    },
    ...(random.chance(0.2) && { onComplete: { url: `${target}/callback` } }),
  };
}

export function plainWebhook(target: string, key: string) {
  return {
    message: {
      lambdaProxyMessage: { path: "/job", httpMethod: "POST", body: "{}" },
      execution: { type: "rest-api", baseUrl: target },
      metadata: { idempotencyKey: key },
    },
  };
}

export async function postWebhook(by: Client, body: object): Promise<Accepted> {
  const asked = await timed(by.ask({ method: "POST", path: "/v1/jobs/create", body }));
  const { id } = created(asked).json().data as { id: string };
  return acceptedAs("webhook", by, id, asked, { calledBack: "onComplete" in body });
}

// ---- Tasks and PDFs ----

/** `check`: what is wrong with the result. */
async function postTask(
  by: Client,
  key: string,
  jobType: "example" | "export_report" | "bulk_action",
  payload: object,
  check?: (result: Result) => Promise<string | undefined> | string | undefined,
): Promise<Accepted> {
  const body = { jobType, payload, maxRetries: PATIENT, idempotencyKey: key };
  const asked = await timed(by.ask({ method: "POST", path: "/v1/jobs", body }));
  const { jobId: id } = created(asked).json() as { jobId: string };
  return acceptedAs(jobType, by, id, asked, check ? { check: async () => check(await resultOf(by, id)) } : {});
}

type Result = Readonly<Record<string, unknown>>;

async function resultOf(by: Client, id: string): Promise<Result> {
  const { job } = (await by.ask({ method: "GET", path: `/v1/jobs/${id}/status` })).json() as {
    job: { result: Result };
  };
  return job.result ?? {};
}

function differs(result: Result, expected: Result): string | undefined {
  const wrong = Object.entries(expected).filter(([field, value]) => result[field] !== value);
  return wrong.length === 0 ? undefined : `has the result ${JSON.stringify(result)}, not ${JSON.stringify(expected)}`;
}

async function reportProblem(result: Result): Promise<string | undefined> {
  const bytes = await fileAt(result["downloadUrl"]);
  const isWhole = bytes.length === result["fileSize"] && bytes.toString().startsWith("id,");
  return isWhole ? undefined : `has a report of ${bytes.length} bytes, not ${String(result["fileSize"])}`;
}

async function longPdfProblem(by: Client, id: string): Promise<string | undefined> {
  const { s3_url: url } = (await by.ask({ method: "GET", path: `/jobs/${id}` })).json() as { s3_url: string | null };
  return isPdf(await fileAt(url)) ? undefined : `has no PDF at ${url}`;
}

function isPdf(bytes: Buffer): boolean {
  return bytes.subarray(0, 5).toString() === "%PDF-" && bytes.subarray(-10).toString().includes("%%EOF");
}

async function fileAt(url: unknown): Promise<Buffer> {
  if (typeof url !== "string") return Buffer.alloc(0);
  const answer = await fetch(url).catch(() => undefined);
  return Buffer.from((await answer?.arrayBuffer()) ?? new ArrayBuffer());
}

/** The job that a quick job's key belongs to already. */
function jobOfKey({ status, json }: Answer): string {
  const { details = [] } = (status === 409 ? json().error : {}) as { details?: { field: string; message: string }[] };
  const job = details.find(({ field }) => field === "job_id");
  if (!job) throw new Error(`A quick job was answered ${status}: ${JSON.stringify(json())}`);
  return job.message;
}

// ---- Requests ----

interface Timed {
  readonly answer: Answer & { readonly isRepeated: boolean };
  readonly began: number;
  readonly at: number;
}

async function timed(asking: Promise<Timed["answer"]>): Promise<Timed> {
  const began = performance.now();
  const answer = await asking;
  return { answer, began, at: performance.now() };
}

function created({ answer }: Timed): Answer {
  if (CREATED.includes(answer.status)) return answer;
  throw new Error(`A create was answered ${answer.status}: ${answer.bytes.toString()}`);
}

function acceptedAs(
  kind: Kind,
  by: Client,
  id: string,
  { answer, began, at }: Timed,
  more: Partial<Pick<Accepted, "ends" | "calledBack" | "check" | "rows">>,
): Accepted {
  return {
    id,
    by,
    kind,
    ends: "SUCCEEDED",
    calledBack: false,
    replayed: answer.headers["idempotent-replayed"] === "true",
    acceptedAt: at,
    answeredMs: answer.isRepeated ? undefined : at - began,
    ...more,
  };
}
