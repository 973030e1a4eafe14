import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import { signToken } from "../local/token.ts";
import { DEMO_APP } from "../local/local-pages.ts";

// `npm run demo`: fills a local stack with a believable day, good to look at within two minutes. It plays the partners
// that the jobs call, so it runs until it is stopped; `-- --url http://127.0.0.1:4000` names another stack.

const OTHER_APPS = ["11111111-2222-4333-8444-555555555551", "11111111-2222-4333-8444-555555555552"];
const { values } = parseArgs({ options: { url: { type: "string", default: "http://127.0.0.1:3000" } } });
const base = values.url;

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

async function partner(answer: Answer): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => answer(request, response));
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function tokenOf(appId: string): Promise<string> {
  return signToken({ appId, sub: "demo", roles: ["APP_ADMIN"], permissions: [], expires: "12h" });
}

async function ask(token: string, method: string, path: string, body?: object): Promise<unknown> {
  const response = await fetch(new URL(path, base), {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });
  const answer = (await response.json()) as { data?: unknown; error?: { message: string; details?: unknown } };
  if (response.ok) return answer.data ?? answer;
  throw new Error(`${method} ${path}: ${answer.error?.message} ${JSON.stringify(answer.error?.details ?? "")}`);
}

const say = (text: string) => void process.stdout.write(`${text}\n`);

async function fill(): Promise<void> {
  const shop = await partner((_, response) =>
    setTimeout(() => json(response, 200, { ok: true }), 20 + Math.random() * 180),
  );
  const failing = await partner((_, response) => json(response, 503, { error: "upstream is down", retry: true }));
  const old = await partner((_, response) => json(response, 410, { error: "this endpoint is gone" }));
  const limited = await partner((_, response) => json(response, 200, { ok: true }));
  const strict = await partner((_, response) => json(response, 422, { error: "amount must be positive" }));
  const token = await tokenOf(DEMO_APP);
  const send = async (jobs: readonly object[]) => {
    for (let from = 0; from < jobs.length; from += 100)
      await ask(token, "POST", "/v1/send", jobs.slice(from, from + 100));
  };
  const run = Date.now().toString(36);
  await ask(token, "PATCH", `/v1/admin/apps/${DEMO_APP}`, {
    name: "Demo shop",
    destinations: [{ destination: limited, rateLimitPerSecond: 1 }],
  });

  say("Orders that go well, and a partner that is down");
  const order = (n: number) => ({ order: `A-${1_000 + n}`, total: 10 + ((n * 37) % 400), currency: "EUR" });
  await send(
    Array.from({ length: 120 }, (_, n) => ({
      url: `${shop}/orders/paid`,
      body: order(n),
      key: `order-${run}-${n}`,
      labels: ["orders"],
    })),
  );
  await send(
    Array.from({ length: 30 }, (_, n) => ({
      url: `${failing}/webhooks/orders?partner=7`,
      headers: { "x-api-key": "kept-secret", "x-order": String(n) },
      body: order(n),
      key: `partner-${run}-${n}`,
      maxRetries: n < 18 ? 1 : 10,
      retry: { baseDelaySeconds: n < 18 ? 1 : 60 },
    })),
  );
  say("A partner that is gone, one that takes one a second, one that refuses");
  await send(Array.from({ length: 6 }, (_, n) => ({ url: `${old}/v1/push`, body: order(n), key: `old-${run}-${n}` })));
  await send(
    Array.from({ length: 60 }, (_, n) => ({
      url: `${limited}/sms`,
      body: { to: `+49 30 ${n}` },
      key: `sms-${run}-${n}`,
    })),
  );
  await send(
    Array.from({ length: 4 }, (_, n) => ({
      url: `${strict}/invoices`,
      body: { amount: -n },
      key: `invoice-${run}-${n}`,
    })),
  );
  say("Jobs for later, and jobs one after another");
  await send([
    { url: `${shop}/reminder`, body: { cart: 9 }, delaySeconds: 7_200, key: `reminder-${run}` },
    {
      url: `${shop}/survey`,
      body: { customer: 4 },
      delaySeconds: 86_400,
      notAfter: new Date(Date.now() + 2 * 86_400_000).toISOString(),
    },
    ...Array.from({ length: 5 }, (_, n) => ({ url: `${shop}/customers/7`, body: { step: n }, order: "customer-7" })),
  ]);
  say("Schedules, a report, a group, a PDF");
  const schedule = async (key: string, body: object) => ask(token, "PUT", `/v1/schedules/${key}`, body);
  await schedule("nightly-report", {
    expression: "0 2 * * *",
    timezone: "Europe/Berlin",
    overlap: "skip",
    job: { url: `${shop}/report` },
  });
  await schedule("weekday-digest", {
    expression: "0 9 * * 1-5",
    timezone: "Europe/Berlin",
    job: { url: `${shop}/digest` },
  });
  await schedule("heartbeat", { expression: "rate(1 minute)", timezone: "UTC", job: { url: `${shop}/heartbeat` } });
  await schedule("old-import", { expression: "0 4 * * 0", timezone: "UTC", job: { url: `${old}/import` } });
  await ask(token, "POST", "/v1/schedules/old-import/pause", { reason: "The partner has moved" });
  const today = new Date().toISOString().slice(0, 10);
  await send([
    {
      task: "export_report",
      payload: { reportType: "jobs", format: "csv", filters: { dateFrom: today, dateTo: today } },
    },
  ]);
  const group = (await ask(token, "POST", "/v1/groups", { onComplete: { url: `${shop}/import-done` } })) as {
    id: string;
  };
  await send(
    Array.from({ length: 40 }, (_, n) => ({
      url: `${shop}/rows`,
      body: { row: n },
      group: group.id,
      labels: ["import"],
    })),
  );
  await ask(token, "POST", `/v1/groups/${group.id}/seal`, { expected: 40 });
  await send([
    {
      task: "generate_pdf",
      payload: { inputType: "markdown", markdown: "# Invoice\n\n| item | price |\n|-|-|\n| tea | 4 |\n" },
    },
  ]).catch((error: unknown) => say(String(error)));
  for (const [at, appId] of OTHER_APPS.entries()) {
    const theirs = await tokenOf(appId);
    await ask(theirs, "PATCH", `/v1/admin/apps/${appId}`, { name: ["Newsletter", "Warehouse"][at] ?? "App" });
    await ask(
      theirs,
      "POST",
      "/v1/send",
      Array.from({ length: 15 }, (_, n) => ({ url: `${shop}/app-${at}`, body: { n } })),
    );
  }
  say(`\nFilled. See it at ${base}/dashboard . The partners answer until this is stopped (Ctrl-C).`);
}

try {
  await fill();
} catch (error) {
  process.stderr.write(
    `${error instanceof Error ? error.message : String(error)}\nExpected a local stack at ${base}: start one with npm start, or name it with --url\n`,
  );
  process.exit(1);
}
