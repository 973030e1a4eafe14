import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { readEnvFile } from "../local/env-file.ts";
import { signToken } from "../local/token.ts";
import { DEMO_APP } from "../local/local-pages.ts";

// `npm run demo`: fills a local stack with a believable day, good to look at within two minutes. It plays the partners
// that the jobs call and goes on sending orders, so it runs until it is stopped.

const USAGE = `Fills a local stack with a believable day, and goes on sending orders until it is stopped (Ctrl-C).
  npm run demo [-- --url http://127.0.0.1:4000]

  --url   of the stack; default: JOBS_URL, or this machine's PORT, 3000
`;

const OTHER_APPS = ["11111111-2222-4333-8444-555555555551", "11111111-2222-4333-8444-555555555552"];
readEnvFile();
const base = urlIn(process.argv.slice(2));
const PARENT = process.ppid;

function urlIn(args: string[]): string {
  const { JOBS_URL, PORT } = process.env;
  try {
    const { values } = parseArgs({ args, options: { url: { type: "string" }, help: { type: "boolean", short: "h" } } });
    if (values.help) return end(0, USAGE);
    const url = values.url ?? (JOBS_URL || `http://127.0.0.1:${PORT || 3_000}`);
    if (/^https?:$/.test(URL.parse(url)?.protocol ?? "")) return url;
    return end(2, `The stack's URL is "${url}": expected one such as http://127.0.0.1:3000\n\n${USAGE}`);
  } catch (error) {
    return end(2, `${(error as Error).message}\n\n${USAGE}`);
  }
}

function end(code: number, text: string): never {
  (code === 0 ? process.stdout : process.stderr).write(text);
  process.exit(code);
}

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

interface Shop {
  readonly token: string;
  /** Makes keys of its own for each run. */
  readonly run: string;
  readonly partners: Readonly<Record<"shop" | "failing" | "old" | "limited" | "strict", string>>;
}

async function startPartners(): Promise<Shop["partners"]> {
  return {
    shop: await partner((request, response) => {
      const isDown = request.url?.startsWith("/erp") === true;
      const [status, body] = isDown ? [503, { error: "maintenance", until: "18:00" }] : [200, { ok: true }];
      setTimeout(() => json(response, status, body), 20 + Math.random() * 180);
    }),
    failing: await partner((_, response) => json(response, 503, { error: "upstream is down", retry: true })),
    old: await partner((_, response) => json(response, 410, { error: "this endpoint is gone" })),
    limited: await partner((_, response) => json(response, 200, { ok: true })),
    strict: await partner((_, response) => json(response, 422, { error: "amount must be positive" })),
  };
}

const many = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));

async function send(token: string, jobs: readonly object[]): Promise<void> {
  for (let from = 0; from < jobs.length; from += 100)
    await ask(token, "POST", "/v1/send", jobs.slice(from, from + 100));
}

async function sendOrders({ token, run, partners }: Shop): Promise<void> {
  const { shop, failing, old, limited, strict } = partners;
  const order = (n: number) => ({ order: `A-${1_000 + n}`, total: 10 + ((n * 37) % 400), currency: "EUR" });
  say("Orders that go well, and a partner that is down");
  await send(
    token,
    many(120, (n) => ({ url: `${shop}/orders/paid`, body: order(n), key: `order-${run}-${n}`, labels: ["orders"] })),
  );
  await send(
    token,
    many(30, (n) => ({
      url: `${failing}/webhooks/orders?partner=7`,
      headers: { "x-api-key": "kept-secret", "x-order": String(n) },
      body: order(n),
      key: `partner-${run}-${n}`,
      maxRetries: n < 18 ? 1 : 10,
      retry: { baseDelaySeconds: n < 18 ? 1 : 60 },
    })),
  );
  say("A partner that is gone, one that takes one a second, one that refuses");
  await send(token, [
    ...many(6, (n) => ({ url: `${old}/v1/push`, body: order(n), key: `old-${run}-${n}` })),
    ...many(60, (n) => ({ url: `${limited}/sms`, body: { to: `+49 30 ${n}` }, key: `sms-${run}-${n}` })),
    ...many(4, (n) => ({ url: `${strict}/invoices`, body: { amount: -n }, key: `invoice-${run}-${n}` })),
  ]);
  say("Jobs for later, and jobs one after another");
  const notAfter = new Date(Date.now() + 2 * 86_400_000).toISOString();
  await send(token, [
    { url: `${shop}/reminder`, body: { cart: 9 }, delaySeconds: 7_200, key: `reminder-${run}` },
    { url: `${shop}/survey`, body: { customer: 4 }, delaySeconds: 86_400, notAfter },
    ...many(5, (n) => ({ url: `${shop}/customers/7`, body: { step: n }, order: "customer-7" })),
  ]);
}

async function putSchedules({ token, partners: { shop, old } }: Shop): Promise<void> {
  const put = async (key: string, body: object) => ask(token, "PUT", `/v1/schedules/${key}`, body);
  const timezone = "Europe/Berlin";
  await put("nightly-report", { expression: "0 2 * * *", timezone, overlap: "skip", job: { url: `${shop}/report` } });
  await put("weekday-digest", { expression: "0 9 * * 1-5", timezone, job: { url: `${shop}/digest` } });
  await put("stock-check", { expression: "rate(1 hour)", timezone: "UTC", job: { url: `${shop}/stock` } });
  await put("old-import", { expression: "0 4 * * 0", timezone: "UTC", job: { url: `${old}/import` } });
  await ask(token, "POST", "/v1/schedules/old-import/pause", { reason: "The partner has moved" });
}

