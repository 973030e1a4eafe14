import { writeFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lookAtIssuer } from "../../deploy/look.ts";
import { cleanEnv } from "../support/clean-env.ts";
import { ROOT } from "../support/root.ts";
import { temporaryDir } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";

// `npm run deploy` and `npm run remove` up to the point where they would change an account, against a server that answers
// as STS, CloudFormation and DynamoDB do. What CloudFormation then makes of a stack, no test on this machine can tell.

let aws: Target;

beforeAll(async () => {
  aws = await startTarget();
  aws.answer(({ url, body, headers }, response) => {
    if (url.includes("/account-settings")) return response.end(JSON.stringify({ AccountLimit: account }));
    if (url.includes("/concurrency")) return response.end("{}");
    if (url.startsWith("/issuer/"))
      return response.end(JSON.stringify({ issuer: `${aws.url}/issuer/`, jwks_uri: "https://issuer.example/others" }));
    const asked = new URLSearchParams(body.toString());
    const action = asked.get("Action") ?? String(headers["x-amz-target"] ?? "").split(".")[1] ?? "";
    const stack = asked.get("StackName") ?? "";
    if (action === "DescribeTable") return response.end(JSON.stringify({ Table: TABLE }));
    if (stack.endsWith("-gone")) return response.writeHead(400).end(missing(stack));
    return response.end(ANSWERS[action] ?? "");
  });
});
afterAll(async () => aws.close());

const TABLE = {
  TableSizeBytes: 3_000_000_000,
  ItemCount: 1_234,
  GlobalSecondaryIndexes: [{ IndexName: "due", IndexSizeBytes: 1_000_000_000 }],
};
const missing = (stack: string) =>
  `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id ${stack} does not exist</Message></Error></ErrorResponse>`;
const result = (action: string, inner: string) =>
  `<${action}Response><${action}Result>${inner}</${action}Result></${action}Response>`;
const summary = (id: string, physical: string, type: string) =>
  `<member><LogicalResourceId>${id}</LogicalResourceId><PhysicalResourceId>${physical}</PhysicalResourceId><ResourceType>${type}</ResourceType></member>`;
const account = { ConcurrentExecutions: 1_000, UnreservedConcurrentExecutions: 1_000 };
const VARIABLES = { LIST_SHARDS: "16", RETENTION_DAYS: "30", JWKS_URL: "https://issuer.example/keys" };
const TEMPLATE = {
  Resources: {
    CreateJobLambdaFunction: {
      Type: "AWS::Lambda::Function",
      Properties: {
        FunctionName: "unified-job-api-prod-createJob",
        Environment: { Variables: VARIABLES },
        ReservedConcurrentExecutions: 400,
      },
    },
    AlarmsEmail: { Type: "AWS::SNS::Subscription", Properties: { Endpoint: "ops@example.com" } },
    JobsTable: { DeletionPolicy: "Retain" },
    JobsBucket: { DeletionPolicy: "RetainExceptOnCreate" },
    SecretsKey: { DeletionPolicy: "RetainExceptOnCreate" },
    JobsFairQueue: {},
  },
};
const ANSWERS: Record<string, string> = {
  GetCallerIdentity: result("GetCallerIdentity", "<Account>123456789012</Account><Arn>arn:aws:iam::1:user/ann</Arn>"),
  DescribeStacks: result(
    "DescribeStacks",
    "<Stacks><member><Outputs><member><OutputKey>HttpApiUrl</OutputKey><OutputValue>https://a.example</OutputValue></member><member><OutputKey>ServiceVersion</OutputKey><OutputValue>0.9.0</OutputValue></member></Outputs><LastUpdatedTime>2026-11-01T10:00:00Z</LastUpdatedTime></member></Stacks>",
  ),
  ListStackResources: result(
    "ListStackResources",
    `<StackResourceSummaries>${[
      summary("JobsTable", "jobs-1A", "AWS::DynamoDB::Table"),
      summary("JobsBucket", "bucket-1a", "AWS::S3::Bucket"),
      summary("SecretsKey", "key-1", "AWS::KMS::Key"),
      summary("JobsFairQueue", "https://queue", "AWS::SQS::Queue"),
    ].join("")}</StackResourceSummaries>`,
  ),
  GetTemplate: result(
    "GetTemplate",
    `<TemplateBody>${JSON.stringify(TEMPLATE).replaceAll('"', "&quot;")}</TemplateBody>`,
  ),
};

