// Over 300 lines: all tests share one package, and packaging takes half a minute.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { readTemplate } from "../../local/template.ts";
import { ROOT } from "../support/root.ts";
import { endStacks, temporaryDir } from "../support/stack.ts";
import { POLICIES } from "./policies.ts";
import { REAL_AWS } from "./real-aws.ts";
import { serverless } from "./run-serverless.ts";
import { expectPrivateStorage } from "./storage.ts";
import { ofType, type Resources } from "./template-parts.ts";

afterAll(endStacks);
// Packaging takes half a minute, and minutes on a busy machine.
vi.setConfig({ testTimeout: 600_000 });

let folder: Promise<string> | undefined;

/** The settings of the one package that all tests share, since packaging takes half a minute. */
const SET = {
  SECRETS_NAME: "jobs/test",
  INVOKABLE_FUNCTIONS: "reward-*",
  CORS_ORIGINS: "https://app.example",
  JWT_SECRET: "a-secret-that-stays-at-home-123456",
};

/** The folder that packaging fills. */
async function packaged(): Promise<string> {
  return (folder ??= (async () => {
    const dir = temporaryDir();
    await serverless(["package", "--package", dir], SET);
    return dir;
  })());
}

test("the settings of a deployment are found again in its template, each by its name", async () => {
  const { settingsIn, settingsOf } = createRequire(import.meta.url)("../../deploy/settings.cjs") as {
    settingsIn: (template: object) => object;
    settingsOf: (env: object) => object;
  };
  expect(settingsIn(JSON.parse(await packagedTemplate()))).toEqual(settingsOf(SET));
});

/** The template that packaging makes. */
async function packagedTemplate(): Promise<string> {
  return readFileSync(join(await packaged(), "cloudformation-template-update-stack.json"), "utf8");
}

test("where nothing is set, everything has a default", async () => {
  const { stdout } = await serverless(["print", "--format", "json"]);
  const { provider, resources } = JSON.parse(stdout);
  expect(provider.environment).toMatchObject({ INVOKABLE_FUNCTIONS: "", CORS_ORIGINS: "", RETENTION_DAYS: "0" });
  // A policy needs a resource: this one names a function that can't exist.
  expect(JSON.stringify(resources.Resources.ProcessJobsRole)).toContain(":function:-");
});

