import { parse } from "csv-parse/sync";
import { afterAll, beforeAll, expect, test } from "vitest";
import { reportsOf, resultOf } from "../support/reports.ts";
import { createTaskWorld, type TaskWorld } from "../support/task-world.ts";

// Reports as CSV, and what spreadsheets make of them.

let world: TaskWorld;
beforeAll(async () => {
  world = await createTaskWorld();
});
afterAll(async () => world.end());

const { dataset } = reportsOf(() => world);

/** Reads CSV as a spreadsheet does that takes one separator, and quotes only where a cell begins. */
function spreadsheet(csv: string, separator: string): string[] {
  const cells: string[] = [];
  let cell = "";
  let isQuoted = false;
  for (let at = 0; at < csv.length; at += 1) {
    const char = csv[at] ?? "";
    if (isQuoted) {
      if (char !== '"') cell += char;
      else if (csv[at + 1] === '"') cell += csv[(at += 1)];
      else isQuoted = false;
    } else if (char === '"' && cell === "") isQuoted = true;
    else if (char === separator || /[\r\n]/.test(char)) {
      cells.push(cell);
      cell = "";
    } else cell += char;
  }
  return [...cells, cell];
}

/** A reader that knows no quotes: it splits at each end of a line, then at each separator. */
const splits = (csv: string, separator: string) =>
  csv
    .split(/[\r\n\v\f\u0085\u2028\u2029]/)
    .flatMap((line) => line.split(separator))
    .map((cell) => cell.replaceAll('"', ""));

const lenient = (csv: string, delimiter: string) =>
  parse(csv, { delimiter, relax_quotes: true, relax_column_count: true }).flat();

/** What some reader takes for a formula, whatever it splits cells at. */
function formulasIn(csv: string, separators = [",", ";", "\t"]): unknown[] {
  return Object.entries({ spreadsheet, splits, lenient }).flatMap(([name, read]) =>
    separators.flatMap((separator) =>
      read(csv, separator)
        .filter((cell) => /^[=+@\uFF1D\uFF0B\uFF0D\uFF20]|^-(?!\d+($|[,;\t|]))/.test(cell))
        .map((cell) => ({ name, separator, cell })),
    ),
  );
}

const FORMULAS = ["=1+1", "+2", "-3", "@x", "\uFF1D1", "\uFF0B1", "\uFF0D1", "\uFF201", "=cmd|' /C calc'!A0", '"=1"'];
const BEFORE = ["\n", "\r", "\r\n", "\t", ";", "\v", "\f", "\u0085", "\u2028", "\u2029", "\n\n", ";;", '";', '\n"'];
const HOSTILE = [...FORMULAS, ...FORMULAS.flatMap((formula) => BEFORE.map((before) => `a${before}${formula}`))];

test("no reader of CSV, whatever separates its cells, finds a formula in text, and the text is there", async () => {
  const columns = ["n", "text", "a;=1+1", "-x"];
  const rows = HOSTILE.map((text, n) => ({ n: -n, text, "a;=1+1": `${text}${text}`, "-x": "x" }));
  const csv = await exported(columns, rows);
  expect(formulasIn(csv)).toEqual([]);
  const [header, ...read] = parse(csv, { record_delimiter: "\r\n" });
  expect(header).toEqual(["n", "text", "a;'=1+1", "'-x"]);
  expect(read.map(([, text]) => text?.replaceAll("'", ""))).toEqual(HOSTILE.map((text) => text.replaceAll("'", "")));
});

test("text in CSV is as it was, but for an apostrophe before what a spreadsheet would take for a formula", async () => {
  const texts = {
    "=1+1": "'=1+1",
    "\ty": `"'\ty"`,
    "with, comma": '"with, comma"',
    'say "hi"': '"say ""hi"""',
    "a - b = c": "a - b = c",
    "a\nb": '"a\nb"',
    "hello\r=1+1": `"hello\r'=1+1"`,
    "x;=cmd": `"x;'=cmd"`,
    "a;b": '"a;b"',
    "Übersicht 概要": "Übersicht 概要",
  };
  const csv = await exported(
    ["text", "n"],
    Object.keys(texts).map((text) => ({ text, n: -4.5 })),
  );
  const expected = Object.values(texts).map((cell) => `${cell},-4.5\r\n`);
  expect(csv).toBe(`text,n\r\n${expected.join("")}`);
  expect(await exported(["sep=;", "b"], [])).toBe(`"'sep=;",b\r\n`);
});

/** The CSV of a dataset with these rows. */
async function exported(
  columns: readonly string[],
  rows: readonly Record<string, unknown>[],
  asked: object = { bom: false },
): Promise<string> {
  const quoted = (cells: readonly unknown[]) =>
    cells.map((cell) => `"${String(cell).replaceAll('"', '""')}"`).join(",");
  const lines = [columns, ...rows.map((row) => columns.map((name) => row[name]))].map(quoted);
  const name = `hostile-${columns.length}-${rows.length}`;
  await dataset(
    name,
    `${lines.join("\n")}\n`,
    Object.fromEntries(columns.map((each) => [each, each === "n" ? "number" : "string"])),
  );
  const { fileKey } = resultOf(await world.run("export_report", { reportType: name, format: "csv", ...asked }));
  return (await world.content(fileKey)).toString();
}

test("CSV has the separator and the decimal sign that were asked for, and numbers stay exact", async () => {
  const csv = 'text,n\n"1,5",1.5\n"a,=1",-0.25\n"x|y",1234567890123456789.5\n';
  await dataset("local", csv, { text: "string", n: "number" });
  const exportedAs = async (asked: object) => {
    const result = resultOf(await world.run("export_report", { reportType: "local", format: "csv", ...asked }));
    const content = await world.content(result.fileKey);
    expect(content.length).toBe(result.fileSize);
    return content.toString().split("\r\n");
  };
  const big = "1234567890123456789";
  expect(await exportedAs({})).toEqual(["\uFEFFtext,n", '"1,5",1.5', '"a,=1",-0.25', `x|y,${big}.5`, ""]);
  expect(await exportedAs({ decimal: ",", bom: false })).toEqual([
    "text;n",
    "1,5;1,5",
    "a,'=1;-0,25",
    `x|y;${big},5`,
    "",
  ]);
  expect(await exportedAs({ decimal: ",", delimiter: "," })).toContain(`x|y,"${big},5"`);
  expect(await exportedAs({ delimiter: "|" })).toContain(`"x|y"|${big}.5`);
  expect(await exportedAs({ delimiter: "\t" })).toContain("a,'=1\t-0.25");
});

test("no reader finds a formula either where something else than a comma separates the cells", async () => {
  const before = [...BEFORE, ",", ",,", '",', "|;", "x,\u200B"];
  const texts = FORMULAS.flatMap((formula) => ["", ...before].map((each) => `${each && `a${each}`}${formula}`));
  const rows = texts.map((text, n) => ({ text, n: -n }));
  for (const delimiter of [";", "\t", "|"]) {
    const asked = { delimiter, bom: true, columns: [{ name: "text", title: "a,=1" }, { name: "n" }] };
    const csv = await exported(["text", "n"], rows, asked);
    expect(formulasIn(csv.slice(1))).toEqual([]);
  }
});
