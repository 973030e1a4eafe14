import { writeXlsx, writeXlsxStream } from "hucre/xlsx";
import { Readable } from "node:stream";
import { expect, onTestFinished, test, vi } from "vitest";
import { kindOfFormat } from "../../lib/datasets/excel-dates.ts";
import { SharedTexts } from "../../lib/datasets/shared-texts.ts";
import { sheetRows } from "../../lib/datasets/xlsx-rows.ts";
import { read, workbookOf } from "../support/workbook.ts";
import { zipOf } from "../support/zip.ts";

// Workbooks as Excel and other programs write them, read in parts by their position.

const number = (text: string) => ({ kind: "number", text });
const date = (text: string) => ({ kind: "date", text });

test("a workbook of a library is read with its types, dates as days or instants", async () => {
  const file = await writeXlsx({
    sheets: [
      {
        name: "Data",
        rows: [
          ["name", "n", "on", "at", "ok"],
          ["Ä <&> \n x", 1.1, new Date("2026-01-31"), new Date("2026-01-31T14:30:00Z"), true],
          [null, 0.1 + 0.2, null, null, false],
        ],
      },
    ],
  });
  const { taken, rows } = await read(Buffer.from(file));
  expect(taken).toEqual({ sheet: "Data", sheets: ["Data"] });
  expect(rows).toEqual([
    [1, ["name", "n", "on", "at", "ok"]],
    [2, ["Ä <&> \n x", number("1.1"), date("2026-01-31"), expect.anything(), { kind: "boolean", text: "true" }]],
    [3, ["", number("0.30000000000000004"), "", "", { kind: "boolean", text: "false" }]],
  ]);
});

test("a workbook that is written as a stream, as reports are, is read back", async () => {
  const stream = writeXlsxStream([["a"], ["b"]], { name: "Report", columns: [{ header: "name" }] });
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream as unknown as AsyncIterable<Uint8Array>) chunks.push(chunk);
  const { rows } = await read(Buffer.concat(chunks));
  expect(rows.map(([, cells]) => cells)).toEqual([["name"], ["a"], ["b"]]);
});

const SHARED =
  '<si><t>zero</t></si><si><r><t>on</t></r><r><t xml:space="preserve">e </t></r></si><si><t>日本</t><rPh sb="0" eb="2"><t>ニホン</t></rPh></si><si><t>a_x0009_b_x005F_x0041_</t></si>';

const CELLS: readonly [what: string, cells: string, read: readonly unknown[]][] = [
  [
    "shared texts, of several runs too, without how they are spoken",
    '<c t="s"><v>0</v></c><c t="s"><v>1</v></c><c t="s"><v>2</v></c>',
    ["zero", "one ", "日本"],
  ],
  ["characters that XML does not allow", '<c t="s"><v>3</v></c><c t="str"><v>_x000D_</v></c>', ["a\tb_x0041_", "\r"]],
  [
    "inline texts, of several runs too",
    '<c t="inlineStr"><is><t>a</t></is></c><c t="inlineStr"><is><r><t>b</t></r><r><t>c</t></r><rPh><t>x</t></rPh></is></c>',
    ["a", "bc"],
  ],
  ["CDATA", '<c t="inlineStr"><is><t><![CDATA[a & b > c]]></t></is></c>', ["a & b > c"]],
  [
    "cells with gaps between them",
    '<c r="A1"><v>1</v></c><c r="C1"><v>3</v></c><c r="AA1"><v>27</v></c>',
    [number("1"), "", number("3"), ...Array.from({ length: 23 }, () => ""), number("27")],
  ],
  [
    "cells that are styled and empty",
    '<c r="A1" s="1"/><c r="B1" t="s"><v></v></c><c r="C1"><v>3</v></c>',
    ["", "", number("3")],
  ],
  [
    "numbers as Excel writes them",
    "<c><v>1.1000000000000001</v></c><c><v>1E3</v></c><c><v>-5</v></c>",
    [number("1.1"), number("1000"), number("-5")],
  ],
  [
    "results of formulas",
    '<c><f>1+1</f><v>2</v></c><c t="str"><f>"a"</f><v>a</v></c><c t="str"><f>""</f><v></v></c><c><v>1</v></c>',
    [number("2"), "a", "", number("1")],
  ],
  [
    "a formula without its result",
    "<c><f>1+1</f></c>",
    [{ kind: "error", text: expect.stringMatching(/without its result/) }],
  ],
  ["errors", '<c t="e"><v>#N/A</v></c>', [{ kind: "error", text: "#N/A" }]],
  ["a text that is not there", '<c t="s"><v>99</v></c>', [{ kind: "error", text: "a text that the workbook lacks" }]],
  [
    "dates of ISO 8601",
    '<c t="d"><v>2026-01-31T00:00:00</v></c><c t="d"><v>2026-01-31T14:30:00</v></c>',
    [date("2026-01-31"), date("2026-01-31T14:30:00")],
  ],
  [
    "dates, times and durations by their formats",
    '<c s="1"><v>46053</v></c><c s="2"><v>0.604166666666667</v></c><c s="3"><v>1.5</v></c><c s="4"><v>46053.25</v></c>',
    [date("2026-01-31"), { kind: "time", text: "14:30:00" }, number("1.5"), date("2026-01-31T06:00:00.000Z")],
  ],
  [
    "dates of the year 1900, which Excel takes for a leap year",
    '<c s="1"><v>1</v></c><c s="1"><v>59</v></c><c s="1"><v>61</v></c>',
    [date("1900-01-01"), date("1900-02-28"), date("1900-03-01")],
  ],
  [
    "postal codes by their format",
    '<c s="5"><v>745</v></c><c s="5"><v>123456</v></c><c s="5"><v>-5</v></c>',
    [number("00745"), number("123456"), number("-5")],
  ],
  [
    "numbers that are no dates",
    '<c s="1"><v>60</v></c><c s="1"><v>-1</v></c>',
    [
      { kind: "error", text: expect.stringMatching(/60 as a date/) },
      { kind: "error", text: expect.anything() },
    ],
  ],
];

