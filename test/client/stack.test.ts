import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { JobFailedError, type Job } from "../../client/src/index.ts";
import { endStacks, sharedStack, type Stack } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";
import { answerByPath, command, has, newClient, post, scheduled } from "./world.ts";

// The client against a running service.

let stack: Stack;
let target: Target;

beforeAll(async () => {
  [stack, target] = await Promise.all([sharedStack(), startTarget()]);
});
afterAll(async () => {
  await endStacks();
  await target.close();
});

describe("waiting", () => {
  test("ends with the job: with its success, or with an error that holds it", async () => {
    answerByPath(target);
    const { token, jobs } = await newClient(stack);
    const [good, bad] = await Promise.all([
      post(stack, token, { url: target.url, path: "/good" }),
      post(stack, token, { url: target.url, path: "/fail" }),
    ]);
    expect(await jobs.wait(good)).toMatchObject({ id: good, status: "SUCCEEDED" });
    const failed = await jobs.wait(bad).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(JobFailedError);
    expect(failed).toMatchObject({ job: { id: bad, status: "DEAD" }, message: `Job ${bad} is DEAD: HTTP 500` });
  });

  test("ends with the signal", async () => {
    const { token, jobs } = await newClient(stack);
    const id = await scheduled(stack, token);
    await expect(jobs.wait(id, { signal: AbortSignal.timeout(300) })).rejects.toMatchObject({ name: "TimeoutError" });
  });

  test("is answered after the seconds that are asked for, and ends as soon as the job does", async () => {
    const { token, jobs } = await newClient(stack);
    const id = await scheduled(stack, token);
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
    const { appId, token, jobs } = await newClient(stack);
    await stack.call("PUT", `/v1/admin/apps/${appId}`, { token, body: { version: 0, waitersPerApp: 1 } });
    const id = await scheduled(stack, token);
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
  answerByPath(target);
  const { token, jobs } = await newClient(stack);
  const ids: string[] = [];
  for (const path of ["/fail/1", "/fail/2", "/fail/3"]) ids.push(await post(stack, token, { url: target.url, path }));
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
  const other = await scheduled(stack, token);
  expect(await jobs.cancel(other)).toMatchObject({ status: "CANCELLED" });
  await expect(jobs.cancel(other)).rejects.toMatchObject({ name: "ConflictError", code: "CONFLICT" });
  await expect(jobs.get("0194fdc2-fa2f-7cc0-81d3-ff1211111111")).rejects.toMatchObject({ status: 404 });

  const action = await jobs.bulk.redrive({ status: "DEAD", errorContains: "HTTP 500" });
  await expect.poll(async () => jobs.bulk.get(action.id)).toMatchObject({ status: "SUCCEEDED", changed: 3 });
});

describe.skipIf(!has("/v1/send"))("sending", () => {
  test("one job is delivered, later if it says so, and a key makes one job", async () => {
    answerByPath(target);
    const { jobs } = await newClient(stack);
    const order = { url: `${target.url}/paid`, body: { order: 1 }, key: "paid-1" };
    const job = await jobs.send(order);
    expect(job.isReplay).toBe(false);
    expect(await jobs.wait(job.id)).toMatchObject({ id: job.id, idempotencyKey: "paid-1" });
    const [request] = target.received.filter(({ url }) => url === "/paid");
    expect(request?.headers["content-type"]).toBe("application/json");
    expect(JSON.parse(request?.body.toString() ?? "")).toEqual({ order: 1 });
    expect(await jobs.send(order)).toMatchObject({ id: job.id, status: "SUCCEEDED", isReplay: true });
    const other = jobs.send({ ...order, body: { order: 2 } });
    await expect(other).rejects.toMatchObject({ name: "ConflictError", jobId: job.id, differs: ["/body/order"] });
    expect(await jobs.send({ ...order, key: "later", delay: "2h" })).toMatchObject({ status: "PENDING" });
    expect(await jobs.send({ ...order, key: "queue", mode: "sqs" })).toBeNull();
  });

  test("of many, each is accepted or refused by itself", async () => {
    answerByPath(target);
    const { jobs } = await newClient(stack);
    const urls = [`${target.url}/a`, "ftp://a.example", `${target.url}/b`];
    const sent = await jobs.send(urls.map((url) => ({ url })));
    expect(sent.map(({ job, error }) => job?.status ?? error?.name)).toEqual(["PENDING", "JobsError", "PENDING"]);
  });
});

describe.skipIf(!has("/v1/admin/jobs/{id}/resend"))("sending again", () => {
  test("a job is sent once more, with changes", async () => {
    answerByPath(target);
    const { token, jobs } = await newClient(stack);
    const id = await post(stack, token, { url: target.url, path: "/fail" });
    await jobs.wait(id).catch(() => {});
    const again = await jobs.resend(id, { url: `${target.url}/good`, body: { order: 2 } });
    expect(again.id).not.toBe(id);
    await jobs.wait(again.id);
  });
});

describe.skipIf(!has("/v1/schedules/{key}"))("schedules", () => {
  test("are put, paused, resumed, run, previewed and deleted", async () => {
    answerByPath(target);
    const { token, jobs } = await newClient(stack);
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
    expect(await command(stack, token, "schedules")).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("nightly  ACTIVE"),
    });
    await schedules.delete("nightly");
    await expect(schedules.get("nightly")).rejects.toMatchObject({ status: 404 });
  });
});

describe.skipIf(!has("/v1/groups"))("groups", () => {
  test("run to their end, with all their jobs", async () => {
    answerByPath(target);
    const { token, jobs } = await newClient(stack);
    const rows = Array.from({ length: 5 }, (_, n) => ({ url: `${target.url}/row/${n}` }));
    const group = await jobs.groups.run(rows, { onComplete: `${target.url}/all` });
    await jobs.wait(group.id);
    expect(await jobs.groups.get(group.id)).toMatchObject({ status: "SUCCEEDED" });
    expect((await jobs.groups.jobs(group.id).page()).items).toHaveLength(5);
    await expect.poll(() => target.received.filter(({ url }) => url === "/all")).toHaveLength(1);
    expect(await command(stack, token, "groups", "get", group.id)).toMatchObject({ status: 0 });
  });
});

test("destinations are held and resumed, and get limits among the settings of the token's app", async () => {
  const { jobs } = await newClient(stack);
  const limited = [{ destination: "https://a.example:8443", rateLimitPerSecond: 5, maxConcurrency: null }];
  const name = "https://a.example:8443";
  expect(await jobs.destinations.limit(name, { rateLimitPerSecond: 5 })).toEqual(limited);
  expect(await jobs.destinations.limits()).toEqual(limited);
  expect(await jobs.destinations.unlimit(name)).toEqual([]);
  expect(await jobs.destinations.hold(name)).toMatchObject({ destination: name, state: "held" });
  expect((await jobs.destinations.list().page()).items).toMatchObject([{ destination: name }]);
  expect(await jobs.destinations.resume(name)).toMatchObject({ state: "closed" });
  await expect(jobs.destinations.resume(name)).rejects.toMatchObject({ status: 404 });
});

describe.skipIf(!has("/v1/admin/counts"))("counts", () => {
  test("say how many jobs there are", async () => {
    const { jobs } = await newClient(stack);
    expect(await jobs.counts()).toMatchObject({ byStatus: expect.any(Object), waiting: expect.any(Object) });
  });
});
