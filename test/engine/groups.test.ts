// Over 300 lines: every way in which a group ends, and every one in which it must not.

import { afterEach, beforeEach, expect, test } from "vitest";
import { DAY, HOUR, MINUTE, iso } from "../../lib/clock.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import { countMembers } from "../../lib/engine/group-counts.ts";
import type { FollowUps } from "../../lib/job/message.ts";
import { GROUP, type FanIn, type GroupPass } from "../../lib/job/group.ts";
import { isFinished, type Job } from "../../lib/job/job.ts";
import type { Status } from "../../lib/job/status.ts";
import { FINAL_STATUSES } from "../../lib/job/status.ts";
import type { JobStore } from "../../lib/store/job-store.ts";
import { PLENTY, createWorld, request, type World } from "../support/world.ts";

// Groups on the models: what ends them, and what must not.

const APP = request("both", {}, { appId: "550e8400-e29b-41d4-a716-446655440000" }).appId;
const callback = { url: "https://done.example/all", headers: {}, on: FINAL_STATUSES };

let world: World;

beforeEach(async () => {
  world = await createWorld({ isQuick: true });
});
afterEach(async () => {
  await world.end();
});

interface Wanted {
  readonly expected?: number;
  readonly cancelOnFailure?: boolean;
  readonly sealBy?: number;
}

async function newGroup(wanted: Wanted = {}, followUps: FollowUps = {}, { engine, clock } = world): Promise<Job> {
  const { sealBy = DAY, cancelOnFailure = false, ...rest } = wanted;
  const execution = { type: GROUP, ...rest, cancelOnFailure, sealBy: iso(clock.now() + sealBy) };
  const message = { execution, metadata: {}, ...followUps };
  return (await engine.submit({ appId: APP, mode: "both", message })).job;
}

async function join(group: Job, count = 1, maxRetries = 3, { engine } = world): Promise<Job[]> {
  const memberOf = { id: group.id, createdAt: group.createdAt };
  const members: Job[] = [];
  for (let n = 0; n < count; n += 1) {
    members.push((await engine.submit({ ...request("both", { maxRetries }, { appId: APP }), memberOf })).job);
  }
  return members;
}

/** Runs the queue's messages until it is empty. */
async function workOff({ receive, engine } = world): Promise<void> {
  for (;;) {
    const records = await receive("fair");
    if (records.length === 0) return;
    await engine.runBatch(records, PLENTY);
  }
}

const look = async ({ id }: Job, { engine } = world) => engine.run({ kind: "group", look: { id } }, PLENTY);
const stored = async ({ id }: Pick<Job, "id">) => (await world.store.get(id)) as Job;
const fails = async () => ({ kind: "rejected", error: "not like this" }) as const;
const calledBack = () => world.ran.filter(({ message }) => message.execution["baseUrl"] === "https://done.example");

test("a group ends with its last member, not before, and calls back once, with counts", async () => {
  const group = await newGroup({ expected: 3 }, { onComplete: callback });
  await join(group, 2);
  await workOff();
  await look(group);
  expect(await stored(group)).toMatchObject({ status: "PENDING" });
  expect((await stored(group)).fanIn?.sealedAt).toBeUndefined();
  await join(group);
  await look(group);
  // It has sealed itself; the last one has yet to run.
  expect(await stored(group)).toMatchObject({
    status: "PENDING",
    fanIn: { expected: 3, sealedAt: expect.any(Number) },
  });
  await workOff();
  await look(group);
  await look(group);
  const members = { total: 3, succeeded: 3, failed: 0, dead: 0, cancelled: 0 };
  expect(await stored(group)).toMatchObject({ status: "SUCCEEDED", fanIn: { members } });
  await workOff();
  expect(calledBack()).toHaveLength(1);
  const body = JSON.parse(calledBack()[0]?.message.lambdaProxyMessage?.body ?? "") as object;
  expect(body).toMatchObject({ id: group.id, status: "SUCCEEDED", members, failedJobIds: [] });
});

test("a group without members ends at once", async () => {
  const group = await newGroup({ expected: 0 });
  await workOff();
  expect(await stored(group)).toMatchObject({ status: "SUCCEEDED", fanIn: { members: { total: 0 } } });
});

