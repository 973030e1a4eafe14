import { afterAll, beforeAll, expect, test } from "vitest";
import { randomUUID } from "node:crypto";
import type { AppLimits } from "../../lib/store/app-settings.ts";
import { createTaskWorld, type TaskWorld } from "../support/task-world.ts";

// What the operator allows an app to keep.

let world: TaskWorld;
beforeAll(async () => {
  world = await createTaskWorld();
});
afterAll(async () => world.end());

/** An app of its own: imports of rows of ten bytes each, as they are stored. */
async function appWith(limits: Partial<AppLimits>) {
  const appId = randomUUID();
  await world.apps.limit(appId, limits, "operator");
  const part = (dataset: string, jobId: string = randomUUID()) => {
    const signal = new AbortController().signal;
    const { datasets } = world.servicesOf({ appId, jobId, createdAt: 0, attempt: 1, signal });
    return datasets.part(dataset);
  };
  const add = async (dataset: string, rows: number, mode: "append" | "replace" = "append", jobId?: string) => {
    const writer = part(dataset, jobId);
    for (let n = 0; n < rows; n += 1) await writer.write({ a: "x" });
    const columns = { a: "string" } as const;
    const committed = await writer.commit({ mode, columns, otherType: "refuse", result: { rows } });
    return committed.kind === "refused" ? committed.problem : committed.kind;
  };
  return {
    appId,
    add,
    admit: async (name: string, mode: "append" | "replace") => world.datasets.admit(appId, { name, mode }),
  };
}

test("an app keeps no more datasets than the operator allows, also when many are made at once", async () => {
  const { add, admit } = await appWith({ datasets: 3 });
  const made = await Promise.all(Array.from({ length: 8 }, async (_, n) => add(`d${n}`, 1)));
  const refusals = made.filter((each) => each !== "committed");
  expect(refusals).toHaveLength(5);
  for (const problem of refusals) expect(problem).toContain("The app's limit datasets of 3 is reached");
  const there = made.findIndex((each) => each === "committed");
  expect(await add(`d${there}`, 1)).toBe("committed");
  await admit(`d${there}`, "append");
  const refused = { code: "FORBIDDEN", message: expect.stringContaining("datasets of 3") };
  await expect(admit("another", "replace")).rejects.toMatchObject(refused);
});

test("an app's datasets have no more bytes than the operator allows; what is replaced is free again", async () => {
  const { add, admit } = await appWith({ datasetBytes: 100 });
  // Of appends at the same moment, as many are kept as fit.
  const ids = Array.from({ length: 7 }, () => randomUUID());
  const made = await Promise.all(ids.map(async (id) => add("one", 2, "append", id)));
  expect(made.filter((each) => each === "committed")).toHaveLength(5);
  expect(made.find((each) => each !== "committed")).toContain("limit datasetBytes of 100 is reached");
  // A repeat of a part that is there is no second one.
  const repeated = ids[made.indexOf("committed")];
  expect(await add("one", 2, "append", repeated)).toBe("committed");
  expect(await add("two", 20)).toContain("datasetBytes");
  expect(await add("one", 10, "replace")).toBe("committed");
  expect(await add("one", 1)).toContain("datasetBytes");
  await admit("one", "replace");
  const refused = { code: "FORBIDDEN", message: expect.stringContaining("datasetBytes of 100") };
  for (const name of ["one", "two"]) await expect(admit(name, "append")).rejects.toMatchObject(refused);
  expect(await add("one", 1, "replace")).toBe("committed");
  expect(await add("two", 9)).toBe("committed");
});
