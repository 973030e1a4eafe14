import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { inPage, onDashboard, still, tokenOfNewApp, trafficOf } from "../../support/dashboard.ts";
import { newApp, tokenFor } from "../../support/stack.ts";

// When pages ask again, and what that leaves as it is.

const at = onDashboard();

const LATER = { delaySeconds: 3_600 };

/** A list of jobs that wait, in an app of its own. */
async function sendLater(token: string, count: number): Promise<string[]> {
  const jobs = Array.from({ length: count }, (_, n) => ({ url: `${at.target.url}/n/${n}`, key: `k-${n}`, ...LATER }));
  return at.send(token, ...jobs);
}

const hide = async (page: Page, isHidden: boolean) =>
  inPage(
    page,
    `for (const [name, value] of [["hidden", ${isHidden}], ["visibilityState", "${isHidden ? "hidden" : "visible"}"]])
       Object.defineProperty(document, name, { configurable: true, get: () => value });
     document.dispatchEvent(new Event("visibilitychange", { bubbles: true }))`,
  );

test("a refresh changes rows in place, and keeps focus, selection and what is seen where it is", async () => {
  const token = await tokenOfNewApp();
  const ids = await sendLater(token, 45);
  const page = await at.open("/jobs", token);
  const rows = page.locator("tbody tr");
  await expect.poll(async () => rows.count()).toBe(45);
  await rows.nth(30).getByRole("checkbox").check();
  await rows.nth(30).getByRole("link").focus();
  await inPage(page, "scrollTo(0, 700)");
  const seen = async () =>
    inPage<object>(
      page,
      `({ links: [...document.querySelectorAll("tbody a")].map((a) => a.pathname),
         focus: document.activeElement.pathname,
         checked: [...document.querySelectorAll("tbody input")].findIndex((input) => input.checked),
         top: Math.round(document.querySelectorAll("tbody tr")[30].getBoundingClientRect().top) })`,
    );
  const before = await seen();
  await at.ask(token, "POST", `/v1/admin/jobs/${ids[14]}/cancel`);
  await at.send(token, { url: `${at.target.url}/new/1`, ...LATER }, { url: `${at.target.url}/new/2`, ...LATER });
  await page.getByRole("button", { name: "2 new jobs" }).waitFor({ state: "attached" });
  await page.locator('tbody [data-status="CANCELLED"]').waitFor({ state: "attached" });
  expect(await seen()).toEqual(before);
  await page.getByRole("button", { name: "2 new jobs" }).click();
  await expect.poll(async () => rows.count()).toBe(47);
  expect(await rows.nth(32).getByRole("checkbox").isChecked()).toBe(true);
});

test("a row that fits its list no more stays, and shows what has become of it", async () => {
  const token = await tokenOfNewApp();
  const [id = ""] = await sendLater(token, 2);
  const page = await at.open("/jobs?q=status:waiting", token);
  await expect.poll(async () => page.locator("tbody tr").count()).toBe(2);
  await at.ask(token, "POST", `/v1/admin/jobs/${id}/cancel`);
  await page.locator('tbody [data-status="CANCELLED"]').waitFor();
  expect(await page.locator("tbody tr").count()).toBe(2);
});

test("a page that is paused or hidden asks for nothing, and at once when it is looked at again", async () => {
  const token = await tokenOfNewApp();
  await sendLater(token, 3);
  const page = await at.open("/jobs", token, still);
  await page.locator("tbody tr").first().waitFor();
  const { sent, pass } = trafficOf(page);
  await pass(10);
  expect(sent.filter((each) => each.includes("v1/admin/jobs?")).length).toBeGreaterThan(3);

  await page.keyboard.press("p");
  await page.getByRole("button", { name: "Paused" }).waitFor();
  await pass(1);
  sent.length = 0;
  await pass(90);
  expect(sent).toEqual([]);
  await page.keyboard.press("p");
  await pass(1);
  expect(sent.length).toBeGreaterThan(0);

  await hide(page, true);
  await pass(1);
  sent.length = 0;
  await pass(90);
  expect(sent).toEqual([]);
  await hide(page, false);
  await pass(1);
  expect(sent.length).toBeGreaterThan(0);
});

test("errors in a row double the wait up to a minute, and the page says since when and when it tries again", async () => {
  const token = await tokenOfNewApp();
  await sendLater(token, 1);
  const page = await at.open("/jobs", token, still);
  await page.locator("tbody tr").first().waitFor();
  const { sent, pass } = trafficOf(page);
  const isList = (url: URL) => url.pathname.endsWith("/v1/admin/jobs");
  const body = JSON.stringify({ success: false, error: { code: "UNAVAILABLE", message: "Not now" } });
  const headers = { "content-type": "application/json", "x-request-id": "r-1" };
  await page.route(isList, async (route) => route.fulfill({ status: 503, headers, body }));
  const times: number[] = [];
  for (let second = 0; second < 200; second += 1) {
    sent.length = 0;
    await pass(1);
    times.push(...sent.filter((each) => each.includes("v1/admin/jobs?")).map(() => second));
  }
  const waits = times.slice(1).map((each, n) => each - (times[n] ?? 0));
  expect(waits.slice(0, 6)).toEqual([4, 8, 16, 32, 60, 60].map((wait) => expect.closeTo(wait, -0.4)));
  const notice = page.getByRole("alert");
  expect(await notice.textContent()).toMatch(
    /^Not refreshed since .+ \(503\): Not now\. Next try in \d+:\d\d\. request r-1/,
  );
  expect(await page.locator("tbody tr").count()).toBe(1);

  await page.unroute(isList);
  await notice.getByRole("button", { name: "Try now" }).click();
  await pass(1);
  expect(await notice.count()).toBe(0);
  sent.length = 0;
  await pass(6);
  // The next error begins with the shortest wait again.
  expect(sent.filter((each) => each.includes("v1/admin/jobs?")).length).toBeGreaterThanOrEqual(2);
});

