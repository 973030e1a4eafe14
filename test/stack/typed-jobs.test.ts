import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endStacks, newApp, sharedStack, tokenFor, type Answer, type Stack } from "../support/stack.ts";

// Tasks through the typed API, `/v1/jobs`.

let stack: Stack;

beforeAll(async () => {
  stack = await sharedStack();
});
afterAll(endStacks);

const ALL = ["jobs.create_jobs", "jobs.view_jobs", "jobs.cancel_jobs", "jobs.retry_jobs"];
const EXAMPLE = { jobType: "example", payload: { words: ["job", "attempt"] } };

async function user(appId: string, sub: string, permissions = ALL): Promise<string> {
  return tokenFor({ appId, sub, roles: [], permissions });
}

async function create(token: string, body: object, headers: Record<string, string> = {}): Promise<Answer> {
  return stack.call("POST", "/v1/jobs", { token, body, headers });
}

async function statusOf(token: string, id: string): Promise<Answer> {
  return stack.call("GET", `/v1/jobs/${id}/status`, { token });
}

/** Waits until a task has ended, and returns its status answer. */
async function ended(token: string, id: string): Promise<Answer> {
  let answer = await statusOf(token, id);
  await expect
    .poll(async () => (answer = await statusOf(token, id)).body.job.status, { interval: 100 })
    .toMatch(/succeeded|failed|cancelled/);
  return answer;
}

test("a task is created, runs, and shows its progress and result", async () => {
  const appId = randomUUID();
  const token = await user(appId, "ann");
  const created = await create(token, { ...EXAMPLE, priority: 5, maxRetries: 2 });
  expect(created).toMatchObject({ status: 201, body: { message: "Job created successfully" } });
  const { body, headers } = await ended(token, created.body.jobId);
  expect(body).toMatchObject({ progress: 100, canCancel: false, canRetry: false });
  expect(body.job).toMatchObject({
    id: created.body.jobId,
    organizationId: appId,
    userId: "ann",
    jobType: "example",
    status: "succeeded",
    priority: 5,
    retryCount: 0,
    maxRetries: 2,
    payload: EXAMPLE.payload,
    result: { letters: 10 },
    errorMessage: null,
    progress: 100,
    totalSteps: 2,
    currentStep: 2,
    scheduledAt: null,
  });
  expect(headers.get("retry-after")).toBeNull();
});

test("a task that waits for its time can be polled and cancelled, and then neither cancelled nor retried", async () => {
  const token = await user(randomUUID(), "ann");
  const scheduledAt = new Date(Date.now() + 3_600_000).toISOString();
  const { body } = await create(token, { ...EXAMPLE, scheduledAt });
  const queued = await statusOf(token, body.jobId);
  expect(queued.body).toMatchObject({ canCancel: true, canRetry: false, job: { status: "queued", scheduledAt } });
  expect(queued.headers.get("retry-after")).toBe("2");
  const act = async (action: string) => stack.call("POST", `/v1/jobs/${body.jobId}/${action}`, { token });
  expect(await act("retry")).toMatchObject({
    status: 409,
    body: { error: { message: "Only a job that has failed can be retried; this one is queued" } },
  });
  expect(await act("cancel")).toMatchObject({ status: 200, body: { message: "Job cancelled successfully" } });
  expect((await statusOf(token, body.jobId)).body.job.status).toBe("cancelled");
  expect((await act("cancel")).status).toBe(409);
  expect((await act("retry")).status).toBe(409);
});

