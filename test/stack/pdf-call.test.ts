import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RenderAnswer, RenderCall } from "../../lib/pdf/rendering.ts";
import { endStacks, jobIn, newApp, startStack, until, type Stack } from "../support/stack.ts";

// The callers of the function that has the browser, with a Lambda that answers as it is told.

let stack: Stack;
let lambda: Server;
const calls: { path: string; call: RenderCall }[] = [];
/** What Lambda does with the calls for a document, by its HTML; the last one again and again. */
const scripts = new Map<string, ((response: ServerResponse, call: RenderCall) => unknown)[]>();

const FILE = Buffer.from("%PDF-1.4 made by a test");
const MADE = { kind: "made", pages: 2, truncated: false, bytes: FILE.length, file: FILE.toString("base64") } as const;
const answers = (answer: RenderAnswer | object) => (response: ServerResponse) => response.end(JSON.stringify(answer));
const throttles = (response: ServerResponse) => {
  response.writeHead(429, { "x-amzn-errortype": "TooManyRequestsException", "content-type": "application/json" });
  response.end(JSON.stringify({ message: "Rate Exceeded.", Reason: "ConcurrentInvocationLimitExceeded" }));
};
const fails = (response: ServerResponse) => {
  response.setHeader("x-amz-function-error", "Unhandled");
  response.end(JSON.stringify({ errorType: "Runtime.ExitError", errorMessage: "secret of the function" }));
};

beforeAll(async () => {
  lambda = createServer((request, response) => {
    void text(request).then((body) => {
      const call = JSON.parse(body) as RenderCall;
      calls.push({ path: request.url ?? "", call });
      const script = scripts.get((call.request as { html: string }).html) ?? [answers(MADE)];
      return (script.length > 1 ? script.shift() : script[0])?.(response, call);
    });
  });
  // As Lambda: longer than a test may pause on a busy machine.
  lambda.keepAliveTimeout = 75_000;
  await new Promise<void>((listening) => {
    lambda.listen(0, "127.0.0.1", listening);
  });
  const AWS_ENDPOINT_URL_LAMBDA = `http://127.0.0.1:${(lambda.address() as AddressInfo).port}`;
  stack = await startStack({ env: { AWS_ENDPOINT_URL_LAMBDA, SPEED: "600" } });
});
afterAll(async () => {
  await endStacks();
  lambda.close();
});

async function post(
  path: string,
  token: string,
  html: string,
  ...script: ((response: ServerResponse, call: RenderCall) => unknown)[]
) {
  if (script.length > 0) scripts.set(html, script);
  return stack.call("POST", path, { token, body: { input_type: "html", html, options: { format: "A5" } } });
}

test("the call has the document, the time that is left and a place for a large file, and nothing else", async () => {
  const { appId, token } = await newApp();
  const answer = await post("/quickjob", token, "<p>quick");
  expect([answer.status, answer.body.equals(FILE)]).toEqual([200, true]);
  expect([answer.headers.get("x-pdf-pages"), answer.headers.get("x-pdf-truncated")]).toEqual(["2", "false"]);
  const { path, call } = calls.at(-1) ?? {};
  expect(path).toMatch(/functions\/unified-job-api-local-renderPdf\/invocations$/);
  const { putUrl = "", timeLeftMs, ...rest } = call ?? {};
  expect(rest).toEqual({ request: { input_type: "html", html: "<p>quick", options: { format: "A5" } } });
  expect(timeLeftMs).toBeGreaterThan(15_000);
  expect(timeLeftMs).toBeLessThanOrEqual(27_000);
  const { pathname, searchParams } = new URL(putUrl);
  expect(pathname).toMatch(new RegExp(`/pdfs/${appId}/${answer.headers.get("x-job-id")}/1\\.pdf$`));
  expect(Number(searchParams.get("X-Amz-Expires"))).toBeLessThan(120);
  expect(searchParams.get("X-Amz-SignedHeaders")).toBe("content-type;host");
});

test("a quick job for which there is no browser is 503, and says when to come again", async () => {
  const { token } = await newApp();
  const { status, headers, body } = await post("/quickjob", token, "<p>throttled", throttles);
  expect([status, headers.get("retry-after")]).toEqual([503, "5"]);
  expect(body.error.message).toMatch(/no browser is free\. Try again, with another idempotency key$/);
  expect((await post("/quickjob", token, "<p>then")).status).toBe(200);
});

test("an app makes ten quick PDFs at once: another one is 429 and says when to come again; other apps have their own", async () => {
  const [{ token }, other] = [await newApp(), await newApp()];
  const held: (() => void)[] = [];
  const holds = (response: ServerResponse) => void held.push(() => answers(MADE)(response));
  const made = Array.from({ length: 10 }, async (_, n) => post("/quickjob", token, `<p>held ${n}`, holds));
  await expect.poll(() => held.length).toBe(10);
  const { status, headers, body } = await post("/quickjob", token, "<p>one more");
  expect([status, headers.get("retry-after")]).toEqual([429, "2"]);
  expect(body.error.message).toMatch(/quickPdfsPerApp .* \/longjob/);
  expect((await post("/quickjob", other.token, "<p>of another app")).status).toBe(200);
  for (const end of held) end();
  expect((await Promise.all(made)).map((answer) => answer.status)).toEqual(made.map(() => 200));
  expect((await post("/quickjob", token, "<p>one more")).status).toBe(200);
});