test.each([429, 503])("a Retry-After of %i is kept to, however long", async (status) => {
  const token = await tokenOfNewApp();
  await sendLater(token, 1);
  const page = await at.open("/jobs", token, still);
  await page.locator("tbody tr").first().waitFor();
  const { sent, pass } = trafficOf(page);
  const headers = { "content-type": "application/json", "retry-after": "150" };
  await page.route("**/v1/admin/**", async (route) => route.fulfill({ status, headers, body: "{}" }));
  await pass(20);
  expect(sent.length).toBeGreaterThan(0);
  sent.length = 0;
  await pass(120);
  expect(sent).toEqual([]);
  await pass(30);
  expect(sent.length).toBeGreaterThan(0);
});

test("the service's own limit of reads is kept to as it says", async () => {
  const { appId, token } = await newApp();
  const platform = await tokenFor({ appId, roles: ["PLATFORM_ADMIN"] });
  const { version } = await at.ask(platform, "GET", `/v1/admin/apps/${appId}/limits`);
  await at.ask(platform, "PUT", `/v1/admin/apps/${appId}/limits`, { version, readsPerSecond: 1 });
  const closed = new Map<string, number>();
  const early: string[] = [];
  await at.open("", token, {
    before: async (page) => {
      page.on("response", (response) => {
        const after = Number(response.headers()["retry-after"] ?? 0);
        if (response.status() === 429) closed.set(response.url().split("?")[0] ?? "", Date.now() + after * 1_000);
      });
      page.on("request", (request) => {
        const url = request.url().split("?")[0] ?? "";
        // The page's clock and this one tell the time of an answer differently by some milliseconds.
        if (Date.now() < (closed.get(url) ?? 0) - 200) early.push(url);
      });
    },
  });
  await expect.poll(() => closed.size).toBeGreaterThan(0);
  const refused = [...closed.entries()];
  await expect.poll(() => refused.every(([, time]) => Date.now() > time + 1_000)).toBe(true);
  expect(early).toEqual([]);
});

test("an answer that is older than what is shown is dropped, of a job and of a list", async () => {
  const token = await tokenOfNewApp();
  at.target.answer(() => {});
  const [id = ""] = await sendLater(token, 1);
  const page = await at.open(`/jobs/${id}`, token);
  await page.locator('[data-status="PENDING"]').waitFor();
  const old = new Map<string, string>();
  for (const path of [`/v1/admin/jobs/${id}`, "/v1/admin/jobs?include=waiting&limit=50"])
    old.set(path.split("?")[0] ?? "", JSON.stringify((await at.stack.call("GET", path, { token })).body));
  await at.ask(token, "POST", `/v1/admin/jobs/${id}/retry`);
  await page.locator('[data-status="RUNNING"]').waitFor();

  const answered: string[] = [];
  await page.route("**/v1/admin/jobs**", async (route) => {
    const body = old.get(new URL(route.request().url()).pathname);
    if (body === undefined || route.request().method() !== "GET") return route.continue();
    answered.push(body);
    return route.fulfill({ status: 200, contentType: "application/json", body });
  });
  await expect.poll(() => answered.length).toBeGreaterThan(1);
  expect(await page.locator("main [data-status]").first().getAttribute("data-status")).toBe("RUNNING");

  await page.unrouteAll({ behavior: "wait" });
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Jobs" }).click();
  await page.locator('tbody [data-status="RUNNING"]').waitFor();
  answered.length = 0;
  await page.route("**/v1/admin/jobs?**", async (route) => {
    const body = old.get("/v1/admin/jobs") ?? "";
    answered.push(body);
    return route.fulfill({ status: 200, contentType: "application/json", body });
  });
  await expect.poll(() => answered.length).toBeGreaterThan(1);
  expect(await page.locator("tbody [data-status]").first().getAttribute("data-status")).toBe("RUNNING");
});

test("how many fit is asked for once the rows are there", async () => {
  const token = await tokenOfNewApp();
  await sendLater(token, 1);
  const page = await at.open("/jobs", token);
  await page.locator("tbody tr").waitFor();
  const { sent } = trafficOf(page);
  const held = Promise.withResolvers<void>();
  await page.route("**/v1/admin/jobs?**", async (route) => {
    await held.promise;
    return route.continue();
  });
  const search = page.getByRole("combobox", { name: "Search jobs" });
  await search.fill("status:pending");
  await search.press("Enter");
  const asks = (path: string) => sent.filter((each) => each.startsWith(`GET v1/admin/${path}`)).length;
  await expect.poll(() => asks("jobs?status=PENDING")).toBe(1);
  // Drawn twice, so that whatever goes with the rows has gone.
  await inPage(page, "new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(() => next())))");
  expect(asks("jobs/count")).toBe(0);
  held.resolve();
  await page.locator(".title").getByText("1 job", { exact: true }).waitFor();
  expect(asks("jobs/count")).toBe(1);
});

test("a page that is looked at sends at most forty requests a minute", async () => {
  const token = await tokenOfNewApp();
  await sendLater(token, 2);
  const { id } = await at.ask(token, "POST", "/v1/send", { task: "example", payload: { words: ["a"] }, ...LATER });
  for (const path of ["", "/jobs", `/jobs/${id}`, "/schedules", "/destinations", "/bulk"]) {
    const page = await at.open(path, token, still);
    await page.locator(".skeleton").first().waitFor({ state: "detached" });
    const { sent, pass } = trafficOf(page);
    await pass(60);
    expect([path, sent.length <= 40, sent]).toEqual([path, true, sent]);
    await page.context().close();
  }
});
