import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBrowser, type Driven } from "../support/browser.ts";
import { builtDashboard } from "../support/dashboard.ts";
import { endStacks, jobIn, newApp, sharedStack, until, type Stack } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";

// What people do on the dashboard's pages: forms, schedules, settings, groups, lists.

let stack: Stack;
let driven: Driven;
let target: Target;

beforeAll(async () => {
  builtDashboard();
  [stack, driven, target] = await Promise.all([sharedStack(), startBrowser(), startTarget()]);
});
afterAll(async () => {
  await Promise.all([driven?.close(), target?.close()]);
  await endStacks();
});

interface Opened {
  readonly page: Page;
  readonly appId: string;
  readonly token: string;
  readonly problems: readonly string[];
  /** Calls the API as the app's administrator, and gives the data. */
  readonly call: (method: string, path: string, body?: object) => Promise<{ readonly id: string }>;
  readonly go: (path: string) => Promise<void>;
}

/** A page with an app of its own. */
async function opened(): Promise<Opened> {
  const { appId, token } = await newApp();
  const seen = await driven.open(`${stack.url}/dashboard/bulk#token=${token}`);
  await seen.page.getByRole("heading", { name: "Bulk actions" }).waitFor();
  return {
    ...seen,
    appId,
    token,
    call: async (method, path, body) => {
      const { status, body: answer } = await stack.call(method, path, { token, body });
      expect([path, status < 300, answer?.error]).toEqual([path, true, undefined]);
      return answer.data;
    },
    go: async (path) => {
      const to = JSON.stringify(`/dashboard${path}`);
      await seen.page.evaluate(`history.pushState(null, "", ${to}); dispatchEvent(new PopStateEvent("popstate"))`);
    },
  };
}

test("the form of a task has the fields of its schema, tells what is wrong, and sends it", async () => {
  const { page, go, token, problems } = await opened();
  await go("/new?type=cleanup");
  const days = page.getByLabel("Older than, days");
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByText("payload.olderThanDays is missing").waitFor();
  await days.fill("0");
  await page.getByText("expected at least 1", { exact: true }).waitFor();
  await days.fill("90");
  await page.getByLabel("Dry run").selectOption("yes");
  expect(await page.getByLabel("curl", { exact: true }).textContent()).toContain('"olderThanDays": 90');
  await page.getByRole("button", { name: "Send" }).click();
  await page.waitForURL(/\/jobs\/[0-9a-f-]{36}$/);
  const { jobType, executionConfig } = await jobIn(stack, token, page.url().slice(-36), "SUCCEEDED", "FAILED", "DEAD");
  expect([jobType, executionConfig.payload]).toEqual(["cleanup", { olderThanDays: 90, dryRun: true }]);
  expect(problems).toEqual([]);
  await page.context().close();
});

test("a changed copy has a key of its own, and what was masked goes along", async () => {
  const { page, go, call, token } = await opened();
  target.answer((_, response) => void response.writeHead(422).end());
  const headers = { "x-api-key": "k-1", "x-old": "gone", "content-type": "application/json" };
  const { id } = await call("POST", "/v1/send", { url: `${target.url}/a`, headers, body: { n: 1 }, key: "order-1" });
  await jobIn(stack, token, id, "FAILED");
  target.answer((_, response) => void response.end());
  await go(`/jobs/${id}`);
  await page.getByRole("link", { name: "Edit and send again" }).click();
  const shown = await page.getByLabel("Headers").inputValue();
  expect(shown).toContain("x-api-key: ***");
  await page.getByLabel("Headers").fill(shown.replace(/x-old: gone\n?/, ""));
  await page.getByLabel("Body").fill('{"n": 12345678901234567890}');
  await page.getByRole("button", { name: "Send the copy" }).click();
  await page.waitForURL(/\/jobs\/[0-9a-f-]{36}$/);
  const got = await until(() => target.received.find(({ body }) => body.includes("12345678901234567890")));
  expect(got.headers).toMatchObject({ "x-api-key": "k-1" });
  expect(got.headers["x-old"]).toBeUndefined();
  const copy = await jobIn(stack, token, page.url().slice(-36), "SUCCEEDED");
  expect([copy.resentFrom, copy.idempotencyKey]).toEqual([id, expect.stringMatching(/^order-1-again-/)]);
  await page.getByRole("link", { name: /Copy of/ }).waitFor();
  await page.context().close();
});

test("a schedule is made, told in words, edited, paused and taken up again, run and ended", async () => {
  const { page, go, call } = await opened();
  await go("/new?type=schedule");
  await page.getByLabel("Key").first().fill("nightly");
  await page.getByLabel("Times").fill("0 2 * * 1-5");
  await page.getByLabel("Time zone").fill("Europe/Berlin");
  await page.getByText("on weekdays at 02:00").waitFor();
  await page.getByLabel("URL", { exact: true }).fill(`${target.url}/nightly`);
  await page.getByRole("button", { name: "Make the schedule" }).click();
  const panel = page.getByRole("region", { name: "Schedule nightly" });
  await panel.getByText("on weekdays at 02:00, Europe/Berlin").waitFor();
  expect(await panel.locator("dd").nth(1).locator("time").count()).toBe(5);
  await panel.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("Times").fill("rate(2 hours)");
  await page.getByRole("button", { name: "Save" }).click();
  await panel.getByText("every 2 hours").waitFor();
  await panel.getByRole("button", { name: "Pause" }).click();
  await panel.getByText("none while it is paused").waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await panel.getByText("Active").waitFor();
  await panel.getByRole("button", { name: "Run now" }).click();
  await panel.getByRole("link", { name: "Succeeded" }).waitFor();
  expect(await call("GET", "/v1/schedules/nightly")).toMatchObject({
    expression: "rate(2 hours)",
    job: { url: `${target.url}/nightly` },
  });
  await panel.getByRole("button", { name: "End" }).click();
  await page.getByRole("button", { name: "End it" }).click();
  await page.getByRole("heading", { name: "No schedule" }).waitFor();
  await page.context().close();
});

