import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { ROOT } from "../support/root.ts";
import { startTarget, type Target } from "../support/target.ts";

// A container that was frozen finds the connections that it had kept open dead.

let aws: Target;

/** An AWS of whose connections each is dead after one request. */
beforeAll(async () => {
  aws = await startTarget();
  const used = new Set<number>();
  aws.answer(({ remotePort, url }, response) => {
    if (used.has(remotePort)) return response.socket?.destroy();
    used.add(remotePort);
    return response.end(url.includes("functions") ? "7" : JSON.stringify({ MessageId: "m" }));
  });
  vi.stubEnv("AWS_ENDPOINT_URL_LAMBDA", aws.url);
  vi.stubEnv("AWS_ENDPOINT_URL_SESV2", aws.url);
});
beforeEach(() => {
  aws.received.length = 0;
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await aws.close();
});

/** A module of its own: the service's clients last as long as their process. */
const fresh = async (path: string): Promise<unknown> => import(`${pathToFileURL(join(ROOT, path)).href}?fresh`);
const lambdaClient = async () =>
  (await fresh("lib/outbound/lambda-client.ts")) as typeof import("../../lib/outbound/lambda-client.ts");
const mail = async () => (await fresh("lib/outbound/mail.ts")) as typeof import("../../lib/outbound/mail.ts");

test("an invocation that is not repeated goes over a connection of its own", async () => {
  const { startFunction } = await lambdaClient();
  for (let call = 1; call <= 3; call += 1) {
    await startFunction("sweepJobs", {});
    expect(aws.received).toHaveLength(call);
  }
});

test("a call of a function that may run twice is made once more over a dead connection", async () => {
  const { runFunction } = await lambdaClient();
  const run = async () => runFunction("jobs-renderPdf", {}, AbortSignal.timeout(60_000));
  expect(await Promise.all([run(), run()])).toEqual([7, 7]);
  // Two dead connections are there for it.
  expect(await run()).toBe(7);
});

test("an e-mail goes over a connection of its own", async () => {
  const ses = (await mail()).createMail("jobs@example.com");
  const sent = { kind: "sent", messageId: "m" };
  for (let call = 1; call <= 3; call += 1) {
    expect(await ses.send({ to: ["a@example.com"], subject: "s", text: "t" })).toEqual(sent);
  }
  expect(aws.received).toHaveLength(3);
});
