import { afterAll, beforeAll, expect, test } from "vitest";
import { randomUUID } from "node:crypto";
import type { AppLimits } from "../../lib/store/app-settings.ts";
import { DAY, HOUR } from "../../lib/clock.ts";
import { budgetKey } from "../../lib/store/budgets.ts";
import { createBucket } from "../../lib/store/bucket.ts";
import { createUploads } from "../../lib/files/uploads.ts";
import { until } from "../support/stack.ts";
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
  await world.apps.limit(appId, { wanted: () => limits }, "operator");
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

/** An app whose users upload files of some bytes. */
async function uploaderWith(uploadBytes: number) {
  const owner = { appId: randomUUID(), userId: "ann" };
  await world.apps.limit(owner.appId, { wanted: () => ({ uploadBytes }) }, "operator");
  const file = (size: number) => ({ fileName: "a.csv", contentType: "text/csv", size });
  const begin = async (size: number) => world.uploads.begin(owner, file(size));
  const complete = async (begun: Awaited<ReturnType<typeof begin>>, content: string) => {
    const { headers } = await fetch(begun.urls[0] ?? "", { method: "PUT", body: content });
    const parts = [{ partNumber: 1, etag: headers.get("etag") ?? "" }];
    return (await world.uploads.complete(owner, begun.fileKey, parts)).kind;
  };
  const put = async (size: number, salt?: string) => world.uploads.put(owner, file(size), new Uint8Array(size), salt);
  const used = async () => Number((await world.table.get(budgetKey(owner.appId, "UPLOADS")))?.["used"] ?? 0);
  return { owner, begin, complete, put, used };
}

const tooMuch = { code: "FORBIDDEN", message: expect.stringContaining("uploadBytes of 100 is reached") };

test("what is announced counts towards an app's uploads, also at the same moment, and what is put with a job", async () => {
  const { begin, complete, put, used } = await uploaderWith(100);
  const begun = await Promise.allSettled(Array.from({ length: 7 }, async () => begin(30)));
  expect(begun.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
  for (const each of begun) if (each.status === "rejected") expect(each.reason).toMatchObject(tooMuch);
  await expect(put(11)).rejects.toMatchObject(tooMuch);
  // A replay brings the same file, which counts once.
  const [first, again] = [await put(10, "key"), await put(10, "key")];
  expect([first.key, await used()]).toEqual([again.key, 100]);
  const done = begun.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []))[0];
  for (const _ of ["first", "repeated"]) expect(done && (await complete(done, "x".repeat(30)))).toBe("there");
  expect(await used()).toBe(100);
  await expect(begin(1)).rejects.toMatchObject(tooMuch);
});

test("what is deleted, given up or not as announced counts no longer", async () => {
  const { owner, begin, complete, put, used } = await uploaderWith(100);
  const { fileKey } = await begin(60);
  const wrong = await begin(30);
  expect(await complete(wrong, "short")).toBe("other size");
  expect(await used()).toBe(60);
  const kept = await put(40);
  await expect(begin(1)).rejects.toMatchObject(tooMuch);
  // Deletions that are repeated, at the same moment too, count once; a file of somebody else's is not this app's.
  const other = await uploaderWith(100);
  const foreign = await other.put(50);
  const keys = [kept.key, foreign.key];
  for (const _ of ["first", "repeated"])
    await Promise.all(keys.map(async () => world.uploads.forget(owner.appId, keys)));
  expect([await used(), await other.used()]).toEqual([60, 50]);
  // The upload that was never completed makes room once it can't be any more.
  world.pass(DAY);
  await expect(begin(41)).rejects.toMatchObject(tooMuch);
  world.pass(3 * HOUR);
  await begin(100);
  expect(await used()).toBe(100);
  expect(await world.uploads.complete(owner, fileKey, [{ partNumber: 1, etag: "a" }])).toEqual({ kind: "unknown" });
});

test("what came with a job and was lost before it was kept counts for a day alone", async () => {
  const { owner, begin, used } = await uploaderWith(100);
  const { table, clock, apps } = world;
  const dying = createUploads({ table, clock, apps, bucket: { put: async () => new Promise(() => {}) } as never });
  void dying.put(owner, { fileName: "a.csv", contentType: "text/csv", size: 70 }, new Uint8Array(70));
  await until(async () => (await used()) === 70);
  await expect(begin(31)).rejects.toMatchObject(tooMuch);
  world.pass(DAY + 3 * HOUR);
  // One of them takes off what was given up, and the others find it gone.
  await Promise.all([begin(25), begin(25), begin(25), begin(25)]);
  expect(await used()).toBe(100);
});

test("a replay of a request with a file puts no second version of it into the bucket", async () => {
  const { table, clock, apps, bucket: name } = world;
  const bucket = createBucket({ name });
  let puts = 0;
  const put: typeof bucket.put = async (...given) => {
    puts += 1;
    return bucket.put(...given);
  };
  const uploads = createUploads({ table, clock, apps, bucket: { ...bucket, put } });
  const owner = { appId: randomUUID(), userId: "ann" };
  const send = async () =>
    uploads.put(owner, { fileName: "a.csv", contentType: "text/csv", size: 4 }, Buffer.from("a,b\n"), "key");
  const first = await send();
  expect([await send(), puts]).toEqual([first, 1]);
  // But the file that somebody has deleted in the bucket.
  await bucket.remove(first.key);
  expect([await send(), puts]).toEqual([first, 2]);
});

test("an upload that is not as announced goes with its version, which the bucket would keep and nobody counts", async () => {
  const { table, clock, apps, bucket: name } = world;
  const bucket = createBucket({ name });
  const removed: unknown[] = [];
  const uploads = createUploads({
    table,
    clock,
    apps,
    bucket: {
      ...bucket,
      // The emulator keeps no versions.
      head: async (...given) => {
        const found = await bucket.head(...given);
        return found && { ...found, version: "v7" };
      },
      remove: async (key, options) => void removed.push([key, options?.version]),
    },
  });
  const owner = { appId: randomUUID(), userId: "ann" };
  const { fileKey, urls } = await uploads.begin(owner, { fileName: "a.csv", contentType: "text/csv", size: 9 });
  const { headers } = await fetch(urls[0] ?? "", { method: "PUT", body: "short" });
  const parts = [{ partNumber: 1, etag: headers.get("etag") ?? "" }];
  expect(await uploads.complete(owner, fileKey, parts)).toMatchObject({ kind: "other size", bytes: 5, announced: 9 });
  expect(removed).toEqual([[fileKey, "v7"]]);
});

test("the count of uploads does not grow with the hours", async () => {
  const { owner, begin, put, used } = await uploaderWith(100);
  for (let hour = 0; hour < 40; hour += 1) {
    const { fileKey } = await begin(1);
    await put(1);
    await world.uploads.forget(owner.appId, [fileKey]);
    world.pass(HOUR);
  }
  const count = (await world.table.get(budgetKey(owner.appId, "UPLOADS"))) ?? {};
  expect(Object.keys(count).length).toBeLessThan(33);
  expect(await used()).toBe(40);
});

test("the task cleanup gives back the bytes of the uploads that it deletes", async () => {
  const { owner, put, used } = await uploaderWith(100);
  const { key } = await put(70);
  const signal = new AbortController().signal;
  const { files } = world.servicesOf({ ...owner, jobId: randomUUID(), createdAt: 0, attempt: 1, signal });
  await files.remove([key]);
  expect([await used(), await files.head(key)]).toEqual([0, undefined]);
});
