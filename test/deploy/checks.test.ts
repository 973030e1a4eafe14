import { LambdaClient } from "@aws-sdk/client-lambda";
import { createRequire } from "node:module";
import { afterAll, expect, test } from "vitest";
import { refuseWords } from "../../lib/config.ts";
import { endStacks } from "../support/stack.ts";
import { startTarget } from "../support/target.ts";
import { serverless } from "./run-serverless.ts";

// What `serverless deploy` looks at before it makes anything.

const require = createRequire(import.meta.url);
const { concurrencyOf } = require("../../deploy/concurrency.cjs") as {
  concurrencyOf: (text?: string) => Record<string, number>;
};
const { compareConcurrency } = require("../../deploy/account.cjs") as {
  compareConcurrency: (client: LambdaClient, reserved: object) => Promise<{ problem?: string; said?: string }>;
};
const { tokenProblem, wordProblem, WORDS, problemsWith } = require("../../deploy/checks.cjs") as {
  tokenProblem: (env: Record<string, string>) => string | undefined;
  wordProblem: (env: Record<string, string>) => string | undefined;
  readonly WORDS: Record<string, string[]>;
  problemsWith: (deployed: object, now: object, prefix: string) => string | undefined;
};

afterAll(endStacks);

/** The Lambda of an account with so many executions, of which functions hold some. */
async function startAccount(all: number, held: Record<string, number> = {}) {
  const target = await startTarget();
  const unreserved = all - Object.values(held).reduce((sum, number) => sum + number, 0);
  target.answer(({ url }, response) => {
    if (url.includes("account-settings")) {
      const AccountLimit = { ConcurrentExecutions: all, UnreservedConcurrentExecutions: unreserved };
      return response.end(JSON.stringify({ AccountLimit }));
    }
    const [, name = ""] = /functions\/([^/]+)\/concurrency/.exec(url) ?? [];
    if (name === "new") response.writeHead(404, { "x-amzn-errortype": "ResourceNotFoundException" });
    return response.end(JSON.stringify(name in held ? { ReservedConcurrentExecutions: held[name] } : {}));
  });
  return target;
}

async function compared(all: number, reserved: object, held: Record<string, number> = {}) {
  const account = await startAccount(all, held);
  const client = new LambdaClient({ endpoint: account.url });
  const result = await compareConcurrency(client, reserved);
  client.destroy();
  await account.close();
  return result;
}

test("an account of 1,000 has room for what is reserved, and the deployment says what it leaves", async () => {
  expect(await compared(1_000, concurrencyOf())).toEqual({
    said: "The account has 1000 concurrent executions, 1000 of them not reserved for others; this deployment reserves 430 and leaves 570",
  });
});

test("what the last deployment reserved counts as given back, and what others reserved does not", async () => {
  const reserved = { sweep: 10, create: 590, new: 0 };
  const held = { sweep: 10, create: 590, other: 300 };
  expect(await compared(1_000, reserved, held)).toEqual({ said: expect.stringContaining("leaves 100") });
  expect(await compared(1_000, { ...reserved, new: 1 }, held)).toEqual({
    problem: expect.stringMatching(
      /700 of them not reserved for others; this deployment reserves 601, and Lambda keeps 100/,
    ),
  });
});

test("an account of 10 can reserve none, and is told to be few", async () => {
  expect(await compared(10, concurrencyOf())).toEqual({
    problem: expect.stringMatching(/has 10 concurrent executions.*RESERVED_CONCURRENCY=none.*Service Quotas/),
  });
  expect(await compared(10, concurrencyOf("none"))).toEqual({
    said: expect.stringMatching(/reserves 0 and leaves 10\. That is few: .* a quick PDF takes two$/),
  });
});

test("RESERVED_CONCURRENCY changes the number of a function, or takes it away", () => {
  expect(concurrencyOf(" createJob=400, taskApi=none,")).toEqual({ ...withoutTaskApi(), createJob: 400 });
  expect(concurrencyOf("none")).toEqual({});
  expect(concurrencyOf("")).toEqual(concurrencyOf());
  for (const wrong of [
    "all",
    "createJob",
    "createJob=",
    "createJob=-1",
    "createJob=1.5",
    "processJobs=5",
    "toString=5",
  ]) {
    expect(() => concurrencyOf(wrong)).toThrow(
      `RESERVED_CONCURRENCY has "${wrong}": expected "none", or changes such as`,
    );
  }
});

function withoutTaskApi(): Record<string, number> {
  const { taskApi: _, ...others } = concurrencyOf();
  return others;
}

const ISSUER = { JWKS_URL: "https://issuer.example/keys", JWT_ISSUER: "i", JWT_AUDIENCE: "a" };

