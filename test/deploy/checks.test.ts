import { createRequire } from "node:module";
import { afterAll, expect, test } from "vitest";
import { endStacks } from "../support/stack.ts";
import { serverless } from "./run-serverless.ts";

// What `serverless deploy` looks at before it makes anything.

const require = createRequire(import.meta.url);
const { tokenProblem } = require("../../deploy/checks.cjs") as {
  tokenProblem: (env: Record<string, string>) => string | undefined;
};

afterAll(endStacks);

const ISSUER = { JWKS_URL: "https://issuer.example/keys", JWT_ISSUER: "i", JWT_AUDIENCE: "a" };

test("a deployment needs a way to verify tokens", () => {
  expect(tokenProblem({ JWT_SECRET: "of this machine" })).toContain("Nothing could verify a token: expected JWKS_URL");
  expect(tokenProblem({ ...ISSUER, JWT_AUDIENCE: "" })).toContain("expected JWT_ISSUER and JWT_AUDIENCE too");
  expect([tokenProblem(ISSUER), tokenProblem({ SECRETS_NAME: "jobs" })]).toEqual([undefined, undefined]);
});

test("`serverless deploy` stops with the sentence, before it makes anything", async () => {
  const credentials = { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" };
  const deploying = serverless(["deploy", "--stage", "prod"], credentials);
  await expect(deploying).rejects.toMatchObject({
    code: 1,
    stdout: expect.stringContaining("Nothing could verify a token"),
  });
});
