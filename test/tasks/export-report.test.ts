import { beforeAll, afterAll, expect, test } from "vitest";
import { parse } from "csv-parse/sync";
import { readXlsx } from "hucre/xlsx";
import { DAY } from "../../lib/clock.ts";
import { attachmentOf, safeFileName } from "../../lib/files/file-store.ts";
import type { Ran, TaskWorld } from "../support/task-world.ts";
import { createTaskWorld } from "../support/task-world.ts";

let world: TaskWorld;
beforeAll(async () => {
  world = await createTaskWorld();
});
afterAll(async () => world.end());

async function dataset(name: string, csv: string, columns: object, dateField?: string) {
  const file = await world.upload(csv);
  const { outcome } = await world.run(
    "import_csv",
    { dataset: name, columns, ...(dateField && { dateField }) },
    { file },
  );
  expect(outcome).toMatchObject({ kind: "done" });
}

function resultOf({ outcome, thrown }: Ran) {
  if (outcome?.kind !== "done") throw new Error(`It did not succeed: ${JSON.stringify(outcome)} ${String(thrown)}`);
  return outcome.result as { fileKey: string; fileSize: number; recordCount: number; generatedAt: string };
}

test("an unknown report fails as the specification shows it, at its first step", async () => {
  const { outcome, steps } = await world.run("export_report", { reportType: "invalid_report", format: "csv" });
  expect(outcome).toEqual({ kind: "failed", error: "Invalid export job payload" });
  expect(steps).toEqual([{ step: 1, total: 6, percent: 20, label: "Validate parameters" }]);
});

test("an export goes through the six steps of the specification and answers with what it names", async () => {
  await dataset("quotes", "id,total\n1,9.5\n2,3\n", { id: "integer", total: "number" });
  const ran = await world.run("export_report", { reportType: "quotes", format: "csv" }, { jobId: "job-1" });
  expect(ran.steps.map(({ step, total, percent }) => [step, total, percent])).toEqual([
    [1, 6, 20],
    [2, 6, 40],
    [3, 6, 60],
    [4, 6, 80],
    [5, 6, 95],
    [6, 6, 100],
  ]);
  const result = resultOf(ran);
  const text = "id,total\r\n1,9.5\r\n2,3\r\n";
  expect(result).toEqual({
    fileKey: expect.stringMatching(new RegExp(`^files/${world.appId}/job-1/1/quotes_\\d{4}-\\d\\d-\\d\\d\\.csv$`)),
    fileSize: text.length,
    recordCount: 2,
    generatedAt: expect.stringMatching(/^\d{4}-.*Z$/),
    reportType: "quotes",
    format: "csv",
  });
  expect((await world.content(result.fileKey)).toString()).toBe(text);
});

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

const FORMULAS = ["=1+1", "+2", "-3", "@x", "\uFF1D1", "\uFF0B1", "\uFF0D1", "\uFF201", "=cmd|' /C calc'!A0", '"=1"'];
const BEFORE = ["\n", "\r", "\r\n", "\t", ";", "\v", "\f", "\u0085", "\u2028", "\u2029", "\n\n", ";;", '";', '\n"'];
const HOSTILE = [...FORMULAS, ...FORMULAS.flatMap((formula) => BEFORE.map((before) => `a${before}${formula}`))];

