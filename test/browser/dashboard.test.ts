import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { dashboard, dashboardFile } from "../../lib/api/docs/dashboard.ts";
import { brokenRules } from "../support/axe.ts";
import { go, onDashboard, still, tokenOfNewApp, trafficOf } from "../support/dashboard.ts";
import { ROOT } from "../support/root.ts";
import { newApp, temporaryDir, tokenFor } from "../support/stack.ts";

// What `npm test` has time for; `npm run test:browser` runs the rest, in the folder `whole`.

const at = onDashboard();

test("a browser that asks for the root is led to the dashboard, and signs in with one click", async () => {
  const { page } = await at.driven.open(at.stack.url);
  expect(page.url()).toBe(`${at.stack.url}/dashboard`);
  await page.getByRole("button", { name: "Sign in to this local stack" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  expect((await fetch(at.stack.url, { headers: { accept: "application/json" } })).status).toBe(404);
});

test("a job is found by its host, shows why it failed, and is tried again with one click", async () => {
  const token = await tokenOfNewApp();
  at.target.answer((_, response) => void (response.writeHead(422), response.end('{"why":"no such order"}')));
  const [id = ""] = await at.send(token, {
    url: `${at.target.url}/orders`,
    body: { n: 1 },
    key: "order-1",
    headers: { "x-api-key": "k-1" },
  });
  const page = await at.open(`/jobs?q=${encodeURIComponent("status:failed")}`, token);
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
  at.target.answer((_, response) => void response.end());
  await page.getByRole("button", { name: "Retry" }).click();
  await page.locator('[data-status="SUCCEEDED"]').waitFor();
});

test("hostile text of a job is text", async () => {
  const evil = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>\u202e`;
  const token = await tokenOfNewApp();
  const [id] = await at.send(token, {
    url: `${at.target.url}/evil`,
    body: evil,
    labels: [evil.slice(0, 64)],
    order: evil,
    delaySeconds: 3_600,
  });
  const page = await at.open(`/jobs/${id}`, token);
  await page.locator("summary").first().click();
  expect(await page.locator("main img, main script").count()).toBe(0);
  expect(await page.title()).toMatch(/^POST .*\/evil · Jobs$/);
  expect(await page.locator("body").textContent()).not.toContain("\u202e");
});

test("who may only look sees no button that changes anything, and another app sees nothing", async () => {
  const { appId, token } = await newApp();
  const [id] = await at.send(token, { url: `${at.target.url}/seen`, delaySeconds: 3_600 });
  const seen = await at.open(`/jobs/${id}`, await tokenFor({ appId, roles: ["APP_VIEWER"] }));
  await seen.locator('[data-status="PENDING"]').waitFor();
  expect(await seen.getByRole("button", { name: /Start now|Cancel|Give up|Delete/ }).count()).toBe(0);
  const foreign = await at.open(`/jobs/${id}`, await tokenOfNewApp());
  await foreign.getByText("There is no such thing").waitFor();
});

test("a page that is paused asks for nothing, and at once when it goes on", async () => {
  const token = await tokenOfNewApp();
  await at.send(token, { url: `${at.target.url}/later`, delaySeconds: 3_600 });
  const page = await at.open("/jobs", token, still);
  await page.locator("tbody tr").waitFor();
  const { sent, pass } = trafficOf(page);
  await page.keyboard.press("p");
  await page.getByRole("button", { name: "Paused" }).waitFor();
  await pass(1);
  sent.length = 0;
  await pass(20);
  expect(sent).toEqual([]);
  await page.keyboard.press("p");
  await pass(1);
  expect(sent.length).toBeGreaterThan(0);
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

test("no page breaks a rule of accessibility, wide and dark or on a phone", { timeout: 120_000 }, async () => {
  const token = await tokenOfNewApp();
  for (const look of [{ dark: true }, { width: 360, height: 740 }]) {
    const page = await at.open("", token, look);
    for (const path of PAGES) {
      await go(page, path);
      expect([path, look, await brokenRules(page)]).toEqual([path, look, []]);
      const isWider = await page.evaluate("document.documentElement.scrollWidth > innerWidth");
      expect([path, look, isWider]).toEqual([path, look, false]);
    }
  }
});

test("the first view is small, all pages together are too, and their files are kept for good", async () => {
  const html = await (await fetch(`${at.stack.url}/dashboard/jobs/x`)).text();
  const files = [...html.matchAll(/(?:src|href)="(\.\.\/[^"]+)"/g)].map(([, path = ""]) => path);
  expect(files).toHaveLength(2);
  let bytes = html.length;
  for (const path of files) {
    const url = new URL(path, `${at.stack.url}/dashboard/jobs/x`);
    const response = await fetch(url, { headers: { "accept-encoding": "gzip" } });
    expect([response.status, response.headers.get("content-encoding")]).toEqual([200, "gzip"]);
    expect(response.headers.get("cache-control")).toContain("immutable");
    bytes += readFileSync(join(ROOT, "web/dist", `${path.replace("../", "")}.gz`)).length;
  }
  expect(bytes).toBeLessThan(55 * 1_024);
  const assets = join(ROOT, "web/dist/assets");
  const packed = readdirSync(assets).filter((name) => name.endsWith(".gz"));
  const all = packed.reduce((sum, name) => sum + statSync(join(assets, name)).size, html.length);
  expect(all).toBeLessThan(100 * 1_024);
  expect((await fetch(`${at.stack.url}/dashboard/assets/..%2f..%2fpackage.json`)).status).toBe(404);
  expect((await fetch(`${at.stack.url}/dashboard/`)).status).toBe(200);
  expect((await fetch(`${at.stack.url}/dashboard/`, { method: "POST" })).status).toBe(404);
});

test.each([
  // Whether API Gateway takes an empty rest for its greedy variable, or for the default route, is not documented.
  [dashboard, "/dashboard", undefined],
  [dashboard, "/dev/dashboard/", undefined],
  [dashboardFile, "/dev/dashboard/", undefined],
  [dashboardFile, "/dashboard/", ""],
  [dashboardFile, "/x/dashboard/jobs", "jobs"],
  [dashboardFile, "/x/dashboard/jobs/", "jobs"],
  [dashboardFile, "/x/dashboard/jobs/1/", "jobs/1/"],
] as const)("the page finds its files from $1, with a slash or without", async (served, rawPath, rest) => {
  const { body } = await served.handle(
    { hasSlash: rawPath.endsWith("/"), headers: {}, path: { path: rest } } as never,
    {} as never,
  );
  const [, way = ""] = /src="([^"]+)"/.exec(String(body)) ?? [];
  const prefix = rawPath.slice(0, rawPath.indexOf("/dashboard"));
  expect(new URL(way, `https://jobs.example${rawPath}`).pathname).toMatch(
    new RegExp(`^${prefix}/dashboard/assets/index-`),
  );
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
