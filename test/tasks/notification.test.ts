import { SESv2Client } from "@aws-sdk/client-sesv2";
import { beforeAll, afterAll, beforeEach, expect, test } from "vitest";
import { Webhook } from "standardwebhooks";
import { FRESH_CONNECTIONS } from "../../lib/aws.ts";
import { Unavailable } from "../../lib/errors.ts";
import { createMail } from "../../lib/outbound/mail.ts";
import { startTarget, type Target } from "../support/target.ts";
import { createTaskWorld, type TaskWorld } from "../support/task-world.ts";

let world: TaskWorld;
let target: Target;
beforeAll(async () => {
  world = await createTaskWorld();
  target = await startTarget();
});
beforeEach(() => {
  target.received.length = 0;
  target.answer((_, response) => void response.end());
});
afterAll(async () => {
  await target.close();
  await world.end();
});

const EMAIL = { to: ["a@example.com", "b@example.com"], subject: "Hello {{name}}", text: "Dear {{ name }}, {{count}}" };

// A pattern that backtracks over the spaces would not end.
test("a template of nothing but an open brace and spaces is read at once", async () => {
  const text = `{{${" ".repeat(90_000)}`;
  await world.run("notification", { email: { to: ["a@example.com"], subject: "s", text } });
});

test("an e-mail is sent once, with its variables filled in, and escaped in HTML alone", async () => {
  const variables = { name: `<b>"Eve" & 'co'</b>`, count: 3 };
  const email = { ...EMAIL, html: '<p title="{{name}}">{{name}}</p>' };
  const { outcome } = await world.run("notification", { email, variables });
  const [kept] = world.emails();
  expect(outcome).toEqual({ kind: "done", result: { emailMessageId: kept?.id, recipients: 2 } });
  const escaped = "&lt;b&gt;&quot;Eve&quot; &amp; &#39;co&#39;&lt;/b&gt;";
  expect(kept).toMatchObject({
    from: "jobs@example.com",
    to: EMAIL.to,
    subject: `Hello ${variables.name}`,
    text: `Dear ${variables.name}, 3`,
    html: `<p title="${escaped}">${escaped}</p>`,
  });
});

test("a message that grows beyond 256 KB by its variables is not sent, and one that shrinks is", async () => {
  const before = world.emails().length;
  const email = { to: ["a@example.com"], subject: "s" };
  const variables = { a: "x".repeat(10_000), b: "'".repeat(10_000), c: "" };
  const many = (name: string, count: number) => `{{${name}}}`.repeat(count);
  const url = `${target.url}/large`;
  const refused: [payload: object, message: string][] = [
    [{ email: { ...email, text: many("a", 20_000) } }, "The e-mail has more than 256 KB with its variables filled in"],
    [{ email: { ...email, subject: many("a", 190), text: "x" } }, "The e-mail has more than 256 KB"],
    // Each of the two is smaller, and five bytes stand for an apostrophe in HTML.
    [{ email: { ...email, text: many("a", 20), html: many("a", 20) } }, "The e-mail has more than 256 KB"],
    [{ email: { ...email, html: many("b", 6) } }, "The e-mail has more than 256 KB"],
    [{ webhook: { url, body: { a: many("a", 4_000) } } }, "The webhook's body has more than 256 KB"],
    [{ webhook: { url, body: { a: Array.from({ length: 30 }, () => many("a", 1)) } } }, "The webhook's body has more"],
    [{ webhook: { url, body: { a: "\u0001".repeat(50_000) } } }, "The webhook's body has more"],
  ];
  for (const [payload, message] of refused) {
    const { outcome } = await world.run("notification", { ...payload, variables });
    expect(outcome).toMatchObject({ kind: "failed", error: expect.stringContaining(message) });
  }
  expect(world.emails()).toHaveLength(before);
  expect(target.received).toHaveLength(0);
  const shrinking = { webhook: { url, body: { a: many("c", 60_000), b: many("a", 25) } } };
  const { outcome } = await world.run("notification", { ...shrinking, variables });
  expect(outcome).toMatchObject({ kind: "done" });
  expect(target.received.at(-1)?.body.length).toBe(250_015);
});

test("what is filled in is not filled in again", async () => {
  await world.run("notification", {
    email: { ...EMAIL, text: "{{a}}" },
    variables: { name: "x", a: "{{b}} $& $1", b: "!" },
  });
  expect(world.emails()[0]?.text).toBe("{{b}} $& $1");
});

test("a name without a variable fails before anything is sent, whatever JavaScript calls by it", async () => {
  const before = world.emails().length;
  for (const name of ["nobody", "constructor", "__proto__", "a b", ""]) {
    const { outcome } = await world.run("notification", {
      email: { ...EMAIL, text: `{{${name}}}` },
      variables: { name: "x" },
    });
    expect(outcome).toMatchObject({
      kind: "failed",
      error: expect.stringContaining(`{{${name}}}: expected one of variables (name)`),
    });
  }
  expect(world.emails()).toHaveLength(before);
});

