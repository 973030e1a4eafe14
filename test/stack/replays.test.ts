import { expect, test } from "vitest";
import { compared } from "../../lib/api/unified/replay.ts";
import { postedOf, sentJob } from "../../lib/api/unified/flat-job.ts";
import { createJobBody } from "../../lib/api/unified/job-request.ts";
import type { ClientError } from "../../lib/errors.ts";
import type { Job } from "../../lib/job/job.ts";
import type { Message } from "../../lib/job/message.ts";

// What a repeated idempotency key may change, and what makes it another job.

const JOB = { id: "the-job" } as Job;

function messageOf(body: object): Message {
  const { mode: _, appId: __, message, ...followUps } = createJobBody.parse(body);
  return { ...message, ...followUps } as Message;
}

const flat = (job: object) => messageOf(postedOf(sentJob.parse(job)));

/** The pointers of a conflict, or the names of what else differs. */
function told(asked: Message, stored: Message, shape: "nested" | "flat" = "flat"): unknown {
  try {
    return compared(JOB, asked, stored, shape);
  } catch (error) {
    const { code, reason, details } = error as ClientError;
    expect([code, reason]).toEqual(["UNPROCESSABLE_ENTITY", "idempotency_conflict"]);
    return { conflict: details.map(({ field }) => field) };
  }
}

// ---- The specification's own requests: each repeats its key with the times of its sending ----

function payment(amount: number, at: string): object {
  const body = { orderId: "ORD-12345", amount, currency: "KRW", status: "paid", paidAt: at };
  return webhook("/api/webhooks/payment-completed", body, at);
}

function webhook(path: string, body: object, at: string, key = "payment-webhook-ORD-12345"): object {
  const proxy = path.slice(1);
  return {
    lambdaProxyMessage: {
      body: JSON.stringify(body),
      resource: "/{proxy+}",
      path,
      httpMethod: "POST",
      isBase64Encoded: false,
      pathParameters: { proxy },
      headers: { "Content-Type": "application/json" },
      requestContext: { path, resourcePath: "/{proxy+}", httpMethod: "POST" },
    },
    execution: { type: "rest-api", baseUrl: "https://your-service.com" },
    metadata: { messageGroupId: "rest-api", idempotencyKey: key, createdAt: at },
  };
}

function reward(points: number, at: string): object {
  const body = { userId: "user-abc-123", rewardType: "signup_bonus", points };
  const { execution: _, ...rest } = webhook("/process-reward", body, at, "reward-signup") as Record<string, unknown>;
  const execution = { type: "lambda-invoke", functionName: "reward-processor", invocationType: "Event" };
  return { ...rest, execution };
}

function reminder(plan: string, at: string): object {
  const target = webhook("/api/notifications/trial-expiry", { userId: "u", plan, timestamp: at }, at, "trial-expiry");
  return {
    execution: { type: "schedule", scheduledAt: at, scheduleExpression: `at(${at.slice(0, 19)})`, targetJob: target },
    metadata: { messageGroupId: "schedule", idempotencyKey: "schedule-trial-expiry-sub-789", createdAt: at },
  };
}

const FIRST = "2099-01-01T12:00:00.000Z";
/** JavaScript's, Python's, and one with an offset. */
const LATER = ["2099-01-02T08:30:01.123Z", "2099-01-02T08:30:01.123456Z", "2099-01-02T08:30:01+09:00"];

test.each([
  ["a payment", payment, 15_000, 16_000, "/message/lambdaProxyMessage/body/amount"],
  ["a reward", reward, 1_000, 2_000, "/message/lambdaProxyMessage/body/points"],
] as const)("%s of the specification is a replay with new times, and a conflict with another amount", (...given) => {
  const [, request, amount, other, pointer] = given;
  const stored = messageOf({ message: request(amount, FIRST) });
  for (const at of LATER) {
    expect(told(messageOf({ message: request(amount, at) }), stored, "nested")).toEqual([]);
    expect(told(messageOf({ message: request(other, at) }), stored, "nested")).toEqual({ conflict: [pointer] });
  }
});

test("a schedule of the specification is a replay at another time, and a conflict with another target", () => {
  const stored = messageOf({ message: reminder("pro", FIRST) });
  const again = messageOf({ message: reminder("pro", "2099-01-02T08:30:01.123Z") });
  expect(told(again, stored, "nested")).toEqual(["scheduledAt", "scheduleExpression"]);
  const inBody = "/message/execution/targetJob/lambdaProxyMessage/body/plan";
  expect(told(messageOf({ message: reminder("free", FIRST) }), stored, "nested")).toEqual({ conflict: [inBody] });
});

// ---- Each part ----

const URL = "https://a.example/hook?b=2&a=1";
const BASE = { url: URL, key: "k", body: { n: 1, list: [1, 2], "a/b": { "~": true } } };

