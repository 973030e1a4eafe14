import { vi } from "vitest";
import { run } from "../../client/src/bin/cli.ts";
import { Jobs } from "../../client/src/index.ts";
import { DOCUMENT } from "../support/api-document.ts";
import { newApp, webhook, type JobOptions, type Stack } from "../support/stack.ts";
import type { Target } from "../support/target.ts";

// What the tests of the client and of its command have in common.

/** Whether the API has a door that another part of it brings. */
export const has = (path: string): boolean => DOCUMENT.paths[path] !== undefined;

/** An app of its own, with a client. */
export async function newClient(stack: Stack) {
  const { appId, token } = await newApp();
  return { appId, token, jobs: new Jobs({ url: stack.url, token }) };
}

/** The target fails where a path says so. */
export function answerByPath(target: Target): void {
  target.answer(({ url }, response) => void response.writeHead(url.includes("fail") ? 500 : 200).end());
}

/** A webhook without retries, by the old door. */
export async function post(stack: Stack, token: string, options: JobOptions): Promise<string> {
  const body = webhook({ metadata: { maxRetries: 0 }, ...options });
  return (await stack.call("POST", "/v1/jobs/create", { token, body })).body.data.id as string;
}

/** A job that nobody runs in this century. */
export async function scheduled(stack: Stack, token: string): Promise<string> {
  const { message: targetJob } = webhook({ url: "https://shop.example" });
  const body = { message: { execution: { type: "schedule", scheduledAt: "2099-01-01T00:00:00Z", targetJob } } };
  return (await stack.call("POST", "/v1/jobs/create", { token, body })).body.data.id as string;
}

/** Runs a command with the environment of an app. */
export async function command(stack: Stack, token: string, ...argv: string[]) {
  const printed = { stdout: "", stderr: "" };
  const before = { JOBS_URL: process.env["JOBS_URL"], JOBS_TOKEN: process.env["JOBS_TOKEN"] };
  Object.assign(process.env, { JOBS_URL: stack.url, JOBS_TOKEN: token });
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((text) => {
      printed[name] += String(text);
      return true;
    }),
  );
  try {
    return { status: await run(argv), ...printed };
  } finally {
    for (const spy of spies) spy.mockRestore();
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}