test("the versions of the secret are in what functions look up, and those that can't be meant are refused", () => {
  const [now, before] = ["11111111-1111-4111-8111-111111111111", "00000000-0000-4000-8000-000000000000"];
  const file = require.resolve("../../deploy/secrets.cjs");
  const saved = process.env;
  const of = (env: Record<string, string>) => {
    process.env = env;
    try {
      delete require.cache[file];
      return require(file) as Record<string, string>;
    } finally {
      process.env = saved;
      delete require.cache[file];
    }
  };
  const looked = (key: string, version: string) => `{{resolve:secretsmanager:jobs/prod:SecretString:${key}${version}}}`;
  const SECRETS_NAME = "jobs/prod";
  expect(of({ SECRETS_NAME })).toMatchObject({ JWT_SECRET: looked("JWT_SECRET", ""), JWT_SECRET_PREVIOUS: "" });
  const rotation = { SECRETS_VERSION: now, SECRETS_PREVIOUS_VERSION: before };
  expect(of({ SECRETS_NAME, ...rotation })).toMatchObject({
    JWT_SECRET: looked("JWT_SECRET", `::${now}`),
    JWT_SECRET_PREVIOUS: looked("JWT_SECRET", `::${before}`),
    INTERNAL_JWT_TOKEN: looked("INTERNAL_JWT_TOKEN", `::${now}`),
  });
  expect(of({ SECRETS_NAME, ...rotation, JWKS_URL: "https://a.example" })).toMatchObject({ JWT_SECRET_PREVIOUS: "" });
  expect(() => of(rotation)).toThrow("SECRETS_VERSION is set: expected SECRETS_NAME too");
  expect(() => of({ SECRETS_NAME, SECRETS_PREVIOUS_VERSION: before })).toThrow("expected SECRETS_VERSION too");
  expect(() => of({ SECRETS_NAME, SECRETS_VERSION: "AWSCURRENT" })).toThrow(
    'SECRETS_VERSION is "AWSCURRENT": expected',
  );
  expect(() => of({ SECRETS_NAME, SECRETS_VERSION: now, SECRETS_PREVIOUS_VERSION: now })).toThrow("the version before");
});

test("`serverless deploy` stops before it would lower LIST_SHARDS", () => {
  const template = (LIST_SHARDS: string) => {
    const Properties = { FunctionName: "jobs-prod-createJob", Environment: { Variables: { LIST_SHARDS } } };
    return { Resources: { CreateJobLambdaFunction: { Type: "AWS::Lambda::Function", Properties } } };
  };
  const change = (from: string, to: string) => problemsWith(template(from), template(to), "jobs-prod");
  expect(change("16", "4")).toMatch(/^LIST_SHARDS is 4, and 16 is deployed/);
  expect([change("4", "16"), change("4", "4"), problemsWith({}, template("4"), "jobs-prod")]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test("a deployment needs a way to verify tokens", () => {
  expect(tokenProblem({ JWT_SECRET: "of this machine" })).toContain("Nothing could verify a token: expected JWKS_URL");
  expect(tokenProblem({ ...ISSUER, JWT_AUDIENCE: "" })).toContain("expected JWT_ISSUER and JWT_AUDIENCE too");
  expect([tokenProblem(ISSUER), tokenProblem({ SECRETS_NAME: "jobs" })]).toEqual([undefined, undefined]);
});

test("`serverless deploy` stops with the sentence, before it makes anything", async () => {
  const account = await startAccount(10);
  const credentials = { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b", AWS_ENDPOINT_URL_LAMBDA: account.url };
  const deploying = serverless(["deploy", "--stage", "prod"], { ...credentials, SECRETS_NAME: "jobs" });
  await expect(deploying).rejects.toMatchObject({
    code: 1,
    stdout: expect.stringContaining("The account has 10 concurrent executions"),
  });
  await account.close();
  expect(account.received.map(({ url }) => url).filter((url) => url.includes("functions/"))).toContainEqual(
    expect.stringContaining("/functions/unified-job-api-prod-createJob/concurrency"),
  );
});

test("words that the functions would refuse are told before a deployment, and those are the functions' words", () => {
  expect(wordProblem({})).toBeUndefined();
  expect(wordProblem({ LOG_LEVEL: "warn" })).toBe(
    'LOG_LEVEL is "warn": expected debug or info; correct it, and deploy again',
  );
  for (const [name, words] of Object.entries(WORDS)) {
    for (const word of ["", ...words]) {
      expect(wordProblem({ [name]: word })).toBeUndefined();
      expect(() => refuseWords({ [name]: word })).not.toThrow();
    }
    expect(wordProblem({ [name]: "other" })).toContain(`${name} is "other": expected ${words.join(" or ")}`);
    expect(() => refuseWords({ [name]: "other" })).toThrow(`${name} is "other": expected ${words.join(" or ")}`);
  }
});
