import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { ONCALL } from "../../deploy/oncall.ts";
import { LARGEST_POLICY, merged, packed, policiesFor, sizeOf, type Policy } from "../../deploy/policies.ts";
import { RESOURCE_TYPES } from "../../deploy/resource-types.ts";
import type { Template } from "../../deploy/packaged.ts";
import { ROOT } from "../support/root.ts";

// The policies of the deployer and of CloudFormation, made from the packaged template.

const NAMES = { account: "123456789012", region: "eu-central-1", prefix: "unified-job-api-dev" };
const MOST_POLICIES_OF_A_ROLE = 10;

const policiesOf = (template: Template) => policiesFor(template, "unified-job-api", NAMES);

function grants({ Statement }: Policy, action: string, resource: string): boolean {
  const matches = (pattern: string, text: string) =>
    new RegExp(`^${pattern.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll("*", ".*")}$`).test(text);
  return Statement.some(
    ({ Action, Resource }) =>
      Action.some((each) => matches(each, action)) && Resource.some((each) => matches(each, resource)),
  );
}

export const POLICIES: readonly [says: string, check: (template: Template) => void][] = [
  ["every resource type is covered by the policy of CloudFormation's role", expectCovered],
  ["a resource type that no policy covers is refused by name", expectUncoveredRefused],
  ["a policy fits into IAM's limit, and a role has at most ten", expectSizes],
  ["CloudFormation's role reaches nothing outside of the prefix but what has no name before it is made", expectNarrow],
  ["the deployer passes CloudFormation its role, and no other", expectCi],
  ["a person on call may do what the runbook's commands do, and nothing to what other stages have", expectOncall],
  ["no role can be made without the boundary, and the boundary allows what the roles have", expectBoundary],
];

function expectCovered(template: Template): void {
  const types = new Set(Object.values(template.Resources).map(({ Type }) => Type));
  for (const type of types) expect(Object.keys(RESOURCE_TYPES)).toContain(type);
  const documents = Object.entries(policiesOf(template)).filter(([name]) => name.includes("-cfn"));
  const actions = documents.flatMap(([, { Statement }]) => Statement.flatMap(({ Action }) => Action));
  for (const type of types)
    for (const permission of RESOURCE_TYPES[type]?.(NAMES) ?? [])
      for (const action of permission.actions) expect(actions).toContain(action);
  expect(actions).toContain("secretsmanager:GetSecretValue");
}

function expectUncoveredRefused(template: Template): void {
  const Resources = { ...template.Resources, Planted: { Type: "AWS::Kinesis::Stream", Properties: {} } };
  expect(() => policiesOf({ Resources })).toThrow(/The template has AWS::Kinesis::Stream: expected types of/);
}

function expectSizes(template: Template): void {
  const documents = Object.entries(policiesOf(template));
  for (const [name, document] of documents) expect([name, sizeOf(document) <= LARGEST_POLICY]).toEqual([name, true]);
  expect(documents.filter(([name]) => name.includes("-cfn")).length).toBeLessThanOrEqual(MOST_POLICIES_OF_A_ROLE);

  // More statements than fit into one policy go into several, and none is lost.
  const many = Array.from({ length: 400 }, (_, at) => ({
    actions: ["s3:GetObject"],
    resources: [`arn:aws:s3:::b${at}`],
  }));
  const policies = packed(merged(many));
  expect(policies.length).toBeGreaterThan(2);
  for (const policy of policies) expect(sizeOf(policy)).toBeLessThanOrEqual(LARGEST_POLICY);
  expect(policies.flatMap(({ Statement }) => Statement)).toHaveLength(400);
  const large = { actions: Array.from({ length: 400 }, (_, at) => `s3:ActionOfSomeLength${at}`), resources: ["*"] };
  expect(() => packed(merged([large]))).toThrow("A statement alone takes more than 6144 characters");
}

/** These have no resources in IAM, or ids that AWS makes. */
const UNNAMED =
  /^(?:lambda:\w*EventSourceMappings?|lambda:(?:ListTags|TagResource|UntagResource)|logs:Describe\w+|kms:\w+|apigateway:\w+|logs:\w+QueryDefinitions?)$/;

function expectNarrow(template: Template): void {
  for (const [name, { Statement }] of Object.entries(policiesOf(template))) {
    if (!name.includes("-cfn")) continue;
    for (const { Action, Resource } of Statement) {
      const outside = Resource.filter((resource) => !resource.includes(NAMES.prefix) && !resource.includes(":secret:"));
      if (outside.length > 0) expect(Action.filter((action) => !UNNAMED.test(action))).toEqual([]);
      expect(Action.filter((action) => /^\w+:\*$/.test(action))).toEqual([]);
    }
  }
}

function expectCi(template: Template): void {
  const { [`${NAMES.prefix}-ci`]: ci } = policiesOf(template);
  if (!ci) throw new Error("no policy of the deployer");
  const passing = ci.Statement.filter(({ Action }) => Action.includes("iam:PassRole"));
  expect(passing).toEqual([
    {
      Effect: "Allow",
      Action: ["iam:PassRole"],
      Resource: ["arn:aws:iam::123456789012:role/unified-job-api-cfn"],
      Condition: { StringEquals: { "iam:PassedToService": "cloudformation.amazonaws.com" } },
    },
  ]);
  const stack = (name: string) => `arn:aws:cloudformation:eu-central-1:123456789012:stack/${name}/1`;
  expect(grants(ci, "cloudformation:CreateChangeSet", stack("unified-job-api-dev"))).toBe(true);
  expect(grants(ci, "cloudformation:CreateChangeSet", stack("unified-job-api-develop"))).toBe(false);
  for (const action of ["lambda:UpdateFunctionCode", "iam:CreateRole", "dynamodb:GetItem", "s3:DeleteBucket"])
    expect(grants(ci, action, `arn:aws:x:::${NAMES.prefix}-x`)).toBe(false);
}

