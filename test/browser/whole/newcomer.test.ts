import type { Locator, Page } from "playwright-core";
import { expect, test } from "vitest";
import { go, inPage, onDashboard, tokenOfNewApp } from "../../support/dashboard.ts";
import { until } from "../../support/stack.ts";

// What somebody needs who has never seen the dashboard.

const at = onDashboard();

const phone = { width: 360, height: 740, settings: { isMobile: true, hasTouch: true } } as const;

/** Pairs of neighbours in a card or a bar that cover each other, and what stands out of the screen. */
const COVERED = `(() => {
  const out = [];
  for (const parent of document.querySelectorAll("main tbody tr, main .actions")) {
    const parts = [...parent.children].filter((each) => each.checkVisibility() && each.getClientRects().length > 0);
    const boxes = parts.map((each) => {
      const range = document.createRange();
      range.selectNodeContents(each);
      return { box: range.getBoundingClientRect(), text: each.textContent };
    }).filter(({ box }) => box.width > 0);
    boxes.forEach(({ box: a, text }, n) => {
      if (a.right > innerWidth + 1) out.push("out: " + text);
      for (const { box: b, text: other } of boxes.slice(n + 1))
        if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1) out.push(text + " | " + other);
    });
  }
  return out;
})()`;

async function circuitOpenAt(token: string): Promise<string> {
  at.target.answer((_, response) => void response.writeHead(503).end());
  const jobs = Array.from({ length: 12 }, (_, n) => ({ url: `${at.target.url}/orders/${n}`, key: `order-${n}` }));
  const [first = ""] = await at.send(token, ...jobs);
  await until(async () => {
    const { items } = await at.ask(token, "GET", "/v1/admin/destinations");
    return items.some(({ state }: { readonly state: string }) => state === "open");
  });
  return first;
}

test("on a narrow phone nothing covers anything else, and every action is within reach", async () => {
  const token = await tokenOfNewApp();
  const job = await circuitOpenAt(token);
  await at.ask(token, "PUT", "/v1/schedules/nightly", { expression: "0 2 * * *", job: { url: at.target.url } });
  const page = await at.open("/destinations", token, phone);
  await page.getByText("Circuit open").waitFor();
  expect(await inPage(page, COVERED)).toEqual([]);
  await go(page, "/jobs?q=status:retrying");
  const [field, clear] = [
    page.getByRole("combobox", { name: "Search jobs" }),
    page.getByRole("button", { name: "Clear", exact: true }),
  ];
  const [around, within] = await Promise.all([field.boundingBox(), clear.boundingBox()]);
  expect(within?.y).toBeGreaterThanOrEqual(around?.y ?? Number.NaN);
  expect((within?.y ?? Number.NaN) + (within?.height ?? 0)).toBeLessThanOrEqual(
    (around?.y ?? 0) + (around?.height ?? 0),
  );
  await go(page, "/app/audit");
  await page.getByText("schedule.created").waitFor();
  expect(await inPage(page, COVERED)).toEqual([]);
  await go(page, `/jobs/${job}`);
  await page.getByRole("button", { name: "More", exact: true }).first().waitFor();
  expect(await inPage(page, COVERED)).toEqual([]);
});

/** Jobs that wait for a destination that has answered 410. */
async function heldAt(token: string): Promise<void> {
  at.target.answer((_, response) => void response.writeHead(410).end());
  await at.send(token, { url: at.target.url });
  await until(async () => (await at.ask(token, "GET", "/v1/admin/destinations")).items[0]?.state === "held");
  await at.send(token, ...Array.from({ length: 6 }, (_, n) => ({ url: `${at.target.url}/${n}`, key: `order-${n}` })));
  await until(async () => (await at.ask(token, "GET", "/v1/admin/counts")).waiting.held >= 6);
}

/** How many jobs a list says that it has. */
async function countedOn(page: Page): Promise<number> {
  const told = page.getByText(/^[\d,]+ jobs?$/).first();
  return Number(/\d+/.exec((await told.textContent()) ?? "")?.[0]);
}

