import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { brokenRules } from "../../support/axe.ts";
import { go, inPage, onDashboard, tokenOfNewApp } from "../../support/dashboard.ts";
import type { Look } from "../../support/browser.ts";
import { newApp, tokenFor } from "../../support/stack.ts";
import { standing, storeOf } from "../../support/stored-jobs.ts";

// Everybody can use every page: by eyes, ears and keys, small and large, in any colours.

const at = onDashboard();

const LOOKS: Readonly<Record<string, Look>> = {
  light: {},
  dark: { dark: true },
  "on a phone": { width: 360, height: 740 },
  "dark on a phone": { width: 360, height: 740, dark: true },
  "320 px wide": { width: 320, height: 600 },
  "in forced colours": { settings: { forcedColors: "active" } },
};

/** An app with something on every page. Returns their paths. */
async function fill(): Promise<{ token: string; paths: string[] }> {
  const { appId, token } = await newApp();
  const later = { delaySeconds: 3_600 };
  at.target.answer(({ url }, response) => void response.writeHead(url.startsWith("/no") ? 422 : 200).end('{"a":[1]}'));
  const [waits, fails, works] = await at.send(
    token,
    { url: `${at.target.url}/later`, key: "later-1", body: { a: 1 }, ...later },
    { url: `${at.target.url}/no`, body: { a: 1 }, headers: { "x-api-key": "k" } },
    { url: `${at.target.url}/yes`, onComplete: `${at.target.url}/done` },
  );
  const { id: task } = await at.ask(token, "POST", "/v1/send", { task: "example", payload: { words: ["a"] } });
  await at.ask(token, "PUT", "/v1/schedules/daily", { expression: "0 9 * * *", job: { url: `${at.target.url}/x` } });
  await at.ask(token, "PATCH", `/v1/admin/apps/${appId}`, {
    name: "Shop",
    destinations: [{ destination: at.target.url, rateLimitPerSecond: 50 }],
  });
  const retrying = standing(
    {
      appId,
      status: "RETRYING",
      attempts: 3,
      retryCount: 3,
      startAt: Date.now() + 3_600_000,
      dueAt: Date.now() + 3_600_000,
      lastError: "HTTP 503",
    },
    Date.now() - 7_200_000,
  );
  await storeOf(at.stack).put(retrying);
  const { id: bulk } = await at.ask(token, "POST", "/v1/admin/jobs/redrive", { status: "DEAD" });
  const jobs = [waits, fails, works, task, retrying.id].map((id) => `/jobs/${id}`);
  const others =
    "/jobs,/groups,/jobs?q=status:dead,/jobs?q=nonsense:1,/new,/new?type=schedule,/schedules,/destinations,/bulk";
  const ofApp = "/app/settings,/app/secrets,/app/usage,/app/audit,/apps,/local/mail,/local/echo,/no-such-page";
  const paths = ["", ...others.split(","), ...ofApp.split(","), ...jobs, `/new?from=${fails}`, `/bulk/${bulk}`];
  return { token: await tokenFor({ appId, roles: ["APP_ADMIN", "PLATFORM_ADMIN"] }), paths };
}

let filled: ReturnType<typeof fill> | undefined;

/** Wider than the window, or a control smaller than a finger. */
async function cramped(page: Page): Promise<string[]> {
  return inPage(
    page,
    `(() => {
      const out = document.documentElement.scrollWidth > innerWidth ? ["wider than the window: " + document.documentElement.scrollWidth] : [];
      const least = innerWidth < 640 ? 24 : 20;
      for (const each of document.querySelectorAll("main button, main input:not([type=checkbox]), header button")) {
        const { width, height } = each.getBoundingClientRect();
        if (width > 0 && (width < least || height < least)) out.push(each.outerHTML.slice(0, 120));
      }
      return out;
    })()`,
  );
}

test.each(Object.entries(LOOKS))("no page breaks a rule, %s", { timeout: 300_000 }, async (_, look) => {
  const { token, paths } = await (filled ??= fill());
  const page = await at.open("", token, look);
  for (const path of paths) {
    await go(page, path);
    expect([path, await brokenRules(page)]).toEqual([path, []]);
    expect([path, await cramped(page)]).toEqual([path, []]);
    // Named, and with one heading above the others.
    expect([path, await page.locator("main h1").count()]).toEqual([path, 1]);
    expect([path, await inPage(page, "document.title")]).toEqual([path, expect.stringMatching(/. · Jobs$/)]);
  }
});

