import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { buffer } from "node:stream/consumers";
import { parseSync } from "oxc-parser";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createClock } from "../../lib/clock.ts";
import { answerCall } from "../../lib/pdf/answer-call.ts";
import type { RenderedPdf } from "../../lib/pdf/page.ts";
import { BadDocument } from "../../lib/pdf/request.ts";
import { ROOT } from "../support/root.ts";

// The function that has the browser, without the browser.

const real = createClock();
const clock = { ...real, sleep: async () => {} };
const LIMIT = 4 * 1_024 * 1_024;

let bucket: Server;
let puts: { url: string; type: string | undefined; body: Buffer }[];
let statuses: number[];

beforeAll(async () => {
  bucket = createServer((request, response) => {
    void buffer(request).then((body) => {
      puts.push({ url: request.url ?? "", type: request.headers["content-type"], body });
      response.writeHead(statuses.shift() ?? 200).end();
    });
  });
  await new Promise<void>((listening) => {
    bucket.listen(0, "127.0.0.1", listening);
  });
});
afterAll(() => bucket.close());
beforeEach(() => {
  puts = [];
  statuses = [];
});

const request = { input_type: "html", html: "<p>a" } as const;
const callOf = (more: object = {}) => {
  const putUrl = `http://127.0.0.1:${(bucket.address() as AddressInfo).port}/pdfs/a.pdf?X-Amz-Signature=0`;
  return { request, timeLeftMs: 60_000, putUrl, ...more };
};
const pdf = (bytes: number, warnings: readonly string[] = []): RenderedPdf => ({
  file: new Uint8Array(bytes).fill(7),
  pages: 3,
  truncated: false,
  warnings,
});
const renders = (render: (until: AbortSignal) => Promise<RenderedPdf>) => ({
  clock,
  renderer: { render: async (_: unknown, until: AbortSignal) => render(until) },
});

test("a PDF comes back with the answer, up to 4 MB", async () => {
  for (const bytes of [1, LIMIT]) {
    const answer = await answerCall(
      callOf(),
      renders(async () => pdf(bytes)),
    );
    expect(answer).toMatchObject({ kind: "made", pages: 3, truncated: false, bytes });
    expect(Buffer.from("file" in answer ? (answer.file ?? "") : "", "base64").equals(pdf(bytes).file)).toBe(true);
    expect(JSON.stringify(answer).length).toBeLessThan(6 * 1_024 * 1_024);
  }
  expect(puts).toEqual([]);
});

test("a larger one is put where the call says, a second and third time if the bucket is down", async () => {
  statuses = [500, 503];
  const answer = await answerCall(
    callOf(),
    renders(async () => pdf(LIMIT + 1)),
  );
  expect(answer).toEqual({ kind: "made", pages: 3, truncated: false, bytes: LIMIT + 1 });
  expect(puts.map(({ url, type }) => [url, type])).toEqual(
    Array.from({ length: 3 }, () => ["/pdfs/a.pdf?X-Amz-Signature=0", "application/pdf"]),
  );
  expect(puts[2]?.body.length).toBe(LIMIT + 1);
});

test("what the bucket does not take is a failure, at once if it is refused", async () => {
  statuses = [403];
  await expect(
    answerCall(
      callOf(),
      renders(async () => pdf(LIMIT + 1)),
    ),
  ).rejects.toThrow("found 403");
  expect(puts).toHaveLength(1);
  statuses = [500, 500, 500];
  await expect(
    answerCall(
      callOf(),
      renders(async () => pdf(LIMIT + 1)),
    ),
  ).rejects.toThrow("found 500");
  const nowhere = callOf({ putUrl: "http://127.0.0.1:9/" });
  await expect(
    answerCall(
      nowhere,
      renders(async () => pdf(LIMIT + 1)),
    ),
  ).rejects.toThrow("found no answer");
});

test("the time that a call has left ends its rendering", async () => {
  const endless = renders(
    async (until) =>
      new Promise((_, reject) => {
        until.addEventListener("abort", () => reject(until.reason as Error));
      }),
  );
  expect(await answerCall(callOf({ timeLeftMs: 20 }), endless)).toEqual({ kind: "late" });
});

test("a document that can't be printed is refused in words, and a failure of the browser is one of the function", async () => {
  const refused = renders(async () => Promise.reject(new BadDocument("x".repeat(5_000))));
  expect(await answerCall(callOf(), refused)).toEqual({ kind: "refused", error: "x".repeat(1_000) });
  const broken = renders(async () => Promise.reject(new Error("Chromium has ended: failed")));
  await expect(answerCall(callOf(), broken)).rejects.toThrow("Chromium has ended");
});

test.each([
  ["nothing", () => undefined],
  ["a message of a queue", () => ({ Records: [] })],
  ["a call without time", () => callOf({ timeLeftMs: 0 })],
  ["a call with more than is asked for", () => callOf({ token: "a" })],
  ["a document that no request could hold", () => callOf({ request: { input_type: "html", html: "" } })],
])("%s is no call", async (_, call) => {
  const rendering = renders(async () => pdf(1));
  await expect(answerCall(call(), rendering)).rejects.toThrow();
});

/** What a file of the service needs at run time: packages, by their names, and files. */
function needsOf(file: string, seen = new Set<string>()): Set<string> {
  seen.add(file);
  const text = readFileSync(join(ROOT, file), "utf8");
  const { staticImports, staticExports, dynamicImports } = parseSync(file, text).module;
  const names = [
    ...staticImports
      .filter(({ entries }) => !entries.length || entries.some((it) => !it.isType))
      .map((it) => it.moduleRequest.value),
    ...staticExports.flatMap(({ entries }) =>
      entries.flatMap((it) => (it.moduleRequest && !it.isType ? it.moduleRequest.value : [])),
    ),
    ...dynamicImports.map(({ moduleRequest: { start, end } }) => text.slice(start + 1, end - 1)),
  ];
  for (const name of names) {
    const needed = name.startsWith(".") ? join(dirname(file), name) : name;
    if (!name.startsWith(".")) seen.add(needed);
    else if (!seen.has(needed)) needsOf(needed, seen);
  }
  return seen;
}

test("the function with the browser holds no client of AWS, and none of the service's stores and queues", () => {
  const needs = [...needsOf("functions/render-pdf.ts")];
  expect(needs.filter((name) => !name.startsWith("lib/") && !name.startsWith("node:")).toSorted()).toEqual([
    "@sparticuz/chromium",
    "functions/render-pdf.ts",
    "markdown-it",
    "markdown-it-footnote",
    "puppeteer-core",
    "tar-fs",
    "zod/mini",
    "zod/v4/locales/en.js",
  ]);
  expect(
    needs.filter((name) => /^lib\/(?:parts|engine|queue|files|outbound|executors|tasks|api|aws)/.test(name)),
  ).toEqual([]);
  expect(needs).toContain("lib/pdf/browser.ts");
});
