import { execFile } from "node:child_process";
import { createServer, request as forward, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { echoedHeaders, signatureProblem } from "../../deploy/smoke/receiver.ts";
import { ROOT } from "../support/root.ts";
import { endStacks, newApp, sharedStack, type Stack } from "../support/stack.ts";
import { startTarget } from "../support/target.ts";

// `npm run smoke` against the local stack: it passes, leaves nothing behind, and finds what is planted.

let stack: Stack;

beforeAll(async () => {
  stack = await sharedStack();
});
afterAll(endStacks);

async function smoke(args: readonly string[], token = ""): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((ended) => {
    const given = ["--token", token, ...args];
    execFile(process.execPath, [join(ROOT, "deploy/smoke/smoke.ts"), ...given], (error, stdout, stderr) =>
      ended({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

test("it passes on the local stack, and leaves nothing of its app's but what it names", async () => {
  const { appId, token } = await newApp();
  const args = ["--url", stack.url, "--function", "no-such-function", "--only"];
  const all = "schedule,retry,webhook,signature,replay,lane,sqs,cancel,task,file,quick-pdf,long-pdf,function-url";
  const { code, stdout, stderr } = await smoke([...args, all], token);
  expect({ code, stderr, stdout }).toEqual({ code: 0, stderr: "", stdout: expect.stringMatching(/\nPassed\n$/) });
  for (const name of all.split(",").filter((each) => each !== "function-url"))
    expect(stdout).toMatch(new RegExp(`^ok    ${name} `, "m"));
  expect(stdout).toMatch(/^SKIP {2}function-url .*no --function-url$/m);
  expect(stdout).toMatch(/^Deleted (\d+) of \1 jobs$/m);
  expect(stdout).toContain("left: dataset smoke (2 rows)");
  const { body } = await stack.call("GET", "/v1/admin/jobs?limit=100", { token });
  expect(body.data.items).toEqual([]);
  const settings = await stack.call("GET", `/v1/admin/apps/${appId}`, { token });
  expect(settings.body.data.signingSecrets).toEqual([]);
});

/** The stack behind a proxy that changes its answers. */
async function startFaulty(change: (headers: IncomingHttpHeaders) => void) {
  const server = createServer((request, response: ServerResponse) => {
    const { method, headers, url = "" } = request;
    const { hostname, port } = new URL(stack.url);
    const options = { hostname, port, method, path: url, headers: { ...headers, host: `${hostname}:${port}` } };
    const upstream = forward(options, (answer) => {
      change(answer.headers);
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    request.pipe(upstream);
  });
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

test("it fails on each fault that is planted, names it, and cleans up all the same", async () => {
  const { token } = await newApp();
  const faulty = await startFaulty((headers) => delete headers["idempotent-replayed"]);
  const secret = `whsec_${Buffer.alloc(32, "another").toString("base64")}`;
  const args = ["--url", faulty.url, "--secret", secret, "--function", "no-such-function"];
  const { code, stdout } = await smoke([...args, "--only", "replay,signature,cancel,invoke"], token);
  faulty.close();
  expect(code).toBe(1);
  expect(stdout).toMatch(/^FAIL {2}replay .*no header Idempotent-Replayed/m);
  expect(stdout).toMatch(/^FAIL {2}signature .*expected one with the app's secret$/m);
  expect(stdout).toMatch(/^FAIL {2}invoke .*expected SUCCEEDED, got (?:DEAD|FAILED)/m);
  expect(stdout).toMatch(/^ok {4}cancel /m);
  expect(stdout).toMatch(/\nFailed: replay, signature, invoke\n$/);
  const { body } = await stack.call("GET", "/v1/admin/jobs?limit=100", { token });
  expect(body.data.items).toEqual([]);
});

test("with a server that echoes what it got, the signature is read from the failed attempt", async () => {
  const { token } = await newApp();
  const echo = await startTarget();
  echo.answer(({ headers }, response) => response.writeHead(418).end(JSON.stringify({ headers }, undefined, 2)));
  const args = ["--url", stack.url, "--receiver", `${echo.url}/anything?a=b`, "--only", "signature"];
  expect(await smoke(args, token)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^ok {4}signature/m) });
  expect(echo.received.map(({ url }) => url)).toEqual(["/anything?a=b"]);

  echo.answer((_, response) => response.end());
  expect(await smoke(args, token)).toMatchObject({
    code: 1,
    stdout: expect.stringContaining("answered 2xx, of which nothing is kept"),
  });
  await echo.close();
});

test("it says what is wrong with its arguments, and what it can't reach", async () => {
  expect(await smoke(["--url", "jobs.example"], "t")).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^--url is "jobs.example": expected a URL/),
  });
  expect(await smoke(["--url", stack.url])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^--token is missing/),
  });
  expect(await smoke(["--url", stack.url, "--only", "all"], "t")).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^--only has "all": expected some of schedule, retry/),
  });
  const { code, stdout } = await smoke(["--url", stack.url], "not.a.token");
  expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringContaining("the token names no app") });
});

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

test("a signature is found in what servers echo, and compared", () => {
  const id = "0198f000-1111-7222-8333-444455556666";
  const signatures = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,b";
  const answers = [
    JSON.stringify({
      headers: { "webhook-id": id, "webhook-timestamp": "1614265330", "webhook-signature": signatures },
    }),
    `Webhook-Id: ${id}\nWebhook-Timestamp: 1614265330\nWebhook-Signature: ${signatures}\n`,
    `{"webhook-id":["${id}"],"webhook-timestamp":["1614265330"],"webhook-signature":["${signatures.replaceAll("/", "\\/")}"]}`,
  ];
  for (const answer of answers) expect(echoedHeaders(answer)).toEqual({ id, timestamp: "1614265330", signatures });
  expect(echoedHeaders("ok")).toBeUndefined();
  const now = { id, timestamp: String(Math.round(Date.now() / 1_000)), signatures };
  expect(signatureProblem(SECRET, now, Buffer.from("{}"))).toMatch(/^webhook-signature is "v1,g0hM/);
  expect(signatureProblem(SECRET, { ...now, timestamp: "1614265330" }, Buffer.from("{}"))).toMatch(
    /^webhook-timestamp/,
  );
});
