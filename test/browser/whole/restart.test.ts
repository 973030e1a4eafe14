import type { Page } from "playwright-core";
import { beforeAll, expect, test } from "vitest";
import { freePort } from "../../../local/emulators.ts";
import { onDashboard } from "../../support/dashboard.ts";
import { jobIn, newApp, startStack, type OwnStack } from "../../support/stack.ts";

// What becomes of open pages while the service is killed, and comes back.

const at = onDashboard();

let stack: OwnStack;
let port: string;

beforeAll(async () => {
  port = String(await freePort());
  stack = await startStack({ env: { PORT: port } });
});

async function open(path: string, token: string): Promise<Page> {
  const { page } = await at.driven.open(`${stack.url}/dashboard${path}#token=${token}`);
  await page.locator("main h1").waitFor();
  return page;
}

const headingOf = async (page: Page) => page.locator("main h1").textContent();

test("a service that is killed and started again leaves open pages as they are, and they come back by themselves", async () => {
  const { token } = await newApp();
  at.target.answer((_, response) => void response.writeHead(503).end());
  const send = async (job: object) =>
    (await stack.call("POST", "/v1/send", { token, body: job })).body.data.id as string;
  const retrying = await send({ url: `${at.target.url}/retried`, key: "retried-1" });
  const waiting = await send({ url: `${at.target.url}/later`, delaySeconds: 3_600 });
  await jobIn(stack, token, retrying, "RETRYING");

  const pages = {
    overview: await open("", token),
    list: await open("/jobs", token),
    job: await open(`/jobs/${retrying}`, token),
    form: await open("/new", token),
    dialog: await open(`/jobs/${waiting}`, token),
  };
  await pages.overview.locator(".number").first().waitFor();
  await expect.poll(async () => pages.list.locator("tbody tr").count()).toBe(2);
  await pages.list.locator("tbody").getByRole("checkbox").first().check();
  const countdown = pages.job.locator(".title time").first();
  await countdown.waitFor();
  await pages.form.getByLabel("Body").fill('{"typed":"by hand"}');
  await pages.form.getByLabel("URL", { exact: true }).fill(`${at.target.url}/typed`);
  await pages.dialog.getByRole("button", { name: "Cancel", exact: true }).click();
  const dialog = pages.dialog.getByRole("dialog");
  await dialog.getByRole("button", { name: "Cancel the job" }).waitFor();
  const headings = await Promise.all(Object.values(pages).map(headingOf));

  await stack.end("SIGKILL");
  for (const page of [pages.overview, pages.list, pages.job, pages.dialog])
    await page
      .getByText(/^Not refreshed since .+: The service did not answer\. Next try in \d+:\d\d\./)
      .first()
      .waitFor({ state: "attached" });
  await pages.form.getByRole("button", { name: "Send", exact: true }).click();
  await pages.form.getByText("The service did not answer").waitFor();
  expect(await pages.form.getByLabel("Body").inputValue()).toBe('{"typed":"by hand"}');
  expect(await Promise.all(Object.values(pages).map(headingOf))).toEqual(headings);
  expect(await pages.list.locator("tbody").getByRole("checkbox").first().isChecked()).toBe(true);
  const shown = await countdown.textContent();
  await expect.poll(async () => countdown.textContent()).not.toBe(shown);
  // A page that was never opened can't be, and says so.
  await pages.list.getByRole("link", { name: "Secrets" }).click();
  await pages.list.getByRole("heading", { name: "This page could not be loaded" }).waitFor();
  await pages.list.goBack();
  expect(await dialog.isVisible()).toBe(true);

  stack = await startStack({ dir: stack.dir, env: { PORT: port } });
  for (const page of Object.values(pages)) {
    const gone = page.getByText("Not refreshed since");
    await expect.poll(async () => gone.count()).toBe(0);
  }
  expect(await pages.list.locator("tbody tr").count()).toBe(2);
  await pages.form.getByRole("button", { name: "Send", exact: true }).click();
  await pages.form.waitForURL(/\/jobs\/[0-9a-f-]{36}$/);
  await dialog.getByRole("button", { name: "Cancel the job" }).click();
  await pages.dialog.locator('[data-status="CANCELLED"]').waitFor();
  at.target.answer((_, response) => void response.end());
  await pages.job.getByRole("button", { name: "Retry now" }).click();
  await pages.job.locator('[data-status="SUCCEEDED"]').waitFor();
});