async function run(
  command: "deploy" | "remove",
  args: readonly string[],
  env: Record<string, string> = {},
  { input = "", cwd = ROOT } = {},
) {
  const credentials = { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b", AWS_ENDPOINT_URL: aws.url };
  const child = spawn(process.execPath, [join(ROOT, `deploy/${command}.ts`), ...args], {
    env: { ...cleanEnv(), ...credentials, ...env },
    cwd,
  });
  child.stdin.end(input);
  const [code, stdout, stderr] = await Promise.all([
    new Promise((ended) => {
      child.once("exit", ended);
    }),
    text(child.stdout),
    text(child.stderr),
  ]);
  return { code, stdout, stderr };
}

const PROD = ["--stage", "prod", "--region", "eu-central-1"];
const TOKENS = { JWKS_URL: "https://issuer.example/keys", JWT_ISSUER: "i", JWT_AUDIENCE: "a", LIST_SHARDS: "16" };

test("the checks of a deployment say where it goes, as whom, what is deployed, and which settings would change", async () => {
  const { code, stderr, stdout } = await run("deploy", [...PROD, "--check"], TOKENS);
  expect([code, stderr]).toEqual([0, ""]);
  const lines = stdout.split("\n");
  expect(lines.slice(0, 4)).toEqual([
    "Stage    prod: stack unified-job-api-prod in eu-central-1",
    "Account  123456789012, as arn:aws:iam::1:user/ann",
    "Settings of the environment; there is no .env.prod",
    "Tokens   by the keys of https://issuer.example/keys",
  ]);
  expect(stdout).toMatch(/^Deployed 0\.9\.0, since 2026-11-01T10:00:00\.000Z; this is \d/m);
  expect(lines.filter((line) => line.startsWith("Changes"))).toEqual([
    "Changes  RETENTION_DAYS: 30 is deployed, 0 is set",
    "Changes  ALARM_EMAIL: ops@example.com is deployed, nothing is set",
    "Changes  RESERVED_CONCURRENCY of createJob: 400 is deployed, 200 is set",
  ]);
  expect(stdout).toContain("Lambda   The account has 1000 concurrent executions, 1000 of them not reserved for others");
});

test("the settings of a stage come from its file, and what is set already stands", async () => {
  const cwd = temporaryDir();
  const settings = { ...TOKENS, AWS_REGION: "eu-west-1", ALARM_EMAIL: "ops@example.com" };
  const file = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(join(cwd, ".env.gone"), file.join(""));
  const { code, stdout } = await run("deploy", ["--stage", "gone", "--check"], { ALARM_EMAIL: "" }, { cwd });
  expect([code, stdout]).toEqual([
    0,
    expect.stringMatching(/^Stage .* in eu-west-1\n.*\nSettings of the environment and, .* of \.env\.gone\n/),
  ]);
  expect(stdout).toMatch(/^Alarms {3}nobody is told of them/m);
  expect(stdout).toMatch(/^Deployed nothing yet; this is \d/m);
});

test("a deployment stops before it would hide jobs from lists", async () => {
  const { code, stderr } = await run("deploy", [...PROD, "--check"], { ...TOKENS, LIST_SHARDS: "4" });
  expect([code, stderr]).toEqual([
    2,
    expect.stringMatching(/^LIST_SHARDS is 4, and 16 is deployed: expected at least 16, .*set LIST_SHARDS=16/),
  ]);
});

test("an issuer's own document has JWT_ISSUER to the letter, or no token would be taken", async () => {
  const issuer = `${aws.url}/issuer`;
  const look = async (JWT_ISSUER: string) => lookAtIssuer({ ...TOKENS, JWT_ISSUER });
  expect((await look(issuer))?.problem).toContain(
    `JWT_ISSUER is "${issuer}", and ${issuer}/.well-known/openid-configuration says "${issuer}/": tokens have that text`,
  );
  const well = `${issuer}/, as its document says; its keys are at https://issuer.example/others, and not at JWKS_URL`;
  expect(await look(`${issuer}/`)).toEqual({ about: "Issuer", said: well });
  for (const [other, why] of [
    ["accounts.example", "is no URL"],
    [`${aws.url}/nothing`, "can't be read"],
    ["http://127.0.0.1:1", "bad port"],
  ] as const)
    expect(await look(other)).toEqual({ about: "Issuer", said: expect.stringContaining(why) });
  expect(await lookAtIssuer({ SECRETS_NAME: "jobs/prod" })).toBeUndefined();
});

test("a deployment stops with a sentence at what is missing", async () => {
  const stops = async (args: readonly string[], env = {}) => {
    const { code, stdout, stderr } = await run("deploy", args, env);
    expect([code, stdout]).toEqual([2, ""]);
    return stderr;
  };
  expect(await stops([])).toMatch(/^--stage is "": expected a name such as prod/);
  expect(await stops(["--stage", "local"])).toMatch(/^--stage is "local"/);
  expect(await stops(["--stage", "prod"])).toMatch(/^--region is "": expected one such as eu-central-1, or AWS_REGION/);
  expect(await stops(PROD)).toMatch(/^Nothing could verify a token: expected JWKS_URL/);
  const nobody = {
    AWS_ACCESS_KEY_ID: "",
    AWS_SECRET_ACCESS_KEY: "",
    AWS_EC2_METADATA_DISABLED: "true",
    HOME: "/nowhere",
  };
  expect(await stops(PROD, { ...TOKENS, ...nobody })).toMatch(/^AWS knows no caller: expected AWS_PROFILE/);
  expect(await stops(["--stages"])).toMatch(/Unknown option '--stages'/);
});

test("a removal says what goes, what stays and what that costs, and asks for the stage's name", async () => {
  const { code, stdout, stderr } = await run("remove", PROD, {}, { input: "production\n" });
  expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
  expect(stdout).toMatch(
    /Deleted\n(?: .*\n)* {4}1 SQS::Queue\n.*messages of all queues.* for good the URL https:\/\/a\.example\n/,
  );
  expect(stdout).toContain("table jobs-1A: $1.80 for 4.00 GB of 1234 items ($0.25 a GB, and $0.2 for its backups)");
  expect(stdout).toContain("bucket bucket-1a: $0.023 a GB");
  expect(stdout).toContain("key key-1: $1.00");
  expect(stdout).toMatch(/type the stage's name \(prod\): Nothing was removed\n$/);
  // The end of the input is no answer.
  expect(await run("remove", PROD)).toMatchObject({ code: 1, stdout: expect.stringMatching(/Nothing was removed\n$/) });
  const actions = aws.received.map(({ body }) => new URLSearchParams(body.toString()).get("Action"));
  expect(actions).not.toContain("DeleteStack");
});

test("a removal of what is not there says so", async () => {
  expect(await run("remove", ["--stage", "gone", "--region", "eu-central-1"])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^There is no stack unified-job-api-gone in eu-central-1 of account 123456789012/),
  });
});