test("packaging without credentials gives the CloudFormation template", async () => {
  const { Resources } = JSON.parse(await packagedTemplate());
  const properties = (name: string) => Resources[name].Properties;

  const functions = [
    "CreateJob",
    "AdminApi",
    "InternalApi",
    "Site",
    "ProcessJobs",
    "FireSchedule",
    "RecoverDeadLetters",
    "SweepJobs",
  ];
  for (const name of functions) {
    const { Runtime, Architectures, Environment } = properties(`${name}LambdaFunction`);
    expect([Runtime, Architectures]).toEqual(["nodejs24.x", ["arm64"]]);
    expect(Environment.Variables).toMatchObject({
      JOBS_TABLE: { Ref: "JobsTable" },
      AWS_SQS_QUEUE_URL: { Ref: "JobsMainQueue" },
      ALLOW_PRIVATE_TARGETS: "false",
    });
    expect(Object.keys(Environment.Variables).some((variable) => /ENDPOINT|CLOCK/.test(variable))).toBe(false);
  }
  for (const name of ["JobsFairQueue", "JobsMainQueue"]) {
    const { MessageRetentionPeriod, RedrivePolicy, VisibilityTimeout } = properties(name);
    expect(MessageRetentionPeriod).toBe(14 * 24 * 3_600);
    expect(RedrivePolicy.maxReceiveCount).toBe(50);
    expect(VisibilityTimeout).toBe(6 * properties("ProcessJobsLambdaFunction").Timeout);
    expect(properties(`ProcessJobsEventSourceMappingSQS${name}`).FunctionResponseTypes).toEqual([
      "ReportBatchItemFailures",
    ]);
  }
  expect(properties("RenderPdfLambdaFunction")).toMatchObject({ Architectures: ["x86_64"], MemorySize: 3_008 });
  for (const name of ["ProcessJobs", "RunTasks", "RunPdfs", "RenderPdf", "SweepJobs"])
    expect(properties(`${name}LambdaFunction`).RecursiveLoop).toBe("Allow");
  // The sweep shares its time among apps by the entries of `due` alone.
  expect(properties("JobsTable").GlobalSecondaryIndexes).toContainEqual(
    expect.objectContaining({
      IndexName: "due",
      Projection: { ProjectionType: "INCLUDE", NonKeyAttributes: ["byApp"] },
    }),
  );
  expect(properties("JobsMainQueue")).toMatchObject({
    FifoQueue: true,
    DeduplicationScope: "messageGroup",
    FifoThroughputLimit: "perMessageGroupId",
  });
  expect(properties("UnreadableMessages").LogGroupName).toEqual({ Ref: "RecoverDeadLettersLogGroup" });
  expect(properties("FireScheduleLambdaFunction").DeadLetterConfig.TargetArn).toEqual({
    "Fn::GetAtt": ["SchedulesDeadLetters", "Arn"],
  });
  const [trust] = properties("SchedulesRole").AssumeRolePolicyDocument.Statement;
  expect(trust.Condition.StringEquals).toEqual({
    "aws:SourceAccount": { Ref: "AWS::AccountId" },
    "aws:SourceArn": { "Fn::GetAtt": ["SchedulesGroup", "Arn"] },
  });
  for (const name of ["JobsFairDeadLetters", "JobsMainDeadLetters", "SchedulesDeadLetters"]) {
    expect(properties(name).VisibilityTimeout).toBeGreaterThanOrEqual(
      6 * properties("RecoverDeadLettersLambdaFunction").Timeout,
    );
    expect(properties(`RecoverDeadLettersEventSourceMappingSQS${name}`).FunctionResponseTypes).toEqual([
      "ReportBatchItemFailures",
    ]);
  }
  const [mapping] = Object.keys(Resources).filter((name) => name.startsWith("CountJobsEventSourceMapping"));
  expect(properties(mapping ?? "")).toMatchObject({
    BatchSize: 1_000,
    MaximumBatchingWindowInSeconds: 10,
    FilterCriteria: { Filters: [{ Pattern: JSON.stringify({ dynamodb: { Keys: { sk: { S: ["J"] } } } }) }] },
  });
  expect(properties("JobsTable").StreamSpecification.StreamViewType).toBe("NEW_AND_OLD_IMAGES");
  expect(properties("JobsTable").TimeToLiveSpecification).toEqual({ AttributeName: "expiresAt", Enabled: true });
  expect(JSON.stringify(Resources)).not.toMatch(/amazonaws\.com\/|\b\d{12}\b/);
});

test("each function is packaged with its own bundle", async () => {
  const dir = await packaged();
  for (const { name, handler } of readTemplate(ROOT).functions) {
    // A zip ends with the names of its files.
    const names = readFileSync(join(dir, `${name}.zip`)).subarray(-65_536);
    const bundles = [...names.toString("latin1").matchAll(/functions\/[\w-]+\.cjs/g)].map(([file]) => file);
    expect([name, [...new Set(bundles)]]).toEqual([name, [handler.replace(/\.\w+$/, ".cjs")]]);
  }
});

interface Statement {
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Condition?: object;
}

test.each(REAL_AWS)("in the packaged template, %s", async (_, check) => {
  check((JSON.parse(await packagedTemplate()) as { Resources: Resources }).Resources);
});

test.each(POLICIES)("of the packaged template, %s", async (_, check) => {
  check(JSON.parse(await packagedTemplate()));
});

const { dataOf, lastRelease, problemsBetween } = createRequire(import.meta.url)("../../deploy/data.cjs") as {
  dataOf: (template: object, prefix: string) => object;
  lastRelease: () => object;
  problemsBetween: (before: object, now: object) => string[];
};

test("the packaged template keeps the data of the last release, and has at most one index more", async () => {
  const data = dataOf(JSON.parse(await packagedTemplate()), "unified-job-api-dev");
  expect(Object.keys(data).length).toBeGreaterThan(12);
  // After a release: `npm run package && npm run last-release`.
  expect(problemsBetween(lastRelease(), data)).toEqual([]);
});

