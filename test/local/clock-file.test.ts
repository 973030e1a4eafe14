import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { HOUR, MINUTE, SECOND } from "../../lib/clock.ts";
import { clockNotice } from "../../local/clock-file.ts";
import { cleanEnv } from "../support/clean-env.ts";
import { ROOT } from "../support/root.ts";
import { endStacks, temporaryDir } from "../support/stack.ts";

afterAll(endStacks);

const real = Date.parse("2026-11-29T10:00:00Z");
const noticeOf = (offset: number, speed = 1) => clockNotice({ real, service: real + offset, speed }, ".local");

test("a start says by how much the service's clock is ahead or behind, and what to do at normal speed", () => {
  expect(noticeOf(0)).toBeUndefined();
  expect(noticeOf(SECOND - 1)).toBeUndefined();
  const ahead = noticeOf(HOUR + 23 * MINUTE + 9 * SECOND);
  expect(ahead).toContain("is 1 h 23 min ahead of this machine's: it is 2026-11-29T11:23:09.000Z.");
  expect(ahead).toContain("mv .local .local.old; or set DATA_DIR to another folder");
  expect(noticeOf(-30 * SECOND)).toContain("is 30 s behind this machine's");
  // Where it is meant to run fast, the offset is enough.
  expect(noticeOf(49 * HOUR, 60)).toBe(
    "The service's clock is 2 d 1 h ahead of this machine's: it is 2026-12-01T11:00:00.000Z.",
  );
  expect(noticeOf(2 * HOUR + 5 * SECOND)).toContain("is 2 h ahead");
});

test("a stack with another SPEED than 1 has a folder of its own", async () => {
  const cwd = temporaryDir();
  const told = async (env: Record<string, string>) =>
    promisify(execFile)(process.execPath, [join(ROOT, "local/start.ts")], {
      cwd,
      // A worker says where it looked for its stack.
      env: { ...cleanEnv(), PORT: "0", ROLE: "worker", ...env },
    }).catch((error: Error) => error.message);
  expect(await told({})).toContain(`No stack runs in ${join(cwd, ".local")}:`);
  expect(await told({ SPEED: "60" })).toContain(`No stack runs in ${join(cwd, ".local-fast")}:`);
  expect(await told({ SPEED: "60", DATA_DIR: "mine" })).toContain(`No stack runs in ${join(cwd, "mine")}:`);
});
