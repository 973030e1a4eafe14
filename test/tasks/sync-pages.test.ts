import { expect, test } from "vitest";
import { payload } from "../../lib/tasks/sync-payload.ts";
import { valueAt } from "../../lib/tasks/source-page.ts";
import { stepAfter, urlOf } from "../../lib/tasks/source-place.ts";
import { startTarget } from "../support/target.ts";
import { onSource } from "./sync-source.ts";

// How a source names its pages, and how it ends.

const on = onSource("pages");

interface Answer {
  readonly status?: number;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: unknown;
}

/** Answers the requests in this order, and the last one for ever. */
function answers(...all: readonly Answer[]): void {
  let count = 0;
  on.source.answer((_, response) => {
    const { status = 200, headers = {}, body } = all[Math.min(count, all.length - 1)] ?? {};
    count += 1;
    response.writeHead(status, headers).end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const item = (id: number) => ({ id });

const NAMED: readonly [name: string, pagination: object, page: (n: number, url: string) => Answer][] = [
  ["a field", { by: "url" }, (n, url) => ({ body: { items: [item(n)], next: n < 3 ? `${url}/?p=${n + 1}` : null } })],
  [
    "a field within fields, by a relative URL",
    { by: "url", items: "data.items", next: "meta.next" },
    (n) => ({ body: { data: { items: [item(n)] }, meta: n < 3 ? { next: `?p=${n + 1}#x` } : {} } }),
  ],
  [
    "a field with dots in its name",
    { by: "url", items: "value", next: "@odata.nextLink" },
    (n) => ({ body: { value: [item(n)], ...(n < 3 && { "@odata.nextLink": `/?p=${n + 1}` }) } }),
  ],
  [
    "an object with href",
    { by: "url", items: "data", next: "links.next" },
    (n) => ({ body: { data: [item(n)], links: { next: n < 3 ? { href: `/?p=${n + 1}` } : null } } }),
  ],
  [
    "the link header",
    { by: "link" },
    (n, url) => ({
      body: [item(n)],
      headers: { link: [`<${url}/?p=1>; rel="first"`, ...(n < 3 ? [`</?p=${n + 1}&f=a,b>; rel="next"`] : [])] },
    }),
  ],
  [
    "a cursor within fields, and false at the end",
    { by: "cursor", parameter: "p", items: "d.i", next: "d.c" },
    (n) => ({ body: { d: { i: [item(n)], c: n < 3 && n + 1 } } }),
  ],
];

test.each(NAMED)("the next page is named by %s", async (_, pagination, page) => {
  on.source.answer(({ url }, response) => {
    const { body, headers = {} } = page(Number(new URL(url, on.source.url).searchParams.get("p") ?? 1), on.source.url);
    response.writeHead(200, headers).end(JSON.stringify(body));
  });
  const dataset = on.fresh();
  const headers = { authorization: "Bearer x" };
  const { outcome } = await on.world.run("sync", { url: on.source.url, dataset, headers, pagination });
  expect(outcome).toEqual({ kind: "done", result: { dataset, rows: 3, pages: 3 } });
  expect(await on.world.rowsOf(dataset)).toEqual([item(1), item(2), item(3)]);
  expect(on.source.received.map((request) => request.headers.authorization)).toEqual([
    "Bearer x",
    "Bearer x",
    "Bearer x",
  ]);
});

test("a name with dots comes before fields within fields", () => {
  const content = { a: { b: 1, "b.c": 2 }, "a.b": { c: 3 }, "a.b.d": 4 };
  expect(["a.b.c", "a.b.d", "a.b", "a.x", "a.b.c.d", ""].map((path) => valueAt(content, path))).toEqual([
    3,
    4,
    { c: 3 },
    undefined,
    undefined,
    undefined,
  ]);
  expect(valueAt([{ a: 1 }], "0.a")).toBeUndefined();
  expect(valueAt({}, "constructor")).toBeUndefined();
});

function nextOf(url: string, next: string) {
  const asked = payload.parse({ url, dataset: "d", pagination: { by: "url" } });
  return stepAfter(asked, { pages: 0 }, { rows: [item(1)], next }, urlOf(asked, { pages: 0 }));
}

test("a next page is of the source's own origin; http stands for https behind a proxy that ends TLS", () => {
  const same: [url: string, next: string, asked: string][] = [
    ["https://a.example/x/y", "z?p=2", "https://a.example/x/z?p=2"],
    ["https://a.example/x", "//a.example/z", "https://a.example/z"],
    ["https://a.example/x", "http://A.EXAMPLE/x?p=2", "https://a.example/x?p=2"],
    ["https://a.example/x", "https://a.example:443/x?p=2", "https://a.example/x?p=2"],
  ];
  for (const [url, next, asked] of same) expect(nextOf(url, next)).toMatchObject({ place: { cursor: asked } });
  const others: [url: string, next: string, error: RegExp][] = [
    ["https://a.example/x", "https://b.example/x", /at https:\/\/b\.example: expected one at https:\/\/a\.example/],
    ["https://a.example/x", "//b.example/x", /at https:\/\/b\.example/],
    ["https://a.example/x", "http://b.example/x", /at https:\/\/b\.example/],
    ["https://a.example/x", "https://a.example:8443/x", /at https:\/\/a\.example:8443/],
    ["https://a.example:8443/x", "http://a.example/x", /at http:\/\/a\.example/],
    ["https://a.example/x", "https://a.example.b.example/x", /expected one at https:\/\/a\.example,/],
    ["http://a.example/x", "https://a.example/x?p=2", /expected one at http:\/\/a\.example/],
    ["https://a.example/x", "https://me:secret@a.example/x", /user name or password/],
    ["https://a.example/x", "javascript:alert(1)", /at null/],
    ["https://a.example/x", "blob:https://a.example/x", /at blob:https:\/\/a\.example\/x: expected one at/],
    ["https://a.example/x", "https://", /no URL/],
    ["https://a.example/x", `?p=${"x".repeat(3_000)}`, /more than 3000 bytes/],
  ];
  for (const [url, next, error] of others) expect(() => nextOf(url, next)).toThrow(error);
});

test("a source of another origin is not asked", async () => {
  const other = await startTarget();
  answers({ body: { items: [item(1)], next: `${other.url}/?p=2` } });
  const dataset = on.fresh();
  const { outcome } = await on.world.run("sync", { url: on.source.url, dataset, pagination: { by: "url" } });
  expect(outcome).toMatchObject({ kind: "failed", error: expect.stringContaining("Page 1 names a next page at") });
  expect(other.received).toEqual([]);
  expect(await on.world.datasets.get(on.world.appId, dataset)).toBeUndefined();
  await other.close();
});

const two = [item(1), item(2)];

const ENDS: readonly [name: string, pagination: object, all: readonly Answer[], rows: number, pages: number][] = [
  [
    "null instead of an empty list",
    { by: "cursor" },
    [{ body: { items: two, nextCursor: "a" } }, { body: { items: null, nextCursor: null } }],
    2,
    2,
  ],
  ["no list at all on a later page", { by: "cursor" }, [{ body: { items: two, nextCursor: "a" } }, { body: {} }], 2, 2],
  [
    "an empty page that names itself as the next",
    { by: "cursor" },
    [{ body: { items: two, nextCursor: "a" } }, { body: { items: [], nextCursor: "a" } }],
    2,
    2,
  ],
  ["an empty page with a link to itself", { by: "url" }, [{ body: { items: [], next: "/" } }], 0, 1],
  ["204", { by: "cursor" }, [{ body: { items: two, nextCursor: "a" } }, { status: 204 }], 2, 1],
  ["404 behind the last page", { by: "page" }, [{ body: { items: two } }, { status: 404 }], 2, 1],
  [
    "the last page once more",
    { by: "page" },
    [{ body: { items: two } }, { body: { items: [item(3)] } }, { body: { items: [item(3)] } }],
    3,
    2,
  ],
];

test.each(ENDS)("a source may end by %s", async (_, pagination, all, rows, pages) => {
  answers(...all);
  const dataset = on.fresh();
  const { outcome } = await on.world.run("sync", { url: on.source.url, dataset, pagination });
  expect(outcome).toEqual({ kind: "done", result: { dataset, rows, pages } });
  expect(await on.world.rowsOf(dataset)).toHaveLength(rows);
});

test("a page that is left out because it is the last one once more is told in the log", async () => {
  answers({ body: [item(1)] }, { body: [item(2)] });
  const { logs } = await on.world.run("sync", { url: on.source.url, dataset: on.fresh(), pagination: { by: "page" } });
  expect(logs).toEqual([
    {
      level: "warning",
      message: "Page 3 is page 2 once more: it is left out, and taken for the end of the source",
      rowNumber: undefined,
    },
  ]);
});

test("the query of a source stays as it was written, but for the parameter of the page", () => {
  const queries: [query: string, asked: string][] = [
    ["", "?p=2%26a%3D1%20%2B"],
    ["?q=a%20b+c&$filter=x%20eq%20'y'", "?q=a%20b+c&$filter=x%20eq%20%27y%27&p=2%26a%3D1%20%2B"],
    ["?p=1&q=1&%70=7&pp=3&", "?q=1&pp=3&p=2%26a%3D1%20%2B"],
  ];
  for (const [query, asked] of queries) {
    const pagination = { by: "cursor", parameter: "p" };
    const source = payload.parse({ url: `https://a.example/x${query}`, dataset: "d", pagination });
    expect(urlOf(source, { pages: 1, cursor: "2&a=1 +" }).href).toBe(`https://a.example/x${asked}`);
  }
});

const ENDLESS: readonly [name: string, pagination: object, all: readonly Answer[], error: RegExp][] = [
  [
    "a parameter that the source does not know",
    { by: "page", parameter: "p" },
    [{ body: two }],
    /^Page 2 repeats page 1: the source seems not to know the parameter p; set pagination\.parameter/,
  ],
  [
    "cursors in a circle",
    { by: "cursor" },
    Array.from({ length: 40 }, (__, n) => ({ body: { items: two, nextCursor: `c${n % 7}` } })),
    /^Page \d+ leads back to a page that was read before/,
  ],
  ["404 on the first page", { by: "page" }, [{ status: 404 }], /^Page 1 did not come: HTTP 404, expected 200/],
  ["404 behind a cursor", { by: "cursor" }, [{ body: { items: two, nextCursor: 1 } }, { status: 404 }], /^Page 2 did/],
  ["204 on the first page", { by: "none" }, [{ status: 204 }], /HTTP 204, expected 200/],
  [
    "no list on the first page",
    { by: "cursor", items: "data.items" },
    [{ body: { data: { rows: [] }, error: "x" } }],
    /no array "data\.items": set pagination\.items to its name or path; the answer has "data", "error"$/,
  ],
  [
    "a redirect",
    { by: "none" },
    [{ status: 301, headers: { location: "/x/?token=secret" } }],
    /^Page 1 did not come: HTTP 301, a redirect to http:\/\/127\.0\.0\.1:\d+\/x\/\?token=\*\*\*: redirects are not followed/,
  ],
  ["a next URL that is a number", { by: "url" }, [{ body: { items: [], next: 2 } }], /has a next that is no URL/],
];

test.each(ENDLESS)("%s fails in words, and leaves no rows", async (_, pagination, all, error) => {
  answers(...all);
  const dataset = on.fresh();
  const { outcome } = await on.world.run("sync", { url: on.source.url, dataset, pagination });
  expect(outcome).toMatchObject({ kind: "failed", error: expect.stringMatching(error) });
  expect(await on.world.keys(`datasets/${on.world.appId}/${dataset}/`)).toEqual([]);
});

test("a wait that the source asks for is waited, and the sync goes on; a long one is for the next attempt", async () => {
  const busy = (seconds: string, status = 429) => ({ status, headers: { "retry-after": seconds } });
  const first = { body: { items: two, nextCursor: "a" } };
  answers(busy("2"), first, busy("0", 503), { body: { items: [item(3)] } });
  const dataset = on.fresh();
  const short = await on.world.run("sync", { url: on.source.url, dataset });
  expect(short.outcome).toEqual({ kind: "done", result: { dataset, rows: 3, pages: 2 } });
  expect(short.pauses).toEqual([2_000, 1_000]);

  answers(first, busy("300"));
  const asked = { url: on.source.url, dataset: on.fresh() };
  const long = await on.world.run("sync", asked, { jobId: "long" });
  expect(long.outcome).toEqual({ kind: "again", error: "Page 2 did not come: HTTP 429", retryAfterMs: 300_000 });
  expect(long.saved).toMatchObject({ pages: 1, cursor: "a", part: { rows: 2 } });
  on.source.received.length = 0;
  answers({ body: { items: [item(3)] } });
  const resumed = await on.world.run("sync", asked, { jobId: "long", attempt: 2, saved: long.saved });
  expect(resumed.outcome).toMatchObject({ kind: "done", result: { rows: 3, pages: 2 } });
  expect(on.source.received.map(({ url }) => url)).toEqual(["/?cursor=a"]);

  answers(busy("60"));
  const ever = await on.world.run("sync", { url: on.source.url, dataset: on.fresh() });
  expect(ever.outcome).toMatchObject({ kind: "again", retryAfterMs: 60_000 });
  expect(ever.pauses).toHaveLength(5);
});

test("a source whose limit is used up is waited for, and one that is not ready is asked again later", async () => {
  const now = () => Math.floor(Date.now() / 1_000);
  const used = (reset: number) => ({ "x-ratelimit-remaining": "0", "x-ratelimit-reset": String(reset) });
  const page = { body: { items: two } };
  const synced = async (...all: readonly Answer[]) => {
    answers(...all);
    return on.world.run("sync", { url: on.source.url, dataset: on.fresh() });
  };
  for (const headers of [{ "retry-after": "2" }, used(2)] as const) {
    const waited = await synced({ status: 403, headers }, page);
    expect([waited.outcome?.kind, waited.pauses]).toEqual(["done", [2_000]]);
  }
  const hour = await synced({ status: 403, headers: used(now() + 3_600) });
  expect(hour.outcome).toMatchObject({ kind: "again", retryAfterMs: expect.toSatisfy((ms) => ms > 3_500_000) });
  const forbidden = await synced({ status: 403, headers: { "x-ratelimit-remaining": "7", "x-ratelimit-reset": "2" } });
  expect(forbidden.outcome).toMatchObject({ kind: "failed", error: expect.stringContaining("HTTP 403") });
  expect((await synced({ status: 202 })).outcome).toEqual({ kind: "again", error: "Page 1 did not come: HTTP 202" });
});

test("a resumed sync still finds a circle, and the page before", async () => {
  const crash = (what: string, count: number) => {
    if (what === "progress" && count === 21) throw new Error("the machine is gone");
  };
  let count = 0;
  on.source.answer((_, response) => {
    const next = `c${count < 18 ? count : 18 + (count % 3)}`;
    count += 1;
    response.end(JSON.stringify({ items: [], nextCursor: next }));
  });
  const asked = { url: on.source.url, dataset: on.fresh() };
  const lost = await on.world.run("sync", asked, { jobId: "circle", at: crash });
  expect(lost.saved).toMatchObject({ pages: 20 });
  const second = await on.world.run("sync", asked, { jobId: "circle", attempt: 2, saved: lost.saved });
  expect(second.outcome).toMatchObject({ kind: "failed", error: expect.stringMatching(/read before/) });
});