test(
  "the packaged template keeps to least privilege, encryption and private storage",
  { timeout: 180_000 },
  async () => {
    const text = await packagedTemplate();
    const { Resources } = JSON.parse(text) as { Resources: Resources };
    expectRolesOfTheirOwn(Resources);
    expectNarrowRoles(Resources);
    expectPowerlessBrowser(Resources);
    expectPrivateStorage(Resources);
    expectSecretsLookedUp(Resources, text);
  },
);

function expectRolesOfTheirOwn(Resources: Resources): void {
  // Each function has its own role, with least privilege.
  const functions = ofType(Resources, "AWS::Lambda::Function");
  const roles = functions.map(([, { Properties }]) => Properties["Role"]["Fn::GetAtt"][0]);
  expect(new Set(roles).size).toBe(functions.length);
  for (const [name, { Properties }] of ofType(Resources, "AWS::IAM::Role")) {
    const statements = Properties["Policies"].flatMap(
      ({ PolicyDocument }: { PolicyDocument: { Statement: Statement[] } }) => PolicyDocument.Statement,
    ) as Statement[];
    for (const { Action, Resource } of statements) {
      const actions = [Action].flat();
      expect([name, actions.filter((action) => action.includes("*"))]).toEqual([name, []]);
      const isAnything = JSON.stringify(Resource) === '"*"';
      // X-Ray's actions take no resource.
      if (isAnything) expect(actions.every((action) => action.startsWith("xray:"))).toBe(true);
    }
  }
}