test("members that did not succeed fail their group, which names them and counts them", async () => {
  world.execute(fails);
  const group = await newGroup({ expected: 2 });
  const [failed] = await join(group);
  const [dead] = await join(group, 1, 0);
  await workOff();
  await look(group);
  const { status, lastError, fanIn } = await stored(group);
  expect({ status, lastError }).toEqual({ status: "FAILED", lastError: "Of 2 members: 1 FAILED, 1 DEAD" });
  expect(new Set(fanIn?.failedJobIds)).toEqual(new Set([failed?.id, dead?.id]));
});

test("members whose number nobody tells are counted a minute after the seal, until it was the same twice", async () => {
  const group = await newGroup();
  await join(group, 2);
  await world.engine.sealGroup(group.id, undefined);
  await workOff();
  await look(group);
  expect((await stored(group)).fanIn?.seen).toBeUndefined();
  world.pass(MINUTE);
  await look(group);
  expect((await stored(group)).fanIn).toMatchObject({ seen: { count: 2 } });
  // A request that was on its way at the seal.
  await join(group);
  await workOff();
  world.pass(MINUTE);
  await look(group);
  expect((await stored(group)).fanIn).toMatchObject({ seen: { count: 3 } });
  expect((await stored(group)).status).toBe("PENDING");
  world.pass(MINUTE);
  await look(group);
  expect(await stored(group)).toMatchObject({ status: "SUCCEEDED", fanIn: { expected: 3, members: { total: 3 } } });
});

test("an index that is behind delays the end of a group, and does not make it early", async () => {
  let isBehind = true;
  const newest: JobStore["newest"] = async (partition, ...asked) => {
    const page = await world.store.newest(partition, ...asked);
    return isBehind && partition.index === "byGroup" ? { ...page, entries: page.entries.slice(0, 0) } : page;
  };
  const engine = createEngine({ ...world.parts, store: { ...world.store, newest } });
  const group = await newGroup();
  await join(group, 2);
  await workOff();
  await engine.sealGroup(group.id, 2);
  await look(group, { ...world, engine });
  expect(await stored(group)).toMatchObject({ status: "PENDING" });
  isBehind = false;
  await look(group, { ...world, engine });
  expect(await stored(group)).toMatchObject({ status: "SUCCEEDED" });
});

test("a member that is tried again while its group is counted keeps the group from ending", async () => {
  world.execute(fails);
  const group = await newGroup();
  const [member] = await join(group);
  await workOff();
  await world.engine.sealGroup(group.id, 1);
  const getMany: JobStore["getMany"] = async (ids, options) => {
    const found = await world.store.getMany(ids, options);
    // Between the read of the member and the write that would end the group.
    if (ids.includes(member?.id ?? "")) await world.engine.retryJob(member?.id ?? "");
    return found;
  };
  const racing = createEngine({ ...world.parts, store: { ...world.store, getMany } });
  await look(group, { ...world, engine: racing });
  expect(await stored(group)).toMatchObject({ status: "PENDING" });
  world.execute(async () => ({ kind: "succeeded" }));
  await workOff();
  await look(group);
  expect(await stored(group)).toMatchObject({ status: "SUCCEEDED" });
});

test("a group that is not sealed in time fails, and so does one with other members than it was to have", async () => {
  const unsealed = await newGroup({ sealBy: HOUR });
  const [few, many] = [await newGroup({ expected: 2, sealBy: HOUR }), await newGroup()];
  await join(unsealed);
  await join(few);
  await join(many, 2);
  await world.engine.sealGroup(many.id, 1);
  await workOff();
  for (const group of [unsealed, few, many]) await look(group);
  expect(await stored(unsealed)).toMatchObject({ status: "PENDING" });
  expect(await stored(few)).toMatchObject({ status: "PENDING" });
  const mismatch = {
    status: "FAILED",
    reason: "count_mismatch",
    lastError: "The group was to have 1 members; it has 2",
  };
  expect(await stored(many)).toMatchObject(mismatch);
  world.pass(HOUR);
  for (const group of [unsealed, few]) await look(group);
  expect(await stored(unsealed)).toMatchObject({
    status: "FAILED",
    reason: "seal_timeout",
    fanIn: { members: { total: 1 } },
  });
  expect(await stored(few)).toMatchObject({ status: "FAILED", reason: "seal_timeout" });
});

test("at its seal time, a group that has all its members ends as they did", async () => {
  const group = await newGroup({ expected: 1, sealBy: HOUR });
  await join(group);
  await workOff();
  world.pass(HOUR);
  await look(group);
  expect(await stored(group)).toMatchObject({ status: "SUCCEEDED" });
});