const FORMATS = ["dd/mm/yyyy", "h:mm AM/PM", "[h]:mm:ss", 'yyyy"-"mm"-"dd hh:mm', "00000"];

test.each(CELLS)("%s", async (_, cells, wanted) => {
  const ways = [{}, { prefix: "x" }, { isRooted: true, isStrict: true }, { zip: { descriptors: true } }];
  for (const way of ways) {
    const sheet = way.prefix === undefined ? cells : cells.replace(/<(\/?)(?=\w)/g, "<$1x:");
    const shared = way.prefix === undefined ? SHARED : SHARED.replace(/<(\/?)(?=\w)/g, "<$1x:");
    const row = way.prefix === undefined ? `<row>${sheet}</row>` : `<x:row>${sheet}</x:row>`;
    const file = workbookOf({ sheets: { A: row }, sharedStrings: shared, formats: FORMATS, ...way });
    expect([way, (await read(file)).rows]).toEqual([way, [[1, wanted]]]);
  }
});

test("rows have the numbers that Excel shows, and rows without content are none", async () => {
  const sheet =
    '<row r="3"><c r="B3"><v>1</v></c></row><row r="4"><c r="A4" s="1"/></row><row/><row><c><v>2</v></c></row>';
  expect((await read(workbookOf({ sheets: { A: sheet } }))).rows).toEqual([
    [3, ["", number("1")]],
    [6, [number("2")]],
  ]);
});

test("whole numbers stay as they are, and what is no number is text", async () => {
  const written = [
    "9007199254740993",
    "-12345678901234567890",
    "1.2345678901234568E+19",
    "1.1000000000000001",
    "0x10",
    " ",
  ];
  const cells = written.map((value) => `<c><v>${value}</v></c>`).join("");
  const { rows } = await read(workbookOf({ sheets: { A: `<row r="x">${cells}</row>` } }));
  const long = [number("9007199254740993"), number("-12345678901234567890"), number("12345678901234567000")];
  expect(rows).toEqual([[1, [...long, number("1.1"), "0x10", " "]]]);
});

test("long shared texts are looked up in few cells at a time, and not for a row that is left out", async () => {
  const looked = vi.spyOn(SharedTexts.prototype, "at");
  onTestFinished(() => looked.mockRestore());
  const cell = '<c t="s"><v>0</v></c>';
  const sharedStrings = `<si><t>${"x".repeat(1_500_000)}</t></si>`;
  const { rows } = await read(workbookOf({ sheets: { A: `<row>${cell.repeat(100)}</row>` }, sharedStrings }));
  expect(rows).toEqual([[1, ["The row is longer than 1000000 characters"]]]);
  expect(looked).toHaveBeenCalledTimes(1);

  const texts = { longest: 100_000, at: () => "x".repeat(100_000) } as unknown as SharedTexts;
  const sheet = Buffer.from(`<sheetData>${`<row>${cell}</row>`.repeat(1_000)}</sheetData>`);
  let most = 0;
  const context = { texts, styles: [], is1904: false, mostCharacters: 100_000_000 };
  for await (const batch of sheetRows(Readable.from([sheet]), context)) most = Math.max(most, batch.length);
  expect(most).toBeLessThan(50);
  const bounded = sheetRows(Readable.from([sheet]), { ...context, mostCharacters: 1_000_000 });
  const all = async () => {
    for await (const batch of bounded) expect(batch.length).toBeLessThan(50);
  };
  await expect(all()).rejects.toThrow("The sheet holds more than 1000000 characters");
});

