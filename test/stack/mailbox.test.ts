import { SESv2Client, SendEmailCommand } from "@aws-sdk/client-sesv2";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { FRESH_CONNECTIONS } from "../../lib/aws.ts";
import { endStacks, sharedStack, startStack } from "../support/stack.ts";

afterAll(endStacks);

test("the local stack keeps e-mails with its data, and hands them to its own page alone", async () => {
  const env = { ROLE: "gateway" };
  const stack = await startStack({ env });
  expect(stack.lines.join("\n")).toContain(`${stack.url}/dashboard`);
  const mails = async (url: string, headers = {}) => fetch(`${url}/local/mail.json`, { headers });
  expect(await (await mails(stack.url)).json()).toEqual({ items: [] });

  const { environment } = JSON.parse(readFileSync(join(stack.dir, "stack.json"), "utf8"));
  expect(new URL(environment.AWS_ENDPOINT_URL_SESV2).hostname).toBe("127.0.0.1");
  const client = new SESv2Client({
    endpoint: environment.AWS_ENDPOINT_URL_SESV2,
    requestHandler: FRESH_CONNECTIONS,
  });
  const content = (Data: string) => ({ Data });
  const Content = { Simple: { Subject: content("A subject"), Body: { Html: content("<b>An e-mail</b>") } } };
  const FromEmailAddress = environment.EMAIL_SENDER;
  const Destination = { ToAddresses: ["a@example.com"] };
  const { MessageId } = await client.send(new SendEmailCommand({ FromEmailAddress, Destination, Content }));
  await expect(client.send(new SendEmailCommand({ FromEmailAddress, Content }))).rejects.toMatchObject({
    name: "BadRequestException",
  });
  const kept = { id: MessageId, subject: "A subject", html: "<b>An e-mail</b>", to: ["a@example.com"] };
  expect(await (await mails(stack.url)).json()).toMatchObject({ items: [kept] });
  for (const headers of [{ "sec-fetch-site": "cross-site" }, { origin: "https://evil.example" }])
    expect((await mails(stack.url, headers)).status).toBe(403);
  const moved = await fetch(`${stack.url}/local/mailbox`, { redirect: "manual" });
  expect([moved.status, moved.headers.get("location")]).toEqual([302, "/dashboard/local/mail"]);
  await stack.end();

  const again = await startStack({ dir: stack.dir, env });
  expect(await (await mails(again.url)).json()).toMatchObject({ items: [kept] });
  await again.end();
});

test("a token is for whoever sits at this machine: no other page gets one", async () => {
  const stack = await sharedStack({ ROLE: "gateway" });
  const ask = async (headers: Record<string, string>) => fetch(`${stack.url}/local/token`, { method: "POST", headers });
  for (const headers of [
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "none" },
    { origin: "https://evil.example" },
    { origin: "null" },
  ])
    expect((await ask(headers)).status).toBe(403);
  const { token } = (await (await ask({ "sec-fetch-site": "same-origin", origin: stack.url })).json()) as {
    token: string;
  };
  const me = await fetch(`${stack.url}/v1/me`, { headers: { authorization: `Bearer ${token}` } });
  expect(await me.json()).toMatchObject({ data: { sub: "developer", may: { change: true, operate: false } } });
});
