import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { once } from "node:events";
import { request } from "node:http";
import { buffer } from "node:stream/consumers";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endStacks, newApp, startStack, type Stack } from "../support/stack.ts";

// A gateway that listens on another address than 127.0.0.1: other machines see such a one. The rest stays on loopback.

const BIND = "127.0.0.2";
let stack: Stack;
let environment: Record<string, string>;

beforeAll(async () => {
  stack = await startStack({ env: { ROLE: "gateway", BIND, ALLOWED_HOSTS: "jobs.example" } });
  environment = JSON.parse(readFileSync(join(stack.dir, "stack.json"), "utf8")).environment;
});
afterAll(endStacks);

async function accepts(url: string, host: string): Promise<boolean> {
  const socket = connect(Number(new URL(url).port), host);
  const opened = await Promise.race([
    once(socket, "connect").then(() => true),
    once(socket, "error").then(() => false),
  ]).catch(() => false);
  socket.destroy();
  return opened;
}

/** A request to the gateway as from a machine that calls it by another name. */
async function asHost(host: string, method: string, url: string, headers: Record<string, string>, body = "") {
  const { pathname, search, port } = new URL(url);
  const length = { "content-length": String(Buffer.byteLength(body)) };
  const options = { hostname: BIND, port, method, path: pathname + search, headers: { ...headers, ...length, host } };
  const sending = request({ ...options, agent: false });
  sending.end(body);
  const [answer] = await once(sending, "response");
  const content = (await buffer(answer)).toString();
  return { status: answer.statusCode as number, headers: answer.headers, content };
}

test("BIND moves the gateway alone, and its address is a host that it answers to", async () => {
  expect(new URL(stack.url).hostname).toBe(BIND);
  expect((await stack.call("GET", "/health")).status).toBe(200);
  expect(await accepts(stack.url, "127.0.0.1")).toBe(false);
  for (const part of ["SQS", "S3", "LAMBDA", "SCHEDULER", "SESV2"]) {
    const url = environment[`AWS_ENDPOINT_URL_${part}`] ?? "";
    expect([part, new URL(url).hostname, await accepts(url, BIND)]).toEqual([part, "127.0.0.1", false]);
  }
  expect((await asHost("evil.example", "GET", `${stack.url}/health`, {})).status).toBe(421);
});

test("links to files lead through the gateway, by the host of whoever asked", async () => {
  const { token } = await newApp();
  const asked = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const csv = "name\nAnn\n";
  const file = { fileName: "a.csv", size: csv.length, contentType: "text/csv" };
  for (const host of [new URL(stack.url).host, "jobs.example"]) {
    const begun = await asHost(host, "POST", `${stack.url}/api/jobs/uploads`, asked, JSON.stringify(file));
    const { parts, fileKey } = JSON.parse(begun.content);
    expect(new URL(parts[0].url).host).toBe(host);
    // The name leads nowhere here.
    const url = parts[0].url.replace(`http://${host}`, stack.url);
    const put = await asHost(host, "PUT", url, {}, csv);
    expect(put.status).toBe(200);
    const completed = { fileKey, parts: [{ partNumber: 1, etag: put.headers.etag }] };
    const done = await asHost(host, "POST", `${stack.url}/api/jobs/uploads/complete`, asked, JSON.stringify(completed));
    expect(done.status).toBe(200);

    const job = { jobType: "import_csv", payload: { dataset: "a", columns: { name: "string" } }, fileKey };
    const created = await asHost(host, "POST", `${stack.url}/api/jobs`, asked, JSON.stringify(job));
    const { id } = JSON.parse(created.content);
    const { fileUrl } = JSON.parse((await asHost(host, "GET", `${stack.url}/api/jobs/${id}`, asked)).content);
    expect(new URL(fileUrl).host).toBe(host);
    const got = await asHost(host, "GET", fileUrl.replace(`http://${host}`, stack.url), {});
    expect([got.status, got.content]).toEqual([200, csv]);
    expect(got.headers["content-disposition"]).toMatch(/^attachment; filename="a\.csv"/);
  }
});

test("the gateway passes on nothing but links as the service has made them", async () => {
  const { token } = await newApp();
  const body = { fileName: "a.csv", size: 4, contentType: "text/csv" };
  const [part] = (await stack.call("POST", "/api/jobs/uploads", { token, body })).body.parts;
  const bucket = `${stack.url}/${environment["S3_JOBS_BUCKET_NAME"]}`;
  const late = new URL(part.url);
  late.searchParams.set("X-Amz-Expires", "1000000");
  for (const [method, url] of [
    ["GET", `${bucket}/files/a`],
    ["GET", `${bucket}/?list-type=2`],
    ["PUT", `${bucket}/files/a?X-Amz-Signature=${"0".repeat(64)}`],
    ["PUT", part.url.replace(/a\.csv/, "b.csv")],
    ["GET", part.url],
    ["DELETE", part.url],
    ["PUT", String(late)],
  ] as const) {
    const { status, content } = await asHost(new URL(stack.url).host, method, url, {}, method === "PUT" ? "name" : "");
    expect([method, url, status]).toEqual([method, url, 403]);
    expect(content).toContain("ask for another one");
  }
  // Of another size than was announced.
  expect((await asHost(BIND, "PUT", part.url, {}, "names")).status).toBe(403);
  expect((await asHost(BIND, "PUT", part.url, {}, "name")).status).toBe(200);
});
