import express from "express";
import fastify from "fastify";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { express as receiver } from "../../client/src/receiver/express.ts";
import { fastifyReceiver } from "../../client/src/receiver/fastify.ts";
import { SignatureError, verify } from "../../client/src/receiver/index.ts";
import { lambda } from "../../client/src/receiver/lambda.ts";
import { next } from "../../client/src/receiver/next.ts";
import { Final, type Handler, type ReceivedJob } from "../../client/src/receiver/receiver.ts";
import { DOCUMENT } from "../support/api-document.ts";
import { endStacks, jobIn, newApp, sharedStack, webhook, type Stack } from "../support/stack.ts";
import { JOB_ID, newSecret, sent, type Sent } from "./signed.ts";

let stack: Stack;
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  stack = await sharedStack();
});
afterAll(async () => {
  await endStacks();
  await Promise.all(closing.map(async (close) => close()));
});

const secret = newSecret();
const older = newSecret();

interface Answered {
  readonly status: number;
  readonly isFinal: boolean;
  readonly text: string;
}

/** Where a receiver listens, or what calls it. */
type Receive = (request: Sent) => Promise<Answered>;

function over(url: string): Receive {
  return async ({ headers, body }) => {
    const response = await fetch(url, { method: "POST", headers, body });
    return {
      status: response.status,
      isFinal: response.headers.get("x-job-final") === "true",
      text: await response.text(),
    };
  };
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((ready) => {
    server.listen(0, "127.0.0.1", ready);
  });
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
}

/** Expects JSON by a parser of its own beside the receiver, as applications do. */
async function expressAt(handle: Handler, secrets: readonly string[] = [secret, older]): Promise<string> {
  const app = express();
  app.post("/hook", receiver(secrets, handle));
  app.use(express.json());
  app.use(((error: Error, _request, response, _next) => {
    response.status(500).send(error.message);
  }) satisfies express.ErrorRequestHandler);
  return listening(createServer(app));
}

async function fastifyAt(handle: Handler, secrets: readonly string[] = [secret, older]): Promise<string> {
  const app = fastify();
  await app.register(fastifyReceiver, { path: "/hook", secret: secrets, handle });
  app.post("/json", async ({ body }) => body);
  const address = await app.listen({ port: 0, host: "127.0.0.1" });
  closing.push(async () => app.close());
  return `${address}/hook`;
}

async function nodeAt(handle: Handler): Promise<string> {
  const receive = receiver([secret, older], handle);
  return listening(
    createServer((request, response) => {
      receive(request, response).catch((error: Error) => response.writeHead(500).end(error.message));
    }),
  );
}

/** The events of API Gateway and function URLs. */
const EVENTS = {
  "HTTP API": ({ headers, body }: Sent) => ({
    version: "2.0",
    rawPath: "/hook",
    headers,
    body,
    isBase64Encoded: false,
  }),
  "function URL": ({ headers, body }: Sent) => ({
    version: "2.0",
    headers,
    body: Buffer.from(body).toString("base64"),
    isBase64Encoded: true,
  }),
  "REST API": ({ headers, body }: Sent) => {
    const named = Object.entries(headers).map(([name, value]) => [name.replace(/(^|-)w/g, "$1W"), value] as const);
    return {
      resource: "/hook",
      headers: Object.fromEntries(named),
      multiValueHeaders: Object.fromEntries(named.map(([name, value]) => [name, [value]])),
      body: body === "" ? null : body,
      isBase64Encoded: false,
    };
  },
};

const lambdaBy =
  (event: (request: Sent) => object) =>
  async (handle: Handler): Promise<Receive> => {
    const handler = lambda([secret, older], handle);
    return async (request) => {
      const { statusCode, headers, body } = await handler(event(request)).catch((error: Error) => ({
        statusCode: 500,
        headers: {} as Record<string, string>,
        body: error.message,
      }));
      return { status: statusCode, isFinal: headers["x-job-final"] === "true", text: body };
    };
  };