test("dialogs and the page to sign in break none either", async () => {
  const { token } = await (filled ??= fill());
  for (const look of [LOOKS["light"], LOOKS["dark on a phone"]]) {
    const { page: signIn } = await at.driven.open(`${at.stack.url}/dashboard`, look);
    await signIn.getByRole("button", { name: "Sign in to this local stack" }).waitFor();
    expect(await brokenRules(signIn)).toEqual([]);
    const page = await at.open("/jobs", token, look);
    await page.keyboard.press("?");
    await page.getByRole("dialog").waitFor();
    expect(await brokenRules(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.locator("tbody").getByRole("checkbox").first().check();
    await page.keyboard.press("c");
    await page.getByRole("dialog").waitFor();
    expect(await brokenRules(page)).toEqual([]);
    // Who presses Enter without reading changes nothing.
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    expect(await page.locator("tbody").getByRole("checkbox").first().isChecked()).toBe(true);
    await go(page, "/destinations");
    await page.getByRole("button", { name: "Hold a destination" }).click();
    await page.getByRole("dialog").waitFor();
    expect(await brokenRules(page)).toEqual([]);
  }
});

test("with reduced motion nothing moves, in forced colours the focus and what is chosen are seen", async () => {
  const token = await tokenOfNewApp();
  const [id = ""] = await at.send(token, { url: `${at.target.url}/a`, delaySeconds: 3_600 });
  const page = await at.open("/jobs", token, { settings: { reducedMotion: "reduce", forcedColors: "active" } });
  await page.locator("tbody tr").first().waitFor();
  const moving = `[...document.querySelectorAll("*")].filter((each) => {
    const { animationName, transitionDuration } = getComputedStyle(each);
    return animationName !== "none" || !/^0s(?:, 0s)*$/.test(transitionDuration);
  }).map((each) => each.outerHTML.slice(0, 100))`;
  expect(await inPage(page, moving)).toEqual([]);
  await at.ask(token, "POST", `/v1/admin/jobs/${id}/cancel`);
  await page.locator('tbody [data-status="CANCELLED"]').waitFor();
  expect(await inPage(page, "document.getAnimations().length")).toBe(0);

  await page.keyboard.press("j");
  expect(await inPage(page, "getComputedStyle(document.activeElement).outlineStyle")).not.toBe("none");
  const chosen = `[...document.querySelectorAll("[aria-current], [aria-pressed=true]")].map((each) => {
    const { borderTopStyle, outlineStyle, textDecorationLine, forcedColorAdjust, borderTopWidth } = getComputedStyle(each);
    const isSeen = (borderTopStyle !== "none" && borderTopWidth !== "0px") || outlineStyle !== "none" || textDecorationLine !== "none" || forcedColorAdjust === "none";
    return isSeen ? "" : each.outerHTML.slice(0, 100);
  }).filter((each) => each !== "")`;
  expect(await inPage(page, chosen)).toEqual([]);
});

test("a navigation moves the focus to the heading, a dialog gives it back, and one sentence at most is told at a time", async () => {
  const token = await tokenOfNewApp();
  await at.send(token, { url: `${at.target.url}/a`, delaySeconds: 3_600 });
  const page = await at.open("", token);
  const focused = async () => inPage<string>(page, "document.activeElement.textContent");
  for (const name of ["Jobs", "Schedules", "Destinations"]) {
    await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name }).click();
    await page.locator(".skeleton").first().waitFor({ state: "detached" });
    await expect.poll(focused).toBe(name);
  }
  await page.goBack();
  await expect.poll(focused).toBe("Schedules");
  const help = page.getByRole("button", { name: "Sign out" });
  await help.focus();
  await page.keyboard.press("?");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  expect(await inPage(page, "document.activeElement.title")).toBe("Sign out");
  await page.keyboard.press("g");
  await page.keyboard.press("j");
  await page.locator("tbody tr").first().waitFor();
  await expect.poll(async () => page.locator("[aria-live]").first().textContent()).toBe("1 job shown");
});
