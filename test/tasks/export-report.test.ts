import { beforeAll, afterAll, expect, test } from "vitest";
import { readXlsx } from "hucre/xlsx";
import { DAY } from "../../lib/clock.ts";
import { dispositionOf, safeFileName } from "../../lib/files/file-store.ts";
import { reportsOf, resultOf } from "../support/reports.ts";
import { createTaskWorld, type TaskWorld } from "../support/task-world.ts";

let world: TaskWorld;
beforeAll(async () => {
  world = await createTaskWorld();
});
afterAll(async () => world.end());

const { dataset, report } = reportsOf(() => world);

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
  const text = "\uFEFFid,total\r\n1,9.5\r\n2,3\r\n";
  expect(result).toEqual({
    fileKey: expect.stringMatching(new RegExp(`^files/${world.appId}/job-1/1/quotes_\\d{4}-\\d\\d-\\d\\d\\.csv$`)),
    fileSize: Buffer.byteLength(text),
    recordCount: 2,
    generatedAt: expect.stringMatching(/^\d{4}-.*Z$/),
    reportType: "quotes",
    format: "csv",
  });
  expect((await world.content(result.fileKey)).toString()).toBe(text);
});

test("columns come in the order and with the titles that were asked for, and no others", async () => {
  // A name that is a number comes first in a JavaScript object.
  await dataset("years", "name,2025,2024\nx,1,2\ny,,4\n", { name: "string", 2024: "integer", 2025: "integer" });
  const years = { reportType: "years", bom: false, format: "csv" };
  const columns = [{ name: "name", title: "=Name" }, { name: "2025" }, { name: "2024", title: "Jahr; 2024" }];
  const contentOf = async (asked: object) => (await report(asked)).toString();
  expect(await contentOf({ ...years, columns })).toBe(`'=Name,2025,"Jahr; 2024"\r\nx,1,2\r\ny,,4\r\n`);
  const json = { reportType: "years", format: "json", columns: [{ name: "name" }, { name: "2025" }] };
  expect(await contentOf(json)).toBe('[\n{"name":"x","2025":1},\n{"name":"y","2025":null}\n]\n');
  const bytes = await report({ reportType: "years", format: "xlsx", columns });
  expect((await readXlsx(bytes)).sheets[0]?.rows[0]).toEqual(["=Name", "2025", "Jahr; 2024"]);
  const { outcome } = await world.run("export_report", { ...years, columns: [{ name: "2023" }] });
  expect(outcome).toEqual({
    kind: "failed",
    error: 'Report years has no column "2023": expected some of "2024", "2025", "name"',
  });
});

test.each([
  [{ format: "json", bom: true }, /is of CSV: leave it out, or set format to csv/],
  [{ format: "xlsx", decimal: "," }, /is of CSV/],
  [{ format: "json", columns: [{ name: "id", title: "Id" }] }, /is of CSV and XLSX/],
  [{ format: "csv", columns: [{ name: "id" }, { name: "id" }] }, /is there twice/],
  [{ format: "csv", columns: [{ name: "id", title: "a\nb" }] }, /must not hold control characters/],
  [{ format: "csv", columns: [] }, /columns/],
])("what does not belong together is refused: %j", async (asked, message) => {
  await expect(world.run("export_report", { reportType: "jobs", ...asked })).rejects.toThrow(message);
});

test("XLSX has dates as dates, days apart from instants, to the millisecond and in UTC", async () => {
  const days = ["2026-01-31", "1900-01-01", "1900-03-01", "9999-12-31"];
  const instants = ["2026-03-29T02:30:00.000Z", "2026-01-31T23:59:59.999Z"];
  const texts = ["1899-12-31", "1066-10-14T09:00:00.000Z"];
  const all = [...days, ...instants, ...texts];
  await dataset("dates", `at,n\n${all.map((at, n) => `${at},${n}`).join("\n")}\n,9\n`, { at: "date", n: "integer" });
  const { sheets } = await readXlsx(await report({ reportType: "dates", format: "xlsx" }), { readStyles: true });
  const [sheet] = sheets;
  const formats = all.map((_, row) => sheet?.cells?.get(`${row + 1},0`)?.style?.numFmt);
  expect(sheet?.rows.slice(1).map(([at]) => (at instanceof Date ? at.toISOString() : at))).toEqual([
    ...days.map((day) => `${day}T00:00:00.000Z`),
    ...instants,
    ...texts,
    null,
  ]);
  expect(formats).toEqual([
    ...days.map(() => "yyyy-mm-dd"),
    "yyyy-mm-dd hh:mm:ss",
    "yyyy-mm-dd hh:mm:ss.000",
    ...texts.map(() => undefined),
  ]);
  // In a narrow column, Excel shows ##### for a date.
  expect(sheet?.columns?.[0]?.width).toBeGreaterThanOrEqual(23);
});

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
    await world.run("export_report", { reportType: "large", format: "csv", bom: false }),
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
  const linked = { reportType: "linked", format: "csv", bom: false };
  const { fileKey } = resultOf(await world.run("export_report", linked));
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
    expect(dispositionOf("attachment", name)).toContain("%F0%9F%98%80");
  }
  expect(dispositionOf("attachment", "it's (1)*!.csv")).toBe(
    `attachment; filename="it_s (1)__.csv"; filename*=UTF-8''it%27s%20%281%29%2a%21.csv`.replace("%2a%21", "_%21"),
  );
});