const webRequest = async (handle: Handler): Promise<Receive> => {
  const post = next([secret, older], handle);
  return async ({ headers, body }) => {
    const request = new Request("https://shop.example/hook", { method: "POST", headers, body });
    const response = await post(request).catch((error: Error) => new Response(error.message, { status: 500 }));
    return {
      status: response.status,
      isFinal: response.headers.get("x-job-final") === "true",
      text: await response.text(),
    };
  };
};

const KINDS: readonly [kind: string, at: (handle: Handler) => Promise<Receive>][] = [
  ["express", async (handle) => over(await expressAt(handle))],
  ["fastify", async (handle) => over(await fastifyAt(handle))],
  ["Node's own server", async (handle) => over(await nodeAt(handle))],
  ["a Web Request", webRequest],
  ...Object.entries(EVENTS).map(([name, event]): [string, (handle: Handler) => Promise<Receive>] => [
    `Lambda by ${name}`,
    lambdaBy(event),
  ]),
];

describe.each(KINDS)("%s", (_, at) => {
  test("a genuine request is handled, and what is returned is answered", async () => {
    const got: ReceivedJob[] = [];
    const receive = await at((job) => void got.push(job));
    // By the old secret, while the new one is known already.
    expect(await receive(sent({ secrets: [older] }))).toEqual({ status: 204, isFinal: false, text: "" });
    await receive(sent({ secrets: [newSecret(), secret], body: "ä text", type: "text/plain" }));
    await receive(sent({ secrets: [secret], body: '{"broken":', type: "application/json" }));
    await receive(sent({ secrets: [secret], body: "" }));
    const job = { jobId: JOB_ID, attempt: 2 };
    const bodies = [{ order: 1 }, "ä text", '{"broken":', ""];
    expect(got).toEqual(bodies.map((body) => ({ ...job, body })));

    const answering = await at(({ body }) => ({ had: body }));
    expect((await answering(sent({ secrets: [secret] }))).text).toBe('{"had":{"order":1}}');
  });

  test("what is not genuine, or not of now, gets 401 and is not handled", async () => {
    const got: unknown[] = [];
    const receive = await at((job) => got.push(job));
    const genuine = sent({ secrets: [secret] });
    const unsigned = { ...genuine.headers };
    delete unsigned["webhook-signature"];
    const refused = [
      { ...genuine, body: '{"order":2}' },
      { ...genuine, headers: { ...genuine.headers, "webhook-id": "another" } },
      { ...genuine, headers: unsigned },
      { ...genuine, headers: { ...genuine.headers, "webhook-signature": "v1,*** v2,AAAA" } },
      sent({ secrets: [newSecret()] }),
      sent({ secrets: [secret], age: 310 }),
      sent({ secrets: [secret], age: -310 }),
    ];
    for (const request of refused) expect((await receive(request)).status).toBe(401);
    expect(got).toEqual([]);
    expect((await receive(sent({ secrets: [secret], age: 290 }))).status).toBe(200);
  });

  test("a failure that is final says so, and any other goes to the framework", async () => {
    const final = await at(() => {
      throw new Final("bad order");
    });
    const answer = await final(sent({ secrets: [secret] }));
    expect(answer).toEqual({ status: 422, isFinal: true, text: '{"error":"bad order"}' });
    const failing = await at(() => {
      throw new Error("no room");
    });
    expect(await failing(sent({ secrets: [secret] }))).toMatchObject({ status: 500, isFinal: false });
  });
});

test("verify takes a tolerance, and says what is wrong", async () => {
  const { headers, body } = sent({ secrets: [secret], age: 60 });
  const request = () => new Request("https://shop.example", { method: "POST", headers, body });
  expect(await verify(request(), { secrets: [secret] })).toEqual({ jobId: JOB_ID, attempt: 2, body: { order: 1 } });
  const late = verify(request(), { secrets: [secret], toleranceSeconds: 30 });
  await expect(late).rejects.toThrow(SignatureError);
  await expect(late).rejects.toThrow("expected within 30 s of this clock");
  const bare = new Request("https://shop.example", { method: "POST", body });
  await expect(verify(bare, { secrets: [secret] })).rejects.toThrow("webhook-id is missing");
});