test("dates of a workbook of 1904 are four years later", async () => {
  const sheet = '<row><c s="1"><v>44591</v></c><c s="1"><v>0</v></c></row>';
  const { rows } = await read(workbookOf({ sheets: { A: sheet }, formats: ["d.m.yy"], is1904: true }));
  expect(rows).toEqual([[1, [date("2026-01-31"), date("1904-01-01")]]]);
});

test("the first sheet that is shown is read, or the one that is named", async () => {
  const sheets = {
    ".Hidden": "<row><c><v>1</v></c></row>",
    "Q1 & Q2": "<row><c><v>2</v></c></row>",
    B: "<row><c><v>3</v></c></row>",
  };
  const file = workbookOf({
    sheets: Object.fromEntries(Object.entries(sheets).map(([k, v]) => [k.replace("&", "&amp;"), v])),
  });
  const first = await read(file);
  expect(first.taken).toEqual({ sheet: "Q1 & Q2", sheets: ["Hidden", "Q1 & Q2", "B"] });
  expect(first.rows).toEqual([[1, [number("2")]]]);
  expect((await read(file, "b ")).rows).toEqual([[1, [number("3")]]]);
  expect((await read(file, "Hidden")).rows).toEqual([[1, [number("1")]]]);
  await expect(read(file, "C")).rejects.toThrow(/no sheet "C": expected one of "Hidden", "Q1 & Q2", "B"/);
});

const KINDS: readonly [kind: string, formats: readonly string[]][] = [
  [
    "date",
    [
      "yyyy-mm-dd",
      "d/m/yy h:mm",
      "mmm",
      "[$-409]d\\-mmm\\-yy;@",
      '[$-411]ggge"年"m"月"d"日"',
      "[Red]dd.mm.yyyy",
      "m/d/yyyy;@",
    ],
  ],
  ["time", ["h:mm", "hh:mm:ss AM/PM", "mm:ss.0", "[$-F400]h:mm:ss\\ AM/PM"]],
  [
    "number",
    [
      "General",
      "0.00",
      '#,##0.00\\ "days"',
      "0.00E+00",
      "[h]:mm",
      "[mm]:ss",
      "0\\d",
      "_-* #,##0_-;d",
      "@",
      '"Model "0',
    ],
  ],
];

test.each(KINDS)("formats of a %s", (kind, formats) => {
  expect(formats.map((format) => [format, kindOfFormat(format)])).toEqual(formats.map((format) => [format, kind]));
});

const sheets = { A: "<row><c><v>1</v></c></row>" };

test("a row that is too long is left out, and the others are read", async () => {
  const long = `<row><c t="str"><v>${"x y z".repeat(210_000)}</v></c></row>`;
  const { rows } = await read(
    workbookOf({ sheets: { A: `<row><c><v>1</v></c></row>${long}<row><c><v>2</v></c></row>` } }),
  );
  expect(rows).toEqual([
    [1, [number("1")]],
    [2, [expect.stringContaining("longer than 1000000")]],
    [3, [number("2")]],
  ]);
});

test("an archive with a comment, bytes behind it, stored entries and backslashes in its names is read", async () => {
  const commented = workbookOf({ sheets, zip: { comment: "PK\u0005\u0006?".repeat(3), stored: true } });
  // Some servers end what they send with a line break or a page of HTML.
  const longer = Buffer.concat([workbookOf({ sheets }), Buffer.from("\r\n<!-- 0.2 s -->")]);
  for (const file of [commented, longer]) expect((await read(file)).rows).toEqual([[1, [number("1")]]]);
  const { rows } = await read(
    zipOf({
      "_rels\\.rels": '<R><Relationship Id="1" Type="/officeDocument" Target="XL\\Workbook.xml"/></R>',
      "xl\\workbook.xml": '<w xmlns:q="q"><sheets><sheet name="A" sheetId="1" q:id="rId1"/></sheets></w>',
      "xl\\_rels\\workbook.xml.rels": '<R><Relationship Id="rId1" Type="/worksheet" Target="sheet%201.xml"/></R>',
      "xl\\sheet 1.xml": "<w><sheetData><row><c><v>1</v></c></row></sheetData></w>",
    }),
  );
  expect(rows).toEqual([[1, [number("1")]]]);
});
