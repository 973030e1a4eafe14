import { expect, test } from "vitest";
import { createClock, DAY, SECOND } from "../../lib/clock.ts";
import { jobsConfig } from "../../lib/config.ts";
import { createAppStores } from "../../lib/store/app-store.ts";
import { createTable } from "../../lib/store/table.ts";
import { clientOf } from "../sim/models/client.ts";
import { createDynamoDb } from "../sim/models/dynamodb.ts";
import { TABLE, template } from "./grounds.ts";

const APP = "550e8400-e29b-41d4-a716-446655440000";
const NOW = Date.parse("2027-01-01T00:00:00Z");

/** The stores of an app on a table of their own, with a clock to turn. */
function stand(auditKeptFor?: number) {
  let now = NOW;
  const clock = { ...createClock(), now: () => now };
  const { Properties: properties = {} } = template.resources[TABLE] ?? {};
  const model = createDynamoDb({ now: clock.now, table: TABLE, properties });
  const table = createTable({ name: TABLE, clock, client: clientOf(model.send) });
  const sealer = { seal: async () => new Uint8Array(1), open: async () => new Uint8Array(1) };
  const stores = createAppStores({ table, clock, sealer, ...(auditKeptFor !== undefined && { auditKeptFor }) });
  return { ...stores, model, pass: (ms: number) => void (now += ms) };
}

test("the audit log has a partition of its own, apart from the settings that deliveries read", async () => {
  const { apps, audit, model, pass } = stand(400 * DAY);
  await apps.change(await apps.read(APP), APP, { ...(await apps.read(APP)), name: "one" }, "ann");
  pass(SECOND);
  await audit.record(APP, { by: "bob", action: "job.created", object: "job:1", changes: [] });
  const keys = model.items().map(({ pk, sk }) => [pk?.S, sk?.S]);
  expect(keys.filter(([pk]) => pk === `APP#${APP}`)).toEqual([[`APP#${APP}`, "SETTINGS"]]);
  expect(keys.filter(([pk]) => pk === `AUDIT#${APP}`)).toHaveLength(2);
  expect((await audit.list(APP, { limit: 10 })).entries).toMatchObject([{ by: "bob" }, { by: "ann" }]);
});

test("an entry of the audit log goes after its days, and is shown no longer though TTL is late", async () => {
  const { audit, model, pass } = stand(400 * DAY);
  await audit.record(APP, { by: "ann", action: "old", object: "settings", changes: [] });
  expect(model.items()).toMatchObject([{ expiresAt: { N: String((NOW + 400 * DAY) / SECOND) } }]);
  pass(399 * DAY);
  await audit.record(APP, { by: "ann", action: "new", object: "settings", changes: [] });
  expect((await audit.list(APP, { limit: 10 })).entries).toHaveLength(2);
  pass(DAY);
  expect((await audit.list(APP, { limit: 10 })).entries).toMatchObject([{ action: "new" }]);
  model.removeExpired(() => true);
  expect(model.items()).toHaveLength(1);
});

test("the entries about one object are found by it alone, page by page, a schedule also as a job", async () => {
  const { audit, pass } = stand(400 * DAY);
  const record = async (object: string, action: string) => {
    pass(SECOND);
    await audit.record(APP, { by: "ann", action, object, changes: [] });
  };
  for (let n = 0; n < 5; n += 1) {
    await record("job:1", `one ${n}`);
    await record("job:10", `ten ${n}`);
    await record("schedule:2", `two ${n}`);
  }
  const listed = async (object: string, limit = 10, before?: string) => {
    const { entries, next } = await audit.list(APP, { object, limit, before });
    return { actions: entries.map(({ action }) => action), next };
  };
  expect((await listed("job:1")).actions).toEqual([4, 3, 2, 1, 0].map((n) => `one ${n}`));
  const { actions, next } = await listed("schedule:2", 3);
  expect(actions).toEqual([4, 3, 2].map((n) => `two ${n}`));
  expect((await listed("job:2", 3, next)).actions).toEqual([1, 0].map((n) => `two ${n}`));
  expect((await audit.list("another", { object: "job:1", limit: 10 })).entries).toEqual([]);
  pass(400 * DAY);
  expect((await listed("job:1")).actions).toEqual([]);
});

test("a page of large entries about one object fits into an answer, and the next one goes on behind it", async () => {
  const { audit, pass } = stand(400 * DAY);
  const large = { field: "allowedCallbackUrls", from: "x".repeat(150_000), to: "y".repeat(150_000) };
  for (let n = 0; n < 10; n += 1) {
    pass(SECOND);
    await audit.record(APP, { by: "ann", action: `change ${n}`, object: "settings", changes: [large] });
  }
  const actions: string[] = [];
  let before: string | undefined;
  do {
    const { entries, next } = await audit.list(APP, { object: "settings", limit: 100, before });
    expect(JSON.stringify(entries).length).toBeLessThan(1_100_000);
    actions.push(...entries.map(({ action }) => action));
    before = next;
  } while (before !== undefined);
  expect(actions).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((n) => `change ${n}`));
});

test("with 0 days, entries of the audit log are kept for good", async () => {
  const { audit, model } = stand();
  await audit.record(APP, { by: "ann", action: "old", object: "settings", changes: [] });
  expect(model.items()[0]).not.toHaveProperty("expiresAt");
});

test("AUDIT_DAYS says how long entries of the audit log are kept, 400 days unless it is set", () => {
  const env = Object.fromEntries(
    ["JOBS_TABLE", "S3_JOBS_BUCKET_NAME", "JOBS_FAIR_QUEUE_URL", "AWS_SQS_QUEUE_URL", "SQS_JOBS_QUEUE_URL"]
      .concat(["SQS_PDF_QUEUE_URL", "AWS_SCHEDULER_GROUP_ARN", "AWS_SCHEDULER_TARGET_ARN", "AWS_SCHEDULER_ROLE_ARN"])
      .concat(["AWS_SCHEDULER_DEAD_LETTERS_ARN", "SECRETS_KMS_KEY_ID"])
      .map((name) => [name, "x"]),
  );
  expect(jobsConfig(env).auditKeptFor).toBe(400 * DAY);
  expect(jobsConfig({ ...env, AUDIT_DAYS: "0" }).auditKeptFor).toBe(0);
  expect(() => jobsConfig({ ...env, AUDIT_DAYS: "long" })).toThrow('AUDIT_DAYS is "long"');
});