test("a receiver without a secret, or with one that is none, can't be made", () => {
  for (const wrong of [undefined, "", "whsec_", "whsec_*", [], [secret, undefined]]) {
    expect(() => next(wrong, () => {})).toThrow("expected whsec_…");
  }
  expect(() => next(process.env["NO_SUCH_SECRET"], () => {})).toThrow("The secret is missing");
});

test("verify without a secret says so, and not that the request is wrong", async () => {
  const { headers, body } = sent({ secrets: [secret] });
  for (const secrets of [[], [undefined]]) {
    const request = new Request("https://shop.example", { method: "POST", headers, body });
    await expect(verify(request, { secrets })).rejects.toThrow("The secret is missing");
  }
});

test("behind express.json() the receiver says where to mount it, and behind express.raw() it works", async () => {
  const app = express();
  app.post(
    "/raw",
    express.raw({ type: "*/*" }),
    receiver(secret, () => "had"),
  );
  app.use(express.json());
  app.post(
    "/hook",
    receiver(secret, () => "had"),
  );
  app.use(((error: Error, _request, response, _next) => {
    response.status(500).send(error.message);
  }) satisfies express.ErrorRequestHandler);
  const url = await listening(createServer(app));
  const request = sent({ secrets: [secret] });
  expect(await over(url)(request)).toMatchObject({
    status: 500,
    text: expect.stringContaining("mount before express.json()"),
  });
  expect(await over(url.replace("/hook", "/raw"))(request)).toMatchObject({ status: 200, text: '"had"' });
});

test("the other routes of the application parse JSON as ever", async () => {
  const url = await fastifyAt(() => {});
  const answer = await over(url.replace("/hook", "/json"))(sent({ secrets: [secret] }));
  expect([answer.status, answer.text]).toEqual([200, '{"order":1}']);
});

test("a body of more than 8 MB gets 413", async () => {
  const body = "a".repeat(8_388_609);
  for (const at of [expressAt, fastifyAt]) {
    const url = await at(() => {});
    const tooLarge = await over(url)(sent({ secrets: [secret], body, type: "text/plain" })).catch(() => undefined);
    // The connection may end before the client has sent it all.
    expect(tooLarge?.status ?? 413).toBe(413);
  }
});

describe.each([
  ["express", expressAt],
  ["fastify", fastifyAt],
])("a job of the service for %s", (_, at) => {
  async function sendTo(handle: Handler) {
    const { appId, token } = await newApp();
    const made = await stack.call("POST", `/v1/admin/apps/${appId}/signing-secrets`, { token });
    const url = await at(handle, [made.body.data.secret]);
    const body = webhook({ url: url.replace("/hook", ""), headers: { "content-type": "application/json" } });
    const { id } = (await stack.call("POST", "/v1/jobs/create", { token, body })).body.data;
    return { token, id: id as string };
  }

  test("arrives, and succeeds", async () => {
    const got: ReceivedJob[] = [];
    const { token, id } = await sendTo((job) => void got.push(job));
    await jobIn(stack, token, id, "SUCCEEDED");
    expect(got).toEqual([{ jobId: id, attempt: 1, body: { orderId: "123" } }]);
  });

  // `x-job-final` came with this door.
  test.skipIf(!DOCUMENT.paths["/v1/send"])("fails for good with a Final, and is not retried", async () => {
    const { token, id } = await sendTo(() => {
      throw new Final("bad order");
    });
    const job = await jobIn(stack, token, id, "FAILED", "RETRYING", "DEAD");
    expect(job).toMatchObject({ status: "FAILED", reason: "final" });
    expect(job.attempts).toMatchObject([{ httpStatus: 422 }]);
  });
});