test("a task that failed is retried as often as it has retries left", async () => {
  const token = await user(randomUUID(), "ann");
  const { body } = await create(token, { jobType: "example", payload: { words: ["one", " "] }, maxRetries: 1 });
  const failed = await ended(token, body.jobId);
  expect(failed.body).toMatchObject({ canCancel: false, canRetry: true, progress: 50 });
  expect(failed.body.job).toMatchObject({
    status: "failed",
    retryCount: 0,
    currentStep: 1,
    errorMessage: "Word 2 is empty: expected at least one letter",
  });
  const retry = async () => stack.call("POST", `/v1/jobs/${body.jobId}/retry`, { token });
  expect(await retry()).toMatchObject({ status: 200, body: { message: "Job retry initiated successfully" } });
  const again = await ended(token, body.jobId);
  expect(again.body.job).toMatchObject({ status: "failed", retryCount: 1 });
  expect(again.body.canRetry).toBe(false);
  expect(await retry()).toMatchObject({ status: 409, body: { error: { code: "CONFLICT" } } });
});

test("users see their own tasks, an administrator the app's, page by page and by status and type", async () => {
  const appId = randomUUID();
  const [ann, ben] = [await user(appId, "ann"), await user(appId, "ben")];
  const admin = await tokenFor({ appId });
  const ids: string[] = [];
  for (let n = 0; n < 3; n += 1) ids.push((await create(ann, EXAMPLE)).body.jobId);
  const bens = (await create(ben, { jobType: "example", payload: { words: [" "] } })).body.jobId;
  for (const id of ids) await ended(ann, id);
  await ended(ben, bens);

  const list = async (token: string, query = "") => (await stack.call("GET", `/v1/jobs${query}`, { token })).body;
  expect(await list(ann)).toMatchObject({ total: 3, page: 1, pageSize: 25, totalPages: 1 });
  expect((await list(ann)).jobs.map(({ id }: { id: string }) => id)).toEqual(ids.toReversed());
  expect(await list(ann, "?pageSize=2&page=2")).toMatchObject({ total: 3, totalPages: 2, jobs: [{ id: ids[0] }] });
  expect(await list(admin)).toMatchObject({ total: 4 });
  expect(await list(admin, "?status=failed")).toMatchObject({ total: 1, jobs: [{ id: bens, userId: "ben" }] });
  expect(await list(ann, "?status=failed&jobType=example")).toMatchObject({ total: 0, jobs: [], totalPages: 0 });

  expect((await statusOf(ann, bens)).status).toBe(404);
  expect((await stack.call("POST", `/v1/jobs/${bens}/retry`, { token: ann })).status).toBe(404);
  expect((await statusOf(admin, bens)).status).toBe(200);
  expect((await statusOf((await newApp()).token, bens)).status).toBe(404);
});

test("each thing that is done needs its permission, and is in the audit log", async () => {
  const appId = randomUUID();
  const token = await user(appId, "ann");
  const { jobId } = (await create(token, { jobType: "example", payload: { words: [" "] } })).body;
  await ended(token, jobId);
  const routes = [
    ["POST", "/v1/jobs", "jobs.create_jobs"],
    ["GET", "/v1/jobs", "jobs.view_jobs"],
    ["GET", `/v1/jobs/${jobId}/status`, "jobs.view_jobs"],
    ["GET", `/v1/jobs/${jobId}/events`, "jobs.view_jobs"],
    ["POST", `/v1/jobs/${jobId}/cancel`, "jobs.cancel_jobs"],
    ["POST", `/v1/jobs/${jobId}/retry`, "jobs.retry_jobs"],
  ] as const;
  for (const [method, path, permission] of routes) {
    const body = method === "POST" && path === "/v1/jobs" ? { body: EXAMPLE } : {};
    const without = await user(
      appId,
      "ann",
      ALL.filter((each) => each !== permission),
    );
    const answer = await stack.call(method, path, { token: without, ...body });
    expect(answer).toMatchObject({ status: 403, body: { error: { message: expect.stringContaining(permission) } } });
  }
  await stack.call("POST", `/v1/jobs/${jobId}/retry`, { token });
  const admin = await tokenFor({ appId });
  const audit = await stack.call("GET", `/v1/admin/apps/${appId}/audit`, { token: admin });
  expect(audit.body.data.items).toMatchObject([
    { by: "ann", action: "job.retry", changes: [{ field: jobId, from: "failed", to: "queued" }] },
    { by: "ann", action: "job.created", changes: [{ field: jobId, from: null, to: "example" }] },
  ]);
});

