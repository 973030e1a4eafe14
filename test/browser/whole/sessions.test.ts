import { expect, test } from "vitest";
import { go, inPage, onDashboard, still, tokenOfNewApp, trafficOf } from "../../support/dashboard.ts";
import { newApp, tokenFor } from "../../support/stack.ts";

// Who sees what, and what becomes of a page whose token ends.

const at = onDashboard();

const LATER = { delaySeconds: 3_600 };

/** The pages that any app has. */
const PAGES = [
  "",
  "/jobs",
  "/schedules",
  "/destinations",
  "/bulk",
  "/app/settings",
  "/app/secrets",
  "/app/usage",
  "/app/audit",
];

test("two apps never see each other, one after the other in the same tab either", async () => {
  const [mine, other] = [await tokenOfNewApp(), await tokenOfNewApp()];
  const [id = ""] = await at.send(mine, { url: `${at.target.url}/mine`, key: "mine-1", ...LATER });
  await at.ask(mine, "PUT", "/v1/schedules/mine-daily", {
    expression: "0 9 * * *",
    job: { url: `${at.target.url}/mine` },
  });
  const page = await at.open(`/jobs/${id}`, mine);
  await page.getByText("mine-1").first().waitFor();
  await go(page, "/jobs");
  await page.getByText("mine-1").first().waitFor();

  await page.getByRole("button", { name: "Sign out" }).click();
  expect(await inPage(page, "sessionStorage.length")).toBe(0);
  await page.getByLabel("Token").fill(other);
  await page.evaluate(`window.seen = ""; new MutationObserver(() => (window.seen += document.body.innerText))
    .observe(document.body, { subtree: true, childList: true, characterData: true })`);
  await page.getByRole("button", { name: "Sign in with this token" }).click();
  await page.getByText("No jobs yet").waitFor();
  for (const path of [...PAGES, `/jobs/${id}`, "/jobs?q=key:mine-1", `/jobs?q=id:${id}`]) await go(page, path);
  await go(page, `/jobs/${id}`);
  await page.getByText("There is no such thing").waitFor();
  expect(await inPage(page, "window.seen")).not.toMatch(/mine-(?:1|daily)/);
});

test("who may only look finds nothing that changes anything on any page", async () => {
  const { appId, token } = await newApp();
  const [id = ""] = await at.send(token, { url: `${at.target.url}/seen`, ...LATER });
  await at.ask(token, "PUT", "/v1/schedules/daily", { expression: "0 9 * * *", job: { url: `${at.target.url}/x` } });
  const { id: bulk } = await at.ask(token, "POST", "/v1/admin/jobs/redrive", { status: "DEAD" });
  const page = await at.open("", await tokenFor({ appId, roles: ["APP_VIEWER"] }));
  const changes =
    /^(?:Retry|Start now|Cancel|Give up|Delete|Pause|Run|Resume|Hold|Edit|End|Stop here|Save|New|Make|Revoke|Take|Send)\b/;
  for (const path of [...PAGES, `/jobs/${id}`, `/bulk/${bulk}`]) {
    await go(page, path);
    const main = page.locator("main");
    expect([path, await main.getByRole("button", { name: changes }).allTextContents()]).toEqual([path, []]);
    expect([path, await main.locator('a[href*="/new"]').count()]).toEqual([path, 0]);
  }
  await go(page, "/jobs");
  await page.locator("tbody").getByRole("checkbox").first().check();
  const bar = page.getByRole("region", { name: "Selection" });
  expect(await bar.getByRole("button").allTextContents()).toEqual(["Copy ids", "Clear"]);
});

test("a token that ends leaves the page as it is, silent, until there is another one", async () => {
  const { appId, token } = await newApp();
  await at.send(token, { url: `${at.target.url}/a`, ...LATER }, { url: `${at.target.url}/b`, ...LATER });
  const page = await at.open("/jobs", token, still);
  await page.locator("tbody").getByRole("checkbox").first().check();
  const { sent, pass } = trafficOf(page);
  // The service refuses what it gets from here on, but for another token.
  await page.route("**/v1/**", async (route) => {
    const headers = route.request().headers();
    if (headers["authorization"] === `Bearer ${token}`) headers["authorization"] = "Bearer ended";
    return route.continue({ headers });
  });
  await pass(20);
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("heading", { name: "Sign in again" }).waitFor();
  sent.length = 0;
  await pass(90);
  expect(sent).toEqual([]);
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  expect(await page.locator("tbody tr").count()).toBe(2);
  expect(await page.locator("tbody").getByRole("checkbox").first().isChecked()).toBe(true);
  await pass(90);
  expect(sent).toEqual([]);
  expect(await dialog.count()).toBe(0);

  await page.getByRole("banner").getByRole("button", { name: "Sign in again" }).click();
  await dialog.getByLabel("Token").fill(await tokenFor({ appId, expires: "2h" }));
  await dialog.getByRole("button", { name: "Sign in with this token" }).click();
  await pass(3);
  expect(await dialog.count()).toBe(0);
  expect(sent.filter((each) => each.includes("v1/admin/jobs?")).length).toBeGreaterThan(0);
  expect(await page.locator("tbody").getByRole("checkbox").first().isChecked()).toBe(true);
  expect(await page.getByRole("alert").count()).toBe(0);
});

test("a form that was being filled in is kept while one signs in again, and another person's page begins anew", async () => {
  const { appId, token } = await newApp();
  const page = await at.open("", token);
  await go(page, "/new");
  await page.getByLabel("Body").fill('{"typed":"by hand"}');
  await page.route("**/v1/**", async (route) => {
    const headers = route.request().headers();
    if (headers["authorization"] === `Bearer ${token}`) headers["authorization"] = "Bearer ended";
    return route.continue({ headers });
  });
  await page.locator("main form").getByRole("button", { name: /^Send/ }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Token").fill(await tokenFor({ appId, expires: "2h" }));
  await dialog.getByRole("button", { name: "Sign in with this token" }).click();
  await dialog.waitFor({ state: "detached" });
  expect(await page.getByLabel("Body").inputValue()).toBe('{"typed":"by hand"}');
  await page.locator("main form").getByRole("button", { name: /^Send/ }).click();
  await page.locator("main [data-status]").first().waitFor();

  await page.unrouteAll({ behavior: "wait" });
  await page.route("**/v1/**", async (route) =>
    route.continue({ headers: { ...route.request().headers(), authorization: "Bearer ended" } }),
  );
  await go(page, "/jobs");
  await dialog.getByLabel("Token").fill(await tokenOfNewApp());
  await page.unrouteAll({ behavior: "wait" });
  await dialog.getByRole("button", { name: "Sign in with this token" }).click();
  await page.getByText("No jobs yet").waitFor();
});
