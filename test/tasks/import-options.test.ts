import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cellReader } from "../../lib/tasks/cells.ts";
import { importCsv } from "../../lib/tasks/import-csv.ts";
import { ROOT } from "../support/root.ts";

// What an import may be asked for, and how dates are read by what was asked for.

const OPTIONS: readonly [options: object, problem: RegExp][] = [
  [{ encoding: "utf-9" }, /expected an encoding such as/],
  [{ decimal: ",", thousands: "," }, /another sign than decimal/],
  [{ dateFormats: ["01/02/2026"] }, /whose day is over 12/],
  [{ dateFormats: ["DD.MM"] }, /expected a pattern such as DD.MM.YYYY/],
  [{ dateFormats: ["DD/MM/YYYY", "01/31/2026"] }, /read one text as two dates/],
  [{ booleans: { true: ["x"], false: ["X "] } }, /for true and for false/],
  [{ headerMap: { A: "c" } }, /names "c": expected one of the columns/],
];

test.each(OPTIONS)("options %j are refused in words", (options, problem) => {
  const parsed = importCsv.payload.safeParse({ dataset: "a", columns: { a: "date" }, ...options });
  expect(parsed.error?.issues.map(({ message }) => message).join()).toMatch(problem);
});

const DATES: readonly [format: string, text: string, value: string | undefined][] = [
  ["DD.MM.YYYY", "1.2.2026", "2026-02-01"],
  ["dd.mm.yyyy", "01.02.2026", "2026-02-01"],
  ["dd.MM.yyyy HH:mm", "01.02.2026 03:04", "2026-02-01T03:04:00.000Z"],
  ["dd/mm/yyyy hh:mm:ss", "01/02/2026 3:04:05.5", "2026-02-01T03:04:05.500Z"],
  ["M/D/YY", "1/31/68", "2068-01-31"],
  ["M/D/YY", "1/31/69", "1969-01-31"],
  ["YYYYMMDD", "20260131", "2026-01-31"],
  ["YYYYMMDD", "2026131", undefined],
  ["DD MMM YYYY", "31 january 2026", "2026-01-31"],
  ["DD MMM YYYY", "31 Junk 2026", undefined],
  ["31.01.2026", "28.02.2026", "2026-02-28"],
  ["31.01.2026", "29.02.2026", undefined],
  ["31.01.2026", "31.01.26", undefined],
  ["01/31/2026", "12/13/2026", "2026-12-13"],
  ["2026/01/31", "2026/2/3", "2026-02-03"],
  ["31.01.2026 14:30", "1.2.2026  3:04", "2026-02-01T03:04:00.000Z"],
  ["01/31/2026 2:30:00 PM", "1/2/2026 12:00:00 am", "2026-01-02T00:00:00.000Z"],
  ["01/31/2026 2:30:00 PM", "1/2/2026 13:00:00 pm", undefined],
  ["Jan 5, 2026", "Feb 6, 2026", "2026-02-06"],
  ["5. Mai 2026", "6. Feb 2026", "2026-02-06"],
  ["excel", "46053,5", "2026-01-31T12:00:00.000Z"],
  ["excel", "60", undefined],
  ["excel", "31.01.2026", undefined],
  ["DD.MM.YYYY", "2026-01-31T14:30+02:00", "2026-01-31T12:30:00.000Z"],
  // As PostgreSQL, BigQuery, Ruby and loggers of Python write an instant.
  ["DD.MM.YYYY", "2026-01-31 21:25:58.745232+02", "2026-01-31T19:25:58.745Z"],
  ["DD.MM.YYYY", "2026-01-31 14:30:00 UTC", "2026-01-31T14:30:00.000Z"],
  ["DD.MM.YYYY", "2026-01-31 14:30:00 -0530", "2026-01-31T20:00:00.000Z"],
  ["DD.MM.YYYY", "2026-01-31 14:30:00,123", "2026-01-31T14:30:00.123Z"],
  ["DD.MM.YYYY", "2026-01-31 14:30:00 CET", undefined],
  ["DD.MM.YYYY", "2026-01-31 UTC", undefined],
  ["DD.MM.YYYY", "01.02.2026 25:00", undefined],
  ["DD.MM.YYYY", "9999-12-31T23:59:59-01:00", undefined],
  ["DD.MM.YYYY", "0000-01-01T00:00:00+01:00", undefined],
  ["excel", "2958465.999", "9999-12-31T23:58:33.600Z"],
  ["excel", "2958465.999999999", undefined],
];

test.each(DATES)("a date as %s is read of %s", (format, text, value) => {
  const payload = { dataset: "a", columns: { on: "date" }, dateFormats: [format] };
  expect(importCsv.payload.safeParse(payload).error).toBeUndefined();
  const cell = cellReader({ dateFormats: [format] })("date", text);
  expect(cell).toEqual(value === undefined ? { expected: expect.stringContaining(format) } : { value });
});

test("a group of thousands does not begin with a zero, which is a fraction in the other notation", () => {
  for (const [decimal, text] of [
    [",", "0.123"],
    [",", "-0.500"],
    [".", "0,123"],
    [".", "00,123"],
  ] as const)
    expect(cellReader({ decimal })("number", text)).toHaveProperty("expected");
  expect(cellReader({ decimal: "," })("number", "10.500")).toEqual({ value: 10_500 });
});

test("numbers of India have groups of two digits before the last", () => {
  const read = (text: string) => cellReader({ thousands: "," })("number", text);
  expect(["1,00,000", "12,34,567.50", "-1,00,00,000"].map(read)).toEqual(
    [100_000, 1_234_567.5, -10_000_000].map((value) => ({ value })),
  );
  for (const text of ["1,00", "0,12,345", "1,00,00", "12,34,567,890", "12,345,67", "123,45,678"])
    expect(read(text)).toHaveProperty("expected");
  expect(cellReader({ decimal: "," })("number", "12.34.567")).toHaveProperty("expected");
});

test("words for no value are null in columns of any type, as Snowflake, MySQL and R write them", () => {
  const read = cellReader({ nulls: ["\\N", "NA"] });
  for (const type of ["string", "any", "number", "integer", "boolean", "date"] as const)
    expect([read(type, "\\N"), read(type, " NA ")]).toEqual([{ value: null }, { value: null }]);
  expect(read("number", { kind: "error", text: "NA" })).toEqual({ value: null });
  expect([read("string", "N/A"), read("string", "na"), read("string", "")]).toEqual([
    { value: "N/A" },
    { value: "na" },
    { value: "" },
  ]);
  expect(read("number", "na")).toHaveProperty("expected");
  expect(importCsv.payload.safeParse({ dataset: "a", columns: { a: "date" }, nulls: [" "] }).success).toBe(false);
});

test("the options that docs/file-imports.md shows are accepted", () => {
  const [, example = ""] =
    /<<'JSON'\n([\s\S]*?)^JSON$/m.exec(readFileSync(join(ROOT, "docs/file-imports.md"), "utf8")) ?? [];
  expect(importCsv.payload.safeParse(JSON.parse(example)).error).toBeUndefined();
});
