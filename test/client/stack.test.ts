import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { run } from "../../client/src/bin/cli.ts";
import { JobFailedError, Jobs, type Job } from "../../client/src/index.ts";
import { DOCUMENT } from "../support/api-document.ts";
import { endStacks, newApp, sharedStack, webhook, type Stack } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";

// The client and the command line against a running service.

let stack: Stack;
let target: Target;

beforeAll(async () => {
  [stack, target] = await Promise.all([sharedStack(), startTarget()]);
});
afterAll(async () => {
  await endStacks();
  await target.close();
});

/** An app of its own, with a client. */
async function newClient() {
  const { appId, token } = await newApp();
  return { appId, token, jobs: new Jobs({ url: stack.url, token }) };
}

/** A job by the old door, so that the test needs no other one. */
async function post(
  token: string,
  path: string,
  options: Parameters<typeof webhook>[0] | object = {},
): Promise<string> {
  const body = webhook({ url: target.url, path, metadata: { maxRetries: 0 }, ...options });
  return (await stack.call("POST", "/v1/jobs/create", { token, body })).body.data.id as string;
}

/** The target fails where a path says so. */
function answerByPath(): void {
  target.answer(({ url }, response) => void response.writeHead(url.includes("fail") ? 500 : 200).end());
}

const later = { execution: { type: "schedule", scheduledAt: "2099-01-01T00:00:00Z" } };

async function scheduled(token: string): Promise<string> {
  const { message } = webhook({ url: target.url });
  const body = { message: { execution: { ...later.execution, targetJob: message } } };
  return (await stack.call("POST", "/v1/jobs/create", { token, body })).body.data.id as string;
}

describe("waiting", () => {
  test("ends with the job: with its success, or with an error that holds it", async () => {
    answerByPath();
    const { token, jobs } = await newClient();
    const [good, bad] = await Promise.all([post(token, "/good"), post(token, "/fail")]);
    expect(await jobs.wait(good)).toMatchObject({ id: good, status: "SUCCEEDED" });
    const failed = await jobs.wait(bad).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(JobFailedError);
    expect(failed).toMatchObject({ job: { id: bad, status: "DEAD" }, message: `Job ${bad} is DEAD: HTTP 500` });
  });

  test("ends with the signal", async () => {
    const { token, jobs } = await newClient();
    const id = await scheduled(token);
    await expect(jobs.wait(id, { signal: AbortSignal.timeout(300) })).rejects.toMatchObject({ name: "TimeoutError" });
  });

  test("is answered after the seconds that are asked for, and ends as soon as the job does", async () => {
    const { token, jobs } = await newClient();
    const id = await scheduled(token);
    const path = `/v1/admin/jobs/${id}/wait`;
    const wait = async (seconds: string) => stack.call("GET", `${path}?seconds=${seconds}`, { token });
    const began = performance.now();
    expect((await wait("0")).body.data).toMatchObject({ id, status: "PENDING" });
    const { status, headers } = await wait("1");
    expect([status, headers.get("retry-after")]).toEqual([200, null]);
    expect(performance.now() - began).toBeGreaterThan(990);
    for (const wrong of ["21", "-1", "1.5", "x"]) expect((await wait(wrong)).status).toBe(400);
    const waiting = wait("20");
    await jobs.cancel(id);
    expect((await waiting).body.data.status).toBe("CANCELLED");
  });

  test("of more requests than an app may hold open, the others are answered at once", async () => {
    const { appId, token, jobs } = await newClient();
    await stack.call("PUT", `/v1/admin/apps/${appId}`, { token, body: { version: 0, waitersPerApp: 1 } });
    const id = await scheduled(token);
    const path = `/v1/admin/jobs/${id}/wait`;
    const answered: (string | null)[] = [];
    const both = [0, 1].map(async () =>
      answered.push((await stack.call("GET", path, { token })).headers.get("retry-after")),
    );
    await expect.poll(() => answered).toEqual(["5"]);
    await jobs.cancel(id);
    await Promise.all(both);
    expect(answered).toEqual(["5", null]);
  });
});

