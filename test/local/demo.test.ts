import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { cleanEnv } from "../support/clean-env.ts";
import { ROOT } from "../support/root.ts";
import { startTarget } from "../support/target.ts";

async function demo(args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ["tools/demo.ts", ...args], { cwd: ROOT, env: { ...cleanEnv(), ...env } });
  const [[code], stdout, stderr] = await Promise.all([once(child, "exit"), text(child.stdout), text(child.stderr)]);
  return { code: code as number | null, stdout, stderr };
}

test("the demo says what it takes, and finds the stack by --url, JOBS_URL or PORT", async () => {
  const usage = "npm run demo [-- --url";
  expect(await demo(["--help"])).toEqual({ code: 0, stdout: expect.stringContaining(usage), stderr: "" });
  expect(await demo(["--urls"])).toMatchObject({ code: 2, stderr: expect.stringContaining(usage) });
  expect(await demo([], { JOBS_URL: "3000" })).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^The stack's URL is "3000": expected one such as/),
  });
  const target = await startTarget();
  target.answer((_, response) => void response.writeHead(503).end("{}"));
  const port = new URL(target.url).port;
  const found = [await demo([], { PORT: port }), await demo([], { JOBS_URL: target.url, PORT: "1" })];
  await target.close();
  for (const { code, stderr } of found)
    expect([code, stderr]).toEqual([1, expect.stringContaining(`Expected a local stack at ${target.url}:`)]);
});

test("what stops npm stops the demo", async () => {
  const target = await startTarget();
  const asked = new Promise<void>((resolve) => {
    // It never gets an answer.
    target.answer(() => resolve());
  });
  const npm = spawn("npm", ["run", "--silent", "demo"], { cwd: ROOT, env: { ...process.env, JOBS_URL: target.url } });
  await asked;
  npm.kill("SIGTERM");
  // The demo holds the pipe until it ends.
  await text(npm.stdout);
  await target.close();
});
