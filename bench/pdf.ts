import { launch, type Browser } from "puppeteer-core";
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import chromium from "@sparticuz/chromium";
import { createClock } from "../lib/clock.ts";
import { createFileStore } from "../lib/files/file-store.ts";
import { runFunction } from "../lib/outbound/lambda-client.ts";
import { findChromium } from "../lib/pdf/chromium.ts";
import { createPdfs } from "../lib/pdf/pdfs.ts";
import { createRenderer } from "../lib/pdf/renderer.ts";
import { createBucket } from "../lib/store/bucket.ts";
import { createGuard } from "../local/guard.ts";
import { functionsFolder, startLambdaApi } from "../local/lambda-api.ts";
import { createFunctions } from "../local/lambda.ts";
import { readTemplate } from "../local/template.ts";
import { median, peakMb, percentile } from "./measure.ts";

// `npm run bench -- pdf`: an invoice and 150 pages, cold and warm, by a call of the function that has the browser, as
// the service makes them; beside puppeteer alone with the same Chromium and nothing of ours: no call, no lock, no
// count, no limit. Then the same without the call, and 200 invoices, for what they leave in memory.

const COLD_ROUNDS = 5;
const WARM = 60;
const MANY = 200;
const EARLY = 20;

const LINES = Array.from(
  { length: 24 },
  (_, n) =>
    `<tr><td>${n + 1}</td><td>Paper, recycled, ${n * 100} sheets</td><td>${n + 2}</td><td>€ ${(n * 7.31).toFixed(2)}</td></tr>`,
).join("");

const DOCUMENTS = {
  invoice: `<!doctype html><html lang="en"><head><title>Invoice 2026-0001</title><style>
    body { font: 11pt Arial, sans-serif; color: #222 } h1 { color: #0757ba } table { width: 100%; border-collapse: collapse }
    th { background: #eef; text-align: left } td, th { padding: 4px 8px; border-bottom: 1px solid #ccc }
    </style></head><body><h1>Invoice 2026-0001</h1><p>Example Ltd, 1 Long Street, Springfield</p>
    <table><thead><tr><th>#</th><th>Item</th><th>Pieces</th><th>Price</th></tr></thead><tbody>${LINES}</tbody></table></body></html>`,
  "150 pages": `<!doctype html><html lang="en"><body>${Array.from(
    { length: 150 },
    (_, n) =>
      `<section style="break-after: page"><h2>Chapter ${n + 1}</h2>${"<p>The quick brown fox jumps over the lazy dog, again and again. ".repeat(20)}</section>`,
  ).join("")}</body></html>`,
} as const;

type Name = keyof typeof DOCUMENTS;

interface Subject {
  render(html: string): Promise<Uint8Array>;
  /** Of its Chromium. */
  pid(): number;
  end(): Promise<void>;
}

const clock = createClock();
const silent = () => {};

/** Over HTTP, by an API of Lambda on this machine. */
async function ours(): Promise<Subject> {
  const root = join(import.meta.dirname, "..");
  const own = readTemplate(root).functions.filter(({ name }) => name === "renderPdf");
  const lambdaApi = await startLambdaApi(createFunctions(root, own), "", functionsFolder(root), createGuard({}));
  const known = { AWS_REGION: "local", AWS_ACCESS_KEY_ID: "local", AWS_SECRET_ACCESS_KEY: "local" };
  Object.assign(process.env, known, { AWS_ENDPOINT_URL_LAMBDA: lambdaApi.url });
  const files = createFileStore({ bucket: createBucket({ name: "bench" }), clock });
  const pdfs = createPdfs({ files, render: async (call, signal) => runFunction("renderPdf", call, signal) });
  return {
    render: async (html) => {
      const run = { appId: "bench", jobId: "bench", attempt: 1, signal: clock.timeout(60_000) };
      const { file } = await pdfs.make(run, { input_type: "html", html }, 60_000);
      return file ?? new Uint8Array();
    },
    pid: () => childOf(process.pid),
    end: async () => lambdaApi.close(),
  };
}

async function direct(): Promise<Subject> {
  const renderer = createRenderer({ clock, log: silent });
  return {
    render: async (html) => (await renderer.render({ input_type: "html", html }, clock.timeout(60_000))).file,
    pid: () => childOf(process.pid),
    end: () => renderer.end(),
  };
}

async function bare(): Promise<Subject> {
  const unpacked = await findChromium({ clock, log: silent });
  const home = await unpacked.createHome();
  chromium.setGraphicsMode = false;
  const args = [...chromium.args, "--disable-gpu", "--disable-software-rasterizer"];
  const browser: Browser = await launch({
    executablePath: unpacked.executable,
    args,
    env: unpacked.envIn(home),
    headless: "shell",
    pipe: true,
  });
  return {
    render: async (html) => {
      const page = await browser.newPage();
      await page.setContent(html, { waitUntil: "load" });
      const file = await page.pdf({ format: "A4", printBackground: true });
      await page.close();
      return file;
    },
    pid: () => browser.process()?.pid ?? 0,
    end: async () => {
      browser.process()?.kill("SIGKILL");
      rmSync(home, { recursive: true, force: true });
    },
  };
}