test("a user's idempotency key makes one task of many requests, and is no other user's", async () => {
  const appId = randomUUID();
  const [ann, ben] = [await user(appId, "ann"), await user(appId, "ben")];
  const keyed = { ...EXAMPLE, idempotencyKey: "report-7" };
  const answers = await Promise.all(Array.from({ length: 10 }, async () => create(ann, keyed)));
  expect(new Set(answers.map(({ body }) => body.jobId)).size).toBe(1);
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  const byHeader = await create(ann, EXAMPLE, { "idempotency-key": "report-7" });
  expect(byHeader).toMatchObject({ status: 200, body: { jobId: answers[0]?.body.jobId } });
  expect((await create(ben, keyed)).body.jobId).not.toBe(answers[0]?.body.jobId);
  expect((await create(ann, keyed, { "idempotency-key": "other" })).status).toBe(400);
});

test("what the job type does not take is refused, field by field", async () => {
  const token = await user(randomUUID(), "ann");
  const details = async (body: object) => (await create(token, body)).body.error.details;
  expect(await details({ jobType: "unknown" })).toMatchObject([{ field: "jobType" }]);
  expect(await details({ jobType: "example" })).toMatchObject([{ field: "payload.words" }]);
  expect(await details({ ...EXAMPLE, payload: { words: ["a"], more: 1 } })).toMatchObject([{ field: "payload.more" }]);
  expect(await details({ ...EXAMPLE, priority: 11 })).toMatchObject([{ field: "priority" }]);
  expect(await details({ ...EXAMPLE, scheduledAt: "9999-01-01T00:00:00Z" })).toMatchObject([{ field: "scheduledAt" }]);
});

test("events come as they happen, each once", async () => {
  const token = await user(randomUUID(), "ann");
  const words = Array.from({ length: 450 }, (_, n) => `word${n}`);
  const { jobId } = (await create(token, { jobType: "example", payload: { words } })).body;
  const lines: string[] = [];
  let after = "";
  let statuses: string[] = [];
  for (let isEnded = false; !isEnded;) {
    const query = after === "" ? "" : `?after=${after}`;
    const { status, body } = await stack.call("GET", `/v1/jobs/${jobId}/events${query}`, { token });
    expect(status).toBe(200);
    for (const event of body.events) {
      if (event.type === "log") lines.push(event.message);
      else statuses = [...statuses, event.status];
    }
    ({ after, ended: isEnded } = body);
  }
  expect(lines).toEqual(words.map((word) => `Counted ${word}`));
  expect(statuses.at(-1)).toBe("succeeded");
  expect((await stack.call("GET", `/v1/jobs/${jobId}/events?after=x`, { token })).status).toBe(400);
});

/** Tasks of a paused app, which have no news until they are cancelled; and requests for their events. */
async function quietTasks(settings: object, count = 1) {
  const { appId, token } = await newApp();
  const body = { version: 0, paused: true, ...settings };
  expect((await stack.call("PUT", `/v1/admin/apps/${appId}`, { token, body })).status).toBe(200);
  return Promise.all(
    Array.from({ length: count }, async () => {
      const path = `/v1/jobs/${(await create(token, EXAMPLE)).body.jobId}`;
      const { after } = (await stack.call("GET", `${path}/events`, { token })).body;
      return {
        /** What came: an answer at once, or news. */
        watch: async () => {
          const { status, headers, body: answer } = await stack.call("GET", `${path}/events?after=${after}`, { token });
          expect(status).toBe(200);
          if (answer.events.length > 0) return "news";
          expect([headers.get("retry-after"), answer.after, answer.ended]).toEqual(["5", after, false]);
          return "at once";
        },
        cancel: async () => stack.call("POST", `${path}/cancel`, { token }),
      };
    }),
  );
}