function expectNarrowRoles(Resources: Resources): void {
  const mayOf = (role: string) =>
    Resources[role].Properties.Policies[0].PolicyDocument.Statement.flatMap(
      ({ Action }: Statement) => Action,
    ) as string[];
  expect(mayOf("SiteRole").every((action) => /^(logs|xray):/.test(action))).toBe(true);
  expect(JSON.stringify(Resources.ProcessJobsRole)).toContain(":function:reward-*");
  // The task API may upload files and link to them, and nothing else in the bucket.
  const ofTasks = Resources.TaskApiRole.Properties.Policies[0].PolicyDocument.Statement as Statement[];
  const writes = ofTasks.filter(({ Action }) => [Action].flat().includes("s3:PutObject"));
  expect(writes.map(({ Resource }) => Resource)).toEqual([
    { "Fn::Sub": "${JobsBucket.Arn}/payloads/*" },
    { "Fn::Sub": "${JobsBucket.Arn}/files/*" },
  ]);
  // Those who have PDFs made may sign and decrypt nothing, invoke the browser's function alone, and touch no other files.
  for (const role of ["PdfApiRole", "RunPdfsRole"]) {
    const ofPdfs = Resources[role].Properties.Policies[0].PolicyDocument.Statement as Statement[];
    expect(mayOf(role).filter((action) => /^(kms|scheduler|ses|iam):/.test(action))).toEqual([]);
    const invoked = ofPdfs.filter(({ Action }) => JSON.stringify(Action).includes("lambda:"));
    expect(invoked.map(({ Resource }) => JSON.stringify(Resource))).toEqual([expect.stringMatching(/-renderPdf"\}$/)]);
    const files = ofPdfs.filter(({ Action }) => JSON.stringify(Action).includes("s3:"));
    expect(new Set(files.map(({ Resource }) => JSON.stringify(Resource)))).toEqual(
      new Set(["payloads", "pdfs"].map((at) => JSON.stringify({ "Fn::Sub": `\${JobsBucket.Arn}/${at}/*` }))),
    );
  }
  for (const role of ["CreateJobRole", "FireScheduleRole", "CountJobsRole"]) {
    expect(mayOf(role).some((action) => /^(kms|lambda):/.test(action))).toBe(false);
  }
  // The sweep may start itself, and no other function.
  const ofSweeps = Resources.SweepJobsRole.Properties.Policies[0].PolicyDocument.Statement as Statement[];
  const invoked = ofSweeps.filter(({ Action }) => JSON.stringify(Action).includes("lambda:"));
  expect(invoked.map(({ Resource }) => JSON.stringify(Resource))).toEqual([expect.stringMatching(/-sweepJobs"\}$/)]);
}

/** What breaks out of the browser that opens users' documents may write its function's log, and finds no name of anything. */
function expectPowerlessBrowser(Resources: Resources): void {
  const { Policies, ManagedPolicyArns } = Resources.RenderPdfRole.Properties;
  expect([ManagedPolicyArns, Policies.length]).toEqual([undefined, 1]);
  const log = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/lambda/";
  expect(Policies[0].PolicyDocument.Statement).toEqual([
    {
      Effect: "Allow",
      Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
      Resource: { "Fn::Sub": `${log}unified-job-api-dev-renderPdf:*` },
    },
  ]);
  const { Environment, TracingConfig, VpcConfig, Layers } = Resources.RenderPdfLambdaFunction.Properties;
  expect(Environment).toEqual({ Variables: { PDF_MEMORY_MB: "3008" } });
  expect([TracingConfig, VpcConfig, Layers]).toEqual([{ Mode: "PassThrough" }, undefined, undefined]);
  // No route and no queue reaches the function.
  expect(Object.keys(Resources).filter((name) => /^RenderPdf.*(?:Permission|Mapping|Url)/.test(name))).toEqual([]);
}

function expectSecretsLookedUp(Resources: Resources, text: string): void {
  // Secrets are resolved at deployment.
  expect(text).not.toContain("a-secret-that-stays-at-home");
  for (const [name, { Properties }] of ofType(Resources, "AWS::Lambda::Function")) {
    const { JWT_SECRET, INTERNAL_JWT_TOKEN } = Properties["Environment"].Variables;
    // Only the functions that verify tokens hold a token's secret.
    const held = [JWT_SECRET, INTERNAL_JWT_TOKEN].filter((value) => value !== undefined);
    expect([name, held.length]).toEqual([
      name,
      /^(CreateJob|AdminApi|TaskApi|InternalApi|PdfApi)Lambda/.test(name) ? 1 : 0,
    ]);
    for (const value of held) expect(value).toMatch(/^\{\{resolve:secretsmanager:jobs\/test:/);
  }
}

/** The resources that a part of the template refers to. */
function referencesIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    if (key === "Ref") return [String(inner)];
    if (key === "Fn::GetAtt") return [String(Array.isArray(inner) ? inner[0] : inner).split(".")[0] ?? ""];
    if (key === "DependsOn") return [inner].flat() as string[];
    const inText = key === "Fn::Sub" && typeof inner === "string" ? inner.matchAll(/\$\{([\w:]+)(\.\w+)?\}/g) : [];
    return [...[...inText].map(([, name = ""]) => name), ...referencesIn(inner)];
  });
}

test("the packaged template refers to nothing that it lacks, and to nothing in a circle", async () => {
  const { Resources } = JSON.parse(await packagedTemplate());
  const edges = new Map(
    Object.entries(Resources).map(([name, resource]) => [
      name,
      new Set(referencesIn(resource).filter((other) => !other.startsWith("AWS::"))),
    ]),
  );
  for (const [name, others] of edges) {
    for (const other of others) expect([name, other, edges.has(other)]).toEqual([name, other, true]);
  }
  const done = new Set<string>();
  const visit = (name: string, path: readonly string[]): void => {
    expect(path, `a circle: ${[...path, name].join(" → ")}`).not.toContain(name);
    if (done.has(name)) return;
    for (const other of edges.get(name) ?? []) visit(other, [...path, name]);
    done.add(name);
  };
  for (const name of edges.keys()) visit(name, []);
});

test("what is made under a condition has one that the template defines", async () => {
  const { Conditions, Resources } = JSON.parse(await packagedTemplate()) as {
    Conditions: Record<string, unknown>;
    Resources: Record<string, { Condition?: string }>;
  };
  const named = Object.values(Resources).flatMap(({ Condition }) => Condition ?? []);
  expect(new Set(named)).toEqual(new Set(Object.keys(Conditions)));
  // Neither an address nor a budget was given.
  expect(Object.values(Conditions)).toEqual(Array.from(named, () => ({ "Fn::Not": [{ "Fn::Equals": ["", ""] }] })));
});
