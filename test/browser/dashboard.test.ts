import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { dashboard } from "../../lib/api/docs/dashboard.ts";
import { startBrowser, type Driven } from "../support/browser.ts";
import { ROOT } from "../support/root.ts";
import { endStacks, sharedStack, temporaryDir, tokenFor, type Stack } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";

// The dashboard in a real browser, on a real stack. What breaks its policy fails the test.

const APP = "7d0f4b52-6f0e-4a5e-9a53-1f2a6b1f0d01";
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let stack: Stack;
let driven: Driven;
let target: Target;
let token: string;

beforeAll(async () => {
  execFileSync(process.execPath, [join(ROOT, "web/build.ts")], { stdio: "pipe" });
  [stack, driven, target] = await Promise.all([sharedStack(), startBrowser(), startTarget()]);
  token = await tokenFor({ appId: APP });
});
afterAll(async () => {
  await Promise.all([driven?.close(), target?.close()]);
  await endStacks();
});

async function send(job: object): Promise<string> {
  const response = await fetch(`${stack.url}/v1/send`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(job),
  });
  const { data } = (await response.json()) as { data: { id: string } };
  return data.id;
}

/** Opens a page with a token handed over in the address. */
async function open(path: string, options: Parameters<Driven["open"]>[1] = {}, as = token) {
  const seen = await driven.open(`${stack.url}/dashboard${path}#token=${as}`, options);
  await seen.page.locator("main h1").waitFor();
  return seen;
}

/** What axe finds, by rule. The browser's policy lets no page run it: it goes in by the debugger. */
async function violationsOf(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
    };
    const { violations } = await axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(" | ")}`);
  });
}

test("a browser that asks for the root is led to the dashboard, and signs in with one click", async () => {
  const { page, problems } = await driven.open(stack.url);
  expect(page.url()).toBe(`${stack.url}/dashboard`);
  await page.getByRole("button", { name: "Sign in to this local stack" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  expect(problems).toEqual([]);
  expect((await fetch(stack.url, { headers: { accept: "application/json" } })).status).toBe(404);
  await page.context().close();
});

test("a job is found by its host, shows why it failed, and is tried again with one click", async () => {
  target.answer((_, response) => void (response.writeHead(422), response.end('{"why":"no such order"}')));
  const id = await send({
    url: `${target.url}/orders`,
    body: { n: 1 },
    key: "order-1",
    headers: { "x-api-key": "k-1" },
  });
  const { page, problems } = await open(`/jobs?q=${encodeURIComponent("status:failed")}`);
  expect(page.url()).not.toContain("token");
  await page
    .getByRole("link", { name: /POST .*\/orders/ })
    .first()
    .click();
  await page.getByText("HTTP 422").first().waitFor();
  expect(page.url()).toContain(id);
  await expect.poll(async () => page.locator(".code").first().textContent()).toContain('"no such order"');
  await page.getByRole("tab", { name: "Headers" }).click();
  expect(await page.locator("main").textContent()).not.toContain("k-1");
  target.answer((_, response) => void response.end());
  await page.getByRole("button", { name: "Retry" }).click();
  await page.locator('[data-status="SUCCEEDED"]').waitFor();
  expect(problems).toEqual([]);
  await page.context().close();
});

test("hostile text of a job is text", async () => {
  const evil = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>\u202e`;
  const id = await send({ url: `${target.url}/evil`, body: evil, labels: ["<b>x</b>"], delaySeconds: 3_600 });
  const { page, problems } = await open(`/jobs/${id}`);
  await page.locator("summary").first().click();
  expect(await page.locator("main img, main script").count()).toBe(0);
  expect(await page.title()).not.toContain("owned");
  expect(problems).toEqual([]);
  await page.context().close();
});

test("who may only look sees no button that changes anything, and another app sees nothing", async () => {
  const id = await send({ url: `${target.url}/seen`, delaySeconds: 3_600 });
  const viewer = await tokenFor({ appId: APP, roles: ["APP_VIEWER"] });
  const seen = await open(`/jobs/${id}`, {}, viewer);
  await seen.page.locator('[data-status="PENDING"]').waitFor();
  expect(await seen.page.getByRole("button", { name: /Start now|Cancel|Give up|Delete/ }).count()).toBe(0);
  const foreign = await open(`/jobs/${id}`, {}, await tokenFor({ appId: "7d0f4b52-6f0e-4a5e-9a53-1f2a6b1f0d02" }));
  await foreign.page.getByText("There is no such thing").waitFor();
  await Promise.all([seen.page.context().close(), foreign.page.context().close()]);
});

test("a paused page asks for nothing, and a hidden one neither", async () => {
  const { page } = await open("/jobs");
  await page.locator("table").waitFor();
  await page.keyboard.press("p");
  await page.getByRole("button", { name: "Paused" }).waitFor();
  let asked = 0;
  page.on("request", () => (asked += 1));
  // Longer than the shortest wait between two requests.
  await page.waitForTimeout(2_600);
  expect(asked).toBe(0);
  await page.context().close();
});

const PAGES = [
  "",
  "/jobs",
  "/schedules",
  "/destinations",
  "/bulk",
  "/app/settings",
  "/app/secrets",
  "/app/audit",
  "/new",
];

test("no page breaks a rule of accessibility, wide, on a phone or dark", { timeout: 120_000 }, async () => {
  for (const options of [{}, { width: 360, height: 740 }, { dark: true }]) {
    const { page, problems } = await open("", options);
    for (const path of PAGES) {
      // A string, since this program knows no types of a browser.
      await page.evaluate(
        `history.pushState(null, "", "/dashboard${path}"); dispatchEvent(new PopStateEvent("popstate"))`,
      );
      await page.locator(".skeleton").first().waitFor({ state: "detached" });
      await page.locator("main h1").waitFor();
      expect([path, options, await violationsOf(page)]).toEqual([path, options, []]);
      const isWider = await page.evaluate("document.documentElement.scrollWidth > innerWidth");
      expect([path, options, isWider]).toEqual([path, options, false]);
    }
    expect(problems).toEqual([]);
    await page.context().close();
  }
});

test("the first view is small, and its files are kept for good", async () => {
  const html = await (await fetch(`${stack.url}/dashboard/jobs/x`)).text();
  const files = [...html.matchAll(/(?:src|href)="(\.\.\/[^"]+)"/g)].map(([, path = ""]) => path);
  expect(files).toHaveLength(2);
  let bytes = html.length;
  for (const path of files) {
    const url = new URL(path, `${stack.url}/dashboard/jobs/x`);
    const response = await fetch(url, { headers: { "accept-encoding": "gzip" } });
    expect([response.status, response.headers.get("content-encoding")]).toEqual([200, "gzip"]);
    expect(response.headers.get("cache-control")).toContain("immutable");
    bytes += readFileSync(join(ROOT, "web/dist", `${path.replace("../", "")}.gz`)).length;
  }
  expect(bytes).toBeLessThan(55 * 1_024);
  expect((await fetch(`${stack.url}/dashboard/assets/..%2f..%2fpackage.json`)).status).toBe(404);
});

test("while the dashboard is being built, its page says so and looks again", async () => {
  const before = process.cwd();
  process.chdir(temporaryDir());
  try {
    const { status, body, headers } = await dashboard.handle({} as never, {} as never);
    expect(status).toBe(200);
    expect(String(body)).toMatch(/http-equiv="refresh".*is being built/s);
    expect(headers?.["content-security-policy"]).toContain("default-src 'none'");
  } finally {
    process.chdir(before);
  }
});
