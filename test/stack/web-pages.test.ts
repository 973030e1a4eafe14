import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { readFileSync } from "node:fs";
import { request, type IncomingHttpHeaders } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { localDefaults } from "../../local/environment.ts";
import { endStacks, newApp, startStack, type Stack } from "../support/stack.ts";

// What web pages in the browser of a developer's machine get from the local stack. Its secrets are published.

let stack: Stack;
/** Of its servers, by the variables of its environment. */
let environment: Record<string, string>;
const PAGE = "https://app.example";

beforeAll(async () => {
  const CORS_ORIGINS = `${PAGE}, https://admin.example`;
  stack = await startStack({
    env: { ROLE: "gateway", CORS_ORIGINS, ALLOWED_HOSTS: "jobs.example, Box.example:8080," },
  });
  environment = JSON.parse(readFileSync(join(stack.dir, "stack.json"), "utf8")).environment;
});
afterAll(endStacks);

const preflight = async (origin: string) =>
  stack.call("OPTIONS", "/v1/jobs/create", {
    headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization" },
  });

interface Sent {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A request with the headers that a browser would choose. */
async function send(method: string, url: string, headers: Record<string, string>, body = ""): Promise<Sent> {
  return new Promise((resolve, reject) => {
    const sending = request(url, { method, headers, agent: false }, (response) => {
      const { statusCode: status = 0, headers: answered } = response;
      text(response).then((body) => resolve({ status, headers: answered, body }), reject);
    });
    sending.on("error", reject).end(body);
  });
}

test("a page that may call the API is told so, before and with every answer", async () => {
  const asked = await preflight(PAGE);
  expect(asked.status).toBe(204);
  expect(Object.fromEntries(asked.headers)).toMatchObject({
    "access-control-allow-origin": PAGE,
    "access-control-allow-methods": expect.stringContaining("POST"),
    "access-control-allow-headers": expect.stringContaining("authorization"),
    vary: "origin",
  });
  const { token } = await newApp();
  for (const options of [{ token }, {}]) {
    const answer = await stack.call("GET", "/v1/admin/jobs", { ...options, headers: { origin: PAGE } });
    expect(answer.headers.get("access-control-allow-origin")).toBe(PAGE);
    expect(answer.headers.get("access-control-expose-headers")).toContain("Idempotent-Replayed");
  }
});

test("other pages, and callers that are none, hear nothing of it", async () => {
  for (const origin of ["https://evil.example", "https://app.example.evil.example", "null", "http://app.example"]) {
    const asked = await preflight(origin);
    expect([asked.status, asked.headers.get("access-control-allow-origin")]).toEqual([404, null]);
  }
  const { token } = await newApp();
  const answer = await stack.call("GET", "/v1/admin/jobs", { token });
  expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([200, null]);
});

test("no page may call the local stack by default", () => {
  expect(localDefaults()["CORS_ORIGINS"]).toBeUndefined();
});

const FOREIGN_HOSTS = [
  "evil.example",
  "evil.example:3000",
  "localhost.evil.example",
  "127.0.0.1.evil.example",
  "evil-localhost",
  "0.0.0.0:3000",
  "192.168.0.1",
  "[::]",
  "localhost@evil.example",
  "jobs.example.evil.example",
  "box.example",
  "box.example:80",
  ":3000",
];
const OWN_HOSTS = ["localhost", "LOCALHOST:3000", "app.localhost:3000", "127.0.0.1", "127.8.8.8:1", "[::1]:3000"];

test("the gateway answers to this machine's names and those of ALLOWED_HOSTS alone", async () => {
  const statusOf = async (host: string) => (await send("GET", `${stack.url}/health`, { host })).status;
  for (const host of FOREIGN_HOSTS) expect([host, await statusOf(host)]).toEqual([host, 421]);
  for (const host of [...OWN_HOSTS, "jobs.example", "JOBS.example:3000", "box.example:8080"]) {
    expect([host, await statusOf(host)]).toEqual([host, 200]);
  }
  const { body } = await send("GET", `${stack.url}/health`, { host: "evil.example" });
  expect(JSON.parse(body).message).toContain("ALLOWED_HOSTS");
});

/** Requests that a page can send without asking first, to each of the stack's other servers. */
const attacks = () => {
  const {
    AWS_ENDPOINT_URL_SQS: sqs = "",
    AWS_ENDPOINT_URL_S3: s3 = "",
    AWS_ENDPOINT_URL_LAMBDA: lambda = "",
  } = environment;
  const { AWS_ENDPOINT_URL_SCHEDULER: scheduler = "", AWS_ENDPOINT_URL_SESV2: mail = "" } = environment;
  const bucket = environment["S3_JOBS_BUCKET_NAME"] ?? "";
  return [
    ["POST", `${sqs}/`, "Action=GetCallerIdentity&Version=2011-06-15"],
    ["POST", `${s3}/${bucket}?delete`, "<Delete><Object><Key>a</Key></Object></Delete>"],
    ["POST", `${lambda}/2015-03-31/functions/${environment["OWN_FUNCTIONS"]}site/invocations`, "{}"],
    ["POST", `${scheduler}/schedules/a`, "{}"],
    ["POST", `${mail}/v2/email/outbound-emails`, "{}"],
    ["GET", `${s3}/${bucket}?list-type=2`, ""],
    ["GET", `${sqs}/_fauxqs/queues`, ""],
    ["GET", `${lambda}/2015-03-31/functions/${environment["OWN_FUNCTIONS"]}site/invocations`, ""],
    ["GET", `${scheduler}/schedules`, ""],
  ] as const;
};

test("queues, bucket, Lambda API, scheduler and mailbox take no request of a foreign page or for a foreign host", async () => {
  const form = { "content-type": "application/x-www-form-urlencoded" };
  for (const [method, url, body] of attacks()) {
    for (const host of FOREIGN_HOSTS) {
      expect([url, host, (await send(method, url, { ...form, host }, body)).status]).toEqual([url, host, 421]);
    }
    for (const origin of [
      "https://evil.example",
      "null",
      // Of pages in files, by some browsers.
      "file://",
      "http://localhost:1",
      "http://127.0.0.1",
      "https://jobs.example.evil.example",
    ]) {
      expect([url, origin, (await send(method, url, { ...form, origin }, body)).status]).toEqual([url, origin, 403]);
    }
    // What is embedded, as a picture is, comes without an origin.
    for (const site of ["cross-site", "same-site"]) {
      const headers = { ...form, "sec-fetch-site": site, "sec-fetch-mode": "no-cors" };
      expect([url, site, (await send(method, url, headers, body)).status]).toEqual([url, site, 403]);
    }
  }
});

test("the same requests by a program or by a page of the stack are taken", async () => {
  const form = { "content-type": "application/x-www-form-urlencoded" };
  const own = [
    {},
    { origin: stack.url },
    { origin: stack.url.replace("127.0.0.1", "localhost") },
    { origin: "https://jobs.example" },
  ];
  for (const [method, url, body] of attacks()) {
    for (const headers of own) {
      expect([403, 421]).not.toContain((await send(method, url, { ...form, ...headers }, body)).status);
    }
  }
  // A link to a function, which a page may have followed, runs nothing.
  const [, invocations] = attacks().findLast(([, url]) => url.includes("/functions/")) ?? [];
  const followed = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" };
  expect((await send("GET", invocations ?? "", followed)).status).toBe(405);
});

test("a page of CORS_ORIGINS reads and puts files of the bucket, and calls nothing else", async () => {
  const [bucket, queues] = [
    `${environment["AWS_ENDPOINT_URL_S3"]}/${environment["S3_JOBS_BUCKET_NAME"]}`,
    environment["AWS_ENDPOINT_URL_SQS"],
  ];
  const asked = await send("OPTIONS", `${bucket}/files/a`, { origin: PAGE, "access-control-request-method": "PUT" });
  expect([asked.status, asked.headers["access-control-allow-methods"]]).toEqual([204, "GET, HEAD, PUT"]);
  const put = await send("PUT", `${bucket}/files/a`, { origin: PAGE }, "content");
  expect(put).toMatchObject({
    status: 200,
    headers: { etag: expect.any(String), "access-control-expose-headers": "ETag" },
  });
  const read = await send("GET", `${bucket}/files/a`, { origin: PAGE });
  expect(read).toMatchObject({ status: 200, body: "content", headers: { "access-control-allow-origin": PAGE } });
  for (const [method, url] of [
    ["DELETE", `${bucket}/files/a`],
    ["POST", `${bucket}/files/a?uploads`],
    ["POST", `${queues}/`],
    ["GET", `${queues}/_fauxqs/queues`],
    ["GET", `${queues}/%5ffauxqs/queues`],
    ["GET", `${queues}/_%66aux%71s/queues`],
    ["POST", `${environment["AWS_ENDPOINT_URL_LAMBDA"]}/`],
  ] as const) {
    expect([method, url, (await send(method, url, { origin: PAGE })).status]).toEqual([method, url, 403]);
  }
  const rewritten = { origin: PAGE, host: "_fauxqs.localhost" };
  expect((await send("GET", `${queues}/queues`, rewritten)).status).toBe(403);
});

test("a browser saves what was uploaded and runs none of it, whatever its uploader called it", async () => {
  const { AWS_ENDPOINT_URL_S3: endpoint = "", S3_JOBS_BUCKET_NAME: Bucket = "" } = environment;
  const s3 = new S3Client({ endpoint, forcePathStyle: true });
  const Body = "<script>fetch('/')</script>";
  for (const [Key, described] of Object.entries({
    "files/page.html": { ContentType: "text/html" },
    "files/shown.svg": { ContentType: "image/svg+xml", ContentDisposition: "inline" },
    "files/named.html": { ContentType: "text/html", ContentDisposition: 'attachment; filename="a.html"' },
  })) {
    await s3.send(new PutObjectCommand({ Bucket, Key, Body, ...described }));
    for (const query of ["", "?response-content-disposition=inline", "?response-content-type=text/html"]) {
      for (const method of ["GET", "HEAD"]) {
        const { status, headers } = await send(method, `${endpoint}/${Bucket}/${Key}${query}`, {});
        expect([status, headers["content-disposition"]]).toEqual([200, expect.stringMatching(/^attachment/)]);
        expect(headers["content-security-policy"]).toMatch(/^sandbox;/);
        expect([headers["x-content-type-options"], headers["cross-origin-resource-policy"]]).toEqual([
          "nosniff",
          "same-origin",
        ]);
      }
    }
  }
  s3.destroy();
  const named = encodeURIComponent('attachment; filename="report.csv"');
  const { headers } = await send(
    "GET",
    `${endpoint}/${Bucket}/files/page.html?response-content-disposition=${named}`,
    {},
  );
  expect(headers["content-disposition"]).toBe('attachment; filename="report.csv"');
});

test.runIf(process.platform === "linux")(
  "the database, which answers every page, has an address that none can guess",
  () => {
    const { hostname } = new URL(environment["AWS_ENDPOINT_URL_DYNAMODB"] ?? "");
    expect(hostname).toMatch(/^127\.\d+\.\d+\.\d+$/);
    expect(hostname).not.toBe("127.0.0.1");
  },
);
