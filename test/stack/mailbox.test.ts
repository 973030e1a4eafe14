import { SESv2Client, SendEmailCommand } from "@aws-sdk/client-sesv2";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { FRESH_CONNECTIONS } from "../../lib/aws.ts";
import { endStacks, startStack } from "../support/stack.ts";

afterAll(endStacks);

test("the local stack keeps e-mails with its data, and shows them on its own page alone", async () => {
  const env = { ROLE: "gateway" };
  const stack = await startStack({ env });
  expect(stack.lines.join("\n")).toContain(`${stack.url}/local/mailbox`);
  const page = async (path = "") => fetch(`${stack.url}/local/mailbox${path}`);
  expect(await (await page()).text()).toContain("No e-mail has been sent yet");

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
  expect(await (await page()).text()).toContain("A subject");
  const shown = await page(`/${MessageId}`);
  expect(shown.headers.get("content-security-policy")).toMatch(/default-src 'none'/);
  expect(await shown.text()).toContain('sandbox="" srcdoc="&lt;b&gt;An e-mail');
  expect((await page("/unknown")).status).toBe(404);
  await stack.end();

  const again = await startStack({ dir: stack.dir, env });
  expect(await (await fetch(`${again.url}/local/mailbox`)).text()).toContain("A subject");
  await again.end();
});
