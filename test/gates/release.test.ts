import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { cleanEnv } from "../support/clean-env.ts";
import { ROOT } from "../support/root.ts";
import { endStacks, temporaryDir } from "../support/stack.ts";

// `npm run release`, in a git repository of its own that has the project's manifests. A script stands for npm.

afterAll(endStacks);

interface Manifest {
  readonly version: string;
  readonly devDependencies?: Record<string, string>;
  readonly packages: Record<string, Manifest>;
}

const json = (folder: string, file: string) => JSON.parse(readFileSync(join(folder, file), "utf8")) as Manifest;

/** The version, everywhere where it is written. */
function versionsIn(folder: string): readonly (string | undefined)[] {
  const [project, client, lock] = ["package.json", "client/package.json", "package-lock.json"].map((file) =>
    json(folder, file),
  );
  const root = lock?.packages[""];
  const dependencies = [project, root].map((manifest) => manifest?.devDependencies?.["unified-jobs"]);
  const readme = /unified-jobs-(\d+\.\d+\.\d+)\.tgz/.exec(readFileSync(join(folder, "client/README.md"), "utf8"))?.[1];
  const versions = [project, client, lock, root, lock?.packages["client"]].map((manifest) => manifest?.version);
  return [...versions, ...dependencies, readme];
}

test("the project, its client, the lock file and the changelog have one version", () => {
  const { version } = json(ROOT, "package.json");
  expect(new Set(versionsIn(ROOT))).toEqual(new Set([version]));
  expect(readFileSync(join(ROOT, "CHANGELOG.md"), "utf8")).toMatch(
    new RegExp(String.raw`^## Unreleased$[^]*^## ${version} - \d{4}-\d\d-\d\d$`, "m"),
  );
});

const CHANGELOG = "# Changes\n\n## Unreleased\n\n- Jobs may sing.\n\n## 1.0.0 - 2026-11-29\n\n- The first.\n";
/** Writes down what it is called with, and packs an empty file. */
const NPM =
  '#!/bin/sh\necho "$*" >> "$NPM_CALLS"\ncase "$*" in *$NPM_FAILS*) exit 1;; pack*) : > unified-jobs-1.1.0.tgz;; esac\n';

