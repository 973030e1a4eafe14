import { afterAll, beforeAll, expect, test } from "vitest";
import { endStacks, jobIn, newApp, sharedStack, until, webhook, type Stack } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";

// Flow control from an administrator's view: over HTTP, on the whole stack, with time sped up.

let stack: Stack;
let target: Target;

beforeAll(async () => {
  [stack, target] = await Promise.all([sharedStack({ SPEED: "60" }), startTarget()]);
});
afterAll(async () => {
  await target.close();
  await endStacks();
});

type App = Awaited<ReturnType<typeof newApp>>;

const post = async ({ token }: App, path: string, metadata = {}) => {
  const body = webhook({ url: target.url, path, metadata });
  return (await stack.call("POST", "/v1/jobs/create", { token, body })).body.data.id as string;
};
const batch = async ({ token }: App, path: string, count: number, metadata = {}) => {
  const jobs = Array.from({ length: count }, () => webhook({ url: target.url, path, metadata }));
  const { body } = await stack.call("POST", "/v1/jobs/batch", { token, body: { jobs } });
  return body.data.results.map(({ data }: { data: { id: string } }) => data.id) as string[];
};
const destinations = async ({ token }: App) =>
  (await stack.call("GET", "/v1/admin/destinations", { token })).body.data.items;
const limit = async ({ appId, token }: App, limits: object) => {
  const body = { version: 0, destinations: [{ destination: target.url, ...limits }] };
  return stack.call("PUT", `/v1/admin/apps/${appId}`, { token, body });
};
const at = (path: string) => target.received.filter(({ url }) => url === path);

test("an outage is seen, its jobs wait without using up retries, and go out when the target is back", async () => {
  const app = await newApp();
  let isDown = true;
  target.answer(({ url }, response) => void response.writeHead(isDown && url === "/outage" ? 503 : 200).end());
  // The delays are a second of real time, so that waits, if they counted, would soon use up the retries.
  const ids = await batch(app, "/outage", 30, { maxRetries: 50, retry: { baseDelaySeconds: 60, maxDelaySeconds: 60 } });
  const open = await until(async () =>
    (await destinations(app)).find(({ state }: { state: string }) => state === "open"),
  );
  expect(open).toEqual({
    destination: target.url,
    state: "open",
    since: expect.any(String),
    consecutiveFailures: 20,
    lastFailureAt: expect.any(String),
    lastError: "HTTP 503",
    nextProbeAt: expect.any(String),
    rateLimitPerSecond: null,
    maxConcurrency: null,
  });
  // Another app's jobs still go to the same origin.
  const other = await newApp();
  await jobIn(stack, other.token, await post(other, "/outage-of-others"), "SUCCEEDED");
  const atOpening = at("/outage").length;
  const late = await post(app, "/outage");
  const probed = await until(() => at("/outage").length > atOpening + 2 && at("/outage").length);
  isDown = false;
  for (const id of [...ids, late]) await jobIn(stack, app.token, id, "SUCCEEDED");
  expect(await destinations(app)).toEqual([]);
  // Every attempt has reached the target: a wait counts as none.
  const jobs = await Promise.all([...ids, late].map(async (id) => jobIn(stack, app.token, id, "SUCCEEDED")));
  const attempts = jobs.reduce((sum, job) => sum + job.attempts.length, 0);
  expect(at("/outage")).toHaveLength(attempts);
  expect(probed).toBeLessThan(atOpening + 31);
});