function expectOncall(template: Template): void {
  const { [`${NAMES.prefix}-oncall`]: oncall } = policiesOf(template);
  if (!oncall) throw new Error("no policy of a person on call");
  const pages = ["docs/runbook.md", "deploy/alarms.yml"]
    .map((file) => readFileSync(join(ROOT, file), "utf8"))
    .join("\n");
  const commands = new Set(
    [...pages.matchAll(/\baws ([a-z0-9-]+ [a-z][a-z0-9-]+)/g)].map(([, command = ""]) => command),
  );
  expect(commands.size).toBeGreaterThan(15);
  expect([...commands].filter((command) => !Object.hasOwn(ONCALL, command))).toEqual([]);
  const at = (service: string) => `arn:aws:${service}:eu-central-1:123456789012:`;
  for (const [action, resource] of [
    ["logs:FilterLogEvents", `${at("logs")}log-group:/aws/lambda/unified-job-api-dev-createJob`],
    ["lambda:InvokeFunction", `${at("lambda")}function:unified-job-api-dev-sweepJobs`],
    ["sqs:SendMessage", `${at("sqs")}unified-job-api-dev-jobs-fair`],
    ["s3:GetObject", "arn:aws:s3:::unified-job-api-dev-jobsbucket-1a/unreadable/x"],
    ["secretsmanager:GetSecretValue", `${at("secretsmanager")}secret:jobs/test-1A2b3C`],
  ] as const)
    expect([action, grants(oncall, action, resource)]).toEqual([action, true]);
  for (const [action, resource] of [
    ["lambda:InvokeFunction", `${at("lambda")}function:unified-job-api-dev-createJob`],
    ["lambda:PutFunctionConcurrency", `${at("lambda")}function:another-createJob`],
    ["s3:GetObject", "arn:aws:s3:::unified-job-api-dev-jobsbucket-1a/payloads/x"],
    ["dynamodb:GetItem", `${at("dynamodb")}table/unified-job-api-dev-JobsTable-1A2B`],
    ["sqs:PurgeQueue", `${at("sqs")}unified-job-api-dev-jobs-fair`],
    ["cloudformation:UpdateStack", `${at("cloudformation")}stack/unified-job-api-dev/1`],
  ] as const)
    expect([action, grants(oncall, action, resource)]).toEqual([action, false]);
}

function expectBoundary(template: Template): void {
  const documents = policiesOf(template);
  const cfn = Object.entries(documents).flatMap(([name, { Statement }]) => (name.includes("-cfn") ? Statement : []));
  for (const action of ["iam:CreateRole", "iam:PutRolePolicy"]) {
    const [statement, ...more] = cfn.filter(({ Action }) => Action.includes(action));
    expect([statement?.Condition, more]).toEqual([
      { StringEquals: { "iam:PermissionsBoundary": "arn:aws:iam::123456789012:policy/unified-job-api-dev-boundary" } },
      [],
    ]);
  }
  const { [`${NAMES.prefix}-boundary`]: boundary } = documents;
  if (!boundary) throw new Error("no boundary");
  const at = (service: string) => `arn:aws:${service}:eu-central-1:123456789012:`;
  const allowed: readonly [action: string, resource: string][] = [
    ["dynamodb:UpdateItem", `${at("dynamodb")}table/unified-job-api-dev-JobsTable-1A2B`],
    ["dynamodb:Query", `${at("dynamodb")}table/unified-job-api-dev-JobsTable-1A2B/index/due`],
    ["sqs:SendMessage", `${at("sqs")}unified-job-api-dev-jobs-main.fifo`],
    ["s3:PutObject", "arn:aws:s3:::unified-job-api-dev-jobsbucket-1a2b/files/f"],
    ["logs:PutLogEvents", `${at("logs")}log-group:/aws/lambda/unified-job-api-dev-site:log-stream:x`],
    ["lambda:InvokeFunction", `${at("lambda")}function:reward-x`],
    ["scheduler:CreateSchedule", `${at("scheduler")}schedule/unified-job-api-dev/s`],
    ["iam:PassRole", "arn:aws:iam::123456789012:role/unified-job-api-dev-SchedulesRole-1A2B"],
  ];
  for (const [action, resource] of allowed)
    expect([action, grants(boundary, action, resource)]).toEqual([action, true]);
  const refused: readonly [action: string, resource: string][] = [
    ["iam:CreateRole", "*"],
    ["lambda:InvokeFunction", `${at("lambda")}function:another`],
    ["dynamodb:GetItem", `${at("dynamodb")}table/another`],
    ["iam:PassRole", "arn:aws:iam::123456789012:role/Administrator"],
  ];
  for (const [action, resource] of refused)
    expect([action, grants(boundary, action, resource)]).toEqual([action, false]);
}
