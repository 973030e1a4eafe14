import { readXlsx } from "hucre/xlsx";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTarget, type Target } from "../support/target.ts";
import { createTaskWorld, type TaskWorld } from "../support/task-world.ts";

// Numbers that a JavaScript number would change, through every task that reads or writes them.

let world: TaskWorld;
let source: Target;
beforeAll(async () => {
  world = await createTaskWorld();
  source = await startTarget();
});
afterAll(async () => {
  await source.close();
  await world.end();
});

const ODD = ["1234567890123456789", "1e400", "0.1000000000000000055", "-0", "-98765432109876543210"];

async function exported(reportType: string, format: string): Promise<Buffer> {
  const bom = format === "csv" ? { bom: false } : {};
  const { outcome } = await world.run("export_report", { reportType, format, ...bom });
  if (outcome?.kind !== "done") throw new Error(JSON.stringify(outcome));
  return world.content((outcome.result as { fileKey: string }).fileKey);
}

async function expectExact(dataset: string): Promise<void> {
  const json = (await exported(dataset, "json")).toString();
  expect([...json.matchAll(/"n":([^,}]+)/g)].map(([, text]) => text)).toEqual(ODD);
  expect((await exported(dataset, "csv")).toString()).toBe(`n\r\n${ODD.join("\r\n")}\r\n`);
  const { sheets } = await readXlsx(await exported(dataset, "xlsx"));
  expect(sheets[0]?.rows).toEqual([["n"], ...ODD.map((text) => [text])]);
}

test("sync keeps each number of its source, also in nested values, and reports show it", async () => {
  source.answer((_, response) => void response.end(`[${ODD.map((text) => `{"n":${text}}`).join(",")}]`));
  await world.run("sync", { url: source.url, dataset: "synced", pagination: { by: "none" } });
  await expectExact("synced");
  expect(await world.datasets.get(world.appId, "synced")).toMatchObject({ columns: { n: "number" } });

  source.answer((_, response) => void response.end('[{"n":{"deep":[1234567890123456789]}}]'));
  await world.run("sync", { url: source.url, dataset: "nested", pagination: { by: "none" } });
  expect((await exported("nested", "csv")).toString()).toContain("1234567890123456789");
});

test("sync asks for the next page by the number that the source has named", async () => {
  source.received.length = 0;
  source.answer(({ url }, response) => {
    const next = url?.includes("cursor") ? "null" : "1234567890123456789";
    response.end(`{"items":[],"nextCursor":${next}}`);
  });
  await world.run("sync", { url: `${source.url}/paged`, dataset: "paged" });
  expect(source.received.map(({ url }) => url)).toEqual(["/paged", "/paged?cursor=1234567890123456789"]);
});

test("a number is no item of a source, however long it is", async () => {
  source.answer((_, response) => void response.end("[1234567890123456789]"));
  const { outcome } = await world.run("sync", { url: source.url, dataset: "none", pagination: { by: "none" } });
  expect(outcome).toMatchObject({ kind: "failed", error: expect.stringContaining("item 1 that is not an object") });
});

test("import_csv keeps each number of a file", async () => {
  const file = await world.upload(`n\n${ODD.join("\n")}\n`);
  await world.run("import_csv", { dataset: "imported", columns: { n: "number" } }, { file });
  await expectExact("imported");

  const forms = await world.upload("n\n+12345678901234567890\n0012345678901234567890\n1234567890123456789.\n.5\n");
  await world.run("import_csv", { dataset: "forms", columns: { n: "number" } }, { file: forms });
  const lines = (await exported("forms", "csv")).toString().split("\r\n");
  expect(lines.slice(1, 5)).toEqual(["12345678901234567890", "12345678901234567890", "1234567890123456789", "0.5"]);
});

test("whole numbers of 16 digits are text in XLSX, since Excel keeps 15", async () => {
  const file = await world.upload("n\n999999999999999\n9007199254740991\n0.30000000000000004\n");
  await world.run("import_csv", { dataset: "sixteen", columns: { n: "number" } }, { file });
  const { sheets } = await readXlsx(await exported("sixteen", "xlsx"));
  expect(sheets[0]?.rows.slice(1)).toEqual([[999_999_999_999_999], ["9007199254740991"], [0.30000000000000004]]);
});

async function processed(csv: string, asked: object) {
  const file = await world.upload(`n\n${csv}`);
  await world.run("import_csv", { dataset: "given", columns: { n: "number" }, mode: "replace" }, { file });
  return world.run("data_processing", { source: "given", target: "made", ...asked });
}

test("data_processing compares numbers by their values, and hands them on", async () => {
  const least = { aggregates: { least: { op: "min", field: "n" }, most: { op: "max", field: "n" } }, fields: [] };
  await processed("1234567890123456788\n1234567890123456789\n1e400\n-0\n5\n", {
    where: [{ field: "n", op: "gt", value: 5 }],
    groupBy: least,
  });
  expect((await exported("made", "json")).toString()).toContain('{"least":1234567890123456788,"most":1e400}');
  const { outcome } = await processed("-0\n0\n1\n", { where: [{ field: "n", op: "eq", value: 0 }] });
  expect(outcome).toMatchObject({ kind: "done", result: { rowsMatched: 2 } });
  const count = { fields: ["n"], aggregates: { count: { op: "count" } } };
  await processed("0\n-0\n1234567890123456789\n1234567890123456789.0\n12345678901234567890e-1\n", { groupBy: count });
  expect((await exported("made", "csv")).toString()).toBe("n,count\r\n0,2\r\n1234567890123456789,3\r\n");
});

test("arithmetic that would change a number fails, and says what it takes", async () => {
  const sum = { groupBy: { fields: [], aggregates: { s: { op: "sum", field: "n" } } } };
  const cases = [
    ["1234567890123456789\n", { select: { x: { add: ["n", 1] } } }, /^1234567890123456789 has more digits/],
    ["9007199254740991\n", { select: { x: { add: ["n", 2] } } }, /^add of 9007199254740991 and 2 is beyond 2\^53/],
    ["1e308\n", { select: { x: { multiply: ["n", 10] } } }, /beyond 1\.8e308/],
    ["9007199254740991\n9007199254740991\n", sum, /beyond 2\^53/],
    ["1e400\n", sum, /^1e400 has more digits/],
  ] as const;
  for (const [csv, asked, error] of cases) {
    const { outcome } = await processed(csv, { ...asked, mode: "replace" });
    expect(outcome).toMatchObject({ kind: "failed", error: expect.stringMatching(error) });
  }
  const { outcome } = await processed("-0\n6.02e23\n0.5\n", sum);
  expect(outcome).toMatchObject({ kind: "done" });
});