async function sendWork({ token, partners: { shop } }: Shop): Promise<void> {
  const today = new Date().toISOString().slice(0, 10);
  const filters = { dateFrom: today, dateTo: today };
  const mail = (to: string) => ({
    email: { to: [to], subject: "Your order has been sent", text: "Dear {{name}}, your order is on its way." },
    variables: { name: "Ada" },
  });
  await send(token, [
    { task: "export_report", payload: { reportType: "jobs", format: "csv", filters } },
    { task: "notification", payload: mail("ada@example.com") },
    { task: "notification", payload: mail("grace@example.com") },
    { task: "generate_pdf", payload: { input_type: "html", html: "<h1>Invoice A-1000</h1><p>Total: 47 EUR</p>" } },
  ]);
  const group = (await ask(token, "POST", "/v1/groups", { onComplete: { url: `${shop}/import-done` } })) as {
    id: string;
  };
  await send(
    token,
    many(40, (n) => ({ url: `${shop}/rows`, body: { row: n }, group: group.id, labels: ["import"] })),
  );
  await ask(token, "POST", `/v1/groups/${group.id}/seal`, { expected: 40 });
}

const EVERY_MS = 2_000;
const HOUR_MS = 3_600_000;
const LEAST = 2;
const MOST = 120;

/** Orders go on coming, by the hour of the service's day. A few of them fail. */
async function goOn(shop: Shop): Promise<never> {
  let from = 1_000;
  let last = await serviceTime();
  for (;;) {
    await sleep(EVERY_MS);
    try {
      const now = await serviceTime();
      const count = ordersBetween(last, now);
      await send(
        shop.token,
        many(count, (n) => orderOf(from + n, shop)),
      );
      [from, last] = [from + count, now];
    } catch {
      // The stack is being started anew, or has ended: the next orders tell.
    }
  }
}

async function serviceTime(): Promise<number> {
  const { now } = (await ask("", "GET", "/health")) as { now: string };
  return Date.parse(now);
}

/** Few at night, many at noon; a clock that has jumped brings no more than an hour's. */
function ordersBetween(last: number, now: number): number {
  const hour = (now / HOUR_MS) % 24;
  const anHour = 70 - 50 * Math.cos((2 * Math.PI * (hour - 2)) / 24);
  return Math.round(Math.min(MOST, Math.max(LEAST, (anHour * (now - last)) / HOUR_MS)));
}

function orderOf(n: number, { run, partners }: Shop): object {
  const body = { order: `B-${n}`, total: 10 + Math.round(400 * Math.random()), currency: "EUR" };
  const key = `order-${run}-${n}`;
  const chance = Math.random();
  if (chance < 0.01) return { url: `${partners.strict}/invoices`, body: { amount: -1 }, key };
  if (chance < 0.03) return { url: `${partners.failing}/webhooks/orders`, body, key };
  if (chance < 0.04) return { url: `${partners.shop}/erp/customers`, method: "PUT", body, key };
  return { url: `${partners.shop}/orders/${n % 3 === 0 ? "shipped" : "paid"}`, body, key, labels: ["orders"] };
}

/** Somebody tries the refused invoices again, all at once. */
async function redrive({ token, partners: { strict } }: Shop): Promise<void> {
  await sleep(EVERY_MS);
  await ask(token, "POST", "/v1/admin/jobs/redrive", { status: "FAILED", host: new URL(strict).host });
}

async function fill(): Promise<Shop> {
  const partners = await startPartners();
  const token = await tokenOf(DEMO_APP);
  const demo = { token, partners, run: Date.now().toString(36) };
  const destinations = [{ destination: partners.limited, rateLimitPerSecond: 1 }];
  await ask(token, "PATCH", `/v1/admin/apps/${DEMO_APP}`, { name: "Demo shop", destinations });
  await sendOrders(demo);
  say("Schedules, a report, a group, two more apps");
  await putSchedules(demo);
  await sendWork(demo);
  for (const [at, appId] of OTHER_APPS.entries()) {
    const theirs = await tokenOf(appId);
    await ask(theirs, "PATCH", `/v1/admin/apps/${appId}`, { name: ["Newsletter", "Warehouse"][at] ?? "App" });
    await send(
      theirs,
      many(15, (n) => ({ url: `${partners.shop}/app-${at}`, body: { n } })),
    );
  }
  await redrive(demo);
  say(`Filled. See it at ${base}/dashboard . Orders come, and the partners answer, until this is stopped (Ctrl-C).`);
  return demo;
}

// npm hands on what stops it, but for SIGKILL.
if (process.env["npm_lifecycle_event"]) setInterval(() => process.ppid !== PARENT && process.exit(1), 250).unref();

try {
  await goOn(await fill());
} catch (error) {
  process.stderr.write(
    `${error instanceof Error ? error.message : String(error)}\nExpected a local stack at ${base}: start one with npm start, or name it by JOBS_URL, PORT or --url\n`,
  );
  process.exit(1);
}
