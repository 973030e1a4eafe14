import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { Browser } from "playwright-core";
import { DEMO_APP } from "../local/local-pages.ts";
import { signToken } from "../local/token.ts";
import { startBrowser } from "../test/support/browser.ts";

// `npm run screenshots`: writes the pictures of README and docs/dashboard.md to docs/images, from what `npm run demo`
// makes. A stack of its own lives through most of a day at 240 times the speed, and is looked at when its clock runs as
// others do. `-- --url http://127.0.0.1:3000` takes the pictures of a stack that runs already.

const ROOT = join(import.meta.dirname, "..");
const IMAGES = join(ROOT, "docs/images");
const SPEED = 240;
/** 18 hours of the service. */
const DAY_MS = 270_000;
/** Until the second demo's jobs have come to where they stay for a while. */
const SETTLE_MS = 75_000;

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

async function afterADay(dir: string): Promise<string> {
  const stack = async (speed: number, port: string) => {
    const env = { PORT: port, DATA_DIR: dir, SPEED: String(speed) };
    const { child, line } = await start("local/start.ts", [], env, /^ready/);
    return { child, url: /http:\S+/.exec(line)?.[0] ?? "" };
  };
  const fast = await stack(SPEED, "0");
  const demo = async () => start("tools/demo.ts", ["--url", fast.url], {}, /^Filled/);
  const { child: first } = await demo();
  await sleep(DAY_MS);
  await Promise.all([end(first), end(fast.child)]);
  const { url } = await stack(1, new URL(fast.url).port);
  await demo();
  await sleep(SETTLE_MS);
  return url;
}

async function take(browser: Browser, url: string, token: string, shot: Shot): Promise<void> {
  const { name, path, isDark = false, isPhone = false, height = isPhone ? 780 : 820 } = shot;
  const context = await browser.newContext({
    viewport: { width: isPhone ? 390 : 1_280, height },
    colorScheme: isDark ? "dark" : "light",
    deviceScaleFactor: isPhone ? 2 : 1.5,
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

/** A job that is being retried, by the API. */
async function retrying(url: string, token: string): Promise<string> {
  const response = await fetch(`${url}/v1/admin/jobs?status=RETRYING&limit=50`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const { data } = (await response.json()) as { data: { items: { id: string; attemptsStarted: number }[] } };
  const [most] = data.items.toSorted((a, b) => b.attemptsStarted - a.attemptsStarted);
  if (!most) throw new Error("No job is being retried: expected the demo's partner that is down");
  return most.id;
}

async function takeAll(url: string): Promise<void> {
  const claims = { appId: DEMO_APP, sub: "ada", roles: ["APP_ADMIN"], permissions: [] };
  const token = await signToken({ ...claims, expires: "12h" });
  const job = `/jobs/${await retrying(url, token)}`;
  const shots: readonly Shot[] = [
    { name: "overview", path: "" },
    { name: "overview-dark", path: "", isDark: true },
    { name: "jobs", path: "/jobs" },
    { name: "job", path: job, height: 900 },
    { name: "job-dark", path: job, isDark: true, height: 900 },
    { name: "schedules", path: "/schedules" },
    { name: "new", path: "/new" },
    { name: "phone-overview", path: "", isPhone: true },
    { name: "phone-jobs", path: "/jobs", isPhone: true },
    { name: "phone-job", path: job, isPhone: true, isDark: true },
  ];
  mkdirSync(IMAGES, { recursive: true });
  const driven = await startBrowser();
  for (const shot of shots) await take(driven.browser, url, token, shot);
  await driven.close();
  const bytes = shots.reduce((sum, { name }) => sum + statSync(join(IMAGES, `${name}.png`)).size, 0);
  process.stdout.write(`${shots.length} pictures in docs/images, ${Math.ceil(bytes / 1_024)} KB\n`);
}

const dir = mkdtempSync(join(tmpdir(), "screenshots-"));
try {
  await takeAll(values.url ?? (await afterADay(dir)));
} finally {
  await Promise.all(children.map(end));
  rmSync(dir, { recursive: true, force: true });
}