test("settings that somebody else has changed meanwhile are shown in both versions, and mine can go on top", async () => {
  const { page, go, call, appId } = await opened();
  const path = `/v1/admin/apps/${appId}`;
  await call("PATCH", path, { name: "Shop" });
  await go("/app/settings");
  await page.getByLabel("Name").fill("My shop");
  await call("PATCH", path, { name: "Their shop", requestsPerSecond: 7 });
  await page.getByRole("button", { name: "Save name" }).click();
  const versions = page.getByRole("alert", { name: "Two versions" });
  await versions.getByRole("cell", { name: "Their shop" }).waitFor();
  await versions.getByRole("cell", { name: "My shop" }).waitFor();
  await versions.getByRole("button", { name: "Put my changes on top" }).click();
  expect(await page.getByLabel("Requests a second").inputValue()).toBe("7");
  await page.getByRole("button", { name: "Save name" }).click();
  await page.getByText("Nothing is changed").waitFor();
  expect(await call("GET", path)).toMatchObject({ name: "My shop", requestsPerSecond: 7 });
  await page.getByRole("link", { name: "Who changed them" }).click();
  await page.getByText("Their shop → My shop").waitFor();
  await page.context().close();
});

test("a group shows how its members have ended, and a job leads to its group and to what followed it", async () => {
  const { page, go, call, token } = await opened();
  target.answer(({ url }, response) => void response.writeHead(url === "/bad" ? 422 : 200).end());
  const group = await call("POST", "/v1/groups", { key: "import", expected: 2 });
  const onSuccess = { url: `${target.url}/after` };
  const member = await call("POST", "/v1/send", { url: `${target.url}/good`, group: group.id, onSuccess });
  await call("POST", "/v1/send", { url: `${target.url}/bad`, group: group.id });
  await jobIn(stack, token, group.id, "FAILED", "DEAD");
  await go("/groups");
  await page.getByRole("link", { name: "import" }).click();
  await page.getByRole("heading", { name: "2 of 2 members ended" }).waitFor();
  await page.getByRole("img", { name: "1 succeeded, 1 failed" }).waitFor();
  await page.getByRole("link", { name: "/good" }).click();
  expect(page.url()).toContain(member.id);
  const relatives = page.getByLabel("Related jobs");
  await relatives.getByRole("link", { name: /Group group import/ }).waitFor();
  await relatives.getByRole("link", { name: /POST .*\/after/ }).waitFor();
  await page.context().close();
});

test("new jobs wait above the list, and rows are selected by keys and in ranges", async () => {
  const { page, go, call } = await opened();
  const later = { delaySeconds: 3_600 };
  for (const n of [1, 2, 3, 4]) await call("POST", "/v1/send", { url: `${target.url}/row-${n}`, ...later });
  await go("/jobs");
  const boxes = page.getByRole("checkbox", { name: /Select POST/ });
  await expect.poll(async () => boxes.count()).toBe(4);
  await call("POST", "/v1/send", { url: `${target.url}/row-5`, ...later });
  await page.getByRole("button", { name: "1 new job" }).waitFor();
  expect(await boxes.count()).toBe(4);
  await boxes.nth(0).click();
  await boxes.nth(2).click({ modifiers: ["Shift"] });
  await page.getByText("3 selected").waitFor();
  await page.getByRole("button", { name: "1 new job" }).click();
  await expect.poll(async () => boxes.count()).toBe(5);
  await page.getByText("3 selected").waitFor();
  await page.locator("h1").focus();
  await page.keyboard.press("c");
  await page.getByRole("heading", { name: "Cancel 3 waiting jobs?" }).waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("t");
  await page.getByText("Times are local").waitFor();
  await page.keyboard.type("gs");
  await page.getByRole("heading", { name: "Schedules" }).waitFor();
  await expect.poll(async () => page.evaluate("document.activeElement.tagName")).toBe("H1");
  expect(await page.title()).toBe("Schedules · Jobs");
  await page.context().close();
});

test("the search completes words and values, and leads to pages", async () => {
  const { page } = await opened();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("sta");
  await page.getByRole("option", { name: "status:" }).click();
  await page.getByRole("option", { name: "status:dead" }).click();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "No job fits" }).waitFor();
  expect(page.url()).toContain("q=status%3Adead");
  await page.getByRole("combobox", { name: "Search jobs" }).fill("audit");
  await page.getByRole("option", { name: "Audit log" }).click();
  await page.getByRole("heading", { name: "Audit log" }).waitFor();
  await page.context().close();
});

test("the mailbox of a local stack is a page of the dashboard, and its old address leads there", async () => {
  const { page } = await opened();
  await page.goto(`${stack.url}/local/mailbox`);
  await page.getByRole("heading", { name: "Mailbox" }).waitFor();
  expect(page.url()).toBe(`${stack.url}/dashboard/local/mail`);
  await page.context().close();
});