test("a destination that answers 410 is held until an administrator resumes it, and that is in the audit log", async () => {
  const app = await newApp();
  let isGone = true;
  target.answer((_, response) => void response.writeHead(isGone ? 410 : 200).end());
  const first = await post(app, "/gone");
  const [held] = await until(async () => {
    const found = await destinations(app);
    return found.length > 0 && found;
  });
  expect(held).toMatchObject({ destination: target.url, state: "held", lastError: "HTTP 410", nextProbeAt: null });
  const later = await batch(app, "/gone", 5);
  isGone = false;
  const waiting = await jobIn(stack, app.token, later[0] ?? "", "PENDING");
  expect(waiting.attempts).toEqual([]);

  const resume = async (destination: string) =>
    stack.call("POST", "/v1/admin/destinations/resume", { token: app.token, body: { destination } });
  expect((await resume(`${target.url}/`)).body.data).toMatchObject({ destination: target.url, state: "closed" });
  expect((await resume(target.url)).status).toBe(404);
  for (const id of [first, ...later]) await jobIn(stack, app.token, id, "SUCCEEDED");
  const audit = await stack.call("GET", `/v1/admin/apps/${app.appId}/audit`, { token: app.token });
  expect(audit.body.data.items[0]).toEqual({
    at: expect.any(String),
    by: "tester",
    action: "destination.resumed",
    object: `destination:${target.url}`,
    changes: [{ field: target.url, from: "held", to: "closed" }],
  });
});

test("a person's hold lets jobs wait without using up retries, until a person resumes it", async () => {
  const app = await newApp();
  target.answer((_, response) => void response.end());
  const ask = async (action: "hold" | "resume", destination = target.url) =>
    stack.call("POST", `/v1/admin/destinations/${action}`, { token: app.token, body: { destination } });
  const held = await ask("hold", `${target.url}/`);
  const shown = { destination: target.url, state: "held", since: expect.any(String), consecutiveFailures: 0 };
  expect([held.status, held.body.data]).toMatchObject([200, { ...shown, lastError: null, nextProbeAt: null }]);
  // Another one changes nothing.
  expect((await ask("hold")).body.data.since).toBe(held.body.data.since);
  expect((await ask("hold", `${target.url}/path`)).status).toBe(400);
  expect(await destinations(app)).toMatchObject([shown]);
  const ids = await batch(app, "/held-by-a-person", 5, { maxRetries: 0 });
  const why = await until(async () => {
    const { body } = await stack.call("GET", `/v1/admin/jobs/${ids[0]}`, { token: app.token });
    return body.data.waiting?.reason === "held" && body.data.waiting;
  });
  expect(why.detail).toContain(`${target.url} is held since ${held.body.data.since} until a person resumes it`);
  expect(at("/held-by-a-person")).toEqual([]);
  await ask("resume");
  for (const id of ids) expect((await jobIn(stack, app.token, id, "SUCCEEDED")).attempts).toHaveLength(1);
  const path = `/v1/admin/apps/${app.appId}/audit?object=destination:${encodeURIComponent(target.url)}`;
  const audit = await stack.call("GET", path, { token: app.token });
  const told = (action: string, from: string, to: string) => ({ action, changes: [{ field: target.url, from, to }] });
  expect(audit.body.data.items).toMatchObject([
    told("destination.resumed", "held", "closed"),
    told("destination.held", "closed", "held"),
  ]);
});

test("a rate that is set is kept, and every job delivered once", async () => {
  const app = await newApp();
  expect((await limit(app, { rateLimitPerSecond: 10 })).status).toBe(200);
  target.answer((_, response) => void response.end());
  const began = Date.now();
  const ids = await batch(app, "/rated", 31);
  for (const id of ids) expect((await jobIn(stack, app.token, id, "SUCCEEDED")).attempts).toHaveLength(1);
  const times = at("/rated").map((one) => one.at);
  expect(times).toHaveLength(31);
  // Thirty gaps of 100 ms of real time. On a slow machine the first attempt may come late.
  expect(Math.max(...times) - began).toBeGreaterThan(2_900);
});

test("as many attempts run at once as are set, and no more", async () => {
  const app = await newApp();
  await limit(app, { maxConcurrency: 3 });
  let running = 0;
  let most = 0;
  target.answer((_, response) => {
    most = Math.max(most, (running += 1));
    setTimeout(() => {
      running -= 1;
      response.end();
    }, 50);
  });
  const ids = await batch(app, "/few", 20);
  for (const id of ids) expect((await jobIn(stack, app.token, id, "SUCCEEDED")).attempts).toHaveLength(1);
  expect(most).toBeLessThanOrEqual(3);
  expect(at("/few")).toHaveLength(20);
});