test("twenty requests of an app wait for events; others are answered at once, and wait when they have ended", async () => {
  const [mine, [other]] = await Promise.all([quietTasks({}, 2), quietTasks({})]);
  const theirs: Promise<string | undefined>[] = [];
  for (const task of mine) {
    const came: string[] = [];
    const watching = Array.from({ length: 25 }, async () => came.push(await task.watch()));
    await expect.poll(() => came).toEqual(Array.from({ length: 5 }, () => "at once"));
    // Another app is not affected.
    theirs.push(Promise.resolve(other?.watch()));
    expect(await task.watch()).toBe("at once");
    await task.cancel();
    await Promise.all(watching);
    expect(came.filter((each) => each === "news")).toHaveLength(20);
  }
  await other?.cancel();
  expect(await Promise.all(theirs)).toEqual(["news", "news"]);
});

test("an app sets how many of its requests wait", async () => {
  const [task] = await quietTasks({ waitersPerApp: 1 });
  const came: (string | undefined)[] = [];
  const watching = Array.from({ length: 3 }, async () => came.push(await task?.watch()));
  await Promise.race(watching);
  expect(await task?.watch()).toBe("at once");
  await task?.cancel();
  await Promise.all(watching);
  expect(came).toEqual(["at once", "at once", "news"]);
});

test("a task can be created as any job: alone, in a batch, by a schedule, and after another one", async () => {
  const { token } = await newApp();
  const execution = { type: "task", ...EXAMPLE };
  const message = { execution };
  const job = await stack.call("POST", "/v1/jobs/create", {
    token,
    body: { message, onSuccess: { message: { execution: { ...execution, payload: { words: ["next"] } } } } },
  });
  expect(job.status).toBe(201);
  const scheduled = { type: "schedule", scheduledAt: new Date(Date.now() + 500).toISOString(), targetJob: message };
  const jobs = [{ message }, { message: { execution: scheduled } }];
  const batch = await stack.call("POST", "/v1/jobs/batch", { token, body: { jobs } });
  expect(batch.body.data.results).toMatchObject([{ status: 201 }, { status: 201 }]);
  await expect.poll(async () => (await stack.call("GET", "/v1/jobs?status=succeeded", { token })).body.total).toBe(4);
  const view = (await stack.call("GET", `/v1/admin/jobs/${job.body.data.id}`, { token })).body.data;
  expect(view).toMatchObject({ executionType: "task", status: "SUCCEEDED", attempts: [{ outcome: "succeeded" }] });

  const refused = async (body: object) =>
    (await stack.call("POST", "/v1/jobs/create", { token, body })).body.error.details[0];
  expect(await refused({ mode: "sqs", message })).toMatchObject({ field: "message.execution.type" });
  const ordered = { ...message, metadata: { messageGroupId: "line" } };
  expect(await refused({ message: ordered })).toMatchObject({ field: "message.metadata.messageGroupId" });
  const wrong = { execution: { ...execution, payload: { words: [] } } };
  expect(await refused({ message: wrong })).toMatchObject({ field: "message.execution.payload.words" });
});

test("credentials in a payload's headers and addresses are masked, in every view", async () => {
  const { token } = await newApp();
  const payload = { url: "https://127.0.0.1:1/x?api_key=SECRET", dataset: "d", headers: { authorization: "SECRET" } };
  const scheduledAt = new Date(Date.now() + 3_600_000).toISOString();
  const { jobId } = (await create(token, { jobType: "sync", payload, scheduledAt })).body;
  const typed = await statusOf(token, jobId);
  const unified = await stack.call("GET", `/v1/admin/jobs/${jobId}`, { token });
  const list = await stack.call("GET", "/v1/jobs", { token });
  expect(typed.body.job.payload).toMatchObject({ dataset: "d", headers: { authorization: "***" } });
  for (const { status, body } of [typed, unified, list]) {
    expect(status).toBe(200);
    expect(JSON.stringify(body)).not.toContain("SECRET");
  }
});
