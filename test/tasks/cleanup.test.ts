import { afterEach, beforeEach, expect, test } from "vitest";
import { DAY } from "../../lib/clock.ts";
import { createTaskWorld, type TaskWorld } from "../support/task-world.ts";
import { filesPrefix } from "../../lib/files/file-store.ts";

let world: TaskWorld;
beforeEach(async () => {
  world = await createTaskWorld();
});
afterEach(async () => world.end());

async function put(key: string): Promise<string> {
  const file = world.files.upload(key, "text/plain");
  await file.write(Buffer.from("12345"));
  await file.complete();
  return key;
}

const fileOf = async (jobId: string, appId: string = world.appId) => put(`${filesPrefix(appId)}${jobId}/1/x.csv`);

/** Jobs of 40 days ago and of today, with a file each. One has a recorded attempt. */
async function history() {
  const old = world.clock.now() - 40 * DAY;
  const times = { createdAt: old, updatedAt: old, startAt: old };
  const done = await world.job("SUCCEEDED", { ...times, attempts: 2 });
  await world.store.recordAttempt(done.id, { number: 1, startedAt: old, outcome: "retry", error: "x" });
  const failed = await world.job("FAILED", times);
  const pending = await world.job("PENDING", times);
  const endedToday = await world.job("SUCCEEDED", { createdAt: old });
  const owing = await world.job("SUCCEEDED", { ...times, dueAt: old });
  const recent = await world.job("DEAD");
  const foreign = await world.job("SUCCEEDED", { ...times, appId: "another-app" });
  const kept = [pending, endedToday, owing, recent, foreign];
  for (const { id, appId } of [done, failed, ...kept]) await fileOf(id, appId);
  await fileOf("job-that-is-gone");
  return { gone: [done, failed], kept };
}

const standing = async (jobs: readonly { id: string }[]) => {
  const found = await Promise.all(jobs.map(async ({ id }) => world.store.get(id)));
  return found.filter((job) => job !== undefined).length;
};

test("without dryRun: false it only counts", async () => {
  const { gone, kept } = await history();
  world.pass(35 * DAY);
  const { outcome } = await world.run("cleanup", { olderThanDays: 36 });
  const counted = { dryRun: true, jobs: 2, files: 0, fileBytes: 0, datasetFiles: 0 };
  expect(outcome).toEqual({ kind: "done", result: counted });
  expect(await standing([...gone, ...kept])).toBe(7);
});

test("finished jobs of long ago go, with their attempts and files; what is unfinished, recent or another app's stays", async () => {
  const { gone, kept } = await history();
  // The bucket dates files in real time, so they get old only when service time moves on.
  world.pass(31 * DAY);
  await world.job("PENDING");
  const recent = await world.job("SUCCEEDED");
  await fileOf(recent.id);
  const asked = { olderThanDays: 30, dryRun: false };
  const own = await world.job("RUNNING");
  const { outcome } = await world.run("cleanup", asked, { jobId: own.id });
  // `endedToday` ended 31 days ago in service time.
  const [pending, endedToday, owing, dead, foreign] = kept;
  expect(outcome).toEqual({
    kind: "done",
    result: { dryRun: false, jobs: 4, files: 5, fileBytes: 25, datasetFiles: 0 },
  });
  expect(await standing([...gone, ...[endedToday, dead].filter((job) => job !== undefined)])).toBe(0);
  const still = [pending, owing, foreign, recent, own].filter((job) => job !== undefined);
  expect(await standing(still)).toBe(5);
  expect(await world.store.history(gone[0]?.id ?? "")).toBeUndefined();
  const left = (await world.keys("files/")).map((key) => key.split("/")[2]);
  expect(new Set(left)).toEqual(new Set([pending, owing, foreign, recent].map((job) => job?.id)));
});

