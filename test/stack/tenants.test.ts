import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endStacks, newApp, sharedStack, tokenFor, until, webhook, type Answer, type Stack } from "../support/stack.ts";

// What tenants are allowed, and what is known of who did what.

let stack: Stack;

beforeAll(async () => {
  stack = await sharedStack({ ROLE: "gateway" });
});
afterAll(endStacks);

const hook = webhook({ url: "https://a.example", mode: "db" });

interface Person {
  readonly appId: string;
  call(method: string, path: string, body?: unknown): Promise<Answer>;
}

async function person(appId: string, sub: string, claims: Parameters<typeof tokenFor>[0] = {}): Promise<Person> {
  const token = await tokenFor({ appId, sub, ...claims });
  const call = async (method: string, path: string, body?: unknown) =>
    stack.call(method, path, { token, ...(body !== undefined && { body }) });
  return { appId, call };
}

const recurring = (more: object = {}) => ({
  message: { execution: { type: "schedule", scheduleExpression: "rate(5 minutes)", targetJob: hook.message, ...more } },
});

// ---- Limits ----

const operator = async (): Promise<Person> => person(randomUUID(), "operator", { roles: ["PLATFORM_ADMIN"] });

async function allow({ appId }: { appId: string }, limits: object): Promise<Answer> {
  return (await operator()).call("PUT", `/v1/admin/apps/${appId}/limits`, limits);
}

test("an app's settings may be tighter than the operator's limits and never wider; the view shows both", async () => {
  const { appId } = await newApp();
  const admin = await person(appId, "admin");
  const put = async (settings: object) => admin.call("PUT", `/v1/admin/apps/${appId}`, settings);
  const inForce = async () => (await admin.call("GET", `/v1/admin/apps/${appId}`)).body.data.inForce;
  const limits = { requestsPerSecond: 100, maxConcurrentTasks: 8, pdfPagesPerDay: 50, waitersPerApp: 3 };
  const allowed = await allow({ appId }, limits);
  expect([allowed.status, allowed.body.data]).toEqual([200, expect.objectContaining({ ...limits, version: 1 })]);
  // Neither a setting nor its absence passes a limit.
  expect(await inForce()).toMatchObject({ ...limits, maxConcurrentTasks: 5 });
  for (const [name, limit] of Object.entries(limits)) {
    const refused = await put({ version: 0, [name]: limit + 1 });
    expect([refused.status, refused.body.error.details]).toEqual([
      400,
      [{ field: name, message: expect.stringContaining(`the operator allows at most ${limit}`) }],
    ]);
  }
  const tight = { requestsPerSecond: 20, maxConcurrentTasks: 2, pdfPagesPerDay: 0, waitersPerApp: 1 };
  expect((await put({ version: 0, ...tight })).body.data).toMatchObject({ ...tight, limits, inForce: tight });
  // What the operator takes away later holds at once, and the settings can still be saved as they are.
  await allow({ appId }, { ...limits, requestsPerSecond: 10 });
  expect(await inForce()).toMatchObject({ ...tight, requestsPerSecond: 10 });
  expect((await put({ version: 1, ...tight, name: "Shop" })).status).toBe(200);
  expect((await put({ version: 2, ...tight, requestsPerSecond: 11 })).status).toBe(400);
  // What is left out has its default again, within the limits.
  await allow({ appId }, { ...limits, maxConcurrentTasks: 3 });
  const left = (await put({ version: 2 })).body.data;
  expect(left).toMatchObject({ requestsPerSecond: null, maxConcurrentTasks: 5, waitersPerApp: null });
  expect(left.inForce).toMatchObject({ ...limits, maxConcurrentTasks: 3 });
});

test("no app gives itself the executions of all tasks while the operator has said nothing", async () => {
  const admin = await person((await newApp()).appId, "admin");
  const put = async (body: object) => admin.call("PUT", `/v1/admin/apps/${admin.appId}`, { version: 0, ...body });
  expect((await put({ maxConcurrentTasks: 6 })).status).toBe(400);
  expect((await put({ maxConcurrentTasks: 5 })).body.data.inForce.maxConcurrentTasks).toBe(5);
});

