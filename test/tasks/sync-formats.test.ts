import { createHook } from "node:async_hooks";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { onSource } from "./sync-source.ts";

// What a source answers with, and whether it has changed.

const on = onSource("formats");

const answering = (body: string | Uint8Array, headers: Record<string, string> = {}, status = 200) =>
  on.source.answer((_, response) => void response.writeHead(status, headers).end(body));

const NDJSON = '\uFEFF{"n":1234567890123456789,"t":"ä"}\r\n\n{"n":2,"t":null}\n  \n{"n":3}';
const THREE = [{ n: expect.objectContaining({ rawJSON: "1234567890123456789" }), t: "ä" }, { n: 2, t: null }, { n: 3 }];

test("NDJSON is read line by line, also where it is longer than a page may be", async () => {
  answering(NDJSON);
  const dataset = on.fresh();
  const { outcome } = await on.world.run("sync", { url: on.source.url, dataset, format: "ndjson" });
  expect(outcome).toEqual({ kind: "done", result: { dataset, rows: 3, pages: 1 } });
  expect(await on.world.rowsOf(dataset)).toEqual(THREE);
  expect(on.source.received[0]?.headers.accept).toMatch(/^application\/x-ndjson/);

  answering(`{"n":1}\n${`${" ".repeat(200_000)}\n`.repeat(45)}{"n":2}`);
  const long = on.fresh();
  await on.world.run("sync", { url: on.source.url, dataset: long, format: "ndjson" });
  expect(await on.world.rowsOf(long)).toEqual([{ n: 1 }, { n: 2 }]);
});

test("CSV has text, or the types that were asked for; what does not fit is left out and told", async () => {
  answering("\uFEFFid;on;note\r\n1;2026-01-31;a\r\nx;2026-01-31;b\r\n3;;\r\n");
  const text = on.fresh();
  const csv = { delimiter: ";" };
  const read = await on.world.run("sync", { url: on.source.url, dataset: text, format: "csv", csv });
  expect(read.outcome).toEqual({ kind: "done", result: { dataset: text, rows: 3, pages: 1, rejected: 0 } });
  expect((await on.world.rowsOf(text))[2]).toEqual({ id: "3", on: "", note: "" });

  const typed = on.fresh();
  const columns = { id: "integer", on: "date", note: "string" };
  const { outcome, logs } = await on.world.run("sync", {
    url: on.source.url,
    dataset: typed,
    format: "csv",
    csv: { ...csv, columns },
  });
  expect(outcome).toEqual({ kind: "done", result: { dataset: typed, rows: 2, pages: 1, rejected: 1 } });
  expect(await on.world.datasets.get(on.world.appId, typed)).toMatchObject({ columns });
  expect(await on.world.rowsOf(typed)).toEqual([
    { id: 1, on: "2026-01-31", note: "a" },
    { id: 3, on: null, note: "" },
  ]);
  expect(logs).toEqual([{ level: "warning", message: expect.stringContaining('got "x"'), rowNumber: 3 }]);
});

test("CSV is read as import_csv reads files: stray quotes, other encodings, decimal commas, dates as people write them", async () => {
  answering(Buffer.from('Größe;Am;Text\r\n1,5;31.01.2026;5" Rohr\r\n2;1.2.2026;"a" b\r\n', "latin1"));
  const dataset = on.fresh();
  const columns = { größe: "number", am: "date", text: "string" };
  const csv = { delimiter: "auto", encoding: "windows-1252", decimal: ",", dateFormats: ["D.M.YYYY"], columns };
  const { outcome, logs } = await on.world.run("sync", { url: on.source.url, dataset, format: "csv", csv });
  expect(outcome).toMatchObject({ kind: "done", result: { rows: 1, rejected: 1 } });
  expect(await on.world.rowsOf(dataset)).toEqual([{ größe: 1.5, am: "2026-01-31", text: '5" Rohr' }]);
  expect(await on.world.datasets.get(on.world.appId, dataset)).toMatchObject({ columns });
  expect(logs.map(({ level }) => level)).toContain("info");
  const contradictory = { ...csv, thousands: "," };
  await expect(
    on.world.run("sync", { url: on.source.url, dataset, format: "csv", csv: contradictory }),
  ).rejects.toThrow(/another sign than decimal/);
});