test("no reader of CSV, whatever separates its cells, finds a formula in text, and the text is there", async () => {
  const columns = ["n", "text", "a;=1+1", "-x"];
  const rows = HOSTILE.map((text, n) => ({ n: -n, text, "a;=1+1": `${text}${text}`, "-x": "x" }));
  const csv = await exported(columns, rows);
  for (const [name, read] of Object.entries({ spreadsheet, splits, lenient })) {
    for (const separator of [",", ";", "\t"]) {
      const formulas = read(csv, separator).filter((cell) =>
        /^[=+@\uFF1D\uFF0B\uFF0D\uFF20]|^-(?!\d+($|,))/.test(cell),
      );
      expect([name, separator, formulas]).toEqual([name, separator, []]);
    }
  }
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
async function exported(columns: readonly string[], rows: readonly Record<string, unknown>[]): Promise<string> {
  const quoted = (cells: readonly unknown[]) =>
    cells.map((cell) => `"${String(cell).replaceAll('"', '""')}"`).join(",");
  const lines = [columns, ...rows.map((row) => columns.map((name) => row[name]))].map(quoted);
  const name = `hostile-${columns.length}-${rows.length}`;
  await dataset(
    name,
    `${lines.join("\n")}\n`,
    Object.fromEntries(columns.map((each) => [each, each === "n" ? "number" : "string"])),
  );
  const { fileKey } = resultOf(await world.run("export_report", { reportType: name, format: "csv" }));
  return (await world.content(fileKey)).toString();
}

test("in XLSX text is text, whatever it begins with or holds", async () => {
  await dataset("sheet", 'text,n\n"=1+1",2.5\n"<b>&\u0001\u{1F600}",\n"_x0041_ _x000d__x0041_ _x41_\rz",\n', {
    text: "string",
    n: "number",
  });
  const { fileKey, fileSize } = resultOf(await world.run("export_report", { reportType: "sheet", format: "xlsx" }));
  const bytes = await world.content(fileKey);
  expect(bytes.length).toBe(fileSize);
  const { sheets } = await readXlsx(bytes);
  expect(sheets[0]?.rows).toEqual([
    ["text", "n"],
    ["=1+1", 2.5],
    ["<b>&\uFFFD\u{1F600}", null],
    ["_x0041_ _x000d__x0041_ _x41_\rz", null],
  ]);
});

test("JSON holds the rows as they are, and none as an empty array", async () => {
  await dataset("typed", "on,ok\n2026-01-01,true\n2026-01-02,\n", { on: "date", ok: "boolean" }, "on");
  const { fileKey } = resultOf(await world.run("export_report", { reportType: "typed", format: "json" }));
  const rows = [
    { on: "2026-01-01", ok: true },
    { on: "2026-01-02", ok: null },
  ];
  expect(JSON.parse((await world.content(fileKey)).toString())).toEqual(rows);
  const none = { reportType: "typed", format: "json", filters: { dateFrom: "2027-01-01" } };
  const empty = resultOf(await world.run("export_report", none));
  expect(empty.recordCount).toBe(0);
  expect(JSON.parse((await world.content(empty.fileKey)).toString())).toEqual([]);
});

test("both days of a filter are included, in UTC, by the dataset's date field", async () => {
  const csv =
    "at,n\n2026-01-01T23:59:59.999Z,1\n2026-01-02,2\n2026-01-03T23:59:59.999Z,3\n2026-01-04T00:30:00+01:00,4\n2026-01-04,5\n,6\n";
  await dataset("days", csv, { at: "date", n: "integer" }, "at");
  const filters = { dateFrom: "2026-01-02", dateTo: "2026-01-03" };
  const { fileKey } = resultOf(await world.run("export_report", { reportType: "days", format: "json", filters }));
  const rows = JSON.parse((await world.content(fileKey)).toString()) as { n: number }[];
  expect(rows.map(({ n }) => n)).toEqual([2, 3, 4]);
});

test("days can't be asked of a dataset without a date field, nor in the wrong order", async () => {
  await dataset("dateless", "n\n1\n", { n: "integer" });
  const filters = { dateFrom: "2026-01-02" };
  const { outcome } = await world.run("export_report", { reportType: "dateless", format: "csv", filters });
  expect(outcome).toMatchObject({ kind: "failed", error: expect.stringMatching(/has no dateField/) });
  const wrong = { dateFrom: "2026-01-02", dateTo: "2026-01-01" };
  await expect(world.run("export_report", { reportType: "jobs", format: "csv", filters: wrong })).rejects.toThrow(
    /dateFrom/,
  );
  await expect(
    world.run("export_report", { reportType: "jobs", format: "csv", filters: { dateFrom: "2026-02-30" } }),
  ).rejects.toThrow();
});

test("the history of the app's own jobs is a report, by the days they were created on", async () => {
  const now = world.clock.now();
  const old = await world.job("SUCCEEDED", { createdAt: now - 5 * DAY, attempts: 1 });
  const failed = await world.job("FAILED", { lastError: "=HTTP 500", attempts: 3 });
  const foreign = await world.job("SUCCEEDED", { appId: "another-app" });
  const rowsOf = async (filters: object) => {
    const ran = await world.run("export_report", { reportType: "jobs", format: "json", filters });
    return JSON.parse((await world.content(resultOf(ran).fileKey)).toString()) as { id: string }[];
  };
  const all = await rowsOf({});
  expect(all.map(({ id }) => id)).toEqual([failed.id, old.id]);
  expect(all.map(({ id }) => id)).not.toContain(foreign.id);
  expect(all[0]).toMatchObject({ status: "FAILED", attempts: 3, lastError: "=HTTP 500", startedAt: null });
  const day = new Date(now - 5 * DAY).toISOString().slice(0, 10);
  expect((await rowsOf({ dateTo: day })).map(({ id }) => id)).toEqual([old.id]);
});

test("another app's dataset is an unknown report", async () => {
  await dataset("private", "n\n1\n", { n: "integer" });
  const { outcome } = await world.run(
    "export_report",
    { reportType: "private", format: "csv" },
    { appId: "another-app" },
  );
  expect(outcome).toEqual({ kind: "failed", error: "Invalid export job payload" });
});

test("a large export comes in parts, whole, and one that is cancelled leaves no file", async () => {
  const lines = Array.from({ length: 300_000 }, (_, index) => `${index},${"y".repeat(60)}`);
  const csv = `n,text\n${lines.join("\n")}\n`;
  const half = Math.ceil(lines.length / 2);
  for (const part of [lines.slice(0, half), lines.slice(half)]) {
    await dataset("large", `n,text\n${part.join("\n")}\n`, { n: "integer", text: "string" });
  }
  const { fileKey, fileSize, recordCount } = resultOf(
    await world.run("export_report", { reportType: "large", format: "csv" }),
  );
  expect(recordCount).toBe(300_000);
  const content = (await world.content(fileKey)).toString();
  expect(content.length).toBe(fileSize);
  // Not toBe, since its diff of 20 MB takes minutes.
  expect(content === csv.replaceAll("\n", "\r\n")).toBe(true);

  const cancel = new AbortController();
  const cancelled = await world.run(
    "export_report",
    { reportType: "large", format: "csv" },
    {
      jobId: "cancelled",
      signal: cancel.signal,
      at: (_, count) => count === 8 && cancel.abort(new Error("cancelled")),
    },
  );
  expect(cancelled.thrown).toMatchObject({ message: "cancelled" });
  expect(await world.keys(`files/${world.appId}/cancelled/`)).toEqual([]);
});

test("a signed link gives the file, as a download, under a safe name", async () => {
  await dataset("linked", "n\n1\n", { n: "integer" });
  const { fileKey } = resultOf(await world.run("export_report", { reportType: "linked", format: "csv" }));
  const url = await world.files.link(fileKey, '../a "b"\r\nX: é.csv');
  expect(url).toContain("X-Amz-Expires=3600");
  const answer = await fetch(url);
  expect(await answer.text()).toBe("n\r\n1\r\n");
  expect(new URL(url).searchParams.get("response-content-disposition")).toBe(
    `attachment; filename="a _b___X_ _.csv"; filename*=UTF-8''a%20_b___X_%20%C3%A9.csv`,
  );
});

test("no name of a file leads out of its folder, or anywhere else", () => {
  expect(safeFileName("../../etc/passwd")).toBe("passwd");
  expect(safeFileName("C:\\temp\\x.csv")).toBe("x.csv");
  expect(safeFileName("..")).toBe("_");
  expect(safeFileName("a/")).toBe("file");
  expect(safeFileName("\u202Efdp.exe")).toBe("_fdp.exe");
  expect(safeFileName(`${"x".repeat(200)}.csv`)).toHaveLength(100);
  // Wherever a long name is cut, no half of a surrogate pair is left.
  for (const end of ["", "x", "xx"]) {
    const name = `${"😀".repeat(60)}${end}`;
    expect(safeFileName(name).isWellFormed()).toBe(true);
    expect(attachmentOf(name)).toContain("%F0%9F%98%80");
  }
  expect(attachmentOf("it's (1)*!.csv")).toBe(
    `attachment; filename="it_s (1)__.csv"; filename*=UTF-8''it%27s%20%281%29%2a%21.csv`.replace("%2a%21", "_%21"),
  );
});