test("each number of the overview leads to the list that has as many", async () => {
  const token = await tokenOfNewApp();
  await heldAt(token);
  at.target.answer((_, response) => void response.writeHead(503).end());
  const dead = { url: at.target.url.replace("127.0.0.1", "localhost"), maxRetries: 0 };
  await at.send(token, dead, dead, { url: at.target.url, delaySeconds: 7_200 });
  await at.ask(token, "PUT", "/v1/schedules/nightly", { expression: "0 2 * * *", job: { url: at.target.url } });
  await at.ask(token, "POST", "/v1/groups", { key: "import" });
  const counts = async () => at.ask(token, "GET", "/v1/admin/counts");
  await until(async () => {
    const { byStatus, waiting } = await counts();
    return byStatus.DEAD === 2 && waiting.delayed === 1;
  });
  const page = await at.open("", token);
  await page.getByText(/2 within a day, the first .*; 100 % of them at localhost:\d+\./).waitFor();
  await page.getByRole("button", { name: "1 h", exact: true }).click();
  await page.getByText("of those that came in this hour").waitFor();
  const links = page.locator(".problems a:not(.button), .numbers ~ p a, .number, .figure a");
  const shown = await links.evaluateAll((all) =>
    (all as { textContent: string; search: string; href: string }[]).map(({ textContent, search, href }) => ({
      text: textContent.trim(),
      search: decodeURIComponent(search),
      path: href.replace(/^.*\/dashboard/, ""),
    })),
  );
  expect(shown.map(({ search }) => search)).toEqual(
    expect.arrayContaining(["?q=status:running", "?q=waiting:held", "?q=waiting:delayed", "?state=ACTIVE,PAUSED"]),
  );
  for (const { text, search, path } of shown) {
    const number = Number(/\d+/.exec(text)?.[0]);
    if (!/^\d/.test(text)) continue;
    await go(page, path);
    const rows = page.locator("main section.panel, main tbody tr");
    const count = async () => (search.startsWith("?q=") ? countedOn(page) : rows.count());
    await expect.poll(async () => [text, path, await count()]).toEqual([text, path, number]);
  }
});

test.each([
  ["by its key", "order-3"],
  ["by what waits there", undefined],
])("why a job is late is told three clicks from the overview at most: %s", async (_, key) => {
  const token = await tokenOfNewApp();
  await heldAt(token);
  const page = await at.open("", token);
  let clicks = 0;
  const click = async (target: Locator) => {
    clicks += 1;
    await target.click();
  };
  if (key === undefined) await click(page.locator(".problems").getByRole("link", { name: /\d+ jobs?/ }));
  else {
    await click(page.getByRole("combobox", { name: "Search jobs" }));
    await page.keyboard.type(key);
    await page.keyboard.press("Enter");
  }
  await click(page.locator("tbody").getByRole("link").first());
  const why = page.locator(".why");
  await why.waitFor();
  expect(await why.textContent()).toMatch(/is held since .+ \(HTTP 410\) until a person resumes it/);
  expect(clicks).toBeLessThanOrEqual(3);
});

test("a search goes on with a new word, and knows yesterday and today", async () => {
  const token = await tokenOfNewApp();
  const [id = ""] = await at.send(token, { url: at.target.url, key: "of-today" });
  const page = await at.open("/jobs?q=type:rest-api", token);
  await page.getByRole("link", { name: /POST/ }).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("after:tod");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=type%3Arest-api%20after%3Atoday$/);
  await page.locator(`a[href$="/jobs/${id}"]`).waitFor();
  await go(page, "/jobs?q=after:yesterday%20before:today");
  await page.getByText("No job fits").waitFor();
});

test("a schedule that is paused stays where it is, so that the next click is its own", async () => {
  const token = await tokenOfNewApp();
  const put = async (key: string, expression: string) =>
    at.ask(token, "PUT", `/v1/schedules/${key}`, { expression, job: { url: at.target.url } });
  await put("first", "rate(1 hour)");
  await put("second", "rate(2 hours)");
  const page = await at.open("/schedules", token);
  const cards = page.locator("main section h2");
  await page.getByRole("button", { name: "Pause" }).first().click();
  await page.getByRole("button", { name: "Resume" }).waitFor();
  expect(await cards.allTextContents()).toEqual(["first", "second"]);
});

test("the form of a PDF has its fields, and sends one", async () => {
  const token = await tokenOfNewApp();
  const page = await at.open("/new?type=generate_pdf", token);
  await page.getByLabel("Input type").selectOption("markdown");
  await page.getByLabel("Markdown", { exact: true }).fill("# Invoice");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.waitForURL(/\/jobs\/[0-9a-f-]+$/);
  await page.getByRole("heading", { name: "generate_pdf" }).waitFor();
  expect(await page.getByRole("tab").count()).toBe(0);
});
