import { createServer, request as forward, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { inPage, onDashboard, tokenOfNewApp, trafficOf } from "../../support/dashboard.ts";

// The dashboard under a path that is not its own, as behind a proxy, and without a network.

const at = onDashboard();
const PREFIX = "/x/y";

let proxy: Server;
let base: string;
/** What was asked for outside of the prefix. */
const astray: string[] = [];

beforeAll(async () => {
  proxy = createServer((request, response) => {
    const { url = "", method, headers } = request;
    if (!url.startsWith(`${PREFIX}/`)) {
      astray.push(url);
      response.writeHead(404).end();
      return;
    }
    const to = new URL(at.stack.url + url.slice(PREFIX.length));
    const sent = forward(to, { method, headers: { ...headers, host: to.host } }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    sent.on("error", () => response.destroy());
    request.pipe(sent);
  });
  await new Promise<void>((listening) => void proxy.listen(0, "127.0.0.1", listening));
  base = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}${PREFIX}`;
});
afterAll(() => {
  proxy.closeAllConnections();
  proxy.close();
});

async function sendMany(token: string): Promise<string[]> {
  const jobs = Array.from({ length: 40 }, (_, n) => ({ url: `${at.target.url}/n/${n}`, delaySeconds: 3_600 }));
  return at.send(token, ...jobs);
}

test("below a path, a deep link, a reload and the way back work, and nothing is asked for beside it", async () => {
  const token = await tokenOfNewApp();
  const ids = await sendMany(token);
  const { page } = await at.driven.open(`${base}/dashboard/jobs/${ids[7]}#token=${token}`);
  const title = page.getByRole("heading", { level: 1, name: /\/n\/7$/ });
  await title.waitFor();
  expect(page.url()).toBe(`${base}/dashboard/jobs/${ids[7]}`);
  await page.reload();
  await title.waitFor();
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Jobs" }).click();
  await expect.poll(async () => page.locator("tbody tr").count()).toBe(40);
  expect(await inPage(page, "document.title")).toBe("Jobs · Jobs");

  await page.locator("tbody a").nth(30).scrollIntoViewIfNeeded();
  const scrolled = await inPage<number>(page, "scrollY");
  expect(scrolled).toBeGreaterThan(100);
  await page.locator("tbody a").nth(30).click();
  await page.locator(".why").waitFor();
  expect(await inPage(page, "[document.activeElement.tagName, scrollY].join()")).toBe("H1,0");
  await page.goBack();
  await expect.poll(async () => page.locator("tbody tr").count()).toBe(40);
  await expect.poll(async () => inPage<number>(page, "scrollY")).toBeCloseTo(scrolled, -1);
  expect(page.url()).toBe(`${base}/dashboard/jobs`);
  await page.goForward();
  await page.locator(".why").waitFor();
  await page.goBack();
  await page.goBack();
  await title.waitFor();

  for (const path of ["/", "/dashboard/"]) {
    await page.goto(base + path);
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    expect(page.url()).toBe(`${base}/dashboard`);
  }
  await page.goto(`${base}/dashboard/jobs/`);
  await page.getByRole("heading", { name: "Jobs" }).waitFor();
  expect(astray).toEqual([]);
});

test("without a network the page stays, asks for nothing, and goes on when there is one again", async () => {
  const token = await tokenOfNewApp();
  const [id = ""] = await sendMany(token);
  const page = await at.open(`/jobs/${id}`, token);
  await page.locator('[data-status="PENDING"]').waitFor();
  await page.context().setOffline(true);
  await page.getByRole("button", { name: "Offline" }).waitFor();
  const { sent } = trafficOf(page);
  await page.getByRole("button", { name: "Start now" }).click();
  await page.getByText("This device is offline").first().waitFor();
  expect(await page.locator("main [data-status]").first().getAttribute("data-status")).toBe("PENDING");
  sent.length = 0;
  // Longer than the shortest wait between two requests.
  await page.waitForTimeout(2_600);
  expect(sent).toEqual([]);
  await at.ask(token, "POST", `/v1/admin/jobs/${id}/cancel`);
  await page.context().setOffline(false);
  await page.locator('[data-status="CANCELLED"]').waitFor();
});
