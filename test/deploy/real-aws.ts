import { expect } from "vitest";
import { MOST_PARTS } from "../../lib/engine/sweep.ts";
import { ofType, type Resource, type Resources } from "./template-parts.ts";

// What AWS asks of the template, and no emulator does.

export const REAL_AWS: readonly [says: string, check: (resources: Resources) => void][] = [
  ["a sweep that failed or came late is left to the next", expectSweepUnrepeated],
  ["the role that sends e-mails may use a configuration set", expectMailAllowed],
  ["a queue's policy names no other queue", expectPolicyOfOneQueue],
  ["a first deployment that fails leaves no bucket and no key", expectNoOrphans],
  ["nothing is billed that nobody asked for", expectNoHiddenBill],
  ["what is reserved fits an account of 1,000, and what is started at once", expectRoomForAll],
];

/** Lambda would repeat it twice, or queue it for hours. */
function expectSweepUnrepeated(resources: Resources): void {
  const invoked = ofType(resources, "AWS::Lambda::EventInvokeConfig").map(([, { Properties }]) => Properties);
  const ofSweep = invoked.find(({ FunctionName }) => FunctionName.Ref === "SweepJobsLambdaFunction");
  expect(ofSweep).toMatchObject({ MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60 });
}

/** SES checks the configuration set of an identity as a resource of its own. */
function expectMailAllowed(resources: Resources): void {
  const [{ PolicyDocument }] = resources["RunTasksRole"].Properties.Policies;
  const sending = PolicyDocument.Statement.find(({ Action }: { Action: unknown }) => Action === "ses:SendEmail");
  const arn = "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:";
  expect(sending.Resource).toEqual([{ "Fn::Sub": `${arn}identity/*` }, { "Fn::Sub": `${arn}configuration-set/*` }]);
}

/** The queue may refuse it. */
function expectPolicyOfOneQueue(resources: Resources): void {
  const statements = resources["QueuesPolicy"].Properties.PolicyDocument.Statement as { Resource: unknown }[];
  expect(statements.map(({ Resource }) => Resource)).toEqual(["*"]);
}

function expectNoOrphans(resources: Resources): void {
  const policies = ({ DeletionPolicy, UpdateReplacePolicy }: Resource) => [DeletionPolicy, UpdateReplacePolicy];
  for (const name of ["JobsBucket", "SecretsKey"])
    expect(policies(resources[name])).toEqual(["RetainExceptOnCreate", "Retain"]);
  // A table that is protected can't be deleted by a rollback either.
  expect(policies(resources["JobsTable"])).toEqual(["Retain", "Retain"]);
}

/** Metrics of each route, and a key of KMS for the table, are billed. */
function expectNoHiddenBill(resources: Resources): void {
  const [[, stage] = []] = ofType(resources, "AWS::ApiGatewayV2::Stage");
  expect(stage?.Properties["DefaultRouteSettings"]?.DetailedMetricsEnabled ?? false).toBe(false);
  // Without a specification, the table is encrypted with a key that AWS owns.
  expect(resources["JobsTable"].Properties.SSESpecification).toBeUndefined();
}

const ACCOUNT = 1_000;
/** Lambda keeps as many for functions that have none reserved. */
const KEPT = 100;

function expectRoomForAll(resources: Resources): void {
  const functions = ofType(resources, "AWS::Lambda::Function");
  const reserved = new Map(
    functions.map(([name, { Properties }]) => [name, Properties["ReservedConcurrentExecutions"]]),
  );
  const mappings = ofType(resources, "AWS::Lambda::EventSourceMapping");
  const started = (name: string) =>
    sum(
      mappings
        .filter(([, { Properties }]) => Properties["FunctionName"]["Fn::GetAtt"][0] === name)
        .map(([, { Properties }]) => Properties["ScalingConfig"]?.MaximumConcurrency ?? 0),
    );
  const wanted = sum([...reserved.values()].map((number) => number ?? 0));
  const others = [...reserved].filter(([, number]) => number === undefined).map(([name]) => started(name));
  expect(ACCOUNT - wanted).toBeGreaterThanOrEqual(Math.max(KEPT, sum(others)));
  for (const [name, number] of reserved) if (number !== undefined) expect(number).toBeGreaterThanOrEqual(started(name));
  const of = (name: string) => reserved.get(`${name}LambdaFunction`) as number;
  expect(of("SweepJobs")).toBeGreaterThanOrEqual(MOST_PARTS + 2);
  // A PDF takes an execution of its caller and one of the browser.
  expect(of("RenderPdf")).toBe(of("PdfApi") + started("RunPdfsLambdaFunction"));
  expect(of("CreateJob")).toBeGreaterThan(0);
  for (const name of ["TaskApi", "InternalApi"]) expect(of(name)).toBeLessThan(of("CreateJob"));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
