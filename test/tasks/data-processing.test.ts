import { beforeAll, afterAll, expect, test } from "vitest";
import { definitionOf } from "../../lib/tasks/index.ts";
import { createTaskWorld, type TaskWorld } from "../support/task-world.ts";

let world: TaskWorld;
beforeAll(async () => {
  world = await createTaskWorld();
  const csv = [
    "region,product,net,rate,sold",
    "north,a,10,1.2,2026-01-01",
    "north,b,20,1.1,2026-01-02",
    "south,a,5,2,2026-01-03",
    "south,a,,2,2026-01-04",
    "east,c,7,0,2026-01-05",
  ].join("\n");
  const columns = { region: "string", product: "string", net: "number", rate: "number", sold: "date" };
  await world.run("import_csv", { dataset: "sales", columns, dateField: "sold" }, { file: await world.upload(csv) });
});
afterAll(async () => world.end());

let number = 0;
async function process(asked: object, options: Parameters<TaskWorld["run"]>[2] = {}) {
  const target = `target-${(number += 1)}`;
  const ran = await world.run("data_processing", { source: "sales", target, ...asked }, options);
  return { ...ran, target, rows: await world.rowsOf(target) };
}

test("rows that meet all conditions are mapped into another dataset", async () => {
  const { outcome, rows, target } = await process({
    where: [
      { field: "region", op: "in", value: ["north", "east"] },
      { field: "sold", op: "gte", value: "2026-01-02" },
    ],
    select: { where: "region", gross: { multiply: ["net", "rate"] }, ratio: { divide: ["net", "rate"] }, sold: "sold" },
  });
  expect(outcome).toEqual({ kind: "done", result: { dataset: target, rowsRead: 5, rowsMatched: 2, rowsWritten: 2 } });
  expect(rows).toEqual([
    { where: "north", gross: 22, ratio: 20 / 1.1, sold: "2026-01-02" },
    { where: "east", gross: 0, ratio: null, sold: "2026-01-05" },
  ]);
  expect(await world.datasets.get(world.appId, target)).toMatchObject({
    columns: { where: "string", gross: "number", ratio: "number", sold: "date" },
    dateField: "sold",
  });
});

test("a long field that is selected many times makes no row of any length", async () => {
  const csv = `id,long\n1,${"x".repeat(900_000)}\n2,short\n`;
  const file = await world.upload(csv);
  await world.run("import_csv", { dataset: "long", columns: { id: "integer", long: "string" } }, { file });
  const select = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`c${index}`, "long"]));
  const { outcome, rows } = await process({ source: "long", select: select(200) });
  expect(outcome).toEqual({
    kind: "failed",
    error:
      "Row 1 of those that match would have more than 8388608 characters: expected fewer; select its long fields once",
  });
  expect(rows).toEqual([]);
  const few = await process({ source: "long", select: { ...select(2), id: "id" } });
  expect(few.rows.map((row) => Object.keys(row))).toEqual([
    ["c0", "c1", "id"],
    ["c0", "c1", "id"],
  ]);
  const where = [{ field: "id", op: "eq", value: 2 }];
  expect((await process({ source: "long", where, select: select(200) })).outcome).toMatchObject({ kind: "done" });
});

test("groups are counted, summed and averaged, and what has no value counts for none of it", async () => {
  const { rows, target } = await process({
    groupBy: {
      fields: ["region"],
      aggregates: {
        rows: { op: "count" },
        total: { op: "sum", field: "net" },
        mean: { op: "avg", field: "net" },
        least: { op: "min", field: "net" },
        last: { op: "max", field: "sold" },
      },
    },
  });
  expect(rows).toEqual([
    { region: "north", rows: 2, total: 30, mean: 15, least: 10, last: "2026-01-02" },
    { region: "south", rows: 2, total: 5, mean: 5, least: 5, last: "2026-01-04" },
    { region: "east", rows: 1, total: 7, mean: 7, least: 7, last: "2026-01-05" },
  ]);
  expect(await world.datasets.get(world.appId, target)).toMatchObject({ columns: { rows: "integer", last: "date" } });
});

test("values of different types are neither equal nor less nor greater", async () => {
  const found = async (condition: object) => (await process({ where: [condition] })).rows.length;
  expect(await found({ field: "net", op: "gt", value: "5" })).toBe(0);
  expect(await found({ field: "net", op: "lt", value: 7 })).toBe(1);
  expect(await found({ field: "net", op: "eq", value: null })).toBe(1);
  expect(await found({ field: "net", op: "ne", value: null })).toBe(4);
  expect(await found({ field: "region", op: "startsWith", value: "nor" })).toBe(2);
  expect(await found({ field: "region", op: "contains", value: "ou" })).toBe(2);
});