test("the operator's pause ends by the operator alone", async () => {
  const { appId } = await newApp();
  const admin = await person(appId, "admin");
  await allow({ appId }, { paused: true });
  const { data } = (await admin.call("PUT", `/v1/admin/apps/${appId}`, { version: 0, paused: false })).body;
  expect([data.paused, data.limits.paused, data.inForce.paused]).toEqual([false, true, true]);
  const quick = await admin.call("POST", "/quickjob", { input_type: "markdown", markdown: "# One" });
  expect([quick.status, quick.body.error.message]).toEqual([409, expect.stringContaining("paused")]);
  await allow({ appId }, {});
  expect((await admin.call("GET", `/v1/admin/apps/${appId}`)).body.data.inForce.paused).toBe(false);
});

test("limits are the operator's: others read their own, and a stale version changes nothing", async () => {
  const [{ appId }, other] = [await newApp(), await newApp()];
  const path = `/v1/admin/apps/${appId}/limits`;
  const admin = await person(appId, "admin");
  expect((await admin.call("PUT", path, { requestsPerSecond: null })).status).toBe(403);
  expect((await (await person(other.appId, "admin")).call("GET", path)).status).toBe(404);
  expect((await allow({ appId }, { version: 0, readsPerSecond: 7 })).body.data.version).toBe(1);
  const stale = await allow({ appId }, { version: 0, readsPerSecond: null });
  expect([stale.status, stale.body.error.message]).toEqual([409, expect.stringContaining("the limits are at 1")]);
  expect((await admin.call("GET", path)).body.data).toMatchObject({ readsPerSecond: 7, version: 1 });
  for (const wrong of [{ requestsPerSecond: 0 }, { color: "red" }, { paused: null }])
    expect((await allow({ appId }, wrong)).status).toBe(400);
  const { items } = (await admin.call("GET", `/v1/admin/apps/${appId}/audit?object=limits`)).body.data;
  expect(items).toMatchObject([
    { by: "operator", action: "limits.changed", changes: [{ field: "readsPerSecond", from: 50, to: 7 }] },
  ]);
});

test("what an app may not keep is 403 at every endpoint that would bring more, and names the limit", async () => {
  const { appId } = await newApp();
  const admin = await person(appId, "admin");
  await allow({ appId }, { datasets: 0, recurringSchedules: 0, uploadBytes: 10 });
  const payload = { source: "one", target: "two" };
  const execution = { type: "task", jobType: "data_processing", payload };
  for (const [path, body, limit] of [
    ["/v1/jobs", { jobType: "data_processing", payload }, "datasets of 0"],
    ["/v1/jobs/create", { message: { execution } }, "datasets of 0"],
    ["/v1/jobs/create", recurring(), "recurringSchedules of 0"],
    ["/api/jobs/uploads", { fileName: "a.csv", size: 11, contentType: "text/csv" }, "uploadBytes of 10"],
  ] as const) {
    const { status, body: answer } = await admin.call("POST", path, body);
    const refusal = { code: "FORBIDDEN", message: expect.stringContaining(limit), reason: "limit_reached" };
    expect([status, answer.error]).toEqual([403, refusal]);
  }
  const form = new FormData();
  form.append("jobType", "example");
  form.append("payload", '{"words":["a"]}');
  form.append("file", new Blob(["eleven byte"]), "a.csv");
  const headers = { authorization: `Bearer ${await tokenFor({ appId })}` };
  const sent = await fetch(`${stack.url}/api/jobs`, { method: "POST", headers, body: form });
  expect([sent.status, await sent.text()]).toEqual([403, expect.stringContaining("uploadBytes of 10")]);
  const batch = await admin.call("POST", "/v1/jobs/batch", { jobs: [recurring(), hook] });
  expect(batch.body.data.results.map(({ status }: { status: number }) => status)).toEqual([403, 201]);
});

// ---- Webhooks of users ----

const page = { input_type: "markdown", markdown: "# One" };
const webhookUrl = "https://a.example/ended";
const nobody = async (appId: string, sub: string, permissions: string[] = []) =>
  person(appId, sub, { roles: [], permissions });