const SUBJECTS = { ours, direct, bare };

interface Order {
  readonly subject: keyof typeof SUBJECTS;
  readonly document: Name;
  readonly count: number;
}

interface Reply {
  /** From the end of the imports to the end of the first document. */
  readonly firstMs: number;
  readonly warmMs: readonly number[];
  readonly nodeMb: number;
  readonly chromiumMb: number;
  /** After 20 and after all, node and Chromium. */
  readonly grown: readonly { readonly node: number; readonly chromium: number }[];
}

export async function benchPdf(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "bench-pdf-"));
  const cold: number[] = [];
  for (let round = 0; round < COLD_ROUNDS; round += 1) {
    const TMPDIR = mkdtempSync(join(dir, "cold-"));
    cold.push((await inProcess({ subject: "ours", document: "invoice", count: 1 }, { TMPDIR })).firstMs);
    rmSync(TMPDIR, { recursive: true, force: true });
  }
  line("invoice, cold: unpack, start, render (ms)", median(cold));
  for (const document of Object.keys(DOCUMENTS) as Name[]) {
    const results: Record<keyof typeof SUBJECTS, Reply[]> = { ours: [], direct: [], bare: [] };
    // In turns, so that a busy minute of the machine affects all of them.
    for (let round = 0; round < 3; round += 1) {
      for (const subject of ["bare", "direct", "ours"] as const) {
        results[subject].push(await inProcess({ subject, document, count: document === "invoice" ? WARM : WARM / 4 }));
      }
    }
    const of = (subject: keyof typeof SUBJECTS, p: number) =>
      percentile(
        results[subject].flatMap(({ warmMs }) => warmMs),
        p,
      );
    line(`${document}, warm p50 (ms)`, of("ours", 50), of("bare", 50));
    line(`${document}, warm p95 (ms)`, of("ours", 95), of("bare", 95));
    line(`${document}, warm p50 (ms), beside no call`, of("ours", 50), of("direct", 50));
    const peak = (subject: keyof typeof SUBJECTS, key: "nodeMb" | "chromiumMb") =>
      median(results[subject].map((reply) => reply[key]));
    line(`${document}, most memory of Node (MB)`, peak("ours", "nodeMb"), peak("bare", "nodeMb"));
    line(`${document}, most memory of Chromium (MB)`, peak("ours", "chromiumMb"), peak("bare", "chromiumMb"));
  }
  const { grown } = await inProcess({ subject: "ours", document: "invoice", count: MANY });
  for (const [index, { node, chromium: browser }] of grown.entries()) {
    const after = index === 0 ? EARLY : MANY;
    line(`memory of Node after ${after} invoices (MB)`, node);
    line(`memory of Chromium after ${after} invoices (MB)`, browser);
  }
  rmSync(dir, { recursive: true, force: true });
}

function line(label: string, value: number, floor?: number): void {
  const ratio = floor === undefined ? "" : (value / floor).toFixed(2);
  const columns = [value.toFixed(1).padStart(10), (floor?.toFixed(1) ?? "").padStart(10), ratio.padStart(7)];
  process.stdout.write(`${label.padEnd(50)}${columns.join("")}\n`);
}

async function inProcess(order: Order, env: Record<string, string> = {}): Promise<Reply> {
  // The function writes its log to the standard output.
  const stdio = ["ignore", "ignore", "inherit", "ipc"] as ("ignore" | "inherit" | "ipc")[];
  const child = fork(fileURLToPath(import.meta.url), { env: { ...process.env, ...env }, stdio });
  const ended = once(child, "exit");
  child.send(order);
  const [reply] = (await once(child, "message")) as [Reply];
  await ended;
  return reply;
}

async function work({ subject, document, count }: Order): Promise<void> {
  const began = performance.now();
  const rendering = await SUBJECTS[subject]();
  await rendering.render(DOCUMENTS[document]);
  const firstMs = performance.now() - began;
  const warmMs: number[] = [];
  const grown: { node: number; chromium: number }[] = [];
  for (let n = 1; n < count; n += 1) {
    const started = performance.now();
    await rendering.render(DOCUMENTS[document]);
    warmMs.push(performance.now() - started);
    if (n + 1 === EARLY || n + 1 === MANY)
      grown.push({ node: residentMb(process.pid), chromium: residentMb(rendering.pid()) });
  }
  const reply: Reply = { firstMs, warmMs, nodeMb: peakMb(process.pid), chromiumMb: peakMb(rendering.pid()), grown };
  await rendering.end();
  // A browser of the function ends with this process.
  process.send?.(reply, () => process.exit());
}

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1_024;
}

function childOf(parent: number): number {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const [, rest = ""] = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ");
    if (Number(rest.split(" ")[1]) === parent) return Number(pid);
  }
  throw new Error(`Expected a child of ${parent}, found none`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.once("message", (order) => void work(order as Order));
}
