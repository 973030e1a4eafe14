import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packagedDynoxide } from "../../local/dynoxide.ts";
import { ROOT } from "../support/root.ts";

// What the local stack takes on machines of other kinds than the one that runs the tests.

const { problemOf } = createRequire(import.meta.url)("../../local/node-version.cjs") as {
  problemOf: (version: string) => string | undefined;
};

const PLATFORMS = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64", "win32-x64"];
const read = (file: string) => JSON.parse(readFileSync(join(ROOT, file), "utf8"));

test.each(PLATFORMS)("on %s the emulator is the binary of its own package", (name) => {
  const [platform = "", arch = ""] = name.split("-");
  const file = platform === "win32" ? "dynoxide.exe" : "dynoxide";
  const find = (asked: string) => `/node_modules/${asked}`;
  expect(packagedDynoxide({ platform, arch, find })).toBe(`/node_modules/@dynoxide/${name}/${file}`);
});

test("the lock file has the emulator for every platform, each for that platform alone", () => {
  const { dependencies } = { dependencies: read("package.json").optionalDependencies };
  const { packages } = read("package-lock.json");
  for (const name of PLATFORMS) {
    const version = dependencies[`@dynoxide/${name}`];
    const [os, cpu] = name.split("-");
    expect(packages[`node_modules/@dynoxide/${name}`]).toMatchObject({ version, optional: true, os: [os], cpu: [cpu] });
  }
});

test("a machine without an emulator is told what to do", () => {
  const find = () => {
    throw new Error("Cannot find module");
  };
  expect(() => packagedDynoxide({ platform: "freebsd", arch: "x64", find })).toThrow(
    /^No DynamoDB emulator for freebsd-x64: expected one of linux-x64, .*; set DYNOXIDE to a dynoxide binary/,
  );
  expect(() => packagedDynoxide({ platform: "darwin", arch: "arm64", find })).toThrow(
    /^No DynamoDB emulator for darwin-arm64: expected the package @dynoxide\/darwin-arm64, which is not installed; run npm ci/,
  );
});

test("a Node that is too old is told so in words, before it reads a file that it can't", () => {
  expect(problemOf("20.20.2")).toMatch(/^Expected Node 24 or later, found 20\.20\.2\. .* install it from/);
  expect(["24.0.0", "26.1.0"].map(problemOf)).toEqual([undefined, undefined]);
  const { start, token } = read("package.json").scripts;
  for (const script of [start, token]) expect(script).toMatch(/node -r \.\/local\/node-version\.cjs .*\.ts$/);
});
