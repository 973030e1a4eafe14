import { beforeAll, afterAll, expect, test } from "vitest";
import { gzipSync } from "node:zlib";
import { createTaskWorld, type TaskWorld } from "../support/task-world.ts";
import { workbookOf } from "../support/workbook.ts";

let world: TaskWorld;
beforeAll(async () => {
  world = await createTaskWorld();
});
afterAll(async () => world.end());

const COLUMNS = { sku: "string", amount: "number", count: "integer", paid: "boolean", on: "date" };
const HEADER = "sku,amount,count,paid,on\n";
const PLAIN = { format: "csv", encoding: "utf-8", delimiter: "," };
let number = 0;
const fresh = () => `set-${(number += 1)}`;

async function importing(content: string | Uint8Array, payload: object = {}, name?: string, mimeType?: string) {
  const dataset = fresh();
  const file = await world.upload(content, name, mimeType);
  const ran = await world.run("import_csv", { dataset, columns: COLUMNS, ...payload }, { file });
  return { ...ran, dataset };
}

test("good rows come into the dataset by their types, bad ones into the log by their numbers", async () => {
  const rows = [
    'a,"1.5",3,true,2026-01-31',
    "b,x,3,true,2026-01-31",
    '"c, ""quoted""\nand broken",-2e3,,no,2026-02-01T01:00:00+02:00',
    "",
    "d,1,2.5,maybe,2026-02-30",
    "e,1,2",
  ];
  const { outcome, logs, dataset, steps } = await importing(HEADER + rows.join("\r\n"));
  expect(outcome).toEqual({ kind: "done", result: { dataset, rows: 5, imported: 2, rejected: 3, read: PLAIN } });
  expect(await world.rowsOf(dataset)).toEqual([
    { sku: "a", amount: 1.5, count: 3, paid: true, on: "2026-01-31" },
    { sku: 'c, "quoted"\nand broken', amount: -2000, count: null, paid: false, on: "2026-01-31T23:00:00.000Z" },
  ]);
  expect(logs).toEqual([
    { level: "warning", rowNumber: 3, message: 'Column amount: expected a number such as 12.5, got "x"' },
    {
      level: "warning",
      rowNumber: 6,
      message:
        'Column count: expected a whole number up to 2^53, got "2.5"; Column paid: expected true or false, got "maybe"; ' +
        'Column on: expected a date such as 2026-01-31 or 2026-01-31T12:00:00Z, got "2026-02-30"',
    },
    { level: "warning", rowNumber: 7, message: "Expected 5 cells, got 3" },
  ]);
  expect(steps.at(-1)).toMatchObject({ percent: 100 });
  expect(await world.datasets.get(world.appId, dataset)).toMatchObject({ rows: 2, columns: COLUMNS, dateField: null });
});

test("a byte order mark, CRLF, another order of columns and another delimiter are read", async () => {
  const { outcome, dataset } = await importing(
    '\uFEFF"on";paid;count;amount;sku\r\n2026-01-01;1;2;3.5;Ä\r\n',
    { delimiter: ";", dateField: "on" },
    "rows.csv",
    "application/vnd.ms-excel",
  );
  expect(outcome).toMatchObject({ kind: "done", result: { imported: 1 } });
  expect(await world.rowsOf(dataset)).toEqual([{ sku: "Ä", amount: 3.5, count: 2, paid: true, on: "2026-01-01" }]);
  expect(await world.datasets.get(world.appId, dataset)).toMatchObject({ dateField: "on" });
});