function repository(version = "1.0.0", changelog = CHANGELOG) {
  const dir = temporaryDir();
  const folder = join(dir, "repository");
  mkdirSync(join(folder, "client"), { recursive: true });
  for (const file of ["package.json", "package-lock.json", "client/package.json", "client/README.md"]) {
    cpSync(join(ROOT, file), join(folder, file));
    const text = readFileSync(join(folder, file), "utf8");
    writeFileSync(join(folder, file), text.replaceAll(json(ROOT, "package.json").version, version));
  }
  writeFileSync(join(folder, "CHANGELOG.md"), changelog);
  writeFileSync(join(folder, ".gitignore"), "*.tgz\n");
  const npm = join(dir, "npm");
  writeFileSync(npm, NPM);
  chmodSync(npm, 0o755);
  const calls = join(dir, "calls");
  const author = Object.fromEntries(
    ["AUTHOR", "COMMITTER"].flatMap((who) => [
      [`GIT_${who}_NAME`, "Ann"],
      [`GIT_${who}_EMAIL`, "ann@example.com"],
    ]),
  );
  const env = { ...cleanEnv(), ...author, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1", NPM_CALLS: calls };
  const git = (...args: string[]) => execFileSync("git", args, { cwd: folder, env, encoding: "utf8" }).trim();
  git("init", "--quiet", "--initial-branch", "main");
  git("add", "--all");
  git("commit", "--quiet", "-m", "All");
  return {
    folder,
    git,
    calls: () => (existsSync(calls) ? readFileSync(calls, "utf8").trim().split("\n") : []),
    release: (args: readonly string[], fails = "nothing") => {
      const command = [join(ROOT, "tools/release.ts"), "--npm", npm, ...args];
      const options = { cwd: folder, env: { ...env, NPM_FAILS: fails }, encoding: "utf8" } as const;
      const { status, stdout, stderr } = spawnSync(process.execPath, command, options);
      return { status, said: stdout + stderr };
    },
  };
}

test("a release checks, moves the changes to the version, sets it everywhere, commits, tags and packs the client", () => {
  const { folder, git, calls, release } = repository();
  const dry = release(["minor", "--dry-run"]);
  expect(dry).toMatchObject({ status: 0, said: expect.stringContaining("Would release 1.1.0") });
  expect(dry.said).toContain("- Jobs may sing.");
  expect([calls(), git("status", "--porcelain"), git("tag")]).toEqual([[], "", ""]);

  const { status, said } = release(["minor"]);
  expect([status, said]).toEqual([0, expect.stringContaining("git push origin main v1.1.0")]);
  expect(calls()).toEqual(["run check", "test", "run package", "run last-release", "pack -w client"]);
  expect(new Set(versionsIn(folder))).toEqual(new Set(["1.1.0"]));
  const today = git("log", "-1", "--format=%cd", "--date=format:%Y-%m-%d");
  expect(readFileSync(join(folder, "CHANGELOG.md"), "utf8")).toBe(
    CHANGELOG.replace("## Unreleased\n", `## Unreleased\n\n## 1.1.0 - ${today}\n`),
  );
  expect([git("status", "--porcelain"), git("log", "-1", "--format=%s"), git("describe")]).toEqual([
    "",
    "Release 1.1.0",
    "v1.1.0",
  ]);
  // It can be taken back as it says.
  const [undo = ""] = /git tag --delete .*$/m.exec(said) ?? [];
  expect(undo).toMatch(/&& rm unified-jobs-1\.1\.0\.tgz$/);
  expect(existsSync(join(folder, "unified-jobs-1.1.0.tgz"))).toBe(true);
  // Nothing but the versions has changed in the manifests.
  expect(git("diff", "--shortstat", "HEAD~1", "--", "*.json")).toMatch(/ 7 insertions\(\+\), 7 deletions/);
});

test("a version that was prepared by hand is tagged as it is, without tests if so asked", () => {
  const { git, calls, release } = repository("1.0.0", CHANGELOG.replace("- Jobs may sing.\n\n", ""));
  const { status, said } = release(["1.0.0", "--skip-tests"]);
  expect([status, said]).toEqual([0, expect.stringContaining("Released 1.0.0")]);
  expect(calls()).not.toContain("test");
  expect([git("log", "-1", "--format=%s"), git("describe")]).toEqual(["All", "v1.0.0"]);
});

test("a release is refused in words, and changes nothing, where it would not be sound", () => {
  const { folder, git, calls, release } = repository();
  const refused = (args: readonly string[], why: string, fails?: string) => {
    expect(release(args, fails)).toEqual({ status: 1, said: expect.stringContaining(why) });
    expect([git("tag"), git("log", "--format=%s")]).toEqual(["", "All"]);
  };
  refused(["0.9.0"], "0.9.0 is older than the present version, 1.0.0");
  refused(["1.1"], '"1.1" is no version: expected patch, minor, major or a version such as 1.1.0');
  refused(["1.0.0"], "has entries under Unreleased and under 1.0.0");
  refused(["patch"], "npm run check has failed (status 1)", "check");
  refused(["patch"], "npm run package has failed (status 1)", "package");
  expect(git("status", "--porcelain")).toBe("");

  git("switch", "--quiet", "-c", "other");
  refused(["patch"], 'The branch is "other": expected main');
  git("switch", "--quiet", "main");
  writeFileSync(join(folder, "new.ts"), "");
  refused(["patch"], "?? new.ts");
  expect(calls()).not.toContain("pack");
  expect(release([]).status).toBe(2);
  // All at once.
  git("switch", "--quiet", "-c", "another");
  const { said } = release(["1.0.0", "--dry-run"]);
  expect(said.match(/^(?:The branch is|Some files are changed|CHANGELOG\.md has entries)/gm)).toHaveLength(3);
});
