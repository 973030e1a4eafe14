import { createRequire } from "node:module";
import { expect, test } from "vitest";

// What a release may change of the resources that hold data.

interface Data {
  readonly [id: string]: { readonly [name: string]: unknown };
}
const { lastRelease, problemsBetween } = createRequire(import.meta.url)("../../deploy/data.cjs") as {
  lastRelease: () => Data;
  problemsBetween: (before: Data, now: Data) => string[];
};
const { problemsWith } = createRequire(import.meta.url)("../../deploy/checks.cjs") as {
  problemsWith: (deployed: object, now: object, prefix: string) => string | undefined;
};

const LAST = lastRelease();
const TABLE = LAST["JobsTable"] ?? {};
const INDEXES = TABLE["indexes"] as Record<string, object>;
const { due: _, ...withoutDue } = INDEXES;
const AN_INDEX = { KeySchema: [{ AttributeName: "x", KeyType: "HASH" }], Projection: { ProjectionType: "KEYS_ONLY" } };

const withTable = (changes: object): Data => ({ ...LAST, JobsTable: { ...TABLE, ...changes } });

test("the last release names the table, the bucket, the key, each queue, the schedules and the API", () => {
  const { JobsTable, JobsBucket, SecretsKey, HttpApi, SchedulesGroup, ...others } = LAST;
  expect([JobsTable, JobsBucket, SecretsKey].map((each) => each?.["deletionPolicy"])).toEqual([
    "Retain",
    "RetainExceptOnCreate",
    "RetainExceptOnCreate",
  ]);
  expect([HttpApi?.["type"], SchedulesGroup?.["Name"]]).toEqual(["AWS::ApiGatewayV2::Api", "${prefix}"]);
  expect(Object.keys(INDEXES)).toEqual(expect.arrayContaining(["due", "byApp", "byStatus", "byOwner"]));
  const queues = Object.values(others).filter((each) => each["type"] === "AWS::SQS::Queue");
  expect(queues.map((each) => each["QueueName"])).toContain("${prefix}-jobs-main.fifo");
});

const { JobsBucket: __, ...withoutBucket } = LAST;

test.each<[says: string, now: Data, problem: RegExp]>([
  [
    "a logical id that is gone",
    withoutBucket,
    /^JobsBucket \(AWS::S3::Bucket\) is gone: its data would be left behind/,
  ],
  [
    "another key of the table",
    withTable({ KeySchema: [{ AttributeName: "id", KeyType: "HASH" }] }),
    /^KeySchema of JobsTable changes: CloudFormation would make another one/,
  ],
  ["another type of a key's attribute", withTable({ attributes: { dueAt: "S" } }), /attribute dueAt changes/],
  [
    "a table that would be deleted with the stack",
    withTable({ deletionPolicy: undefined }),
    /^JobsTable had DeletionPolicy Retain and has none/,
  ],
  [
    "two new indexes",
    withTable({ indexes: { ...INDEXES, one: AN_INDEX, two: AN_INDEX } }),
    /^JobsTable gets or loses 2 indexes \(one, two\): DynamoDB takes one in an update/,
  ],
  [
    "a new index in place of an old one",
    withTable({ indexes: { ...withoutDue, one: AN_INDEX } }),
    /gets or loses 2 indexes \(one, due\)/,
  ],
  ["an index that changes", withTable({ indexes: { ...INDEXES, due: AN_INDEX } }), /^Index due of JobsTable changes/],
  [
    "another name of a queue",
    { ...LAST, JobsMainQueue: { ...LAST["JobsMainQueue"], QueueName: "another.fifo" } },
    /^QueueName of JobsMainQueue changes/,
  ],
  ["another type", { ...LAST, HttpApi: { type: "AWS::ApiGateway::RestApi" } }, /^HttpApi was AWS::ApiGatewayV2::Api/],
])("%s is refused", (_says, now, problem) => {
  expect(problemsBetween(LAST, now)).toEqual([expect.stringMatching(problem)]);
});

test("what was there, one index more or less, and further resources are accepted", () => {
  const further = { Another: { type: "AWS::SQS::Queue", QueueName: "${prefix}-another" } };
  expect(problemsBetween(LAST, LAST)).toEqual([]);
  expect(problemsBetween(LAST, { ...withTable({ indexes: { ...INDEXES, one: AN_INDEX } }), ...further })).toEqual([]);
  expect(problemsBetween(LAST, withTable({ indexes: withoutDue }))).toEqual([]);
});

test("a deployment is compared with what is deployed, whatever release that was", () => {
  const table = (...names: string[]) => ({
    JobsTable: {
      Type: "AWS::DynamoDB::Table",
      DeletionPolicy: "Retain",
      Properties: { GlobalSecondaryIndexes: names.map((IndexName) => ({ IndexName, ...AN_INDEX })) },
    },
  });
  const now = { Resources: table("due", "byOwner", "byGroup") };
  expect(problemsWith({ Resources: table("due", "byOwner") }, now, "jobs-prod")).toBeUndefined();
  expect(problemsWith({ Resources: table("due") }, now, "jobs-prod")).toMatch(
    /^This deployment would change the stored data.*2 indexes \(byOwner, byGroup\).*Deploy the releases between, one by one$/,
  );
  // A stack of which only the deployment bucket has been made.
  expect(problemsWith({}, now, "jobs-prod")).toBeUndefined();
});