test("no variable brings another header into an e-mail", async () => {
  const email = { ...EMAIL, text: "x" };
  const { outcome } = await world.run("notification", { email, variables: { name: "x\r\nBcc: eve@example.com" } });
  expect(outcome).toMatchObject({ kind: "failed", error: expect.stringMatching(/subject holds a line break/) });
  const to = ["a@example.com\r\nBcc: eve@example.com"];
  await expect(world.run("notification", { email: { ...email, to }, variables: { name: "x" } })).rejects.toThrow();
});

test("a webhook is sent signed, as rest-api jobs are", async () => {
  const webhook = {
    url: `${target.url}/hook`,
    headers: { "X-Own": "1", Host: "evil", "X-Job-Id": "no" },
    body: { hi: "{{name}}", n: 1 },
  };
  const { outcome } = await world.run("notification", { webhook, variables: { name: 'E"ve' } }, { jobId: "job-w" });
  expect(outcome).toEqual({ kind: "done", result: { webhook: "delivered" } });
  const [request] = await target.got(1);
  expect(request).toMatchObject({
    method: "POST",
    url: "/hook",
    headers: { "x-own": "1", "webhook-id": "job-w", "x-job-id": "job-w" },
  });
  expect(request?.headers.host).not.toBe("evil");
  const [key] = await world.apps.keysOf(world.appId);
  const secret = `whsec_${Buffer.from(key ?? []).toString("base64")}`;
  const verified = new Webhook(secret).verify(
    request?.body.toString() ?? "",
    request?.headers as Record<string, string>,
  );
  expect(verified).toEqual({ hi: 'E"ve', n: 1 });
});

test("a retry after a webhook that failed sends no second e-mail", async () => {
  target.answer((_, response) => void response.writeHead(target.received.length === 1 ? 503 : 200).end());
  const payload = { email: { ...EMAIL, text: "once" }, webhook: { url: target.url }, variables: { name: "x" } };
  const first = await world.run("notification", payload, { jobId: "job-r" });
  expect(first.outcome).toEqual({ kind: "again", error: "The webhook answered HTTP 503" });
  const second = await world.run("notification", payload, { jobId: "job-r", attempt: 2, saved: first.saved });
  expect(second.outcome).toMatchObject({ kind: "done", result: { webhook: "delivered", recipients: 2 } });
  expect(target.received).toHaveLength(2);
  expect(world.emails().filter(({ text }) => text === "once")).toHaveLength(1);
});

test("a webhook that does not answer is tried again, and one to where no job may go is not", async () => {
  target.answer((_, response) => response.socket?.destroy());
  const broken = await world.run("notification", { webhook: { url: target.url } });
  expect(broken.outcome).toMatchObject({
    kind: "again",
    error: expect.stringMatching(/not delivered: the connection ended/),
  });

  const guarded = world.guarded();
  for (const url of [
    target.url,
    "http://169.254.169.254/latest",
    "https://127.0.0.1/",
    "https://[::1]/",
    "http://a.example/",
  ]) {
    const { outcome } = await guarded("notification", { webhook: { url } });
    expect(outcome).toMatchObject({
      kind: "failed",
      error: expect.stringMatching(/^The webhook was not called: the target must/),
    });
  }
});

test("an app's allowedCallbackUrls hold for its notifications too", async () => {
  const appId = "app-with-rules";
  const settings = await world.apps.read(appId);
  const { version: _, ...plain } = settings;
  await world.apps.change(settings, appId, { ...plain, allowedCallbackUrls: ["https://hooks.example"] }, "test");
  const { outcome } = await world.run("notification", { webhook: { url: target.url } }, { appId });
  expect(outcome).toMatchObject({
    kind: "failed",
    error: expect.stringMatching(/not among the app's allowedCallbackUrls/),
  });
});

test("without a sender no e-mail is sent, and the error says what to set", async () => {
  const mailed = await createMail(undefined).send({ to: ["a@example.com"], subject: "x", text: "x" });
  expect(mailed).toMatchObject({ kind: "refused", problem: expect.stringMatching(/EMAIL_SENDER is not set/) });
});

test.each([
  ["denies access", 403, "AccessDeniedException"],
  ["has too much to do", 429, "TooManyRequestsException"],
  ["fails", 500, "InternalServiceErrorException"],
])("an e-mail for which SES %s may be sent later", async (_, status, error) => {
  await expect(mailedBy(status, error)).rejects.toThrow(Unavailable);
});

test("an e-mail that SES refuses is not sent again", async () => {
  const problem = "SES refused the e-mail: MessageRejected";
  expect(await mailedBy(400, "MessageRejected")).toEqual({ kind: "refused", problem });
});

/** Sends an e-mail to an SES that answers with an error. */
async function mailedBy(status: number, error: string) {
  const answering = await startTarget();
  answering.answer((_, response) => void response.writeHead(status, { "x-amzn-errortype": error }).end("{}"));
  const ses = new SESv2Client({ endpoint: answering.url, maxAttempts: 1, requestHandler: FRESH_CONNECTIONS });
  const email = { to: ["a@example.com"], subject: "x", text: "x" };
  try {
    return await createMail("jobs@example.com", ses).send(email);
  } finally {
    ses.destroy();
    await answering.close();
  }
}