test("jobs are listed, shown, cancelled and tried again", async () => {
  answerByPath();
  const { token, jobs } = await newClient();
  const ids: string[] = [];
  for (const path of ["/fail/1", "/fail/2", "/fail/3"]) ids.push(await post(token, path));
  await Promise.all(ids.map(async (id) => jobs.wait(id).catch(() => {})));
  const listed: Job[] = [];
  for await (const job of jobs.list({ status: "DEAD", limit: 2 })) listed.push(job);
  expect(listed.map(({ id }) => id)).toEqual(ids.toReversed());
  expect((await jobs.list({ limit: 2 }).page()).items).toHaveLength(2);

  const [id = ""] = ids;
  expect(await jobs.get(id)).toMatchObject({ id, attempts: [{ number: 1, httpStatus: 500 }] });
  expect(await jobs.retry(id)).toMatchObject({ status: "PENDING" });
  await jobs.wait(id).catch(() => {});
  expect((await jobs.get(id)).attempts).toHaveLength(2);
  const other = await scheduled(token);
  expect(await jobs.cancel(other)).toMatchObject({ status: "CANCELLED" });
  await expect(jobs.cancel(other)).rejects.toMatchObject({ name: "ConflictError", code: "CONFLICT" });
  await expect(jobs.get("0194fdc2-fa2f-7cc0-81d3-ff1211111111")).rejects.toMatchObject({ status: 404 });

  const action = await jobs.bulk.redrive({ status: "DEAD", errorContains: "HTTP 500" });
  await expect.poll(async () => jobs.bulk.get(action.id)).toMatchObject({ status: "SUCCEEDED", changed: 3 });
});

