import { SECOND, MINUTE } from "../../lib/clock.ts";
import { csvForm } from "./clients.ts";

// What a hostile app does: floods, large and malformed requests, and all that holds something for long. Their rates leave
// the machine's two cores room, on which one gateway serves all: what others feel is to be what is held, not the processor
// time of what is asked.

export interface Ask {
  /** Default: POST. */
  readonly method?: "GET" | "POST" | "PUT";
  readonly path: string;
  /** An object goes as JSON, text and bytes as they are. */
  readonly body?: object | string;
  /** Default: JSON. */
  readonly type?: string;
}

export interface Attack {
  /** Never throws; 0 is no answer. */
  readonly ask: (asked: Ask) => Promise<{ readonly status: number; readonly text: string }>;
  readonly appId: string;
  /** Servers that never answer. */
  readonly hosts: readonly string[];
  /** So many of a thing, or fewer in a short run. */
  readonly many: (count: number) => number;
}

interface Act {
  readonly everyMs: number;
  /** A start of Chromium takes a second of processor time: a short run does without. */
  readonly needsBrowser?: true;
  /** `n`: how often it was done before. */
  readonly act: (attack: Attack, n: number) => Promise<unknown>;
}

/** In 16 parts: each is signed, and the gateway of this machine serves nobody else meanwhile. */
const ANNOUNCED_BYTES = 128 * 1_024 ** 2;
const LONG_AGO = "2020-01-01";

export const ACTS: readonly Act[] = [
  // Webhooks that hold an execution for ten minutes: in some minutes more of them than `runTasks` has.
  {
    everyMs: 2 * SECOND,
    act: async ({ ask, hosts, many }) => postBatch(ask, many(5), () => webhook(hosts[0], { timeoutSeconds: 600 })),
  },
  // Webhooks of a minute, to many hosts.
  {
    everyMs: 2 * SECOND,
    act: async ({ ask, hosts, many }, n) =>
      postBatch(ask, many(5), (at) => webhook(hosts[(5 * n + at) % hosts.length], { timeoutSeconds: 60 })),
  },
  // Bursts of webhooks that fail at once.
  { everyMs: 10 * SECOND, act: async ({ ask, many }) => postBatch(ask, many(10), () => webhook("http://127.0.0.1:1")) },
  // Lanes of slow jobs.
  {
    everyMs: 5 * SECOND,
    act: async ({ ask, hosts, many }) =>
      postBatch(ask, many(4), (at) => webhook(hosts[1], { timeoutSeconds: 60 }, { messageGroupId: `lane-${at % 4}` })),
  },
  {
    everyMs: 5 * SECOND,
    needsBrowser: true,
    act: async ({ ask, many }) => atOnce(many(10), async () => ask({ path: "/quickjob", body: document(20) })),
  },
  {
    everyMs: 10 * SECOND,
    needsBrowser: true,
    act: async ({ ask }) => ask({ path: "/longjob", body: { ...document(500), webhook_url: null } }),
  },
  { everyMs: SECOND, act: async ({ ask, many }) => poll(ask, many(10)) },
  // Files and datasets, up to what the app may have.
  {
    everyMs: 10 * SECOND,
    act: async ({ ask }, n) => {
      const announced = { fileName: `${n}.csv`, size: ANNOUNCED_BYTES, contentType: "text/csv" };
      await ask({ path: "/api/jobs/uploads", body: announced });
      const payload = JSON.stringify({ dataset: `dataset_${n}`, columns: { a: "string" } });
      const { bytes, type } = await csvForm({ jobType: "import_csv", payload }, `a\n${"row\n".repeat(1_000)}`);
      await ask({ path: "/api/jobs", body: bytes, type });
    },
  },
  { everyMs: 5 * SECOND, act: async ({ ask }) => ask({ path: "/v1/jobs/create", body: everyMinute() }) },
  {
    everyMs: 10 * SECOND,
    needsBrowser: true,
    act: async ({ ask, hosts }) => {
      for (const body of growing(hosts[2])) await ask({ path: "/v1/jobs", body });
      await ask({ path: "/quickjob", body: { input_type: "markdown", markdown: "> ".repeat(5_000) } });
    },
  },
  // A bulk action that reads all of the app's jobs and finds none.
  {
    everyMs: 15 * SECOND,
    act: async ({ ask }) => ask({ path: "/v1/admin/jobs/cancel", body: { host: "nowhere.example" } }),
  },
  // Reads of lists, of the audit log and of usage.
  {
    everyMs: 2 * SECOND,
    act: async ({ ask, appId }) => {
      const admin = `/v1/admin/apps/${appId}`;
      const paths = ["/v1/admin/jobs?limit=100", "/v1/jobs?pageSize=100&page=50", `${admin}/audit`, `${admin}/usage`];
      await Promise.all(paths.map(async (path) => ask({ method: "GET", path })));
    },
  },
  {
    everyMs: SECOND,
    act: async ({ ask }, n) => {
      const malformed = MALFORMED[n % MALFORMED.length];
      if (malformed) await ask(malformed);
    },
  },
];

