import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { onSource } from "./sync-source.ts";

const on = onSource("sync");

/** A source with `pages` pages of two items each, and cursors between them. */
function paged(pages: number, items = (page: number): object[] => [{ id: 2 * page }, { id: 2 * page + 1 }]) {
  on.source.answer(({ url }, response) => {
    const page = Number(new URL(url, on.source.url).searchParams.get("cursor") ?? 0);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ items: items(page), nextCursor: page + 1 < pages ? String(page + 1) : null }));
  });
}

const answering = (body: string | object, status = 200) =>
  on.source.answer(
    (_, response) => void response.writeHead(status).end(typeof body === "string" ? body : JSON.stringify(body)),
  );

test("all pages of a source come into a dataset, by a cursor", async () => {
  paged(3);
  const dataset = on.fresh();
  const { outcome } = await on.world.run("sync", {
    url: `${on.source.url}/items?q=1`,
    dataset,
    headers: { authorization: "Bearer x" },
  });
  expect(outcome).toEqual({ kind: "done", result: { dataset, rows: 6, pages: 3 } });
  expect(await on.world.rowsOf(dataset)).toEqual([0, 1, 2, 3, 4, 5].map((id) => ({ id })));
  expect(on.source.received.map(({ url }) => url)).toEqual([
    "/items?q=1",
    "/items?q=1&cursor=1",
    "/items?q=1&cursor=2",
  ]);
  expect(on.source.received[0]?.headers).toMatchObject({ authorization: "Bearer x", accept: "application/json" });
  expect(await on.world.datasets.get(on.world.appId, dataset)).toMatchObject({ rows: 6, columns: { id: "number" } });
});

test("pages are counted where a source wants that, until one is empty; names are those of the source", async () => {
  on.source.answer(({ url }, response) => {
    const page = Number(new URL(url, on.source.url).searchParams.get("p"));
    response.end(JSON.stringify({ data: page < 2 ? [{ page }] : [] }));
  });
  const dataset = on.fresh();
  const pagination = { by: "page", parameter: "p", first: 0, items: "data" };
  const { outcome } = await on.world.run("sync", { url: on.source.url, dataset, pagination });
  expect(outcome).toMatchObject({ kind: "done", result: { rows: 2, pages: 3 } });
  expect(await on.world.rowsOf(dataset)).toEqual([{ page: 0 }, { page: 1 }]);
});

test("a column takes the type that all its values have, and any if they differ", async () => {
  answering([
    { a: 1, b: "x", c: null, d: null, e: true },
    { a: "2", b: null, c: { deep: [1] }, d: null },
  ]);
  const dataset = on.fresh();
  await on.world.run("sync", { url: on.source.url, dataset, pagination: { by: "none" } });
  const columns = { a: "any", b: "string", c: "any", d: "any", e: "boolean" };
  expect(await on.world.datasets.get(on.world.appId, dataset)).toMatchObject({ rows: 2, columns });
});

test("a lost attempt goes on where it was, and doubles no row", async () => {
  paged(50, (page) => [{ id: page, ...(page === 3 && { early: "x" }) }]);
  const dataset = on.fresh();
  const crash = (what: string, count: number) => {
    if (what === "progress" && count === 47) throw new Error("the machine is gone");
  };
  const lost = await on.world.run("sync", { url: on.source.url, dataset }, { jobId: "s", at: crash });
  expect(lost.thrown).toBeDefined();
  expect(lost.saved).toMatchObject({ pages: 40, cursor: "40", part: { rows: 40 } });
  on.source.received.length = 0;
  const second = await on.world.run(
    "sync",
    { url: on.source.url, dataset },
    { jobId: "s", attempt: 2, saved: lost.saved },
  );
  expect(second.outcome).toEqual({ kind: "done", result: { dataset, rows: 50, pages: 50 } });
  expect(on.source.received).toHaveLength(10);
  const rows = await on.world.rowsOf(dataset);
  expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: 50 }, (_, index) => index));
  expect(await on.world.datasets.get(on.world.appId, dataset)).toMatchObject({
    columns: { id: "number", early: "string" },
  });
  const third = await on.world.run(
    "sync",
    { url: on.source.url, dataset },
    { jobId: "s", attempt: 3, saved: second.saved },
  );
  expect(third.outcome).toEqual(second.outcome);
  expect(await on.world.rowsOf(dataset)).toHaveLength(50);
});

test("a checkpoint whose files are gone is begun anew", async () => {
  paged(3);
  const dataset = on.fresh();
  const saved = { pages: 2, cursor: "2", part: { rows: 4, bytes: 40, files: [[1, 1]] } };
  const { outcome } = await on.world.run("sync", { url: on.source.url, dataset }, { attempt: 2, saved });
  expect(outcome).toMatchObject({ kind: "done", result: { rows: 6 } });
  expect(await on.world.rowsOf(dataset)).toHaveLength(6);
});

