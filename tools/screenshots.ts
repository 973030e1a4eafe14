import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { Browser } from "playwright-core";
import type { Counts, Operations } from "../client/src/api-types.ts";
import { demoToken } from "../local/local-pages.ts";
import { startBrowser } from "../test/support/browser.ts";
import { builtDashboard } from "../test/support/dashboard.ts";

// `npm run screenshots`: writes the pictures of README and docs/dashboard.md to docs/images, from what `npm run demo`
// makes. A stack of its own is stopped and started again an hour later, by its clock, until a day has gone; its jobs take
// the time that they take. `-- --url http://127.0.0.1:3000` takes the pictures of a stack that runs already.

const ROOT = join(import.meta.dirname, "..");
const IMAGES = join(ROOT, "docs/images");
const HOURS = 20;
/** The demo sends an hour's orders within this time of a start. */
const ORDERS_TAKE_MS = 4_000;
/** The first jobs have a limit of one a second. */
const FIRST_JOBS_TAKE_MS = 60_000;
const LONGEST_MS = 20_000;
/** At the end: until most of the last jobs have come to where they stay for a while. */
const SETTLE_MS = 45_000;

interface Shot {
  readonly name: string;
  readonly path: string;
  readonly isDark?: boolean;
  readonly isPhone?: boolean;
  readonly height?: number;
}

const { values } = parseArgs({ options: { url: { type: "string" } } });
const children: ChildProcess[] = [];

/** Starts a program of this repository; resolves with the first line that matches. */
async function start(file: string, args: readonly string[], env: Record<string, string>, until: RegExp) {
  const child = spawn(process.execPath, [join(ROOT, file), ...args], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const line = await new Promise<string>((found, failed) => {
    createInterface({ input: child.stdout }).on("line", (each) => until.test(each) && found(each));
    child.once("exit", (code) => failed(new Error(`${file} ended with ${code}`)));
  });
  return { child, line };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}

async function stackIn(dir: string, port: string) {
  const { child, line } = await start("local/start.ts", [], { PORT: port, DATA_DIR: dir }, /^ready/);
  return { child, url: /http:\S+/.exec(line)?.[0] ?? "" };
}

/** The clock of a stack that is stopped. */
function anHourLater(dir: string): void {
  const file = join(dir, "clock.json");
  const anchor = JSON.parse(readFileSync(file, "utf8")) as { service: number };
  writeFileSync(file, JSON.stringify({ ...anchor, service: anchor.service + 3_600_000 }));
}

/** Waits until no job is on its way, so that none is cut off. */
async function idle(url: string): Promise<void> {
  const token = await demoToken();
  const until = performance.now() + LONGEST_MS;
  while (performance.now() < until) {
    const { byStatus, waiting } = await ask<Counts>(url, token, "/v1/admin/counts");
    if (byStatus.RUNNING === 0 && waiting.queued === 0) return;
    await sleep(500);
  }
}

async function ask<T>(url: string, token: string, path: string): Promise<T> {
  const response = await fetch(url + path, { headers: { authorization: `Bearer ${token}` } });
  return ((await response.json()) as { readonly data: T }).data;
}

async function afterADay(dir: string): Promise<string> {
  let { child, url } = await stackIn(dir, "0");
  const { port } = new URL(url);
  await start("tools/demo.ts", ["--url", url], {}, /^Filled/);
  await sleep(FIRST_JOBS_TAKE_MS);
  for (let hour = 0; hour < HOURS; hour += 1) {
    await sleep(ORDERS_TAKE_MS);
    await idle(url);
    await end(child);
    anHourLater(dir);
    ({ child, url } = await stackIn(dir, port));
  }
  await sleep(SETTLE_MS);
  return url;
}

async function take(browser: Browser, url: string, token: string, shot: Shot): Promise<void> {
  const { name, path, isDark = false, isPhone = false, height = isPhone ? 780 : 820 } = shot;
  const context = await browser.newContext({
    viewport: { width: isPhone ? 390 : 1_280, height },
    colorScheme: isDark ? "dark" : "light",
    deviceScaleFactor: isPhone ? 1.5 : 1.25,
    // A phone's bars of scrolling take no room.
    isMobile: isPhone,
    hasTouch: isPhone,
    reducedMotion: "reduce",
    locale: "en-GB",
  });
  const page = await context.newPage();
  await page.goto(`${url}/dashboard${path}#token=${token}`);
  await page.locator("main h1").waitFor();
  await page.locator(".skeleton").first().waitFor({ state: "detached" });
  // Once everything that the page asks for has been answered.
  await sleep(1_500);
  await page.screenshot({ path: join(IMAGES, `${name}.png`) });
  await context.close();
}

/** A job that is being retried, after about so many attempts. */
const ATTEMPTS = 5;

async function retrying(url: string, token: string): Promise<string> {
  const page = await ask<Operations["listJobs"]["answer"]["data"]>(
    url,
    token,
    "/v1/admin/jobs?status=RETRYING&include=waiting&limit=100",
  );
  const far = ({ attemptsStarted }: { readonly attemptsStarted: number }) => Math.abs(attemptsStarted - ATTEMPTS);
  const waiting = page.items.filter((job) => job.waiting?.reason === "backoff");
  const [best] = waiting.toSorted((a, b) => far(a) - far(b));
  if (!best) throw new Error("No job is being retried: expected the demo's orders that fail");
  return best.id;
}

async function takeAll(url: string): Promise<void> {
  const token = await demoToken();
  const job = `/jobs/${await retrying(url, token)}`;
  const shots: readonly Shot[] = [
    { name: "overview", path: "" },
    { name: "overview-dark", path: "", isDark: true },
    { name: "jobs", path: "/jobs?q=status:retrying,failed,dead" },
    { name: "job", path: job, height: 900 },
    { name: "schedules", path: "/schedules" },
    { name: "new", path: "/new" },
    { name: "phone-overview", path: "", isPhone: true },
    { name: "phone-jobs", path: "/jobs?q=status:retrying,failed,dead", isPhone: true },
    { name: "phone-job", path: job, isPhone: true, isDark: true },
  ];
  mkdirSync(IMAGES, { recursive: true });
  const driven = await startBrowser();
  for (const shot of shots) await take(driven.browser, url, token, shot);
  await driven.close();
  const bytes = shots.reduce((sum, { name }) => sum + statSync(join(IMAGES, `${name}.png`)).size, 0);
  process.stdout.write(`${shots.length} pictures in docs/images, ${Math.ceil(bytes / 1_024)} KB\n`);
}

builtDashboard();
const dir = mkdtempSync(join(tmpdir(), "screenshots-"));
try {
  await takeAll(values.url ?? (await afterADay(dir)));
} finally {
  await Promise.all(children.map(end));
  rmSync(dir, { recursive: true, force: true });
}
