import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../support/root.ts";

test("npm run check makes every check, also after one that fails, and says what mends it", () => {
  const folder = mkdtempSync(join(tmpdir(), "check-"));
  const bin = join(folder, "bin");
  mkdirSync(bin);
  for (const program of ["oxfmt", "oxlint", "knip", "node"]) {
    writeFileSync(join(bin, program), `#!/bin/sh\necho ran ${program}\ncase ${program} in oxfmt|knip) exit 1;; esac\n`);
    chmodSync(join(bin, program), 0o755);
  }
  const options = { cwd: folder, env: { PATH: `${bin}:${process.env["PATH"]}` }, encoding: "utf8" } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, "tools/check.ts")], options);
  rmSync(folder, { recursive: true });
  expect(stdout.trim().split("\n")).toEqual(["ran oxfmt", "ran oxlint", "ran knip", "ran node"]);
  expect(stderr).toMatch(/^format: failed\. npm run fix writes it$/m);
  expect(stderr).toMatch(/^unused code: failed\. remove what is named above/m);
  expect([status, stderr.includes("lint and types")]).toEqual([1, false]);
});

test("what the first change of CONTRIBUTING.md replaces is in the files that it names", () => {
  const [, guide = ""] =
    /^## In ten minutes\n([\s\S]*?)^## /m.exec(readFileSync(join(ROOT, "CONTRIBUTING.md"), "utf8")) ?? [];
  const changes = [...guide.matchAll(/In `([^`]+)`[^\n]*\n\n {3}```diff\n([\s\S]*?)^ {3}```$/gm)];
  expect(changes.length).toBeGreaterThan(1);
  for (const [, file = "", diff = ""] of changes) {
    const kept = diff.split("\n").flatMap((line) => /^ {3}[- ] ?(.*\S.*)$/.exec(line)?.[1]?.trim() ?? []);
    const text = readFileSync(join(ROOT, file), "utf8");
    expect(kept.length).toBeGreaterThan(0);
    for (const line of kept) expect([file, text.includes(line), line]).toEqual([file, true, line]);
  }
});