/** Runs a command with the environment of an app. */
async function command(token: string, ...argv: string[]) {
  const printed = { stdout: "", stderr: "" };
  const before = { JOBS_URL: process.env["JOBS_URL"], JOBS_TOKEN: process.env["JOBS_TOKEN"] };
  Object.assign(process.env, { JOBS_URL: stack.url, JOBS_TOKEN: token });
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((text) => {
      printed[name] += String(text);
      return true;
    }),
  );
  try {
    return { status: await run(argv), ...printed };
  } finally {
    for (const spy of spies) spy.mockRestore();
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

const linesOf = (text: string) => text.trimEnd().split("\n");

describe("jobs, the command", () => {
  test("shows, lists, waits for and tries jobs again", async () => {
    answerByPath();
    const { token } = await newClient();
    const [good, bad] = [await post(token, "/good"), await post(token, "/fail")];
    expect(await command(token, "wait", good)).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(`^${good}  SUCCEEDED`),
    });
    expect(await command(token, "wait", good, bad)).toMatchObject({ status: 1 });
    expect(await command(token, "watch", bad)).toMatchObject({
      status: 1,
      stdout: expect.stringContaining("HTTP 500"),
    });
    const listed = await command(token, "list", "--status", "dead", "--since", "1h", "--json");
    expect(linesOf(listed.stdout).map((line) => JSON.parse(line).id)).toEqual([bad]);
    const shown = await command(token, "get", bad);
    expect(linesOf(shown.stdout)).toEqual([
      expect.stringContaining(`${bad}  DEAD       rest-api`),
      expect.stringMatching(/^ {2}1 {2}\S+ {2}retry {2}500 {2}\d+ ms {2}HTTP 500$/),
    ]);
    expect(await command(token, "redrive", bad)).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("PENDING"),
    });
    expect(await command(token, "redrive", bad, "--status", "DEAD")).toMatchObject({ status: 2 });
    const bulk = await command(token, "redrive", "--status", "DEAD", "--json");
    expect(JSON.parse(bulk.stdout)).toMatchObject({ action: "redrive", filter: { status: "DEAD" } });
  });

  test("says by its exit status what went wrong", async () => {
    const { token } = await newClient();
    const id = await scheduled(token);
    expect(await command(token, "wait", id, "--timeout", "1s")).toMatchObject({ status: 75 });
    expect(await command(token, "redrive", id)).toMatchObject({
      status: 4,
      stderr: expect.stringContaining("PENDING"),
    });
    expect(await command(token, "get", "0194fdc2-fa2f-7cc0-81d3-ff1211111111")).toMatchObject({
      status: 1,
      stderr: "No such job\n",
    });
    expect(await command("no token", "list")).toMatchObject({ status: 1 });
    expect(await command(token, "list", "--url", "http://127.0.0.1:9")).toMatchObject({ status: 75 });
    for (const wrong of [
      ["gets"],
      ["get"],
      ["get", "a", "b"],
      ["list", "--color"],
      ["list", "--limit", "x"],
      ["schedules", "lists"],
      ["schedules", "get"],
      ["send"],
      ["send", "https://a.example", "--delay", "soon"],
      ["wait"],
    ]) {
      const { status, stderr } = await command(token, ...wrong);
      expect([wrong, status, stderr]).toEqual([wrong, 2, expect.stringMatching(/\S/)]);
    }
  });

  test("has help for each command, and for all", async () => {
    const help = await command("", "--help");
    expect(help.status).toBe(0);
    const names = [...help.stdout.matchAll(/^ {2}jobs ([a-z]+) /gm)].map(([, name = ""]) => name);
    expect(names).toEqual("send get list watch wait redrive schedules groups token tail".split(" "));
    for (const name of names) {
      const one = await command("", name, "--help");
      expect([one.status, one.stdout]).toEqual([0, expect.stringContaining(`jobs ${name}`)]);
      expect(one.stdout).toContain("--json");
    }
  });

  test("makes tokens for the local stack, and shows what one says", async () => {
    const appId = "550e8400-e29b-41d4-a716-446655440000";
    const { stdout } = await command("", "token", "--app", appId, "--sub", "me");
    const token = stdout.trim();
    expect(await command(token, "list")).toMatchObject({ status: 0 });
    const shown = await command(token, "token", "--show", "--json");
    expect(JSON.parse(shown.stdout)).toMatchObject({ appId, sub: "me", roles: ["APP_ADMIN"] });
    expect((await command(token, "token", "--show")).stdout).toContain("expires at 20");
    expect(await command("", "token", "--app", "mine")).toMatchObject({
      status: 2,
      stderr: '--app is "mine": expected a UUID\n',
    });
    expect(await command("nonsense", "token", "--show")).toMatchObject({ status: 2 });
  });
});

const has = (path: string) => DOCUMENT.paths[path] !== undefined;

describe.skipIf(!has("/v1/send"))("sending", () => {
  test("one job is delivered, later if it says so, and a key makes one job", async () => {
    answerByPath();
    const { jobs } = await newClient();
    const order = { url: `${target.url}/paid`, body: { order: 1 }, key: "paid-1" };
    const job = await jobs.send(order);
    expect(await jobs.wait(job.id)).toMatchObject({ id: job.id, idempotencyKey: "paid-1" });
    const [request] = target.received.filter(({ url }) => url === "/paid");
    expect(request?.headers["content-type"]).toBe("application/json");
    expect(JSON.parse(request?.body.toString() ?? "")).toEqual({ order: 1 });
    expect(await jobs.send(order)).toMatchObject({ id: job.id, status: "SUCCEEDED" });
    const other = jobs.send({ ...order, body: { order: 2 } });
    await expect(other).rejects.toMatchObject({ name: "ConflictError", jobId: job.id, differs: ["/body/order"] });
    expect(await jobs.send({ ...order, key: "later", delay: "2h" })).toMatchObject({ status: "PENDING" });
    expect(await jobs.send({ ...order, key: "queue", mode: "sqs" })).toBeNull();
  });

  test("of many, each is accepted or refused by itself", async () => {
    answerByPath();
    const { jobs } = await newClient();
    const urls = [`${target.url}/a`, "ftp://a.example", `${target.url}/b`];
    const sent = await jobs.send(urls.map((url) => ({ url })));
    expect(sent.map(({ job, error }) => job?.status ?? error?.name)).toEqual(["PENDING", "JobsError", "PENDING"]);
  });

  test("the command sends JSON with its numbers as they are written", async () => {
    answerByPath();
    const { token } = await newClient();
    const body = '{"large":9223372036854775808}';
    const sent = await command(token, "send", `${target.url}/large`, "--body", body, "--wait", "--json");
    expect(JSON.parse(sent.stdout)).toMatchObject({ status: "SUCCEEDED" });
    expect(target.received.find(({ url }) => url === "/large")?.body.toString()).toBe(body);
  });
});

