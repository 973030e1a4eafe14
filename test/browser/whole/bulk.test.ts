import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { inPage, onDashboard } from "../../support/dashboard.ts";
import { standing, storeOf } from "../../support/stored-jobs.ts";
import { newApp } from "../../support/stack.ts";
import type { Job } from "../../../lib/job/job.ts";

// Many dead jobs, put right together. They are written into the store, since dying takes long.

const at = onDashboard();

/** Dead jobs, each with its attempt, of the last hours. */
function dead(appId: string, url: string, count: number, more: Partial<Job> = {}): Job[] {
  const now = Date.now();
  return Array.from({ length: count }, (_, n) => {
    const ended = now - 3_600_000 + n;
    return standing(
      {
        appId,
        url,
        path: `/orders/${n}`,
        status: "DEAD",
        attempts: 1,
        retryCount: 0,
        maxRetries: 0,
        startedAt: ended - 50,
        lastError: "HTTP 503",
        httpStatus: 503,
        updatedAt: ended,
        dueAt: undefined,
        ...more,
      },
      now - 7_200_000 + n,
    );
  });
}

const hostOf = (url: string) => new URL(url).host;

const dialogOf = (page: Page) => page.getByRole("dialog");

async function countOf(token: string, query: string): Promise<number> {
  return (await at.ask(token, "GET", `/v1/admin/jobs/count?${query}`)).count;
}

test("five hundred dead jobs of a host are tried again, but the one that has changed meanwhile", async () => {
  const { appId, token } = await newApp();
  const { url } = at.target;
  await at.ask(token, "PATCH", `/v1/admin/apps/${appId}`, {
    destinations: [{ destination: url, rateLimitPerSecond: 500 }],
  });
  // It has changed after the bulk action was asked for, as far as its item tells.
  const [changed] = dead(appId, url, 1, { updatedAt: Date.now() + 3_600_000 }) as [Job];
  const others = dead(appId, "http://127.0.0.1:9", 20);
  await storeOf(at.stack).putAll([...dead(appId, url, 500), changed, ...others]);

  const page = await at.open("/jobs", token);
  await page.getByRole("combobox", { name: "Search jobs" }).fill(`status:dead host:${hostOf(url)}`);
  await page.keyboard.press("Enter");
  await expect.poll(() => new URL(page.url()).searchParams.get("q")).toBe(`status:dead host:${hostOf(url)}`);
  await expect.poll(async () => page.locator("tbody tr").count()).toBe(50);
  await page.locator("tbody").getByRole("checkbox").first().check();
  const bar = page.getByRole("region", { name: "Selection" });
  await bar.getByRole("button", { name: "Select all 501" }).click();
  const retry = bar.getByRole("button", { name: "Retry" });
  await retry.click();
  expect(await dialogOf(page).getByRole("heading").textContent()).toBe("Retry 501 dead jobs?");
  const effect = dialogOf(page).locator("p");
  await expect
    .poll(async () => (await effect.textContent())?.trim())
    .toBe(
      `They go to ${hostOf(url)} with fresh retries, at most 500 a second. Jobs that change meanwhile are left alone. What was sent stays sent.`,
    );
  await dialogOf(page).getByRole("button", { name: "Keep them" }).click();
  expect(await dialogOf(page).count()).toBe(0);
  expect(await inPage(page, "document.activeElement.textContent")).toBe("Retry");
  expect(await countOf(token, `status=DEAD&host=${hostOf(url)}`)).toBe(501);

  await retry.click();
  await dialogOf(page).getByRole("button", { name: "Retry 501 jobs" }).click();
  await page.getByRole("button", { name: "Watch" }).click();
  await page.getByRole("heading", { name: "Retry many" }).waitFor();
  await page.locator('[data-status="SUCCEEDED"]').waitFor();
  expect(await page.locator("main .why").textContent()).toMatch(/^500 of 500 jobs that fit/);
  await at.target.got(1);
  expect((await at.ask(token, "GET", `/v1/admin/jobs/${changed.id}`)).status).toBe("DEAD");
  expect(await countOf(token, "status=DEAD")).toBe(21);
});

test("of thousands the number is typed, the progress is seen, and what is stopped stays where it is", async () => {
  const { appId, token } = await newApp();
  // Its jobs are set to run again and wait, while bulk actions run.
  await at.ask(token, "PATCH", `/v1/admin/apps/${appId}`, { paused: true });
  await storeOf(at.stack).putAll(dead(appId, at.target.url, 3_000));
  const page = await at.open("/jobs?q=status:dead", token);
  await page.locator("tbody").getByRole("checkbox").first().check();
  await page.getByRole("button", { name: "Select all 1,000+" }).click();
  await page.getByRole("region", { name: "Selection" }).getByRole("button", { name: "Retry" }).click();
  const yes = dialogOf(page).getByRole("button", { name: "Retry at least 1,000 jobs" });
  expect(await yes.isDisabled()).toBe(true);
  await dialogOf(page).getByRole("textbox").fill("999");
  expect(await yes.isDisabled()).toBe(true);
  await dialogOf(page).getByRole("textbox").fill("1,000");
  await yes.click();
  await page.getByRole("button", { name: "Watch" }).click();
  await page.getByRole("progressbar").waitFor();
  await page.getByRole("button", { name: "Stop here" }).click();
  await page.locator('[data-status="CANCELLED"]').waitFor();
  const [, changed = ""] =
    /([\d,]+) of [\d,]+ jobs? that fit (?:was|were) set to run again/.exec(
      (await page.locator("main .why").textContent()) ?? "",
    ) ?? [];
  const count = Number(changed.replace(",", ""));
  expect(count).toBeLessThan(3_000);
  const { items } = await at.ask(token, "GET", "/v1/admin/bulk-actions");
  expect(items[0]).toMatchObject({ status: "CANCELLED" });
  expect(await countOf(token, "status=PENDING")).toBeGreaterThanOrEqual(Math.min(count, 1_000));
});

test("keys alone filter, select, confirm and watch a bulk action", async () => {
  const { appId, token } = await newApp();
  await storeOf(at.stack).putAll(dead(appId, at.target.url, 30));
  const page = await at.open("", token);
  const { keyboard } = page;
  await keyboard.press("g");
  await keyboard.press("j");
  await page.getByRole("heading", { name: "Jobs", exact: true }).waitFor();
  await keyboard.press("/");
  await keyboard.type("status:dead");
  await keyboard.press("Enter");
  await expect.poll(async () => page.locator("tbody tr").count()).toBe(30);
  await keyboard.press("j");
  await keyboard.press("x");
  await page.getByText("1 selected").waitFor();
  for (const key of ["Shift+Tab", "Shift+Tab", "Space"]) await keyboard.press(key);
  await page.getByText("30 selected").waitFor();
  await keyboard.press("r");
  await dialogOf(page).waitFor();
  expect(await dialogOf(page).getByRole("heading").textContent()).toBe("Retry 30 dead jobs?");
  await keyboard.press("Enter");
  await dialogOf(page).waitFor({ state: "detached" });
  await keyboard.press("g");
  await keyboard.press("b");
  await page.getByRole("heading", { name: "Bulk actions" }).waitFor();
  await page.locator("tbody tr").first().waitFor();
  await keyboard.press("Tab");
  await keyboard.press("Enter");
  await page.getByRole("heading", { name: "Retry many" }).waitFor();
  await page.locator('[data-status="SUCCEEDED"]').waitFor();
  expect(await page.locator("main .why").textContent()).toMatch(/30 jobs/);
});
