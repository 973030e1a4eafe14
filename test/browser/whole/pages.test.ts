import { expect, test } from "vitest";
import { go, onDashboard, trafficOf } from "../../support/dashboard.ts";
import { jobIn, until } from "../../support/stack.ts";

// What people do on the dashboard's pages: forms, lists, the search.

const at = onDashboard();

test("the form of a task has the fields of its schema, tells what is wrong, and sends it", async () => {
  const { page, token } = await at.openNew();
  await go(page, "/new?type=cleanup");
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
  const { jobType, executionConfig } = await jobIn(
    at.stack,
    token,
    page.url().slice(-36),
    "SUCCEEDED",
    "FAILED",
    "DEAD",
  );
  expect([jobType, executionConfig.payload]).toEqual(["cleanup", { olderThanDays: 90, dryRun: true }]);
});

test.each([
  ["rest-api", "Webhook"],
  ["lambda-invoke", "Lambda function"],
  ["lambda-url", "URL of a Lambda function"],
  ["task", "Built-in task"],
  ["cleanup", "Built-in task"],
  ["group", "Group of jobs"],
  ["constructor", "Webhook"],
])("the form of the type %s is that of a %s", async (type, word) => {
  const { page } = await at.openNew();
  await go(page, `/new?type=${type}`);
  expect(await page.getByLabel("What", { exact: true }).locator("option:checked").textContent()).toBe(word);
});

const SEARCHES: Readonly<Record<string, readonly (readonly [name: string, value: unknown])[]>> = {
  "status:dead status:failed,waiting": [
    ["status", "DEAD"],
    ["status", "FAILED"],
    ["status", "PENDING"],
  ],
  "waiting:held,outage": [
    ["waiting", "held"],
    ["waiting", "outage"],
  ],
  'error:"HTTP 503, again"': [["errorContains", "HTTP 503, again"]],
  'label:"a,b" label:c': [
    ["label", "a,b"],
    ["label", "c"],
  ],
  "key:order-12*,order-13*": [
    ["keyPrefix", "order-12"],
    ["keyPrefix", "order-13"],
  ],
  "updated:2h updated-before:2026-01-31": [
    ["updatedAfter", expect.stringMatching(/Z$/)],
    ["updatedBefore", expect.stringMatching(/^2026-01-3.*Z$/)],
  ],
};

test("a search asks the service for what its words say, and tells of words that it can't ask for", async () => {
  const { page } = await at.openNew();
  const { sent } = trafficOf(page);
  for (const [text, conditions] of Object.entries(SEARCHES)) {
    sent.length = 0;
    await go(page, `/jobs?q=${encodeURIComponent(text)}`);
    await expect.poll(() => sent.some((each) => each.startsWith("GET v1/admin/jobs?"))).toBe(true);
    const query = new URLSearchParams(sent.find((each) => each.startsWith("GET v1/admin/jobs?"))?.split("?")[1]);
    const asked = [...query].filter(([name]) => !/^(?:include|limit|cursor)$/.test(name));
    expect([text, asked]).toEqual([text, conditions]);
  }
  for (const [text, problem] of [
    ["waiting:tea", /is nothing that jobs wait for: delayed, backoff/],
    ["after:1h after:2h", /“after:” is given twice/],
    ["key:a,b", /“key:” is given twice/],
    ["constructor:1", /There is no word “constructor:”/],
  ] as const) {
    await go(page, `/jobs?q=${encodeURIComponent(text)}`);
    expect(await page.getByRole("alert").textContent()).toMatch(problem);
  }
  // A status that is chosen leaves the other words as they are.
  await go(page, `/jobs?q=${encodeURIComponent('label:"a,b"')}`);
  await page.getByRole("navigation", { name: "Statuses" }).getByRole("link", { name: "Dead" }).click();
  await page.waitForURL((url) => url.searchParams.get("q") === 'label:"a,b" status:dead');
});

test("a changed copy has a key of its own, and what was masked goes along", async () => {
  const { page, call, token } = await at.openNew();
  at.target.answer((_, response) => void response.writeHead(422).end());
  const headers = { "x-api-key": "k-1", "x-old": "gone", "content-type": "application/json" };
  const { id } = await call("POST", "/v1/send", { url: `${at.target.url}/a`, headers, body: { n: 1 }, key: "order-1" });
  await jobIn(at.stack, token, id, "FAILED");
  at.target.answer((_, response) => void response.end());
  await go(page, `/jobs/${id}`);
  await page.getByRole("link", { name: "Edit and send again" }).click();
  const shown = await page.getByLabel("Headers").inputValue();
  expect(shown).toContain("x-api-key: ***");
  await page.getByLabel("Headers").fill(shown.replace(/x-old: gone\n?/, ""));
  await page.getByLabel("Body").fill('{"n": 12345678901234567890}');
  await page.getByRole("button", { name: "Send the copy" }).click();
  await page.waitForURL(/\/jobs\/[0-9a-f-]{36}$/);
  const got = await until(() => at.target.received.find(({ body }) => body.includes("12345678901234567890")));
  expect(got.headers).toMatchObject({ "x-api-key": "k-1" });
  expect(got.headers["x-old"]).toBeUndefined();
  const copy = await jobIn(at.stack, token, page.url().slice(-36), "SUCCEEDED");
  expect([copy.resentFrom, copy.idempotencyKey]).toEqual([id, expect.stringMatching(/^order-1-again-/)]);
  await page.getByRole("link", { name: /Copy of/ }).waitFor();
});

test("new jobs wait above the list, and rows are selected by keys and in ranges", async () => {
  const { page, call } = await at.openNew();
  const later = { delaySeconds: 3_600 };
  for (const n of [1, 2, 3, 4]) await call("POST", "/v1/send", { url: `${at.target.url}/row-${n}`, ...later });
  await go(page, "/jobs");
  const boxes = page.getByRole("checkbox", { name: /Select POST/ });
  await expect.poll(async () => boxes.count()).toBe(4);
  await call("POST", "/v1/send", { url: `${at.target.url}/row-5`, ...later });
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
});

test("the search completes words and values, and leads to pages", async () => {
  const { page } = await at.openNew();
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
});

test("the mailbox of a local stack is a page of the dashboard, and its old address leads there", async () => {
  const { page } = await at.openNew();
  await page.goto(`${at.stack.url}/local/mailbox`);
  await page.getByRole("heading", { name: "Mailbox" }).waitFor();
  expect(page.url()).toBe(`${at.stack.url}/dashboard/local/mail`);
});