test("what names no column of the source, or no source, fails and says which there are", async () => {
  const asked = [
    [{ where: [{ field: "nope", op: "eq", value: 1 }] }, /no column nope in dataset sales: expected one of region/],
    [{ select: { x: { add: ["net", "nope"] } } }, /no column nope in dataset sales/],
    [
      { select: { x: "net" }, groupBy: { fields: ["region"], aggregates: {} } },
      /no column region in the selected columns/,
    ],
    [
      { groupBy: { fields: ["region"], aggregates: { region: { op: "count" } } } },
      /region as a field and as an aggregate/,
    ],
    [{ where: [{ field: "toString", op: "eq", value: 1 }] }, /no column toString/],
    [{ dateField: "region" }, /dateField is region: expected one of the columns, of type date/],
    [{ source: "missing" }, /no dataset missing: import it first/],
  ] as const;
  for (const [payload, error] of asked) {
    const { outcome } = await process(payload);
    expect(outcome).toMatchObject({ kind: "failed", error: expect.stringMatching(error) });
  }
});

test("names by which JavaScript could be led astray are refused, and no object is changed by them", async () => {
  const { payload } = await definitionOf("data_processing");
  for (const name of ["__proto__", "constructor", "prototype", "a\nb", ""]) {
    const select = JSON.parse(`{${JSON.stringify(name)}: "net"}`) as object;
    const asked = [
      { source: "sales", target: "t", where: [{ field: name, op: "eq", value: 1 }] },
      { source: "sales", target: "t", groupBy: { fields: [name], aggregates: {} } },
      ...(name === "__proto__" ? [] : [{ source: "sales", target: "t", select }]),
    ];
    for (const each of asked) expect(payload.safeParse(each).success).toBe(false);
  }
  expect(({} as Record<string, unknown>)["net"]).toBeUndefined();
});

test("more groups than memory holds are a failure, and leave the target as it was", async () => {
  const rows = Array.from({ length: 100_001 }, (_, index) => index).join("\n");
  await world.run(
    "import_csv",
    { dataset: "many", columns: { n: "integer" } },
    { file: await world.upload(`n\n${rows}`) },
  );
  const groupBy = { fields: ["n"], aggregates: { count: { op: "count" } } };
  const { outcome, target } = await process({ source: "many", groupBy });
  expect(outcome).toMatchObject({ kind: "failed", error: expect.stringMatching(/more than 100000 groups/) });
  expect(await world.datasets.get(world.appId, target)).toBeUndefined();
});

test("a dataset that is replaced while it is read throws the run away, and the next one reads the new rows", async () => {
  const columns = { n: "integer", text: "string" };
  const rows = (first: number) =>
    Array.from({ length: 2_000 }, (_, index) => `${first + index},${"x".repeat(100)}`).join("\n");
  for (const first of [0, 2_000]) {
    const file = await world.upload(`n,text\n${rows(first)}`);
    await world.run("import_csv", { dataset: "moving", columns }, { file });
  }
  const { datasets } = world.servicesOf({
    appId: world.appId,
    jobId: "reader",
    createdAt: 0,
    attempt: 1,
    signal: new AbortController().signal,
  });
  const reading = datasets.rows("moving")[Symbol.asyncIterator]();
  await reading.next();
  const file = await world.upload("n,text\n1,y\n");
  await world.run("import_csv", { dataset: "moving", columns, mode: "replace" }, { file });
  const rest = async () => {
    while (!(await reading.next()).done);
  };
  await expect(rest()).rejects.toMatchObject({ name: "NoSuchKey" });
  expect(await world.rowsOf("moving")).toEqual([{ n: 1, text: "y" }]);
});

test("a dataset can be its own target, and a retry does not process it twice", async () => {
  await process({}, {});
  const source = `target-${number}`;
  const asked = { source, target: source, select: { net: { multiply: ["net", 2] } } };
  const first = await world.run("data_processing", asked, { jobId: "twice" });
  const second = await world.run("data_processing", asked, { jobId: "twice", attempt: 2 });
  expect(second.outcome).toEqual(first.outcome);
  expect((await world.rowsOf(source)).map(({ net }) => net)).toEqual([20, 40, 10, null, 14]);
});
