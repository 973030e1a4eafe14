import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { inPage, onDashboard, trafficOf } from "../../support/dashboard.ts";
import { ROOT } from "../../support/root.ts";
import { newApp, until } from "../../support/stack.ts";
import { standing, storeOf } from "../../support/stored-jobs.ts";
import type { Job } from "../../../lib/job/job.ts";

// An app with a hundred thousand jobs, and what the dashboard weighs.

const at = onDashboard({ isOwn: true, env: { ROLE: "gateway" } });

/** JOBS=5000 is over sooner. */
const MANY = Number(process.env["JOBS"] ?? 100_000);

function ended(appId: string, count: number): Job[] {
  const now = Date.now();
  return Array.from({ length: count }, (_, n) => {
    const createdAt = now - (count - n) * 500;
    const isDead = n % 10 === 0;
    return standing(
      {
        appId,
        path: `/orders/${n}`,
        attempts: 1,
        startedAt: createdAt + 20,
        updatedAt: createdAt + 100,
        dueAt: undefined,
        ...(isDead
          ? { status: "DEAD", lastError: "HTTP 503", httpStatus: 503 }
          : { status: "SUCCEEDED", success: { durationMs: 80, httpStatus: 200 } }),
      },
      createdAt,
    );
  });
}

/** How long the list takes from a click to its rows, in ms: the median of several. */
async function listing(page: Page, path: string): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 9; round += 1) {
    times.push(
      await inPage<number>(
        page,
        `(async () => {
          history.pushState(null, "", "/dashboard/jobs?q=id:00000000-0000-4000-8000-00000000000${round}");
          dispatchEvent(new PopStateEvent("popstate"));
          while (document.querySelector("tbody tr")) await new Promise((next) => setTimeout(next, 2));
          const began = performance.now();
          history.pushState(null, "", "/dashboard${path}" + encodeURIComponent(" before:" + new Date(Date.now() - ${round + 1}).toISOString()));
          dispatchEvent(new PopStateEvent("popstate"));
          while (document.querySelectorAll("tbody tr").length < 50) await new Promise((next) => setTimeout(next, 2));
          const took = performance.now() - began;
          // Nobody goes on before the count is there, which is asked for once the rows are.
          const isCounted = ({ name, startTime }) => name.includes("/jobs/count") && startTime >= began;
          while (!performance.getEntriesByType("resource").some(isCounted)) await new Promise((next) => setTimeout(next, 2));
          performance.clearResourceTimings();
          return took;
        })()`,
      ),
    );
  }
  return times.toSorted((a, b) => a - b)[4] ?? Number.NaN;
}

test("a list of a hundred thousand jobs costs what one of a hundred does", { timeout: 1_800_000 }, async () => {
  const [few, many] = [await newApp(), await newApp()];
  const { putAll } = storeOf(at.stack);
  await putAll(ended(few.appId, 100));
  const all = ended(many.appId, MANY);
  await putAll(all);
  // The counts follow the table's stream, which takes a processor until all are counted.
  const counted = async () => {
    const { byStatus } = await at.ask(many.token, "GET", "/v1/admin/counts");
    return byStatus.SUCCEEDED + byStatus.DEAD === MANY;
  };
  await until(counted);
  const pages = { few: await at.open("/jobs", few.token), many: await at.open("/jobs", many.token) };
  for (const query of ["/jobs?q=status:succeeded", "/jobs?q=status:dead,succeeded"]) {
    const [small, large] = [await listing(pages.few, query), await listing(pages.many, query)];
    // Beside other work on the same processors, a difference of some milliseconds tells nothing.
    expect(large).toBeLessThan(Math.max(small * 1.2, small + 60));
  }
  const { sent } = trafficOf(pages.many);
  await inPage(
    pages.many,
    `history.pushState(null, "", "/dashboard/jobs"); dispatchEvent(new PopStateEvent("popstate"))`,
  );
  const further = pages.many.getByRole("button", { name: "Look further" });
  for (let round = 0; round < 6; round += 1) {
    await further.click();
    await expect.poll(async () => further.isEnabled()).toBe(true);
  }
  expect(sent.filter((each) => each.includes("v1/admin/jobs?")).length).toBeLessThan(15);
  expect(await pages.many.locator("tbody tr").count()).toBeLessThanOrEqual(200);
  // Any of them is found.
  const one = all[MANY / 2] as Job;
  await pages.many.getByRole("combobox", { name: "Search jobs" }).fill(one.id);
  await pages.many.keyboard.press("Enter");
  await pages.many.getByRole("heading", { level: 1, name: new RegExp(`/orders/${MANY / 2}$`) }).waitFor();
});

test("all of the dashboard's files are within their budget", () => {
  const dir = join(ROOT, "web/dist/assets");
  const bytes = readdirSync(dir)
    .filter((name) => name.endsWith(".gz"))
    .reduce((sum, name) => sum + readFileSync(join(dir, name)).length, 0);
  expect(bytes).toBeLessThan(100 * 1_024);
});