test("attempts show the time that their requests were signed with, which is real time", async () => {
  const app = await newApp();
  let isBusy = true;
  target.answer((_, response) => void response.writeHead(isBusy ? 500 : 200).end(() => (isBusy = false)));
  const id = await post(app, "/signed");
  const { attempts } = await jobIn(stack, app.token, id, "SUCCEEDED");
  const shown = attempts.map(({ request }: { request: { headers: object } }) => request.headers);
  const sent = at("/signed").map(({ headers }) => ({ "webhook-timestamp": headers["webhook-timestamp"] }));
  expect(shown).toMatchObject(sent);
  expect(Math.abs(Number(sent[0]?.["webhook-timestamp"]) - Date.now() / 1_000)).toBeLessThan(60);
});

test("destinations are shown with the limits that are set, page by page, to their own app", async () => {
  const [app, other] = [await newApp(), await newApp()];
  await limit(app, { rateLimitPerSecond: 5, maxConcurrency: 2 });
  target.answer((_, response) => void response.writeHead(500).end());
  await post(app, "/shown", { maxRetries: 0 });
  // No server listens on this port.
  const closed = webhook({ url: "http://127.0.0.1:1", metadata: { maxRetries: 0 } });
  await stack.call("POST", "/v1/jobs/create", { token: app.token, body: closed });
  const both = await until(async () => {
    const found = await destinations(app);
    return found.length === 2 && found;
  });
  expect(both).toMatchObject([
    { destination: "http://127.0.0.1:1", consecutiveFailures: 1, rateLimitPerSecond: null },
    { destination: target.url, consecutiveFailures: 1, rateLimitPerSecond: 5, maxConcurrency: 2 },
  ]);
  const page = await stack.call("GET", "/v1/admin/destinations?limit=1", { token: app.token });
  expect(page.body.data.items).toEqual([both[0]]);
  const { nextCursor } = page.body.data;
  const next = await stack.call("GET", `/v1/admin/destinations?limit=1&cursor=${nextCursor}`, { token: app.token });
  expect(next.body.data.items).toEqual([both[1]]);
  const broken = await stack.call("GET", "/v1/admin/destinations?cursor=AAAA", { token: app.token });
  expect([broken.status, broken.body.error.details[0].field]).toEqual([400, "cursor"]);
  expect(await destinations(other)).toEqual([]);
});

test.each([
  [{ destination: "https://a.example/path" }, "destinations.0.destination"],
  [{ destination: "ftp://a.example" }, "destinations.0.destination"],
  [{ destination: "https://u:p@a.example" }, "destinations.0.destination"],
  [{ destination: "https://a.example", rateLimitPerSecond: 0 }, "destinations.0.rateLimitPerSecond"],
  [{ destination: "https://a.example", maxConcurrency: 1.5 }, "destinations.0.maxConcurrency"],
  [{ destination: "https://a.example", maxSpeed: 1 }, "destinations.0.maxSpeed"],
])("limits %j are refused at %s", async (limits, field) => {
  const app = await newApp();
  const body = { version: 0, destinations: [limits] };
  const answer = await stack.call("PUT", `/v1/admin/apps/${app.appId}`, { token: app.token, body });
  expect([answer.status, answer.body.error.details[0].field]).toEqual([400, field]);
});

test("a destination is named once, and its origin is taken as a parser writes it", async () => {
  const app = await newApp();
  const put = async (body: object) => stack.call("PUT", `/v1/admin/apps/${app.appId}`, { token: app.token, body });
  const named = (...names: string[]) => names.map((destination) => ({ destination }));
  const twice = await put({ version: 0, destinations: named("https://a.example", "https://A.example:443/") });
  expect(twice.status).toBe(400);
  expect(twice.body.error.details).toEqual([
    { field: "destinations", message: expect.stringContaining("expected each once") },
  ]);
  const once = await put({ version: 0, destinations: named("HTTPS://A.example:443", "my-function") });
  const limits = { rateLimitPerSecond: null, maxConcurrency: null };
  expect(once.body.data).toMatchObject({
    maxConcurrentTasks: 5,
    waitersPerApp: null,
    destinations: [
      { destination: "https://a.example", ...limits },
      { destination: "my-function", ...limits },
    ],
  });
});
