import { afterAll, expect, test } from "vitest";
import { endStacks, jobIn, sharedStack, temporaryDir, tokenFor } from "../support/stack.ts";
import { serverless } from "./run-serverless.ts";

afterAll(endStacks);

test("invoke local runs a function against the running local stack", async () => {
  const stack = await sharedStack();
  const args = ["invoke", "local", "-f", "createJob", "-p", "events/create-job.json"];
  const { stdout } = await serverless(args, { DATA_DIR: stack.dir });
  // Before it, there may be lines that the function has logged.
  const answer = JSON.parse(stdout.slice(stdout.indexOf("{\n")));
  expect(answer.statusCode).toBe(201);
  const { data } = JSON.parse(answer.body);
  const token = await tokenFor({ appId: data.appId });
  await jobIn(stack, token, data.id, "SUCCEEDED", "RETRYING");
});

test("without a running stack, invoke local says to start one", async () => {
  const args = ["invoke", "local", "-f", "createJob", "-p", "events/create-job.json"];
  const failed = await serverless(args, { DATA_DIR: temporaryDir() }).catch((error: unknown) => error);
  const { stdout, stderr } = failed as { stdout: string; stderr: string };
  expect(stdout + stderr).toContain("start one with npm start");
});
