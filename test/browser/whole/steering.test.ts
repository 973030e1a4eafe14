import { expect, test } from "vitest";
import { go, onDashboard } from "../../support/dashboard.ts";
import { jobIn } from "../../support/stack.ts";

// What people do on the dashboard's pages: schedules, settings, groups.

const at = onDashboard();

test("a schedule is made, told in words, edited, paused and taken up again, run and ended", async () => {
  const { page, call } = await at.openNew();
  await go(page, "/new?type=schedule");
  await page.getByLabel("Key").first().fill("nightly");
  await page.getByLabel("Times").fill("0 2 * * 1-5");
  await page.getByLabel("Time zone").fill("Europe/Berlin");
  await page.getByText("on weekdays at 02:00").waitFor();
  await page.getByLabel("URL", { exact: true }).fill(`${at.target.url}/nightly`);
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
    job: { url: `${at.target.url}/nightly` },
  });
  await panel.getByRole("button", { name: "End" }).click();
  await page.getByRole("button", { name: "End it" }).click();
  await page.getByRole("heading", { name: "No schedule" }).waitFor();
});

test("settings that somebody else has changed meanwhile are shown in both versions, and mine can go on top", async () => {
  const { page, call, appId } = await at.openNew();
  const path = `/v1/admin/apps/${appId}`;
  await call("PATCH", path, { name: "Shop" });
  await go(page, "/app/settings");
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
});

test("a schedule that somebody else has changed meanwhile is shown in both versions, and mine can go on top", async () => {
  const { page, call } = await at.openNew();
  const path = "/v1/schedules/nightly";
  await call("PUT", path, { expression: "0 2 * * *", job: { url: `${at.target.url}/old`, body: { n: 1 } } });
  await go(page, "/schedules");
  await page.getByRole("button", { name: "Edit" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Times").fill("0 3 * * *");
  await call("PATCH", path, { overlap: "skip", expression: "0 4 * * *" });
  await dialog.getByRole("button", { name: "Save" }).click();
  const versions = dialog.getByRole("alert", { name: "Two versions" });
  for (const text of [/0 4 \* \* \?/, "0 3 * * *", "skip"]) await versions.getByRole("cell", { name: text }).waitFor();
  await versions.getByRole("button", { name: "Put my changes on top" }).click();
  expect(await dialog.getByLabel("While the last run").inputValue()).toBe("skip");
  expect(await dialog.getByLabel("Times").inputValue()).toBe("0 3 * * *");
  await dialog.getByLabel("What each run sends").fill(JSON.stringify({ url: `${at.target.url}/new`, body: { n: 1 } }));
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "detached" });
  expect(await call("GET", path)).toMatchObject({ overlap: "skip", job: { url: `${at.target.url}/new` } });

  await page.getByRole("button", { name: "Edit" }).click();
  await dialog.getByLabel("Times").fill("0 5 * * *");
  await call("PATCH", path, { expression: "0 6 * * *" });
  await dialog.getByRole("button", { name: "Save" }).click();
  await versions.getByRole("button", { name: "Take what is saved" }).click();
  expect(await dialog.getByLabel("Times").inputValue()).toMatch(/0 6 \* \* \?/);
  await dialog.getByRole("button", { name: "Keep as it is" }).click();
  await dialog.waitFor({ state: "detached" });
  expect(await page.evaluate("document.activeElement.textContent")).toBe("Edit");
});

test("a group shows how its members have ended, and a job leads to its group and to what followed it", async () => {
  const { page, call, token } = await at.openNew();
  at.target.answer(({ url }, response) => void response.writeHead(url === "/bad" ? 422 : 200).end());
  const group = await call("POST", "/v1/groups", { key: "import", expected: 2 });
  const onSuccess = { url: `${at.target.url}/after` };
  const member = await call("POST", "/v1/send", { url: `${at.target.url}/good`, group: group.id, onSuccess });
  await call("POST", "/v1/send", { url: `${at.target.url}/bad`, group: group.id });
  await jobIn(at.stack, token, group.id, "FAILED", "DEAD");
  await go(page, "/groups");
  await page.getByRole("link", { name: "import" }).click();
  await page.getByRole("heading", { name: "2 of 2 members ended" }).waitFor();
  await page.getByRole("img", { name: "1 succeeded, 1 failed" }).waitFor();
  await page.getByRole("link", { name: "/good" }).click();
  expect(page.url()).toContain(member.id);
  const relatives = page.getByLabel("Related jobs");
  await relatives.getByRole("link", { name: /Group group import/ }).waitFor();
  await relatives.getByRole("link", { name: /POST .*\/after/ }).waitFor();
});