test("the first failure seals a group that asks for it, and has the other members cancelled", async () => {
  const group = await newGroup({ cancelOnFailure: true });
  const [first] = await join(group);
  world.execute(fails);
  await workOff();
  const others = await join(group, 2);
  const before = { ...(first as Job), status: "RUNNING" } as Job;
  await countMembers([{ before, after: await stored(first as Job) }], world.parts);
  // The message of the look, and those of the others, which are not to run.
  await look(group);
  for (const other of others) expect(await stored(other)).toMatchObject({ status: "CANCELLED" });
  for (let n = 0; n < 2; n += 1) {
    world.pass(MINUTE + 1);
    await look(group);
  }
  const members = { total: 3, succeeded: 0, failed: 1, dead: 0, cancelled: 2 };
  expect(await stored(group)).toMatchObject({ status: "FAILED", fanIn: { members } });
});

test("a cancelled group ends as such once its members have ended", async () => {
  const group = await newGroup({ expected: 5 });
  const members = await join(group, 2);
  await world.engine.stopJob(group.id, "CANCELLED");
  await look(group);
  expect(await stored(group)).toMatchObject({ status: "PENDING" });
  for (const member of members) expect(await stored(member)).toMatchObject({ status: "CANCELLED" });
  for (let n = 0; n < 2; n += 1) {
    world.pass(MINUTE + 1);
    await look(group);
  }
  expect(await stored(group)).toMatchObject({ status: "CANCELLED", fanIn: { members: { total: 2 } } });
  await expect(world.engine.stopJob((await newGroup()).id, "DEAD")).rejects.toThrow("A group has no dead letters");
});

test("a redriven group does not end before the bulk action has, and calls back once more", async () => {
  world.execute(async ({ message }) =>
    message.execution["baseUrl"] === "https://done.example" ? { kind: "succeeded" } : fails(),
  );
  const group = await newGroup({ expected: 1 }, { onComplete: callback });
  const [member] = await join(group);
  await workOff();
  await look(group);
  await workOff();
  expect(await stored(group)).toMatchObject({ status: "FAILED" });
  const action = await world.engine.submit(request("db", {}, { appId: APP }));
  await world.engine.redriveGroup(group.id, action.job.id);
  world.pass(3 * MINUTE);
  for (let n = 0; n < 3; n += 1) await look(group);
  expect(await stored(group)).toMatchObject({ status: "PENDING", fanIn: { heldBy: action.job.id } });
  world.execute(async () => ({ kind: "succeeded" }));
  await world.engine.retryJob(member?.id ?? "", { isHeld: true });
  await workOff();
  await world.engine.stopJob(action.job.id, "CANCELLED");
  for (let n = 0; n < 3; n += 1) {
    await look(group);
    world.pass(MINUTE + 1);
  }
  await look(group);
  expect(await stored(group)).toMatchObject({ status: "SUCCEEDED" });
  await workOff();
  expect(calledBack()).toHaveLength(2);
});

test("a member is neither deleted nor forgotten before its group has ended", async () => {
  world = await createWorld({ isQuick: true, retention: DAY });
  const group = await newGroup();
  const [member] = (await join(group)) as [Job];
  await workOff();
  expect((await stored(member)).expiresAt).toBeUndefined();
  await expect(world.engine.deleteJob(member.id)).rejects.toThrow(`is a member of the group ${group.id}`);
  expect(await world.store.remove(await stored(member))).toBe(false);
  world.pass(2 * DAY - HOUR);
  await world.engine.sealGroup(group.id, 1);
  await look(group);
  const ended = await stored(group);
  expect(isFinished(ended) && ended.dueAt).toBeUndefined();
  const { expiresAt = 0 } = await stored(member);
  expect(expiresAt).toBeGreaterThanOrEqual(world.clock.now() + DAY - MINUTE);
  expect(await world.engine.deleteJob(member.id)).toMatchObject({ id: member.id });
});

test("a walk that began before the end of its group keeps no member that was let go at that end", async () => {
  world = await createWorld({ isQuick: true, retention: DAY });
  const group = await newGroup({ expected: 1 });
  const [member] = (await join(group)) as [Job];
  await workOff();
  const { walks } = world.engine;
  const late = await walks.begin(APP, { id: group.id, work: "count", tries: 0 });
  await look(group);
  const letGo = await stored(member);
  expect([(await stored(group)).status, letGo.released]).toEqual(["SUCCEEDED", expect.any(Number)]);
  for (let pass = late; pass && !pass.isDone;) pass = await walks.step(pass);
  expect(await stored(member)).toEqual(letGo);
});

