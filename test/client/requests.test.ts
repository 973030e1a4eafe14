import { afterEach, beforeEach, expect, test } from "vitest";
import {
  ConflictError,
  Jobs,
  JobsError,
  RateLimitError,
  UnavailableError,
  type Job,
  type NewJob,
} from "../../client/src/index.ts";
import { startTarget, type Target } from "../support/target.ts";

// What the client asks for, and what it makes of answers: against a server that answers as each test says.

let service: Target;
let jobs: Jobs;

beforeEach(async () => {
  service = await startTarget();
  jobs = new Jobs({ url: `${service.url}/`, token: "t" });
});
afterEach(async () => service.close());

interface Reply {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

const LOST = "lost";
const SOON = { "retry-after": "0" };
const job = (id = "1"): Partial<Job> => ({ id, status: "PENDING" });
const data = (value: unknown, status = 200): Reply => ({ status, body: { success: true, data: value } });
const refused = (status: number, error: object = {}, headers: Record<string, string> = SOON): Reply => ({
  status,
  headers,
  body: { success: false, error: { code: "ANY", message: "said", ...error } },
});

/** Answers requests in turn; the last one again and again. */
function replies(...all: (Reply | typeof LOST)[]): void {
  service.answer((_, response) => {
    const reply = all[Math.min(service.received.length, all.length) - 1];
    if (reply === undefined || reply === LOST) {
      response.destroy();
      return;
    }
    const { status, body, headers } = reply;
    response
      .writeHead(status, { "x-request-id": "r1", ...headers })
      .end(body === undefined ? "" : JSON.stringify(body));
  });
}

const asked = () =>
  service.received.map(({ method, url, body }) => [
    method,
    url,
    ...(body.length > 0 ? [JSON.parse(body.toString())] : []),
  ]);

test("after a lost answer, a 429 and a 503 the same job is sent again, with one key", async () => {
  replies(LOST, refused(429), refused(503), data(job(), 201));
  const sent = await jobs.send({ url: "https://shop.example/hook", body: { order: 1 } });
  expect(sent).toEqual({ ...job(), isReplay: false });
  const [first, ...repeated] = asked();
  expect(first).toEqual([
    "POST",
    "/v1/send",
    { url: "https://shop.example/hook", body: { order: 1 }, key: expect.stringMatching(/^[\da-f-]{36}$/) },
  ]);
  expect(repeated).toEqual([first, first, first]);
  expect(service.received[0]?.headers).toMatchObject({ authorization: "Bearer t", "content-type": "application/json" });
});

test("it says whether the key had its job already, of one job and of many", async () => {
  const again: Reply = { ...data(job(), 200), headers: { "idempotent-replayed": "true" } };
  replies(again);
  expect(await jobs.send({ url: "https://a.example", key: "k" })).toEqual({ ...job(), isReplay: true });
  // Without a key of the caller's, only a try of this call can have made it.
  expect(await jobs.send({ url: "https://a.example" })).toEqual({ ...job(), isReplay: false });
  replies(data({ results: [200, 201, 200].map((status) => ({ status, data: job() })) }, 207));
  const sent = await jobs.send(["a", "b", undefined].map((key) => ({ url: "https://a.example", key })));
  expect(sent.map((each) => each.job?.isReplay)).toEqual([true, false, false]);
});

test("it gives up after four tries, and says that another may succeed", async () => {
  replies(refused(503));
  const failed = await jobs.get("1").catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(UnavailableError);
  expect(failed).toMatchObject({ status: 503, isRetryable: true, requestId: "r1" });
  expect(service.received).toHaveLength(4);
});

test("it waits for Retry-After, and not longer than 30 s", async () => {
  replies(refused(429, {}, { "retry-after": "60" }));
  const failed = await jobs.get("1").catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(RateLimitError);
  expect(failed).toMatchObject({ status: 429, retryAfterSeconds: 60, isRetryable: true });
  expect(service.received).toHaveLength(1);

  replies(refused(429), refused(429, {}, { "retry-after": "1" }), data(job()));
  const began = performance.now();
  await jobs.get("1");
  expect(performance.now() - began).toBeGreaterThan(990);
});

test("what is refused is not repeated, and the error says what is wrong", async () => {
  const details = [{ field: "url", message: "expected a URL" }];
  replies(refused(400, { code: "BAD_REQUEST", message: "Validation failed", details }));
  const failed = await jobs.send({ url: "x" }).catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(JobsError);
  expect(failed).toMatchObject({ status: 400, code: "BAD_REQUEST", details, requestId: "r1", isRetryable: false });
  expect(String(failed)).toBe("JobsError: Validation failed\n  url: expected a URL");
  expect(service.received).toHaveLength(1);
});

test("a key that belongs to another job is a conflict, which names what differs", async () => {
  const details = [{ field: "/body/amount", message: "differs" }];
  const jobId = "0194fdc2-fa2f-7cc0-81d3-ff1211111111";
  const message = `The key belongs to job ${jobId}`;
  replies(refused(422, { reason: "idempotency_conflict", message, details }), refused(409, { reason: "group_sealed" }));
  const failed = await jobs.send({ url: "https://a.example", key: "k" }).catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(ConflictError);
  expect(failed).toMatchObject({ reason: "idempotency_conflict", differs: ["/body/amount"], jobId });
  await expect(jobs.groups.seal("g")).rejects.toMatchObject({ name: "ConflictError", reason: "group_sealed" });
});

test("an answer that is not of the service says so", async () => {
  service.answer((_, response) => response.end("<html>a portal</html>"));
  await expect(jobs.get("1")).rejects.toThrow("is it the address of the service? <html>");
  service.answer((_, response) => response.writeHead(404).end("nothing here"));
  await expect(jobs.get("1")).rejects.toThrow("HTTP 404: nothing here");
});

test("a signal ends a call while it waits", async () => {
  replies(refused(429, {}, { "retry-after": "20" }));
  const reason = new Error("stopped");
  const controller = new AbortController();
  const call = jobs.get("1", { signal: controller.signal });
  await service.got(1);
  controller.abort(reason);
  await expect(call).rejects.toBe(reason);
});

test("a cancel whose answer was lost is no conflict", async () => {
  replies(LOST, refused(409), data({ ...job(), status: "CANCELLED" }));
  expect(await jobs.cancel("1")).toMatchObject({ status: "CANCELLED" });
  replies(refused(409));
  await expect(jobs.cancel("1")).rejects.toBeInstanceOf(ConflictError);
});

test("the token may be asked for, before every try", async () => {
  replies(refused(503), data(job()));
  let count = 0;
  await new Jobs({ url: service.url, token: async () => `t${(count += 1)}` }).get("1");
  expect(service.received.map(({ headers }) => headers.authorization)).toEqual(["Bearer t1", "Bearer t2"]);
});

test("what the caller's own code throws is thrown at once", async () => {
  const failing = async () => Promise.reject(new Error("no token today"));
  await expect(new Jobs({ url: service.url, token: failing }).get("1")).rejects.toThrow("no token today");
  await expect(jobs.send({ url: "https://a.example", body: 1n })).rejects.toThrow("BigInt");
  expect(service.received).toEqual([]);
});

test("a redirect is not followed, and the error says where it leads", async () => {
  replies({ status: 301, headers: { location: "https://jobs.example.com/v1/send" } });
  await expect(jobs.send({ url: "https://a.example" })).rejects.toThrow("HTTP 301: https://jobs.example.com/v1/send");
});

test("without an address or a token it says what to set", () => {
  expect(() => new Jobs({ token: "t" })).toThrow("url is missing: give new Jobs({ url }), or set JOBS_URL");
  expect(() => new Jobs({ url: "http://a" })).toThrow("token is missing");
  expect(() => new Jobs({ url: "jobs", token: "t" })).toThrow('url is "jobs": expected one such as https:');
});

test("many jobs go a hundred at a time, and those for which there was no room are sent again with their keys", async () => {
  let isFull = true;
  service.answer(({ body }, response) => {
    const posted = JSON.parse(body.toString()) as { key: string; body: number }[];
    const results = posted.map(({ body: n }) => {
      if (n === 7) return { status: 400, error: { code: "BAD_REQUEST", message: "no" } };
      if (n === 150 && isFull) return { status: 429, error: { code: "TOO_MANY_REQUESTS", message: "full" } };
      return { status: 201, data: job(String(n)) };
    });
    if (posted.some(({ body: n }) => n === 150)) isFull = false;
    response.writeHead(207).end(JSON.stringify({ success: true, data: { results } }));
  });
  const sent = await jobs.send(Array.from({ length: 250 }, (_, n) => ({ url: "https://a.example", body: n })));
  expect(sent.map((each) => each.job?.id ?? each.error)).toEqual(
    Array.from({ length: 250 }, (_, n) => (n === 7 ? expect.any(JobsError) : String(n))),
  );
  const posted = service.received.map(({ body }) => JSON.parse(body.toString()) as { key: string; body: number }[]);
  expect(posted.map(({ length }) => length)).toEqual([100, 100, 1, 50]);
  expect(posted[2]?.[0]).toEqual(posted[1]?.[50]);
});

test("many large jobs go in requests of less than 4 MB", async () => {
  service.answer(({ body }, response) => {
    const results = (JSON.parse(body.toString()) as unknown[]).map(() => ({ status: 201, data: job() }));
    response.writeHead(207).end(JSON.stringify({ success: true, data: { results } }));
  });
  await jobs.send(Array.from({ length: 5 }, () => ({ url: "https://a.example", body: "é".repeat(800_000) })));
  expect(service.received.map(({ body }) => Math.round(body.length / 1_000_000))).toEqual([3, 3, 2]);
});

test("delays, bytes and follow-ups are written as the service has them", async () => {
  replies(data(job(), 201));
  const follow: NewJob = { url: "https://b.example", delay: 5 };
  await jobs.send({ function: "f", key: "k", delay: "1h30m", body: Buffer.from([0, 255]), onSuccess: follow });
  const onSuccess = { url: "https://b.example", delaySeconds: 5 };
  expect(asked()[0]?.[2]).toEqual({ function: "f", key: "k", delaySeconds: 5_400, bodyBase64: "AP8=", onSuccess });
  for (const wrong of ["", "10", "5 minutes", "1m2h"])
    await expect(jobs.send({ url: "https://a.example", delay: wrong })).rejects.toThrow('such as "90s", "10m"');
});

test("schedules: cron and every become expressions, and only what is given is sent", async () => {
  replies(data({}));
  const { schedules } = jobs;
  const hook = { url: "https://a.example", delay: "1m" };
  await schedules.put("a/b", { cron: "0 2 * * *", timezone: "Asia/Seoul", job: hook }, { version: 3 });
  await schedules.put("k", { every: "1h", job: { url: "https://a.example" } });
  await schedules.patch("k", { every: "10m", endsAt: null });
  await schedules.pause("k", "holidays");
  await schedules.resume("k");
  await schedules.run("k");
  await schedules.preview({ expression: "rate(2 days)" });
  await schedules.delete("k");
  expect(asked()).toEqual([
    [
      "PUT",
      "/v1/schedules/a%2Fb",
      { expression: "cron(0 2 * * *)", timezone: "Asia/Seoul", job: { url: "https://a.example", delaySeconds: 60 } },
    ],
    ["PUT", "/v1/schedules/k", { expression: "rate(1 hour)", job: { url: "https://a.example" } }],
    ["PATCH", "/v1/schedules/k", { expression: "rate(10 minutes)", endsAt: null }],
    ["POST", "/v1/schedules/k/pause", { reason: "holidays" }],
    ["POST", "/v1/schedules/k/resume", {}],
    ["POST", "/v1/schedules/k/run", {}],
    ["POST", "/v1/schedules/preview", { expression: "rate(2 days)" }],
    ["DELETE", "/v1/schedules/k"],
  ]);
  expect(service.received[0]?.headers["if-match"]).toBe('"3"');
  await expect(schedules.preview({ cron: "0 2 * * *", every: "1h" })).rejects.toThrow("expected one of them");
  await expect(schedules.preview({ every: "90s" })).rejects.toThrow('such as "10m"');
});

test("a filter that is empty by mistake is refused", async () => {
  replies(data({ items: [], nextCursor: null }));
  await expect(jobs.list({ status: [] }).page()).rejects.toThrow("status is []");
  await expect(jobs.bulk.cancel({ ids: [] })).rejects.toThrow("ids is []");
  await expect(jobs.bulk.redrive({ status: "DEAD", host: undefined })).rejects.toThrow("host is undefined");
  expect(service.received).toEqual([]);
  await jobs.list({ status: ["DEAD", "FAILED"], createdAfter: new Date(0), host: undefined }).page();
  expect(asked()[0]?.[1]).toBe("/v1/admin/jobs?status=DEAD&status=FAILED&createdAfter=1970-01-01T00%3A00%3A00.000Z");
});

test("a list is read page by page, as far as it is needed", async () => {
  replies(
    data({ items: [job("1"), job("2")], nextCursor: "c1" }),
    data({ items: [], nextCursor: "c2" }),
    data({ items: [job("3")], nextCursor: null }),
  );
  const ids: string[] = [];
  for await (const { id } of jobs.list({ limit: 2 })) ids.push(id);
  expect(ids).toEqual(["1", "2", "3"]);
  expect(asked().map(([, url]) => url)).toEqual(
    ["", "&cursor=c1", "&cursor=c2"].map((more) => `/v1/admin/jobs?limit=2${more}`),
  );
  expect(await jobs.list({ cursor: "c9" }).page()).toEqual({ items: [job("3")], nextCursor: null });
  expect(asked().at(-1)?.[1]).toBe("/v1/admin/jobs?cursor=c9");
});

test("a group is made, filled and sealed with the number of its distinct jobs", async () => {
  service.answer(({ url, body }, response) => {
    const posted = body.length === 0 ? undefined : JSON.parse(body.toString());
    const results = url === "/v1/send" && posted.map(({ key }: { key: string }) => ({ status: 201, data: job(key) }));
    response.writeHead(200).end(JSON.stringify({ success: true, data: results ? { results } : job("g") }));
  });
  const rows = ["a", "b", "a"].map((key) => ({ url: "https://a.example", key }));
  await jobs.groups.run(rows, { onComplete: "https://a.example/all" });
  const members = rows.map((row) => ({ ...row, group: "g" }));
  expect(asked()).toEqual([
    ["POST", "/v1/groups", { key: expect.any(String), onComplete: "https://a.example/all" }],
    ["POST", "/v1/send", members],
    ["POST", "/v1/groups/g/seal", { expected: 2 }],
  ]);
});

test("a group of which a job is refused is cancelled", async () => {
  service.answer(({ url }, response) => {
    const results = [{ status: 400, error: { code: "BAD_REQUEST", message: "no such host" } }];
    const answer = url === "/v1/send" ? { results } : job("g");
    response.writeHead(200).end(JSON.stringify({ success: true, data: answer }));
  });
  const run = jobs.groups.run([{ url: "https://a.example" }]);
  await expect(run).rejects.toThrow("A job of the group was refused, so the group is cancelled: no such host");
  expect(asked().at(-1)).toEqual(["POST", "/v1/groups/g/cancel"]);
});