test("a long job for which there is no browser is put off, as often as need be, and uses up no retry", async () => {
  const { token } = await newApp();
  const { body } = await post(
    "/longjob",
    token,
    "<p>put off",
    ...Array.from({ length: 5 }, () => throttles),
    answers(MADE),
  );
  const job = await jobIn(stack, token, body.job_id, "SUCCEEDED", "DEAD", "FAILED");
  expect(job).toMatchObject({ status: "SUCCEEDED", retryCount: 0 });
  // A job has four attempts that count.
  expect(job.attempts).toHaveLength(6);
  expect(job.attempts[0]).toMatchObject({ outcome: "retry", error: expect.stringContaining("no room") });
  const { s3_url, pages } = (await stack.call("GET", `/jobs/${body.job_id}`, { token })).body;
  expect([pages, Buffer.from(await (await fetch(s3_url)).arrayBuffer()).equals(FILE)]).toEqual([2, true]);
});

test("a call whose connection was dead is made once more", async () => {
  const { token } = await newApp();
  const breaks = (response: ServerResponse) => response.destroy();
  expect((await post("/quickjob", token, "<p>broken once", breaks, answers(MADE))).status).toBe(200);
  expect((await post("/quickjob", token, "<p>broken", breaks)).status).toBe(503);
  // The time that the call tells is over by then, and its document may still be in the making.
  const breaksLate = (response: ServerResponse) => setTimeout(() => response.destroy(), 1_500);
  expect((await post("/quickjob", token, "<p>broken late", breaksLate)).status).toBe(503);
  const callsFor = (html: string) =>
    calls.filter(({ call }) => call.request.input_type === "html" && call.request.html === html).length;
  expect([callsFor("<p>broken"), callsFor("<p>broken late")]).toEqual([2, 1]);
});

test("a function that fails costs a retry, and its words go to nobody", async () => {
  const { token } = await newApp();
  const quick = await post("/quickjob", token, "<p>fails", fails);
  expect(quick.status).toBe(503);
  const { body } = await post("/longjob", token, "<p>fails once", fails, answers(MADE));
  const job = await jobIn(stack, token, body.job_id, "SUCCEEDED");
  expect(job).toMatchObject({ retryCount: 1 });
  expect(JSON.stringify([quick.body, job, stack.lines])).not.toContain("secret of the function");
});

test("a file of 20 MB that was put where the call says is behind the job's link", async () => {
  const { token } = await newApp();
  const large = Buffer.alloc(20_000_000, "%PDF");
  const puts = async (response: ServerResponse, { putUrl }: RenderCall) => {
    const put = await fetch(putUrl, { method: "PUT", headers: { "content-type": "application/pdf" }, body: large });
    answers({ kind: "made", pages: 9, truncated: false, bytes: put.ok ? large.length : 1 })(response);
  };
  const quick = await post("/quickjob", token, "<p>large", puts);
  expect([quick.status, quick.headers.get("x-pdf-pages")]).toEqual([303, "9"]);
  const long = await post("/longjob", token, "<p>large", puts);
  await jobIn(stack, token, long.body.job_id, "SUCCEEDED");
  const { s3_url } = (await stack.call("GET", `/jobs/${long.body.job_id}`, { token })).body;
  for (const url of [quick.headers.get("location") ?? "", s3_url]) {
    const file = await fetch(url);
    expect([file.headers.get("content-type"), (await file.arrayBuffer()).byteLength]).toEqual([
      "application/pdf",
      20_000_000,
    ]);
  }
});

test("a quick job whose time was over is 408, and a long one fails in words", async () => {
  const { token } = await newApp();
  const quick = await post("/quickjob", token, "<p>late", answers({ kind: "late" }));
  expect([quick.status, quick.body.error.message]).toEqual([408, expect.stringContaining("/longjob")]);
  const long = await post("/longjob", token, "<p>late", answers({ kind: "late" }));
  const job = await jobIn(stack, token, long.body.job_id, "FAILED", "DEAD");
  expect(job.lastError).toContain("took longer than 180 s");
});

test("of a function that was taken over nothing is believed but a PDF, a page count and a refusal in words", async () => {
  const { appId, token } = await newApp();
  const lies = [
    null,
    "made",
    {},
    { ...MADE, pages: -5 },
    { ...MADE, pages: 1.5 },
    { ...MADE, fileKey: "files/of/another/app" },
    { ...MADE, bytes: "1" },
    { kind: "refused", error: "x".repeat(1_001) },
    { kind: "succeeded" },
  ];
  for (const [n, lie] of lies.entries()) {
    const { status, body } = await post("/quickjob", token, `<p>lie ${n}`, answers(lie as object));
    expect([n, status, JSON.stringify(body)]).toEqual([n, 503, expect.stringContaining("could not be finished")]);
  }
  const refused = await post("/quickjob", token, "<p>refused", answers({ kind: "refused", error: "Too <wide>" }));
  expect([refused.status, refused.body.error.details]).toEqual([400, [{ field: "body", message: "Too <wide>" }]]);
  await until(async () => {
    const { data } = (await stack.call("GET", `/v1/admin/apps/${appId}/usage`, { token })).body;
    return data.days[0]?.failed === lies.length + 1 && data.days[0].pages === 0;
  });
});