test("counters of the stream have a group looked at when its members seem to have come, or to have ended", async () => {
  const group = await newGroup({ expected: 2 });
  const members = await join(group, 2);
  const created = [{ before: undefined, after: group }, ...members.map((after) => ({ before: undefined, after }))];
  const as = (job: Job, status: Status) => ({ ...job, status }) as Job;
  const ripe = [{ id: group.id, appId: APP }];
  expect(await world.groups.count(created.slice(0, 2))).toEqual([]);
  expect(await world.groups.count(created.slice(2))).toEqual(ripe);
  const sealed = { ...group, fanIn: { ...(group.fanIn as FanIn), sealedAt: 1 } } as Job;
  expect(await world.groups.count([{ before: group, after: sealed }])).toEqual([]);
  const [one, two] = members.map((job) => ({ before: job, after: as(job, "SUCCEEDED") }));
  expect(await world.groups.count([one!])).toEqual([]);
  expect(await world.groups.count([two!])).toEqual(ripe);
  expect(await world.groups.countsOf(group)).toEqual({ total: 2, succeeded: 2, failed: 0, dead: 0, cancelled: 0 });
  // Nobody waits for the members of a group that has ended.
  expect(await world.groups.count([{ before: sealed, after: as(sealed, "SUCCEEDED") }])).toEqual([]);
  expect(await world.groups.count([{ before: one!.after, after: as(one!.after, "FAILED") }])).toEqual([]);
});

test("3,000 members are counted by a task that dies on its way, each read once from there, and the failed ones named", async () => {
  const count = 3_000;
  const group = await newGroup();
  const memberOf = { id: group.id, createdAt: group.createdAt };
  const [template] = (await join(group)) as [Job];
  for (let n = 1; n < count; n += 1) {
    const status = n % 300 === 0 ? "FAILED" : "SUCCEEDED";
    const { dueAt: _, ...job } = { ...template, id: world.clock.uuid(), status, memberOf };
    await world.store.create((status === "SUCCEEDED" ? { ...job, success: { durationMs: 1 } } : job) as Job);
  }
  await world.engine.sealGroup(group.id, count);
  let reads = 0;
  const getMany: JobStore["getMany"] = async (ids, options) => {
    reads += ids.length;
    return world.store.getMany(ids, options);
  };
  const { walks } = createEngine({ ...world.parts, store: { ...world.store, getMany } });
  const walkTo = async (saved: GroupPass | undefined, partitions: number): Promise<GroupPass> => {
    const asked = { id: group.id, work: "count", tries: 0 } as const;
    let pass = saved ?? (await walks.begin(APP, asked));
    while (pass && !pass.isDone && pass.partition < partitions) pass = await walks.step(pass);
    return JSON.parse(JSON.stringify({ ...pass, failedJobIds: [] })) as GroupPass;
  };
  const half = await walkTo(undefined, 8);
  const whole = await walkTo(half, 16);
  expect(reads).toBe(count);
  // The first one has not run.
  await walks.conclude(whole);
  expect(await stored(group)).toMatchObject({ status: "PENDING" });
  await workOff();
  await walks.conclude(await walkTo(await walkTo(undefined, 8), 16));
  const { status, fanIn } = await stored(group);
  const members = { total: count, succeeded: count - 9, failed: 9, dead: 0, cancelled: 0 };
  expect({ status, members: fanIn?.members }).toEqual({ status: "FAILED", members });
  expect(new Set(fanIn?.failedJobIds).size).toBe(9);
  // A checkpoint has to fit into 4 KB.
  expect(JSON.stringify(half).length).toBeLessThan(1_000);
});

test("a large group is handed to a task once for each end of members that it is told of", async () => {
  const engine = createEngine({ ...world.parts, mostInline: 1 });
  const group = await newGroup();
  const members = await join(group, 2);
  await engine.sealGroup(group.id, 2);
  for (let n = 0; n < 2; n += 1) await look(group, { ...world, engine });
  expect(await world.depth("tasks")).toMatchObject({ ready: 1 });
  await workOff({ ...world, engine });
  const ends = await Promise.all(members.map(async (before) => ({ before, after: await stored(before) })));
  await world.groups.count(ends);
  for (let n = 0; n < 2; n += 1) await look(group, { ...world, engine });
  expect(await world.depth("tasks")).toMatchObject({ ready: 2 });
});