test.each([
  ["another address", { url: "https://b.example/hook?b=2&a=1" }, ["/url"]],
  ["another path", { url: "https://a.example/other?b=2&a=1" }, ["/url"]],
  ["another query", { url: "https://a.example/hook?b=2&a=2" }, ["/url"]],
  ["another method", { method: "PUT" }, ["/method"]],
  [
    "another body",
    { body: { ...BASE.body, n: 2, list: [1, 3], "a/b": { "~": 0 } } },
    ["/body/n", "/body/list/1", "/body/a~1b/~0"],
  ],
  ["a field more, and one less", { body: { n: 1, list: [1, 2], more: null } }, ["/body/more", "/body/a~1b"]],
  ["text instead", { body: "text" }, ["/body"]],
] as const)("%s is another job, and is named", (_, change, pointers) => {
  expect(told(flat({ ...BASE, ...change }), flat(BASE))).toEqual({ conflict: pointers });
});

test("another kind of target is another job", () => {
  const { url: _, ...rest } = BASE;
  expect(told(flat({ ...rest, function: "f" }), flat(BASE))).toEqual({ conflict: ["/function"] });
  const task = (payload: object) => flat({ task: "example", payload, key: "k" });
  expect(told(task({ words: ["a"] }), task({ words: ["b"] }))).toEqual({ conflict: ["/payload/words/0"] });
});

test("the order of fields and of the query, and how a number is written, make no difference", () => {
  const body = '{"list":[1,2.0],"a/b":{"~":true},"n":1e0}';
  const other = {
    ...BASE,
    url: "https://a.example/hook?a=1&b=2",
    headers: { "Content-Type": "application/json" },
    body,
  };
  expect(told(flat(other), flat(BASE))).toEqual([]);
  const huge = (n: string) => flat({ ...BASE, body: `{"n":${n}}`, headers: { "content-type": "application/json" } });
  expect(told(huge("9223372036854775808"), huge("9223372036854775807"))).toEqual({ conflict: ["/body/n"] });
});

test("what is neither JSON nor the same is another job; a body too deep is compared by its bytes", () => {
  const text = (body: string) => flat({ ...BASE, body });
  expect(told(text("at=1"), text("at=2"))).toEqual({ conflict: ["/body"] });
  const deep = "[".repeat(100_000) + "]".repeat(100_000);
  expect(told(text(deep), text(`${deep} `))).toEqual({ conflict: ["/body"] });
  expect(told(text(deep), text(deep))).toEqual([]);
});

test("a name that stands twice in an object makes another job: receivers take one or the other", () => {
  const text = (body: string) => flat({ ...BASE, body });
  const written = String.raw`{"a":[{"b\":":1,"c":"x:\\"}],"amount":1}`;
  expect(told(text(` ${written}`), text(written))).toEqual([]);
  expect(told(text(`{"amount":900,${written.slice(1)}`), text(written))).toEqual({ conflict: ["/body"] });
});

test("times, headers, retries, labels and follow-ups may differ, and are told", () => {
  const more = {
    delaySeconds: 5,
    notAfter: FIRST,
    headers: { authorization: "Bearer new" },
    maxRetries: 3,
    retry: { jitter: 0.5 },
    labels: ["a"],
    order: "lane",
    timeoutSeconds: 10,
    onComplete: "https://a.example/done",
    onSuccess: { url: "https://a.example/next" },
  };
  const names =
    "delaySeconds, notAfter, maxRetries, retry, labels, order, headers, timeoutSeconds, onComplete, onSuccess";
  expect(told(flat({ ...BASE, ...more }), flat(BASE))).toEqual(names.split(", "));
});

test("what a job names as ignored may differ", () => {
  const withNonce = (nonce: string, more = {}) =>
    flat({ ...BASE, body: { n: 1, deep: { nonce } }, idempotencyIgnore: ["/body/deep/nonce"], ...more });
  expect(told(withNonce("a"), withNonce("b"))).toEqual([]);
  expect(told(withNonce("a", { idempotencyIgnore: [] }), withNonce("b"))).toEqual([]);
  expect(told(withNonce("a", { body: { n: 2, deep: {} } }), withNonce("b"))).toEqual({ conflict: ["/body/n"] });
  const asText = (nonce: string) => ({
    message: {
      ...webhook("/hook", { nonce }, FIRST),
      metadata: { idempotencyKey: "k", idempotencyIgnore: ["/nonce"] },
    },
  });
  expect(told(messageOf(asText("a")), messageOf(asText("b")), "nested")).toEqual([]);
  const payload = (word: string) =>
    flat({ task: "example", payload: { words: [word] }, idempotencyIgnore: ["/payload/words"] });
  expect(told(payload("a"), payload("b"))).toEqual([]);
});
