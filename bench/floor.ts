import { createSecretKey, createHmac, randomBytes, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { isMainThread, Worker } from "node:worker_threads";
import { jwtVerify } from "jose";
import { Agent, request } from "undici";
import { backend, type StoredJob } from "./backends.ts";
import type { jobFor } from "./workload.ts";

// The floor: what every accepted and delivered webhook needs, in sequence and without the service's code. It takes
// the request, verifies the token, stores and sends the job; receives and claims it, signs and posts it, and writes
// down its end. A peer is the same with another backend. It runs as the service does: by ROLE, and workers of
// ROLE=all on a thread of their own.

const { ROLE = "all", JWT_SECRET = "" } = process.env;
const tokenKey = createSecretKey(JWT_SECRET, "utf8");
const webhookKey = randomBytes(24);
const checks = { algorithms: ["HS256"], requiredClaims: ["exp", "sub"] };
const dispatcher = new Agent();

async function accept(authorization: string | undefined, body: string): Promise<{ status: number; answer: object }> {
  const token = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1] ?? "";
  const verified = await jwtVerify(token, tokenKey, checks).catch(() => undefined);
  if (!verified) return { status: 401, answer: { success: false } };
  const { message } = JSON.parse(body) as ReturnType<typeof jobFor>;
  const job = { id: randomUUID(), createdAt: Date.now(), message };
  await backend.add(job);
  return {
    status: 201,
    answer: { success: true, data: { jobId: job.id, status: "PENDING", createdAt: job.createdAt } },
  };
}

async function deliver({ id, message }: StoredJob): Promise<void> {
  const { lambdaProxyMessage: proxied, execution } = message;
  const body = Buffer.from(proxied.body);
  const timestamp = Math.floor(Date.now() / 1_000);
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  const headers = {
    ...proxied.headers,
    "x-job-id": id,
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": `v1,${createHmac("sha256", webhookKey).update(signed).digest("base64")}`,
  };
  const signal = AbortSignal.timeout(execution.timeoutSeconds * 1_000);
  const url = new URL(proxied.path, execution.baseUrl);
  const answer = await request(url, { dispatcher, method: "POST", headers, body, signal });
  await answer.body.dump();
  if (answer.statusCode >= 300) throw new Error(`HTTP ${answer.statusCode}`);
}

async function listen(): Promise<string> {
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      void accept(incoming.headers.authorization, Buffer.concat(chunks).toString()).then(({ status, answer }) => {
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
      });
    });
  });
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

if (isMainThread) {
  process.on("SIGTERM", () => process.exit());
  process.on("disconnect", () => process.exit());
  const workers = ROLE === "all" ? new Worker(new URL(import.meta.url)) : undefined;
  workers?.once("error", (error) => {
    throw error;
  });
  if (ROLE === "worker") await backend.work(deliver);
  const url = ROLE === "worker" ? "a worker" : await listen();
  process.stdout.write(`ready: ${url}\n`);
} else await backend.work(deliver);
