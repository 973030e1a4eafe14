import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { go, onDashboard } from "../../support/dashboard.ts";
import { newApp, tokenFor, until } from "../../support/stack.ts";
import { standing, storeOf } from "../../support/stored-jobs.ts";

// Destinations that a person holds: on their page, and where jobs are tried again that wait for them.

const at = onDashboard();

const dialogOf = (page: Page) => page.getByRole("dialog");
const rowOf = (page: Page, url: string) => page.locator("tbody tr", { hasText: new URL(url).host });

async function stateOf(token: string, url: string): Promise<string | undefined> {
  const { items } = await at.ask(token, "GET", "/v1/admin/destinations");
  return items.find(({ destination }: { readonly destination: string }) => destination === url)?.state;
}

/** An app with dead jobs to a destination that a person holds. */
async function heldWithDead(count: number) {
  const { url } = at.target;
  const { appId, token } = await newApp();
  await at.ask(token, "POST", "/v1/admin/destinations/hold", { destination: url });
  const now = Date.now();
  const ended = {
    appId,
    url,
    status: "DEAD",
    attempts: 1,
    maxRetries: 0,
    dueAt: undefined,
    lastError: "HTTP 503",
  } as const;
  const jobs = Array.from({ length: count }, (_, n) =>
    standing({ ...ended, path: `/orders/${n}`, startedAt: now - 60_000, updatedAt: now - 50_000 }, now - 70_000 + n),
  );
  await storeOf(at.stack).putAll(jobs);
  return { appId, token, url };
}

test("a destination is held in its row: its jobs wait without retries used, until it is resumed", async () => {
  const { appId, token } = await newApp();
  const { url } = at.target;
  await at.ask(token, "PATCH", `/v1/admin/apps/${appId}`, { destinations: [{ destination: url, maxConcurrency: 5 }] });
  const page = await at.open("/destinations", token);
  await rowOf(page, url).getByText("Well").waitFor();
  await rowOf(page, url).getByRole("button", { name: "Hold" }).click();
  expect(await dialogOf(page).getByRole("heading").textContent()).toBe(`Hold ${new URL(url).host}?`);
  expect(await dialogOf(page).locator("p").textContent()).toContain(
    "Its jobs wait, without using up retries, until somebody resumes it.",
  );
  await dialogOf(page).getByRole("button", { name: "Keep it as it is" }).click();
  expect(await stateOf(token, url)).toBeUndefined();

  await rowOf(page, url).getByRole("button", { name: "Hold" }).click();
  const asked = Promise.withResolvers<void>();
  await page.route("**/destinations/hold", async (route) => {
    await asked.promise;
    await route.continue();
  });
  await dialogOf(page).getByRole("button", { name: "Hold it" }).click();
  expect(await dialogOf(page).getByRole("button", { name: "Working…" }).isDisabled()).toBe(true);
  asked.resolve();
  await rowOf(page, url).getByText("Held").waitFor();
  expect(await rowOf(page, url).getByRole("button", { name: "Hold" }).count()).toBe(0);

  const viewed = await at.open("/destinations", await tokenFor({ appId, roles: ["APP_VIEWER"] }));
  await rowOf(viewed, url).getByText("Held").waitFor();
  expect(await viewed.getByRole("button", { name: /Hold|Resume/ }).count()).toBe(0);

  // Other processes know of a hold within ten seconds.
  await until(async () => {
    const [id] = await at.send(token, { url: `${url}/held` });
    const { waiting, attempts } = await at.ask(token, "GET", `/v1/admin/jobs/${id}`);
    if (waiting?.reason !== "held" || attempts.length > 0) return false;
    await go(page, `/jobs/${id}`);
    return true;
  });
  await page.locator("main").getByRole("button", { name: "Resume" }).click();
  await until(async () => (await stateOf(token, url)) !== "held");
});

test("any destination is held by its name, and a wrong name is told where it is written", async () => {
  const { token } = await newApp();
  const page = await at.open("/destinations", token);
  await page.getByRole("button", { name: "Hold a destination" }).click();
  const name = dialogOf(page).getByLabel("Destination");
  await name.waitFor();
  await page.keyboard.type("hooks.example.com/a");
  await dialogOf(page).getByRole("button", { name: "Hold it" }).click();
  await dialogOf(page)
    .getByText(/expected an origin such as/)
    .waitFor();
  await name.fill("https://hooks.example.com");
  await name.press("Enter");
  await rowOf(page, "https://hooks.example.com").getByText("Held").waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByText("All is well").waitFor();
});

test("a bulk action shows for which destination its jobs wait, and lets them go", async () => {
  const { token, url } = await heldWithDead(3);
  const page = await at.open("/jobs?q=status:dead", token);
  await page.getByRole("checkbox", { name: "Select all" }).first().check();
  await page.getByRole("region", { name: "Selection" }).getByRole("button", { name: "Retry" }).click();
  await dialogOf(page).getByRole("button", { name: "Retry 3 jobs" }).click();
  await page.getByRole("button", { name: "Watch" }).click();
  const shut = page.getByRole("region", { name: "One destination lets none of these jobs through" });
  await shut.getByText("Held").waitFor();
  expect(await shut.locator("li").textContent()).toContain(new URL(url).host);
  const { items } = await at.ask(token, "GET", "/v1/admin/bulk-actions");
  const { shutDestinations } = await at.ask(token, "GET", `/v1/admin/bulk-actions/${items[0].id}`);
  expect(shutDestinations).toMatchObject([{ destination: url, state: "held", lastError: null }]);
  await shut.getByRole("button", { name: "Resume" }).click();
  await shut.waitFor({ state: "detached" });
  expect(await stateOf(token, url)).toBeUndefined();
});

test("one job that is tried again in the list says that its destination is held, and lets it go", async () => {
  const { token, url } = await heldWithDead(1);
  const page = await at.open("/jobs?q=status:dead", token);
  await page.getByRole("checkbox", { name: /Select POST/ }).check();
  await page.getByRole("region", { name: "Selection" }).getByRole("button", { name: "Retry" }).click();
  await dialogOf(page).getByRole("button", { name: "Retry 1 job" }).click();
  await page.getByText(`${new URL(url).host}: held. The job waits for it.`).waitFor();
  await page.getByRole("button", { name: "Resume" }).click();
  await until(async () => (await stateOf(token, url)) === undefined);
});