test("a source that is down is asked again from where it was; the dataset stays as it is", async () => {
  const dataset = on.fresh();
  answering({ items: [{ id: 1 }] });
  await on.world.run("sync", { url: on.source.url, dataset });
  for (const status of [500, 503, 429, 408]) {
    answering("", status);
    const { outcome } = await on.world.run("sync", { url: on.source.url, dataset });
    expect(outcome).toEqual({ kind: "again", error: `Page 1 did not come: HTTP ${status}` });
  }
  on.source.answer((_, response) => response.socket?.destroy());
  const { outcome } = await on.world.run("sync", { url: on.source.url, dataset });
  expect(outcome).toMatchObject({ kind: "again", error: expect.stringMatching(/the connection ended/) });
  expect(await on.world.rowsOf(dataset)).toEqual([{ id: 1 }]);
});

test("what is no page of items fails in words, and changes nothing", async () => {
  const dataset = on.fresh();
  const bad: [string | object, number, RegExp][] = [
    ["", 404, /HTTP 404, expected 200/],
    ["", 302, /HTTP 302, expected 200/],
    ["<html>", 200, /is not JSON: expected an object with items/],
    [{ data: [] }, 200, /has no array "items": set pagination.items/],
    [{ items: [1] }, 200, /has an item 1 that is not an object/],
    [{ items: [], nextCursor: {} }, 200, /neither text nor a number/],
    [{ items: [], nextCursor: "ä".repeat(1_500) }, 200, /names a next page in more than 3000 bytes/],
    ['{"items":[{"__proto__":1}]}', 200, /a field "__proto__", which can't be a column's name/],
    [
      { items: [Object.fromEntries(Array.from({ length: 201 }, (_, index) => [`c${index}`, 1]))] },
      200,
      /more than 200/,
    ],
    [`{"items":["${"x".repeat(9_000_000)}"]}`, 200, /answer is too large: expected at most 8388608 bytes/],
  ];
  for (const [body, status, error] of bad) {
    answering(body, status);
    const { outcome } = await on.world.run("sync", { url: on.source.url, dataset });
    expect(outcome).toMatchObject({ kind: "failed", error: expect.stringMatching(error) });
  }
  expect(await on.world.datasets.get(on.world.appId, dataset)).toBeUndefined();
  expect(await on.world.keys(`datasets/${on.world.appId}/${dataset}/`)).toEqual([]);
});

test("a page that names itself as the next is an endless source", async () => {
  answering({ items: [{ id: 1 }], nextCursor: "same" });
  const { outcome } = await on.world.run("sync", { url: on.source.url, dataset: on.fresh() });
  expect(outcome).toMatchObject({ kind: "failed", error: expect.stringMatching(/Page 2 names itself as the next/) });
});

test("no source is asked where no job may go, nor where another page would lead", async () => {
  const guarded = on.world.guarded();
  for (const url of [on.source.url, "http://169.254.169.254/", "https://localhost/"]) {
    const { outcome } = await guarded("sync", { url, dataset: on.fresh() });
    expect(outcome).toMatchObject({
      kind: "failed",
      error: expect.stringMatching(/^The source was not asked: the target must/),
    });
  }
  expect(on.source.received).toHaveLength(0);
});

test("appending keeps what was there", async () => {
  const dataset = on.fresh();
  answering({ items: [{ id: 1 }] });
  await on.world.run("sync", { url: on.source.url, dataset });
  answering({ items: [{ id: "two" }] });
  await on.world.run("sync", { url: on.source.url, dataset, mode: "append" });
  expect(await on.world.rowsOf(dataset)).toEqual([{ id: 1 }, { id: "two" }]);
  expect(await on.world.datasets.get(on.world.appId, dataset)).toMatchObject({ columns: { id: "any" } });
});

test("a file that is packed by gzip is read, though no header says so", async () => {
  const files = [
    ["ndjson", '{"n":1}\n{"n":2}\n'],
    ["csv", "n\n1\n2\n"],
    ["json", '{"items":[{"n":1},{"n":2}]}'],
  ] as const;
  for (const [format, text] of files) {
    // Several members are one file.
    const half = Math.floor(text.length / 2);
    const packed = Buffer.concat([gzipSync(text.slice(0, half)), gzipSync(text.slice(half))]);
    on.source.answer((_, response) => void response.setHeader("content-type", "application/gzip").end(packed));
    const asked = { url: on.source.url, dataset: on.fresh(), format };
    expect((await on.world.run("sync", asked)).outcome).toMatchObject({ kind: "done", result: { rows: 2 } });
  }
});
