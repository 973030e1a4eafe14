import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EXECUTION_TYPES } from "../../lib/executors/index.ts";
import { readTemplate } from "../../local/template.ts";
import { DOCUMENT, checkAnswer } from "../support/api-document.ts";
import { problemsOf } from "../support/api-rules.ts";
import { ROOT } from "../support/root.ts";
import { endStacks, newApp, sharedStack, webhook, type Stack } from "../support/stack.ts";

let stack: Stack;

beforeAll(async () => {
  stack = await sharedStack({ ROLE: "gateway" });
});
afterAll(endStacks);

const operations = Object.entries(DOCUMENT.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ key: `${method.toUpperCase()} ${path}`, operation })),
);

test("the document has exactly the routes that are deployed", () => {
  const deployed = readTemplate(ROOT).functions.flatMap(({ routes }) =>
    routes.filter((key) => key !== "*").map((key) => key.replace("+}", "}")),
  );
  expect(operations.map(({ key }) => key).toSorted()).toEqual(deployed.toSorted());
});

test("it is as its standard says, and the rules find what is wrong", async () => {
  expect(await problemsOf(DOCUMENT)).toEqual([]);
  const { paths, components } = structuredClone(DOCUMENT) as never as Record<string, Record<string, object>>;
  const [[path, methods]] = Object.entries(paths ?? {}) as [[string, Record<string, object>]];
  const [[method, operation]] = Object.entries(methods) as [[string, object]];
  const changed = (to: object) => ({ ...DOCUMENT, paths: { ...paths, [path]: { ...methods, [method]: to } } });
  const wrong: [document: object, problem: RegExp][] = [
    [{ ...DOCUMENT, info: {} }, /^is no OpenAPI document/],
    [{ ...DOCUMENT, security: [{ nobody: [] }] }, /^security names nobody/],
    [
      { ...DOCUMENT, components: { ...components, schemas: { ...components?.["schemas"], Unused: {} } } },
      /Unused is used nowhere$/,
    ],
    [{ ...DOCUMENT, paths: { ...paths, "/v1/{a}": methods, "/v1/{b}": {} } }, /stands twice$/],
    [changed({ ...operation, summary: "" }), /has no summary$/],
    [changed({ ...operation, operationId: "a b" }), /operationId is "a b"$/],
    [changed({ ...operation, responses: { 200: { description: "done" } } }), /never refuses$/],
    [changed({ ...operation, responses: { 400: { description: "wrong" } } }), /never succeeds$/],
    [changed({ ...operation, parameters: [{ name: "x", in: "path", required: true, schema: {} }] }), /declares x of/],
  ];
  for (const [document, problem] of wrong)
    expect(await problemsOf(document)).toContainEqual(expect.stringMatching(problem));
  const lost = changed({ ...operation, responses: { 200: { $ref: "#/components/responses/Lost" } } });
  await expect(problemsOf(lost)).rejects.toThrow(/Lost/);
});

test("it is served, and its examples go to the echo target of this stack", async () => {
  const { body } = await stack.call("GET", "/openapi.json");
  expect(body).toMatchObject({ openapi: "3.1.1", paths: { "/health": {} } });
  expect(JSON.stringify(body)).toContain(`"baseUrl":"${stack.url}/echo"`);
  expect(JSON.stringify(DOCUMENT)).not.toContain("127.0.0.1");
});

test("every execution type can be asked for by it", () => {
  const text = JSON.stringify(DOCUMENT);
  for (const type of EXECUTION_TYPES) expect(text).toContain(`"const":"${type}"`);
});

test("every example can be sent as it is", async () => {
  // An operator changes the limits of apps.
  const { appId, token } = await newApp({ roles: ["APP_ADMIN", "PLATFORM_ADMIN"] });
  const { id } = (await stack.call("POST", "/v1/jobs/create", { token, body: webhook({ url: stack.url }) })).body.data;
  const { body: document } = await stack.call("GET", "/openapi.json");
  const refused: unknown[] = [];
  let count = 0;
  for (const { key } of operations) {
    const [method = "", path = ""] = key.split(" ");
    const content = document.paths[path][method.toLowerCase()].requestBody?.content["application/json"];
    for (const { value } of Object.values<{ value: unknown }>(content?.examples ?? {})) {
      const at = path
        .replace("{appId}", appId)
        .replace("{id}", id)
        .replace("{name}", "a.example")
        .replace("{key}", "nightly");
      const answer = await stack.call(method, at, { token, body: value });
      count += 1;
      if (answer.status >= 300) refused.push([key, value, answer.body]);
    }
  }
  expect(refused).toEqual([]);
  expect(count).toBeGreaterThan(0);
});

const PAGE_POLICY = /^default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self';/;

test("the page is made of our own files alone", async () => {
  const page = await fetch(`${stack.url}/api-docs`);
  expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
  expect(page.headers.get("content-security-policy")).toMatch(PAGE_POLICY);
  const html = await page.text();
  const files = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file = ""]) => file);
  expect(files).toEqual(["data:,", "api-docs/swagger-ui.css", "api-docs/swagger-ui-bundle.js", "api-docs/start.js"]);
  for (const file of files.slice(1)) {
    // Browsers ask for compression, plain clients don't.
    const [zipped, plain] = await Promise.all(
      ["gzip, br", "identity"].map(async (encoding) =>
        fetch(`${stack.url}/${file}`, { headers: { "accept-encoding": encoding } }),
      ),
    );
    expect([zipped?.status, zipped?.headers.get("content-encoding")]).toEqual([200, "gzip"]);
    expect([plain?.status, plain?.headers.get("content-encoding")]).toEqual([200, null]);
    expect(plain?.headers.get("cache-control")).toMatch(/^public, max-age=\d+$/);
    const text = await plain?.text();
    expect(await zipped?.text()).toBe(text);
    if (file.endsWith("start.js")) expect(text + html).not.toMatch(/\bhttps?:\/\//);
  }
});

test("what the page takes from Swagger UI is packaged with its function", () => {
  const serverless = readFileSync(join(ROOT, "serverless.yml"), "utf8");
  for (const file of ["swagger-ui.css", "swagger-ui-bundle.js"]) {
    expect(serverless).toContain(`        - node_modules/swagger-ui-dist/${file}\n`);
  }
});

test("there is no other file than those", async () => {
  for (const file of ["package.json", "..%2F..%2Fpackage.json", "constructor", "__proto__"]) {
    expect((await stack.call("GET", `/api-docs/${file}`)).status).toBe(404);
  }
});

test("an answer that is not in the document fails the test that gets it", () => {
  const headers = new Headers({ "x-request-id": "1", "content-type": "application/json" });
  const health = { method: "GET", path: "/health", status: 200, headers };
  const now = new Date().toISOString();
  checkAnswer({ ...health, text: JSON.stringify({ status: "ok", now }) });
  const wrong = [
    { text: JSON.stringify({ status: "ok", now, forgotten: 1 }) },
    { text: JSON.stringify({ status: "ok" }) },
    { text: JSON.stringify({ status: "ok", now }), status: 201 },
    { text: JSON.stringify({ status: "ok", now }), headers: new Headers({ "content-type": "application/json" }) },
    { text: JSON.stringify({ status: "ok", now }), headers: new Headers({ "x-request-id": "1" }) },
    { text: JSON.stringify({ status: "ok", now }), path: "/healthy" },
    { text: JSON.stringify({ message: "Service Unavailable" }), status: 503 },
  ];
  for (const one of wrong) expect(() => checkAnswer({ ...health, ...one })).toThrow("which the API document does not");
});