test("a user without permissions has at most ten webhooks a minute, however they are asked for at once", async () => {
  const { appId } = await newApp();
  const [ann, ben] = [await nobody(appId, "ann"), await nobody(appId, "ben")];
  const long = async (who: Person, more: object) => who.call("POST", "/longjob", { ...page, ...more });
  await ann.call("PUT", "/accounts/me/webhook", { webhook_url: webhookUrl });
  const keyed = { webhook_url: webhookUrl, idempotency_key: "k" };
  expect((await long(ann, keyed)).status).toBe(202);
  // The account's own webhook counts as that of a request does; of many at the same moment nine are accepted.
  const asked = Array.from({ length: 14 }, async (_, n) => long(ann, n % 2 ? {} : { webhook_url: webhookUrl }));
  const answers = await Promise.all(asked);
  const refused = answers.filter(({ status }) => status === 429);
  expect([answers.filter(({ status }) => status === 202).length, refused.length]).toEqual([9, 5]);
  expect(refused[0]?.body.error.message).toContain("10 webhooks a minute");
  expect(Number(refused.at(-1)?.headers.get("retry-after"))).toBeGreaterThan(0);
  expect((await long(ann, {})).headers.get("retry-after")).toMatch(/^[345]\d$|^60$/);
  // A replay is no further webhook, and what has none is not counted.
  expect((await long(ann, keyed)).status).toBe(200);
  expect((await long(ann, { webhook_url: null })).status).toBe(202);
  expect((await long(ben, { webhook_url: webhookUrl })).status).toBe(202);
});

test("whoever may create jobs may have any number of webhooks", async () => {
  const { appId } = await newApp();
  for (const who of [await nobody(appId, "ann", ["job:Create"]), await person(appId, "admin")]) {
    const asked = Array.from({ length: 12 }, async () =>
      who.call("POST", "/longjob", { ...page, webhook_url: webhookUrl }),
    );
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual(asked.map(() => 202));
  }
});

test("userWebhooks: permission closes webhooks to users who may create no jobs", async () => {
  const { appId } = await newApp();
  const admin = await person(appId, "admin");
  const ann = await nobody(appId, "ann");
  await ann.call("PUT", "/accounts/me/webhook", { webhook_url: webhookUrl });
  const set = async (settings: object) => admin.call("PUT", `/v1/admin/apps/${appId}`, settings);
  const closed = { userWebhooks: "permission", allowedCallbackUrls: ["https://a.example"] };
  expect((await set({ version: 0, ...closed })).body.data.userWebhooks).toBe("permission");
  const refusal = async (who: Person, path: string, body: object) => {
    const { status, body: answer } = await who.call(path === "/longjob" ? "POST" : "PUT", path, body);
    return status === 403 ? answer.error.message : status;
  };
  const says = expect.stringContaining("userWebhooks");
  await until(async () => (await refusal(ann, "/longjob", { ...page, webhook_url: webhookUrl })) !== 202);
  expect(await refusal(ann, "/longjob", { ...page, webhook_url: webhookUrl })).toEqual(says);
  // The account's own, set while it was open, is not passed over in silence.
  expect(await refusal(ann, "/longjob", page)).toEqual(says);
  expect(await refusal(ann, "/accounts/me/webhook", { webhook_url: webhookUrl })).toEqual(says);
  expect(await refusal(ann, "/longjob", { ...page, webhook_url: null })).toBe(202);
  expect(await refusal(ann, "/accounts/me/webhook", { webhook_url: null })).toBe(200);
  const ben = await nobody(appId, "ben", ["jobs.create_jobs"]);
  expect(await refusal(ben, "/accounts/me/webhook", { webhook_url: webhookUrl })).toBe(200);
  expect(await refusal(ben, "/longjob", { ...page, webhook_url: "https://b.example" })).toBe(400);
  expect((await set({ version: 1, userWebhooks: "none" })).status).toBe(400);
});

// ---- Who did it ----