describe.skipIf(!has("/v1/admin/jobs/{id}/resend"))("sending again", () => {
  test("a job is sent once more, with changes", async () => {
    answerByPath();
    const { token, jobs } = await newClient();
    const id = await post(token, "/fail");
    await jobs.wait(id).catch(() => {});
    const again = await jobs.resend(id, { url: `${target.url}/good`, body: { order: 2 } });
    expect(again.id).not.toBe(id);
    await jobs.wait(again.id);
  });
});

describe.skipIf(!has("/v1/schedules/{key}"))("schedules", () => {
  test("are put, paused, resumed, run, previewed and deleted", async () => {
    answerByPath();
    const { token, jobs } = await newClient();
    const { schedules } = jobs;
    const job = { url: `${target.url}/nightly` };
    const made = await schedules.put("nightly", { cron: "0 2 * * *", timezone: "Asia/Seoul", job });
    expect(made).toMatchObject({ key: "nightly", state: "ACTIVE", timezone: "Asia/Seoul" });
    expect(made.nextRuns).toHaveLength(5);
    expect(await schedules.pause("nightly", "holidays")).toMatchObject({ state: "PAUSED" });
    expect(await schedules.resume("nightly")).toMatchObject({ state: "ACTIVE" });
    expect(await schedules.patch("nightly", { every: "1h" })).toMatchObject({ expression: "rate(1 hour)" });
    await schedules.run("nightly");
    const listed: string[] = [];
    for await (const { key } of schedules.list()) listed.push(key);
    expect(listed).toEqual(["nightly"]);
    expect((await schedules.preview({ cron: "0 2 * * *" })).nextRuns.length).toBeGreaterThan(0);
    expect((await schedules.runs("nightly").page()).items).toHaveLength(1);
    expect(await command(token, "schedules")).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("nightly  ACTIVE"),
    });
    await schedules.delete("nightly");
    await expect(schedules.get("nightly")).rejects.toMatchObject({ status: 404 });
  });
});

describe.skipIf(!has("/v1/groups"))("groups", () => {
  test("run to their end, with all their jobs", async () => {
    answerByPath();
    const { token, jobs } = await newClient();
    const rows = Array.from({ length: 5 }, (_, n) => ({ url: `${target.url}/row/${n}` }));
    const group = await jobs.groups.run(rows, { onComplete: `${target.url}/all` });
    await jobs.wait(group.id);
    expect(await jobs.groups.get(group.id)).toMatchObject({ status: "SUCCEEDED" });
    expect((await jobs.groups.jobs(group.id).page()).items).toHaveLength(5);
    await expect.poll(() => target.received.filter(({ url }) => url === "/all")).toHaveLength(1);
    expect(await command(token, "groups", "get", group.id)).toMatchObject({ status: 0 });
  });
});

describe.skipIf(!has("/v1/admin/counts"))("counts", () => {
  test("say how many jobs there are", async () => {
    const { jobs } = await newClient();
    expect(await jobs.counts()).toMatchObject({ byStatus: expect.any(Object), waiting: expect.any(Object) });
  });
});