test("pages of lines are named by links, and numbered", async () => {
  for (const [by, format] of [
    ["link", "ndjson"],
    ["page", "csv"],
  ] as const) {
    on.source.answer(({ url }, response) => {
      const page = Number(new URL(url, on.source.url).searchParams.get("page") ?? 1);
      if (page < 2) response.setHeader("link", `<?page=${page + 1}>; rel=next`);
      const row = format === "csv" ? `n\n${page}\n` : `{"n":"${page}"}\n`;
      response.end(page > 2 ? (format === "csv" ? "n\n" : "") : row);
    });
    const dataset = on.fresh();
    await on.world.run("sync", { url: on.source.url, dataset, format, pagination: { by } });
    expect(await on.world.rowsOf(dataset)).toEqual([{ n: "1" }, { n: "2" }]);
  }
});

test("an answer that is compressed, although nobody has asked for it, is read", async () => {
  const codings: [coding: string, body: Uint8Array][] = [
    ["gzip", gzipSync(NDJSON)],
    ["br", brotliCompressSync(NDJSON)],
    ["gzip, identity, GZIP", gzipSync(gzipSync(NDJSON))],
  ];
  for (const [coding, body] of codings) {
    answering(body, { "content-encoding": coding });
    const dataset = on.fresh();
    await on.world.run("sync", { url: on.source.url, dataset, format: "ndjson" });
    expect(await on.world.rowsOf(dataset)).toEqual(THREE);
  }
});

test("many empty lines are read by the piece: a promise for each would take an hour for a gigabyte", async () => {
  const lines = 1_000_000;
  answering(gzipSync(`${"\n".repeat(lines)}{"n":1}`), { "content-encoding": "gzip" });
  const dataset = on.fresh();
  let promises = 0;
  const counting = createHook({ init: (_, type) => void (type === "PROMISE" && (promises += 1)) }).enable();
  await on.world.run("sync", { url: on.source.url, dataset, format: "ndjson" });
  counting.disable();
  expect(await on.world.rowsOf(dataset)).toEqual([{ n: 1 }]);
  expect(promises).toBeGreaterThan(10);
  expect(promises).toBeLessThan(lines / 10);
});

