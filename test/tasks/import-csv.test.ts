import { beforeAll, afterAll, expect, test } from "vitest";
import { gzipSync } from "node:zlib";
import { importCsv } from "../../lib/tasks/import-csv.ts";
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

interface Wanted {
  readonly rows: readonly object[];
  readonly logs?: readonly (readonly [rowNumber: number | undefined, message: unknown])[];
  readonly result?: object;
}
const said = (pattern: RegExp) => expect.stringMatching(pattern);
const TWO = { columns: { a: "string", b: "string" } };
const THREE = { columns: { n: "number", i: "integer", on: "date" } };

const READ: readonly [what: string, content: string | Buffer, payload: object, wanted: Wanted][] = [
  [
    "stray quotes cost their row at most",
    'a,b\n5" pipe,1\n"FOO "BAR" X",2\nc, "d"\n"e,4\nf,5\n',
    TWO,
    {
      rows: [
        { a: '5" pipe', b: "1" },
        { a: "c", b: "d" },
        { a: "f", b: "5" },
      ],
      logs: [
        [3, said(/begins with a quote and "FOO .*expected ""/)],
        [5, said(/does not end with one/)],
      ],
      result: { rows: 5, imported: 3, rejected: 2 },
    },
  ],
  [
    "rows of delimiters alone are left out",
    'a,b\n1,2\n,\n , \n\n"",\n3,4\n,\n',
    TWO,
    {
      rows: [
        { a: "1", b: "2" },
        { a: "3", b: "4" },
      ],
      logs: [
        [3, "Rows 3 to 6 hold no value and were left out"],
        [8, "Row 8 holds no value and was left out"],
      ],
      result: { rows: 2, imported: 2, rejected: 0 },
    },
  ],
  [
    "empty columns at the end of header and rows are left out",
    "a;b;;\n1;2;;\n3;4;;x\n5;6\n",
    { ...TWO, delimiter: ";" },
    {
      rows: [
        { a: "1", b: "2" },
        { a: "5", b: "6" },
      ],
      logs: [
        [undefined, said(/without a name at the end are left out: 2/)],
        [3, said(/Column 4: expected no value.*got "x"/)],
      ],
    },
  ],
  [
    "delimiters at the end of rows alone are left out",
    "a,b\n1,2,\n3,4,,\n5,6,7\n",
    TWO,
    {
      rows: [
        { a: "1", b: "2" },
        { a: "3", b: "4" },
      ],
      logs: [
        [4, "Expected 2 cells, got 3"],
        [2, said(/Empty cells behind the last column were left out, in 2 rows from row 2/)],
      ],
    },
  ],
  [
    "a NUL costs its row",
    "a,b\n1,x\0y\n2,y\n",
    TWO,
    {
      rows: [{ a: "2", b: "y" }],
      logs: [[2, said(/Column 2: expected text without the character NUL, got "x\\u0000y"/)]],
    },
  ],
  [
    "an empty text is a value of a single column",
    'a\nx\n""\n\ny\n',
    { columns: { a: "string" } },
    { rows: [{ a: "x" }, { a: "" }, { a: "y" }], logs: [] },
  ],
  [
    "a line for Excel, found out",
    "sep=;\r\na;b\r\n1,5;2\r\n",
    { columns: { a: "number", b: "string" }, decimal: "," },
    {
      rows: [{ a: 1.5, b: "2" }],
      logs: [[undefined, said(/delimited by ";", by its sep line/)]],
      result: { read: { ...PLAIN, delimiter: ";" } },
    },
  ],
  [
    "the delimiter and UTF-16, found out",
    Buffer.from("\uFEFFB\tA\nü\t1\n", "utf16le"),
    { ...TWO, delimiter: "auto" },
    {
      rows: [{ a: "1", b: "ü" }],
      logs: [
        [undefined, said(/in utf-16le, by its byte order mark; delimited by "\\t", by its content/)],
        [undefined, said(/"B" as b, "A" as a/)],
      ],
      result: { read: { format: "csv", encoding: "utf-16le", delimiter: "\t" } },
    },
  ],
  [
    "Windows-1252, by option",
    Buffer.from("a,b\nM\xfcller,\x80\n", "latin1"),
    { ...TWO, encoding: "Windows-1252" },
    { rows: [{ a: "Müller", b: "€" }], logs: [], result: { read: { ...PLAIN, encoding: "windows-1252" } } },
  ],
  [
    "decimal commas with thousands",
    'n;i;on\n1.234,56;1.234;\n-1 234 567,5;7;\n"1\u202f234,5";0;\n1,2,3;1;\n1.2345,6;1;\n12.5;1;\n1;1,5;\n\u22125;1;\n',
    { ...THREE, delimiter: ";", decimal: "," },
    {
      rows: [
        { n: 1234.56, i: 1234, on: null },
        { n: -1234567.5, i: 7, on: null },
        { n: 1234.5, i: 0, on: null },
        { n: -5, i: 1, on: null },
      ],
      logs: [
        [5, said(/a number such as 12,5, got "1,2,3"/)],
        [6, said(/./)],
        [7, said(/./)],
        [8, said(/whole number/)],
      ],
    },
  ],
  [
    "thousands by option",
    "n;i;on\n1,234.5;1,234,567;\n1'234;1;\n",
    { ...THREE, delimiter: ";", thousands: "," },
    { rows: [{ n: 1234.5, i: 1234567, on: null }], logs: [[3, said(/got "1'234"/)]] },
  ],
  [
    "without an option, a comma is no separator of thousands, and an integer has no exponent",
    "n;i;on\n1,234;1;\n1;1.23457E+15;\n1e3;1.0;\n",
    { ...THREE, delimiter: ";" },
    {
      rows: [{ n: 1000, i: 1, on: null }],
      logs: [
        [2, said(/number/)],
        [3, said(/whole number/)],
      ],
    },
  ],
  [
    "dates by example, by pattern, and as Excel counts them",
    "n,i,on\n,,31.01.2026\n,,1.2.2026\n,,01/31/2026\n,,46053\n,,2026-01-31\n,,31-Jan-2026 2:30 pm\n,,30.02.2026\n,,13/31/2026\n",
    { ...THREE, dateFormats: ["31.01.2026", "MM/DD/YYYY", "excel", "DD-MMM-YYYY H:mm A"] },
    {
      rows: ["2026-01-31", "2026-02-01", "2026-01-31", "2026-01-31", "2026-01-31", "2026-01-31T14:30:00.000Z"].map(
        (on) => ({ n: null, i: null, on }),
      ),
      logs: [
        [8, said(/a date as 31.01.2026 or MM\/DD\/YYYY or excel.*got "30.02.2026"/)],
        [9, said(/./)],
      ],
    },
  ],
  [
    "words for true and false",
    "a,b\nY,on\nN,off\nWahr,t\nFALSCH,f\nja,1\n",
    { columns: { a: "boolean", b: "boolean" }, booleans: { true: ["wahr"], false: ["falsch"] } },
    {
      rows: [true, false, true, false].map((value) => ({ a: value, b: value })),
      logs: [[6, said(/true or false, got "ja"/)]],
    },
  ],
  [
    "a header that differs in case and spaces, or by a map",
    "Customer  NAME ,E-Mail Address,a\nAnn,a@b.example,1\n",
    { columns: { customerName: "string", mail: "string", a: "integer" }, headerMap: { "e-mail address": "mail" } },
    {
      rows: [{ customerName: "Ann", mail: "a@b.example", a: 1 }],
      logs: [[undefined, said(/"Customer {2}NAME" as customerName, "E-Mail Address" as mail/)]],
    },
  ],
  [
    "a header with line breaks (OSGeo/gdal#9172) and zero-width spaces (opengovsg/postmangovsg#88)",
    '"Column with a\nline break",\u200brecipient\n1,2\n',
    { columns: { columnWithALineBreak: "string", recipient: "string" } },
    { rows: [{ columnWithALineBreak: "1", recipient: "2" }] },
  ],
  [
    "numbers of accountants (proompteng/bilig#46); those with a unit are left out",
    "n;i;on\n(987.65);(5);\n12-;1,234-;\n$5;1;\n12.5%;1;\n(-5);1;\n",
    { ...THREE, delimiter: ";", decimal: "." },
    {
      rows: [
        { n: -987.65, i: -5, on: null },
        { n: -12, i: -1234, on: null },
      ],
      logs: [
        [4, said(/\$5/)],
        [5, said(/12.5%/)],
        [6, said(/./)],
      ],
    },
  ],
  [
    "other columns, ignored",
    ",a,More,b,,More\n0,1,x,2,y,z\n",
    { ...TWO, extraColumns: "ignore" },
    { rows: [{ a: "1", b: "2" }], logs: [[undefined, said(/left out: "More", "More"/)]] },
  ],
  [
    "other columns, kept as text",
    "a,More,b\n1,007,2\n",
    { ...TWO, extraColumns: "keep" },
    { rows: [{ a: "1", More: "007", b: "2" }], logs: [[undefined, said(/kept as text: "More"/)]] },
  ],
];

test.each(READ)("%s", async (_, content, payload, { rows, logs, result = {} }) => {
  const { outcome, logs: lines, dataset } = await importing(content, payload);
  expect(outcome).toMatchObject({ kind: "done", result });
  expect(await world.rowsOf(dataset)).toEqual(rows);
  if (logs) expect(lines.map(({ rowNumber, message }) => [rowNumber, message])).toEqual(logs);
});

test("a workbook is imported by the types of its cells and of the columns", async () => {
  const rows = [
    '<c t="inlineStr"><is><t>SKU</t></is></c><c t="str"><v>amount</v></c><c t="str"><v>count</v></c><c t="str"><v>paid</v></c><c t="str"><v>on</v></c>',
    '<c><v>7</v></c><c><v>1234.5</v></c><c><v>3</v></c><c t="b"><v>1</v></c><c s="1"><v>46053</v></c>',
    '<c t="str"><v>b</v></c><c t="str"><v>1.234,5</v></c><c/><c t="str"><v>nein</v></c><c><v>46053</v></c>',
    '<c s="1"><v>46053</v></c><c s="1"><v>46053</v></c><c><v>1.5</v></c><c t="e"><v>#N/A</v></c><c t="b"><v>1</v></c>',
    '<c t="str"><v>d</v></c>',
    '<c t="str"><v>e</v></c><c><f>1</f></c>',
    '<c t="str"><v>f</v></c><c/><c/><c/><c/><c t="str"><v>note</v></c>',
  ];
  const sheet = rows.map((cells) => `<row>${cells}</row>`).join("<row/>");
  const content = workbookOf({ sheets: { Other: "", Data: sheet }, formats: ["yyyy-mm-dd"] });
  const payload = { decimal: ",", booleans: { false: ["nein"] }, dateFormats: ["excel"], sheet: "Data" };
  const type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
  const { outcome, logs, dataset, steps } = await importing(content, payload, "rows.xlsx", type);
  expect(outcome).toMatchObject({ result: { rows: 6, imported: 3, read: { format: "xlsx", sheet: "Data" } } });
  const nothing = { amount: null, count: null, paid: null, on: null };
  expect(await world.rowsOf(dataset)).toEqual([
    { sku: "7", amount: 1234.5, count: 3, paid: true, on: "2026-01-31" },
    { sku: "b", amount: 1234.5, count: null, paid: false, on: "2026-01-31" },
    { sku: "d", ...nothing },
  ]);
  const told = logs.map(({ rowNumber, message }) => [rowNumber, message]);
  expect(told).toEqual([
    [undefined, 'Read as XLSX: sheet "Data" of 2'],
    [undefined, said(/"SKU" as sku/)],
    [
      7,
      said(
        /amount: expected a number such as 12,5, got the date 2026-01-31; .*count: .*got the number 1.5; .*paid: .*got #N\/A; .*on: .*got the boolean true/,
      ),
    ],
    [11, said(/amount: .*got a formula without its result/)],
    [13, "Expected 5 cells, got 6"],
  ]);
  expect(steps.at(-1)).toMatchObject({ percent: 100 });
  const ignoring = await importing(content, { ...payload, extraColumns: "ignore" });
  expect(ignoring.outcome).toMatchObject({ result: { imported: 4 } });
});

const OPTIONS: readonly [options: object, problem: RegExp][] = [
  [{ encoding: "utf-9" }, /expected an encoding such as/],
  [{ decimal: ",", thousands: "," }, /another sign than decimal/],
  [{ dateFormats: ["01/02/2026"] }, /its day is over 12/],
  [{ dateFormats: ["DD.MM"] }, /expected a pattern such as DD.MM.YYYY/],
  [{ dateFormats: ["DD/MM/YYYY", "01/31/2026"] }, /read one text as two dates/],
  [{ booleans: { true: ["x"], false: ["X "] } }, /for true and for false/],
  [{ headerMap: { A: "c" } }, /names "c": expected one of the columns/],
];

test.each(OPTIONS)("options %j are refused in words", (options, problem) => {
  const parsed = importCsv.payload.safeParse({ dataset: "a", columns: { a: "date" }, ...options });
  expect(parsed.error?.issues.map(({ message }) => message).join()).toMatch(problem);
});

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