test("each kind of change by a person is in the audit log, and is found by its object", async () => {
  const { appId } = await newApp();
  const ann = await person(appId, "ann");
  const entries: [object: string, action: string][] = [];
  const did = (object: string, action: string) => void entries.unshift([object, action]);

  const { id: schedule } = (await ann.call("POST", "/v1/jobs/create", recurring())).body.data;
  did(`schedule:${schedule}`, "schedule.created");
  await ann.call("POST", `/v1/admin/jobs/${schedule}/cancel`);
  did(`schedule:${schedule}`, "schedule.cancel");
  const task = (await ann.call("POST", "/v1/jobs", { jobType: "example", payload: { words: ["a"] } })).body.jobId;
  did(`job:${task}`, "job.created");
  await ann.call("POST", `/v1/jobs/${task}/cancel`);
  did(`job:${task}`, "job.cancel");
  await ann.call("DELETE", `/v1/admin/jobs/${task}`);
  did(`job:${task}`, "job.delete");
  const pdf = (await ann.call("POST", "/longjob", { input_type: "markdown", markdown: "# One" })).body.job_id;
  did(`job:${pdf}`, "job.created");
  const announced = { fileName: "a.csv", size: 1, contentType: "text/csv" };
  const { fileKey, parts } = (await ann.call("POST", "/api/jobs/uploads", announced)).body;
  did(`upload:${fileKey}`, "upload.announced");
  const { headers } = await fetch(parts[0].url, { method: "PUT", body: "a" });
  const complete = { fileKey, parts: [{ partNumber: 1, etag: headers.get("etag") }] };
  for (const _ of ["first", "repeated"]) await ann.call("POST", "/api/jobs/uploads/complete", complete);
  did(`upload:${fileKey}`, "upload.completed");
  await ann.call("PUT", "/accounts/me/webhook", { webhook_url: "https://a.example" });
  did("webhook:ann", "webhook.changed");
  await ann.call("PUT", `/v1/admin/apps/${appId}`, { version: 0, name: "Shop" });
  did("settings", "settings.changed");
  const secret = (await ann.call("POST", `/v1/admin/apps/${appId}/signing-secrets`)).body.data.id;
  did(`secret:${secret}`, "signing-secret.created");
  const bulk = (await ann.call("POST", "/v1/admin/jobs/redrive", { status: "DEAD" })).body.data.id;
  did(`job:${bulk}`, "job.created");
  did(`job:${bulk}`, "jobs.redrive");
  // What machines ask for by the million has its `createdBy` alone.
  const webhookId = (await ann.call("POST", "/v1/jobs/create", hook)).body.data.id;

  const audit = async (query: string) => (await ann.call("GET", `/v1/admin/apps/${appId}/audit?${query}`)).body.data;
  const { items } = await audit("limit=100");
  const shown = items.map((each: { object: string; action: string }) => [each.object, each.action]);
  expect(shown).toEqual(entries);
  expect(new Set(items.map(({ by }: { by: string }) => by))).toEqual(new Set(["ann"]));
  for (const object of new Set(entries.map(([of]) => of))) {
    const found = (await audit(`object=${encodeURIComponent(object)}`)).items;
    expect(found.map(({ action }: { action: string }) => action)).toEqual(
      entries.filter(([of]) => of === object).map(([, action]) => action),
    );
  }
  expect((await audit(`object=job:${webhookId}`)).items).toEqual([]);
  const first = await audit(`object=job:${task}&limit=2`);
  const rest = await audit(`object=job:${task}&limit=2&cursor=${first.nextCursor}`);
  expect([...first.items, ...rest.items].map(({ action }) => action)).toEqual([
    "job.delete",
    "job.cancel",
    "job.created",
  ]);
  for (const odd of ["never#a", "2026-13-01T00:00:00.000Z#a", "1#a"]) {
    const cursor = Buffer.from(odd).toString("base64url");
    const path = `/v1/admin/apps/${appId}/audit?object=settings&cursor=${cursor}`;
    expect([odd, (await ann.call("GET", path)).status]).toEqual([odd, 400]);
  }
  for (const odd of [task, `upload:${encodeURIComponent("가".repeat(800))}`]) {
    const wrong = await ann.call("GET", `/v1/admin/apps/${appId}/audit?object=${odd}`);
    expect([wrong.status, wrong.body.error.details?.[0].field]).toEqual([400, "object"]);
  }
});

test("every accepted job says who asked for it, by whichever endpoint", async () => {
  const { appId } = await newApp();
  const ann = await person(appId, "ann");
  const ids = [
    (await ann.call("POST", "/v1/jobs/create", hook)).body.data.id,
    (await ann.call("POST", "/v1/jobs/create", recurring())).body.data.id,
    (await ann.call("POST", "/v1/jobs/batch", { jobs: [hook] })).body.data.results[0].data.id,
    (await ann.call("POST", "/v1/jobs/callback-http", { url: "https://a.example" })).body.data.id,
    (await ann.call("POST", "/v1/jobs", { jobType: "example", payload: { words: ["a"] } })).body.jobId,
    (await ann.call("POST", "/longjob", { input_type: "markdown", markdown: "# One" })).body.job_id,
  ];
  const ben = await person(appId, "ben");
  for (const id of ids) expect((await ben.call("GET", `/v1/admin/jobs/${id}`)).body.data.createdBy).toBe("ann");
  const { items } = (await ben.call("GET", "/v1/admin/jobs")).body.data;
  expect(items.map(({ createdBy }: { createdBy: string }) => createdBy)).toEqual(ids.map(() => "ann"));
});