function webhook(baseUrl = "", execution: object = {}, metadata: object = {}): object {
  const lambdaProxyMessage = { path: "/", httpMethod: "POST", body: "{}" };
  return {
    message: {
      lambdaProxyMessage,
      execution: { type: "rest-api", baseUrl, ...execution },
      metadata: { maxRetries: 3, ...metadata },
    },
  };
}

async function postBatch(ask: Attack["ask"], count: number, job: (at: number) => object): Promise<void> {
  await ask({ path: "/v1/jobs/batch", body: { jobs: Array.from({ length: count }, (_, at) => job(at)) } });
}

async function atOnce(count: number, one: () => Promise<unknown>): Promise<void> {
  await Promise.all(Array.from({ length: count }, one));
}

function document(paragraphs: number) {
  return { input_type: "html", html: "<p>A line of text that is printed.</p>".repeat(paragraphs) };
}

/** Waits for the news of a task that starts in an hour, many times at once. */
async function poll(ask: Attack["ask"], times: number): Promise<void> {
  const scheduledAt = new Date(Date.now() + 1_000 * 60 * MINUTE).toISOString();
  const { text, status } = await ask({
    path: "/v1/jobs",
    body: { jobType: "example", payload: { words: ["a"] }, scheduledAt },
  });
  if (status !== 201) return;
  const path = `/v1/jobs/${(JSON.parse(text) as { jobId: string }).jobId}/events`;
  const first = await ask({ method: "GET", path });
  if (first.status !== 200) return;
  const { after } = JSON.parse(first.text) as { after: string };
  await atOnce(times, async () => ask({ method: "GET", path: `${path}?after=${encodeURIComponent(after)}` }));
}

function everyMinute(): object {
  const { message: targetJob } = webhook("http://127.0.0.1:1") as { message: object };
  return {
    message: { execution: { type: "schedule", scheduleExpression: "rate(1 minute)", targetJob }, metadata: {} },
  };
}

/** Tasks whose small payloads become large when they are filled in. */
function growing(url = ""): object[] {
  const body = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`field${n}`, "{{x}}".repeat(20)]));
  const notification = { webhook: { url, body }, variables: { x: "x".repeat(10_000) } };
  const select = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`a${n}`, "a"]));
  const processing = { source: "dataset_0", select, target: "grown", mode: "replace" };
  const report = { reportType: "jobs", format: "xlsx", filters: { dateFrom: LONG_AGO } };
  return [
    { jobType: "notification", payload: notification },
    { jobType: "data_processing", payload: processing },
    { jobType: "export_report", payload: report },
  ];
}

const MALFORMED: readonly Ask[] = [
  { path: "/v1/jobs/create", body: '{"message":{"metadata":{"idempotencyKey":"\\ud800"}}}' },
  { path: "/v1/jobs/create", body: Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]) },
  { path: "/v1/jobs/create", body: `${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}` },
  { path: "/v1/jobs/batch", body: `{"jobs":[${'"x",'.repeat(99)}"x"]}` },
  { path: "/v1/jobs/create", body: "x".repeat(5 * 1_024 * 1_024) },
  { path: "/api/jobs", body: "--a\r\nContent-Disposition: form-data; name=", type: "multipart/form-data; boundary=a" },
  { path: "/quickjob", body: { input_type: "html", html: "<p>x", options: { headerTemplate: "<svg onload=x>" } } },
  { path: "/api/jobs/uploads", body: '{"fileName":"\\udfff.csv","size":1,"contentType":"text/csv"}' },
  { method: "PUT", path: "/accounts/me/webhook", body: '{"webhook_url":"https://[::1"}' },
  { method: "GET", path: "/v1/admin/jobs?cursor=%00%ff&limit=1e9" },
];