const BAD: readonly (readonly [
  string,
  string | Uint8Array,
  RegExp,
  { name?: string; type?: string; payload?: object }?,
])[] = [
  ["an empty file", "", /is empty: expected a header/],
  ["a file of empty lines", "\n\n", /has no rows: expected a header/],
  [
    "a file that is called a picture",
    `${HEADER}a,1,1,1,2026-01-01`,
    /is "image\/png": expected CSV/,
    { type: "image/png" },
  ],
  [
    "a workbook that is cut off",
    Buffer.from([0x50, 0x4b, 3, 4, 0, 0]),
    /is cut short: the end of its archive is not there/,
  ],
  ["an archive that is called CSV", gzipSync(HEADER), /compressed with gzip: expected CSV/],
  [
    "binary data that is called CSV",
    Buffer.concat([Buffer.from(HEADER), Buffer.alloc(100)]),
    /binary data: expected CSV/,
  ],
  [
    "an old workbook",
    Buffer.from([0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]),
    /an old Excel workbook \(.xls\).*: expected CSV/,
  ],
  ["Latin-1", Buffer.from(`${HEADER}M\xfcller,1,1,1,2026-01-01`, "latin1"), /not UTF-8, somewhere after byte 0/],
  ["a character that is cut off", Buffer.from(`${HEADER}Ü`).subarray(0, -1), /not UTF-8/],
  ["a header without a column", "sku,amount,count,paid\na,1,1,1", /it lacks "on".*make the file's header/],
  [
    "a header with another column",
    `${HEADER.trim()},more\na,1,1,1,2026-01-01,1`,
    /it names "more", which the job does not/,
  ],
  ["a header with a column twice", `sku,${HEADER}a,a,1,1,1,2026-01-01`, /names "sku" twice/],
  [
    "a header by another delimiter",
    HEADER.replaceAll(",", ";"),
    /seems to be delimited by ";": submit the job with that delimiter, or with "auto"/,
  ],
  ["a header that is one endless line", "x".repeat(1_100_000), /header can't be read: The line is longer than 1000000/],
  [
    "a header without a name for a column",
    `,${HEADER}1,a,1,1,1,2026-01-01`,
    /its column 1 has no name.*extraColumns "ignore"/,
  ],
  [
    "a workbook without the sheet",
    workbookOf({ sheets: { A: "<row><c><v>1</v></c></row>" } }),
    /no sheet "B"/,
    { payload: { sheet: "B" } },
  ],
  ["no good row", `${HEADER}a,x,1,1,2026-01-01`, /None of the 1 rows could be imported/],
];

for (const [what, content, error, { name, type, payload } = {}] of BAD) {
  test(`${what} fails in words, and leaves no dataset and no file`, async () => {
    const { outcome, thrown, dataset } = await importing(content, payload, name, type);
    expect(thrown).toBeUndefined();
    expect(outcome).toMatchObject({ kind: "failed", error: expect.stringMatching(error) });
    expect(await world.datasets.get(world.appId, dataset)).toBeUndefined();
    expect(await world.keys(`datasets/${world.appId}/${dataset}/`)).toEqual([]);
  });
}

test("an upload that was cut short fails, by the size that was announced", async () => {
  const file = await world.upload(HEADER);
  const announced = { ...file, bytes: 10_000 };
  const { outcome } = await world.run("import_csv", { dataset: fresh(), columns: COLUMNS }, { file: announced });
  expect(outcome).toMatchObject({
    kind: "failed",
    error: expect.stringMatching(/has 25 bytes, expected 10000 as announced/),
  });
});

test("a job without a file, or whose file is gone, fails", async () => {
  const payload = { dataset: fresh(), columns: COLUMNS };
  const none = await world.run("import_csv", payload);
  const gone = await world.run("import_csv", payload, {
    file: { key: `files/${world.appId}/x/gone.csv`, name: "gone.csv" },
  });
  for (const { outcome } of [none, gone])
    expect(outcome).toMatchObject({ kind: "failed", error: expect.stringMatching(/no file/) });
});

test("no other app's file can be imported", async () => {
  const file = await world.upload(`${HEADER}a,1,1,1,2026-01-01`);
  const { outcome, thrown } = await world.run(
    "import_csv",
    { dataset: fresh(), columns: COLUMNS },
    { file, appId: "another-app" },
  );
  expect(outcome).toBeUndefined();
  expect(String(thrown)).toMatch(/Expected a key of app another-app/);
});

test("a job that is run twice, one after the other or at once, adds its rows once", async () => {
  const dataset = fresh();
  const payload = { dataset, columns: { n: "integer" } };
  const file = await world.upload("n\n1\n2\n");
  const first = await world.run("import_csv", payload, { file, jobId: "job-1" });
  const again = await world.run("import_csv", payload, { file, jobId: "job-1", attempt: 2 });
  expect(again.outcome).toEqual(first.outcome);
  const both = await Promise.all(
    [1, 2, 3].map(async (attempt) => world.run("import_csv", payload, { file, jobId: "job-2", attempt })),
  );
  for (const { outcome } of both) expect(outcome).toEqual(first.outcome);
  expect(await world.rowsOf(dataset)).toEqual([{ n: 1 }, { n: 2 }, { n: 1 }, { n: 2 }]);
  expect(await world.datasets.get(world.appId, dataset)).toMatchObject({ rows: 4 });
  expect(await world.keys(`datasets/${world.appId}/${dataset}/`)).toHaveLength(2);
});

// A pattern that backtracks over the digits would not end.
test("a cell of very many digits, and a header of very many names, are refused at once", async () => {
  const columns = { amount: "number" };
  const { outcome } = await importing(`amount\n${"1".repeat(900_000)}x\n1\n`, { columns });
  expect(outcome).toMatchObject({ kind: "done", result: { imported: 1, rejected: 1 } });
  const names = Array.from({ length: 100_000 }, (_, index) => `n${index}`).join(",");
  expect((await importing(`${names}\n1\n`)).outcome).toMatchObject({ kind: "failed" });
});

test("a job that is posted again with its key, after it was deleted, is another one", async () => {
  const dataset = fresh();
  const payload = { dataset, columns: { n: "integer" } };
  await world.run("import_csv", payload, { file: await world.upload("n\n1\n2\n"), jobId: "keyed", createdAt: 1 });
  const file = await world.upload("n\n3\n");
  const posted = await world.run("import_csv", payload, { file, jobId: "keyed", createdAt: 2 });
  expect(posted.outcome).toMatchObject({ kind: "done", result: { imported: 1 } });
  expect(await world.rowsOf(dataset)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
});

test("of many jobs that add to a dataset at once, none is lost", async () => {
  const dataset = fresh();
  const file = await world.upload("n\n1\n");
  const jobs = Array.from({ length: 12 }, async () =>
    world.run("import_csv", { dataset, columns: { n: "integer" } }, { file }),
  );
  for (const { outcome } of await Promise.all(jobs)) expect(outcome).toMatchObject({ kind: "done" });
  expect(await world.rowsOf(dataset)).toHaveLength(12);
  expect(await world.datasets.get(world.appId, dataset)).toMatchObject({ rows: 12 });
});

test("replacing shows the new rows alone, and a retry of a job that was replaced does not bring its rows back", async () => {
  const dataset = fresh();
  const columns = { n: "integer" };
  const old = await world.upload("n\n1\n");
  await world.run("import_csv", { dataset, columns }, { file: old, jobId: "job-a" });
  const renewed = { file: await world.upload("n\n7\n"), jobId: "job-b" };
  await world.run("import_csv", { dataset, columns, mode: "replace" }, renewed);
  expect(await world.rowsOf(dataset)).toEqual([{ n: 7 }]);
  expect(await world.keys(`datasets/${world.appId}/${dataset}/`)).toHaveLength(1);
  await world.run("import_csv", { dataset, columns }, { file: old, jobId: "job-a", attempt: 2 });
  await world.run("import_csv", { dataset, columns, mode: "replace" }, { ...renewed, attempt: 2 });
  expect(await world.rowsOf(dataset)).toEqual([{ n: 7 }]);
});

test("a dataset whose column has another type takes no rows", async () => {
  const dataset = fresh();
  const file = await world.upload("n\n1\n");
  await world.run("import_csv", { dataset, columns: { n: "integer" } }, { file });
  const { outcome } = await world.run("import_csv", { dataset, columns: { n: "string" } }, { file });
  expect(outcome).toMatchObject({
    kind: "failed",
    error: expect.stringMatching(/has column n as integer, expected string/),
  });
});

test("a run that breaks down or is cancelled leaves nothing, and its retry does all of it", async () => {
  const dataset = fresh();
  const rows = Array.from({ length: 200_000 }, (_, index) => `${index},${"x".repeat(40)}`).join("\n");
  const file = await world.upload(`n,text\n${rows}`);
  const payload = { dataset, columns: { n: "integer", text: "string" } };
  const crash = (_: string, count: number) => {
    if (count === 50) throw new Error("the machine is gone");
  };
  const crashed = await world.run("import_csv", payload, { file, jobId: "job-c", at: crash });
  expect(crashed.thrown).toMatchObject({ message: "the machine is gone" });
  const cancel = new AbortController();
  const cancelled = await world.run("import_csv", payload, {
    file,
    jobId: "job-c",
    attempt: 2,
    signal: cancel.signal,
    at: (_, count) => count === 50 && cancel.abort(new Error("cancelled")),
  });
  expect(cancelled.outcome).toBeUndefined();
  expect(await world.datasets.get(world.appId, dataset)).toBeUndefined();
  const { outcome } = await world.run("import_csv", payload, { file, jobId: "job-c", attempt: 3 });
  expect(outcome).toMatchObject({ kind: "done", result: { imported: 200_000 } });
  expect(await world.rowsOf(dataset)).toHaveLength(200_000);
});