const BAD: readonly [format: string, body: string | Uint8Array, coding: string, error: RegExp][] = [
  ["ndjson", '{"n":1}\n[2]\n', "", /^Page 1 has a line 2 that is not a JSON object: "\[2\]"/],
  ["ndjson", '{"n":1}\n{"n":', "", /^Page 1 has a line 2 that is not a JSON object/],
  ["ndjson", Uint8Array.of(0x7b, 0xff, 0x7d), "", /^Page 1 is not UTF-8/],
  ["json", Uint8Array.of(0x5b, 0xff, 0x5d), "", /^Page 1 is not UTF-8/],
  ["csv", "a,a\n1,2\n", "", /^Page 1: The header is wrong: it names "a" twice/],
  ["csv", "a,b\n1\n2\n", "", /^None of the 2 rows could be taken/],
  ["csv", Uint8Array.of(0x61, 0x0a, 0xfc), "", /^Page 1: The file is not UTF-8/],
  ["csv", "", "", /^Page 1 has no header/],
  ["csv", "\n <!DOCTYPE html>\n<html><body>Sign in</body></html>", "", /^Page 1: The file is HTML or XML/],
  ["csv", ",a\n0,1\n", "", /column 1 has no name. Expected each column .*"columns", with extraColumns "ignore"$/],
  ["ndjson", gzipSync('{"n":1}').subarray(0, -9), "", /^Page 1: the answer begins like gzip, and can't be unpacked/],
  ["json", gzipSync(`[${" ".repeat(9_000_000)}]`), "", /^Page 1: the answer unpacks to more than 8388608 bytes/],
  ["json", "[]", "gzip", /^Page 1: the answer is not gzip, although its header says so/],
  ["ndjson", `{"n":${"[".repeat(101)}${"]".repeat(101)}}`, "", /^Page 1 has an item that is nested deeper than 100/],
  [
    "json",
    `[{"n":${"[".repeat(50_000)}1e400${"]".repeat(50_000)}}]`,
    "",
    /^Page 1 has an item that is nested deeper than 100/,
  ],
  [
    "json",
    `[{"n":${"[".repeat(50_000)}${"]".repeat(50_000)}}]`,
    "",
    /^Page 1 has an item that is nested deeper than 100/,
  ],
  [
    "ndjson",
    `{"n":${"[".repeat(50_000)}1e400${"]".repeat(50_000)}}`,
    "",
    /^Page 1 has an item that is nested deeper than 100/,
  ],
  ["json", "[]", "x-odd", /^Page 1: the answer is compressed by "x-odd": expected gzip/],
  [
    "json",
    gzipSync(Buffer.alloc(9_000_000, " ")),
    "gzip",
    /^Page 1: the answer is too large: expected at most 8388608/,
  ],
];

test.each(BAD)("%s that can't be read fails in words: %#", async (format, body, coding, error) => {
  answering(body, coding === "" ? {} : { "content-encoding": coding });
  const dataset = on.fresh();
  const { outcome } = await on.world.run("sync", { url: on.source.url, dataset, format, pagination: { by: "none" } });
  expect(outcome).toMatchObject({ kind: "failed", error: expect.stringMatching(error) });
  expect(await on.world.keys(`datasets/${on.world.appId}/${dataset}/`)).toEqual([]);
});

test("an answer that is cut off is asked for again, and its rows do not come twice", async () => {
  const dataset = on.fresh();
  for (const headers of [{ "content-length": "999" }, { "content-encoding": "gzip" }]) {
    const cut = "content-encoding" in headers ? gzipSync(NDJSON).subarray(0, 40) : Buffer.from(NDJSON);
    on.source.answer((_, response) => {
      response.writeHead(200, headers).write(cut, () => response.socket?.end());
    });
    const { outcome } = await on.world.run("sync", { url: on.source.url, dataset, format: "ndjson" });
    expect(outcome).toMatchObject({ kind: "again", error: expect.stringMatching(/^Page 1 did not come: the connec/) });
  }
  answering(NDJSON);
  await on.world.run("sync", { url: on.source.url, dataset, format: "ndjson" });
  expect(await on.world.rowsOf(dataset)).toEqual(THREE);
});

test("what is of JSON alone is refused for other formats, and the reverse", async () => {
  const asked = { url: on.source.url, dataset: "d" };
  for (const [more, message] of [
    [{ format: "csv", pagination: { by: "cursor" } }, /expected page, link or none for csv/],
    [{ format: "ndjson", pagination: { by: "url" } }, /expected page, link or none for ndjson/],
    [{ csv: { delimiter: ";" } }, /is of CSV/],
  ] as const) {
    await expect(on.world.run("sync", { ...asked, ...more })).rejects.toThrow(message);
  }
});

/** Answers 304 to a request with one of these conditions. */
function versioned(rows: () => object[], headers: Record<string, string>, known: readonly string[]): void {
  on.source.answer((request, response) => {
    const asked = request.headers["if-none-match"] ?? request.headers["if-modified-since"] ?? "";
    if (asked.split(/, (?=")/).some((tag) => known.includes(tag))) {
      // Some servers name the coding of a body that there is not.
      response.writeHead(304, { "content-encoding": "gzip" }).end();
      return;
    }
    response.writeHead(200, headers).end(JSON.stringify(rows()));
  });
}

const SETTLED = { date: "Thu, 01 Jan 2026 12:00:05 GMT", "last-modified": "Thu, 01 Jan 2026 12:00:00 GMT" };

test.each([
  ["its ETag", { etag: '"v1"' }, '"v1"', { "if-none-match": '"v1"' }],
  ["its weak ETag", { etag: 'W/"v1"', ...SETTLED }, 'W/"v1"', { "if-none-match": 'W/"v1"' }],
  ["its ETag without the coding", { etag: '"v1-gzip"' }, '"v1"', { "if-none-match": '"v1-gzip", "v1"' }],
  ["its last change", SETTLED, SETTLED["last-modified"], { "if-modified-since": SETTLED["last-modified"] }],
])("a source that has not changed costs one request, by %s", async (_, headers, known, conditions) => {
  let rows = [{ n: 1 }];
  versioned(() => rows, headers, [known]);
  const dataset = on.fresh();
  const asked = { url: on.source.url, dataset, pagination: { by: "none" } };
  await on.world.run("sync", asked);
  on.source.received.length = 0;
  const { outcome, logs } = await on.world.run("sync", asked);
  expect(outcome).toEqual({ kind: "done", result: { dataset, rows: 1, pages: 0, unchanged: true } });
  expect(logs[0]?.message).toContain("has not changed");
  expect(on.source.received.map((request) => request.headers)).toEqual([expect.objectContaining(conditions)]);
  rows = [{ n: 2 }, { n: 3 }];
  versioned(() => rows, headers, []);
  expect((await on.world.run("sync", asked)).outcome).toMatchObject({ result: { rows: 2, pages: 1 } });
  expect(await on.world.rowsOf(dataset)).toEqual(rows);
});

test("a source is asked for all of its rows when the dataset or the question is another one", async () => {
  const dataset = on.fresh();
  const asked = { url: on.source.url, dataset, pagination: { by: "none" } };
  versioned(() => [{ n: 1 }], { etag: '"v1"' }, ['"v1"']);
  const isWhole = async (other: object = {}) => {
    const { outcome } = await on.world.run("sync", { ...asked, ...other });
    return outcome?.kind === "done" && outcome.result["unchanged"] === undefined;
  };
  expect(await isWhole()).toBe(true);
  expect(await isWhole()).toBe(false);
  expect(await isWhole({ headers: { authorization: "Bearer other" } })).toBe(true);
  expect(await isWhole()).toBe(true);
  expect(await isWhole({ url: `${on.source.url}/?q=1` })).toBe(true);
  expect(await isWhole()).toBe(true);
  // Appending adds the rows each time, and then the dataset is no copy of the source any more.
  expect(await isWhole({ mode: "append" })).toBe(true);
  expect(await on.world.rowsOf(dataset)).toHaveLength(2);
  expect(await isWhole()).toBe(true);
  const file = await on.world.upload("n\n7\n");
  await on.world.run("import_csv", { dataset, columns: { n: "number" } }, { file });
  expect(await isWhole()).toBe(true);
  expect(await on.world.rowsOf(dataset)).toEqual([{ n: 1 }]);
});

test("of many pages, the first one tells of the others only where that is asked for", async () => {
  on.source.answer(({ url, headers }, response) => {
    if (headers["if-none-match"] === '"p1"') return void response.writeHead(304).end();
    const isFirst = !url.includes("cursor");
    response.writeHead(200, { etag: isFirst ? '"p1"' : '"p2"' });
    return void response.end(JSON.stringify({ items: [{ isFirst }], nextCursor: isFirst ? 2 : null }));
  });
  for (const [trustFirstPage, requests] of [
    [false, 2],
    [true, 1],
  ] as const) {
    const asked = { url: on.source.url, dataset: on.fresh(), trustFirstPage };
    await on.world.run("sync", asked);
    on.source.received.length = 0;
    await on.world.run("sync", asked);
    expect(on.source.received).toHaveLength(requests);
    expect(await on.world.rowsOf(asked.dataset)).toHaveLength(2);
  }
});

test("no condition is made of what may hide a change, and 304 unasked is an error", async () => {
  const unsafe: Record<string, string>[] = [
    { ...SETTLED, date: SETTLED["last-modified"] },
    { "last-modified": "yesterday", date: SETTLED.date },
    { etag: `"${"x".repeat(400)}"` },
    { etag: "" },
    // Everything fits the first, and the second is two.
    { etag: "*" },
    { etag: '"a", "b"' },
    { etag: 'W/"a"b"' },
  ];
  for (const headers of unsafe) {
    versioned(() => [{ n: 1 }], headers, []);
    const asked = { url: on.source.url, dataset: on.fresh(), pagination: { by: "none" } };
    await on.world.run("sync", asked);
    await on.world.run("sync", asked);
    const { headers: sent = {} } = on.source.received.at(-1) ?? {};
    expect([sent["if-none-match"], sent["if-modified-since"]]).toEqual([undefined, undefined]);
  }
  answering("", {}, 304);
  const { outcome } = await on.world.run("sync", { url: on.source.url, dataset: on.fresh() });
  expect(outcome).toMatchObject({ kind: "failed", error: "Page 1 did not come: HTTP 304, expected 200" });
});
