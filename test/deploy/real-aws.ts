import { expect } from "vitest";
import { ofType, type Resource, type Resources } from "./template-parts.ts";

// What AWS asks of the template, and no emulator does.

export const REAL_AWS: readonly [says: string, check: (resources: Resources) => void][] = [
  ["a sweep that failed or came late is left to the next", expectSweepUnrepeated],
  ["the role that sends e-mails may use a configuration set", expectMailAllowed],
  ["a queue's policy names no other queue", expectPolicyOfOneQueue],
  ["a first deployment that fails leaves no bucket and no key", expectNoOrphans],
  ["nothing is billed that nobody asked for", expectNoHiddenBill],
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