test("an upload of long ago stays as long as a job that is not old is about it", async () => {
  const upload = async (name: string) => put(`${filesPrefix(world.appId)}uploads/user/${name}/rows.csv`);
  const about = (key: string) => ({
    type: "task",
    jobType: "import_csv",
    payload: {},
    file: { key, name: "rows.csv" },
  });
  const [unused, ofOld, ofBoth, ofPending] = await Promise.all(["a", "b", "c", "d"].map(upload));
  for (const key of [ofOld, ofBoth]) await world.job("SUCCEEDED", {}, about(key ?? ""));
  await world.job("PENDING", {}, about(ofPending ?? ""));
  world.pass(31 * DAY);
  await world.job("SUCCEEDED", {}, about(ofBoth ?? ""));
  const dry = await world.run("cleanup", { olderThanDays: 30 });
  const { outcome } = await world.run("cleanup", { olderThanDays: 30, dryRun: false });
  for (const each of [dry.outcome, outcome])
    expect(each).toMatchObject({ kind: "done", result: { jobs: 2, files: 2 } });
  const left = await world.keys("files/");
  expect(left).toEqual([ofBoth, ofPending]);
  expect(left).not.toContain(unused);
});

test("an upload stays that a schedule, or what follows a job, will need", async () => {
  const upload = async (name: string) => put(`${filesPrefix(world.appId)}uploads/user/${name}/rows.csv`);
  const [ofTarget, ofNext, ofLast, unused] = await Promise.all(["e", "f", "g", "h"].map(upload));
  const about = (key = "") => ({
    execution: { type: "task", jobType: "import_csv", payload: {}, file: { key, name: "rows.csv" } },
    metadata: {},
  });
  const chain = { message: about(ofNext), onFailure: { message: about(ofLast) } };
  const targetJob = { ...about(ofTarget), onSuccess: chain };
  await world.job("PENDING", {}, { type: "schedule", scheduleExpression: "rate(30 days)", targetJob });
  world.pass(31 * DAY);
  await world.run("cleanup", { olderThanDays: 30, dryRun: false });
  const left = await world.keys("files/");
  for (const key of [ofTarget, ofNext, ofLast]) expect(left).toContain(key);
  expect(left).not.toContain(unused);
});

test("a run that is lost goes on where it was, and counts each job once", async () => {
  const old = world.clock.now() - 40 * DAY;
  for (let count = 0; count < 230; count += 1) {
    await world.job("SUCCEEDED", { createdAt: old + count, updatedAt: old, startAt: old });
  }
  const asked = { olderThanDays: 30, dryRun: false };
  const crash = (what: string, count: number) => {
    if (what === "checkpoint" && count === 2) throw new Error("lost");
  };
  const lost = await world.run("cleanup", asked, { jobId: "c", at: crash });
  expect(lost.saved).toMatchObject({ counts: { jobs: 200 } });
  const { outcome } = await world.run("cleanup", asked, { jobId: "c", attempt: 2, saved: lost.saved });
  expect(outcome).toMatchObject({ kind: "done", result: { jobs: 230 } });
});

test("what lost imports have left goes, what a dataset shows or an unfinished job may go on with stays", async () => {
  const file = await world.upload("n\n1\n");
  await world.run("import_csv", { dataset: "shown", columns: { n: "integer" } }, { file });
  const running = await world.job("RUNNING");
  const prefix = `datasets/${world.appId}/shown/`;
  const lost = await put(`${prefix}job-lost/1/00000.ndjson`);
  const going = await put(`${prefix}${running.id}/1/00000.ndjson`);
  world.pass(31 * DAY);
  const { outcome } = await world.run("cleanup", { olderThanDays: 30, dryRun: false });
  expect(outcome).toMatchObject({ kind: "done", result: { datasetFiles: 1 } });
  const keys = await world.keys(prefix);
  expect(keys).not.toContain(lost);
  expect(keys).toContain(going);
  expect(await world.rowsOf("shown")).toEqual([{ n: 1 }]);
});
