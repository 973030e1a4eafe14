import { afterAll, beforeAll, expect, test } from "vitest";
import { createTaskWorld, type TaskWorld } from "../support/task-world.ts";
import { workbookOf } from "../support/workbook.ts";

// Files as people's programs write them, from the bucket to the dataset.

let world: TaskWorld;
beforeAll(async () => {
  world = await createTaskWorld();
});
afterAll(async () => world.end());

const COLUMNS = { sku: "string", amount: "number", count: "integer", paid: "boolean", on: "date" };
const PLAIN = { format: "csv", encoding: "utf-8", delimiter: "," };
let number = 0;

async function importing(content: string | Uint8Array, payload: object = {}, name?: string, mimeType?: string) {
  const dataset = `file-${(number += 1)}`;
  const file = await world.upload(content, name, mimeType);
  const ran = await world.run("import_csv", { dataset, columns: COLUMNS, ...payload }, { file });
  return { ...ran, dataset };
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
    "a header with line breaks and zero-width spaces",
    '"Column with a\nline break",\u200brecipient\n1,2\n',
    { columns: { columnWithALineBreak: "string", recipient: "string" } },
    { rows: [{ columnWithALineBreak: "1", recipient: "2" }] },
  ],
  [
    "numbers of accountants; those with a unit are left out",
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
