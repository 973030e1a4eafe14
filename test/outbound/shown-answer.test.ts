import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { excerptOf, shownHeaders } from "../../lib/outbound/shown-answer.ts";

const told = '{"error":"no such order é"}';

test.each([
  ["gzip", gzipSync(told)],
  ["x-gzip", gzipSync(told)],
  ["GZIP ", gzipSync(told)],
  ["deflate", deflateSync(told)],
  ["deflate", deflateRawSync(told)],
  ["br", brotliCompressSync(told)],
  ["zstd", zstdCompressSync(told)],
  ["gzip, br", brotliCompressSync(gzipSync(told))],
  ["identity", Buffer.from(told)],
  ["unheard-of", Buffer.from(told)],
  // A server that says so and does not do it.
  ["gzip", Buffer.from(told)],
])("an answer in %s is shown as text", async (coding, body) => {
  expect(await excerptOf(body, { "content-encoding": coding })).toBe(told);
});

test("of an answer that was cut, what came is shown", async () => {
  const body = Array.from({ length: 5_000 }, (_, n) => `line ${n * 7_919}`).join("\n");
  const cut = gzipSync(body).subarray(0, 2_000);
  const shown = await excerptOf(cut, { "content-encoding": "gzip" });
  expect(shown).toHaveLength(1_024);
  expect(body.startsWith(shown)).toBe(true);
});

test("of a bomb, 1 KB is shown, and little more is made", async () => {
  const bomb = gzipSync(Buffer.alloc(32 * 1_024 * 1_024, "0"), { level: 1 });
  const before = process.memoryUsage().arrayBuffers;
  expect(await excerptOf(bomb, { "content-encoding": "gzip" })).toBe("0".repeat(1_024));
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1_024 * 1_024);
});

test.each([
  ["text/plain; charset=euc-kr", Buffer.from([0xc7, 0xd1, 0xb1, 0xdb]), "한글"],
  ['text/plain; charset="ISO-8859-1"', Buffer.from([0xe9]), "é"],
  ["text/plain; charset=utf-16le", Buffer.from("é!", "utf16le"), "é!"],
  ["text/plain; charset=nonsense", Buffer.from("é"), "é"],
  ["application/json", Buffer.from("\u{feff}{}"), "{}"],
])("an answer of %s is shown in its character set", async (contentType, body, text) => {
  expect(await excerptOf(body, { "content-type": contentType })).toBe(text);
});

test("an excerpt has at most 1 KB in UTF-8, and no half a character", async () => {
  const shown = await excerptOf(Buffer.alloc(4_000, Buffer.from([0xc7, 0xd1])), {
    "content-type": "a/b; charset=euc-kr",
  });
  expect(shown).toBe("한".repeat(341));
});

test("headers are shown without credentials, short, and without those of the connection", () => {
  const shown = shownHeaders({
    connection: "close",
    date: "Thu, 01 Jan 2026 12:00:00 GMT",
    "content-type": "text/html",
    "set-cookie": ["a=1", "b=2"],
    location: "/login?token=canary&next=1",
    vary: ["accept", "origin"],
    "x-long": "x".repeat(1_000),
    link: "<https://ann:canary@a.example/>; rel=next",
    // As they are read; many servers write UTF-8.
    "x-utf-8": Buffer.from("größer 日本").toString("latin1"),
    "x-latin-1": "gr\u00f6\u00dfer",
  });
  expect(shown).toEqual({
    "content-type": "text/html",
    "set-cookie": "***",
    location: "/login?token=***&next=1",
    vary: "accept, origin",
    "x-long": "x".repeat(256),
    link: "<https://***@a.example/>; rel=next",
    "x-utf-8": "größer 日本",
    "x-latin-1": "größer",
  });
});
