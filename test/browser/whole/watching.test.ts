import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { inPage, onDashboard, tokenOfNewApp } from "../../support/dashboard.ts";

// A job that is looked at from its first failure to its success, at sixty times the usual speed.

const SPEED = 60;
const at = onDashboard({ env: { SPEED: String(SPEED) } });

/** 90, 180 and 360 s of service time. */
const RETRIES = { maxRetries: 5, retry: { baseDelaySeconds: 90, jitter: 0 } };

/** Fails so many times before it goes well. */
function failing(times: number): void {
  let left = times;
  at.target.answer((_, response) => {
    left -= 1;
    if (left >= 0) response.writeHead(503);
    response.end(left >= 0 ? "not yet" : "done");
  });
}

/** By how many real seconds the countdown is beside the service's time. */
async function offBy(page: Page): Promise<number> {
  const shown = await inPage<{ text: string; to: string } | null>(
    page,
    `(() => { const time = document.querySelector(".why time");
       return time && { text: time.firstElementChild.textContent.replace("in ", ""), to: time.dateTime } })()`,
  );
  const { body } = await at.stack.call("GET", "/health");
  if (!shown || !/^\d+:\d\d$/.test(shown.text)) return Number.POSITIVE_INFINITY;
  const [minutes = 0, seconds = 0] = shown.text.split(":").map(Number);
  const left = (Date.parse(shown.to) - Date.parse(body.now)) / 1_000;
  return Math.abs(minutes * 60 + seconds - left) / SPEED;
}

test("a job is watched through three retries to its success, with a countdown that is right to the second", async () => {
  const token = await tokenOfNewApp();
  failing(3);
  const [id = ""] = await at.send(token, { url: `${at.target.url}/orders`, body: { n: 1 }, ...RETRIES });
  const page = await at.open(`/jobs/${id}`, token);
  await inPage(
    page,
    `(() => { window.seen = []; const note = () => {
       const now = document.querySelector("main .title [data-status]")?.dataset.status;
       if (now && window.seen.at(-1) !== now) window.seen.push(now) };
     new MutationObserver(note).observe(document.body, { subtree: true, childList: true, attributes: true }); note() })()`,
  );
  for (const attempts of [1, 2, 3]) {
    await page.getByRole("button", { name: `Show attempt ${attempts}` }).waitFor();
    if (attempts < 3) await page.locator('.title [data-status="RETRYING"]').waitFor();
    // The countdown of a wait that ends at once is not met in time.
    if (attempts > 1) await expect.poll(async () => offBy(page), { interval: 50 }).toBeLessThan(1);
    expect(await page.locator("figcaption").textContent()).toContain(`${attempts} retry (503)`);
  }
  await page.locator('.title [data-status="SUCCEEDED"]').waitFor();
  expect(await page.locator("tbody tr").count()).toBe(4);
  expect(await page.locator(".why").textContent()).toMatch(/^It succeeded/);
  const seen = await inPage<string[]>(page, "window.seen");
  expect(seen.filter((status) => status === "SUCCEEDED")).toHaveLength(1);
  expect(seen.at(-1)).toBe("SUCCEEDED");
  expect(new Set(seen).size).toBeLessThanOrEqual(4);
});

test("keys alone find a job, read its attempts and try it again", async () => {
  const token = await tokenOfNewApp();
  failing(1);
  const long = { ...RETRIES, retry: { baseDelaySeconds: 36_000 }, key: "order-9" };
  await at.send(token, { url: `${at.target.url}/orders`, body: { n: 1 }, ...long });
  const page = await at.open("", token);
  const { keyboard } = page;
  await keyboard.press("/");
  await keyboard.type("key:order-9");
  await keyboard.press("Enter");
  await page.locator("tbody tr").first().waitFor();
  await keyboard.press("j");
  expect(await inPage(page, "document.activeElement.closest('tbody') !== null")).toBe(true);
  await keyboard.press("Enter");
  await page.locator('.title [data-status="RETRYING"]').waitFor();
  expect(await inPage(page, "document.activeElement.tagName")).toBe("H1");
  await keyboard.press("r");
  await page.locator('.title [data-status="SUCCEEDED"]').waitFor();
  await keyboard.press("[");
  await page.getByRole("region", { name: "Attempt 1" }).waitFor();
  await keyboard.press("]");
  await page.getByRole("region", { name: "Attempt 2" }).waitFor();
  expect(page.url()).toContain("attempt=2");
});
