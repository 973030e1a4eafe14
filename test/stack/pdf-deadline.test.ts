import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { SECOND } from "../../lib/clock.ts";
import { chromiumsOf } from "../support/pdf.ts";
import { endStacks, newApp, startStack, until } from "../support/stack.ts";

afterAll(endStacks);

/** A small document that takes hours to style. */
const rules = Array.from({ length: 200 }, (_, n) => `i:has(~ i:nth-last-child(${n + 3})) ~ i:has(+ i) { color: red }`);
const endless = { input_type: "html", html: `<style>${rules.join("")}</style>${"<i>x</i>".repeat(5_000)}` };
const next = { input_type: "html", html: "<p>next" };

test("a quick job that takes too long is stopped, and others work meanwhile and afterwards", async () => {
  const stack = await startStack({ env: { ROLE: "gateway" } });
  const { appId, token } = await newApp();
  const quick = async (body: object) =>
    stack.call("POST", "/quickjob", { token, body, headers: { "idempotency-key": JSON.stringify(body).slice(0, 99) } });
  const stopped = quick(endless);
  // A Chromium that is frozen in the middle of the document is as late as one that works, and takes no processor.
  await stack.logged(({ event }) => event === "pdf.browser-started");
  await sleep(SECOND);
  const frozen = chromiumsOf(stack.process.pid);
  expect(frozen).toHaveLength(1);
  for (const pid of frozen) process.kill(pid, "SIGSTOP");
  expect((await quick({ ...next, html: "<p>meanwhile" })).status).toBe(200);
  const { status, body } = await stopped;
  expect([status, body.error.message]).toEqual([408, expect.stringContaining("/longjob")]);
  expect((await quick(next)).status).toBe(200);
  const id = (await quick(endless)).body.error.details[0].message;
  const { body: job } = await stack.call("GET", `/jobs/${id}`, { token });
  expect(job).toMatchObject({
    status: "timeout",
    job_type: "quick",
    timeout_occurred: true,
    duration_ms: expect.any(Number),
    pages: null,
    s3_url: null,
  });
  await until(async () => {
    const { data } = (await stack.call("GET", `/v1/admin/apps/${appId}/usage`, { token })).body;
    return data.days[0]?.timeouts === 1 && data.days[0].failed === 1;
  });
  const retried = await stack.call("POST", `/v1/admin/jobs/${id}/retry`, { token });
  expect([retried.status, retried.body.error.message]).toEqual([409, expect.stringContaining("post it again")]);
});
