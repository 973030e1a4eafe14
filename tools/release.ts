import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

// `npm run release -- 1.1.0` (or `patch`, `minor`, `major`) makes a release of the branch main: checks, tests, the changelog,
// the versions, a commit, a tag and the client's tarball. It pushes and publishes nothing. Exit status 1: nothing was released.

const USAGE = `npm run release -- VERSION [options]

VERSION is "patch", "minor", "major" or a version such as 1.1.0.

  --dry-run      only say what would be done, or all that is in its way
  --skip-tests   run no checks and no tests
  --npm FILE     the program that is run in place of npm
`;

const VERSION = /^(\d+)\.(\d+)\.(\d+)$/;
const CHANGELOG = "CHANGELOG.md";
const CLIENT_README = "client/README.md";

interface Manifest {
  version: string;
  devDependencies?: Record<string, string>;
}

class Refusal extends Error {}

const read = (file: string) => readFileSync(file, "utf8");
const readJson = (file: string) => JSON.parse(read(file)) as Manifest;
const say = (line: string) => process.stdout.write(`${line}\n`);
const git = (...args: string[]) => execFileSync("git", args, { encoding: "utf8" }).trim();

/** The version that is asked for: a later one, or the present one if it has no tag yet. */
function versionAfter(present: string, asked: string): string {
  const [major = 0, minor = 0, patch = 0] = present.split(".").map(Number);
  const next: Record<string, string> = {
    major: `${major + 1}.0.0`,
    minor: `${major}.${minor + 1}.0`,
    patch: `${major}.${minor}.${patch + 1}`,
  };
  const version = next[asked] ?? asked;
  if (!VERSION.test(version)) {
    throw new Refusal(`"${asked}" is no version: expected patch, minor, major or a version such as ${next["minor"]}`);
  }
  if (version.localeCompare(present, "en", { numeric: true }) < 0) {
    throw new Refusal(`${version} is older than the present version, ${present}: expected a later one`);
  }
  return version;
}

/** Whether the repository is fit to be released. */
function refuseUnfit(version: string): void {
  const branch = git("branch", "--show-current");
  const changed = git("status", "--porcelain");
  const problems = [
    branch !== "main" && `The branch is "${branch}": expected main. git switch main`,
    changed && `Some files are changed and not committed: commit or stash them.\n${changed}`,
    git("tag", "--list", `v${version}`) && `The tag v${version} is there: expected a new version`,
  ];
  const told = problems.filter((problem) => typeof problem === "string" && problem !== "");
  if (told.length > 0) throw new Refusal(told.join("\n"));
}

/** Makes all checks, and then throws one refusal that tells all they found. */
function allOf<T extends readonly (() => unknown)[]>(checks: T): { readonly [At in keyof T]: ReturnType<T[At]> } {
  const told: string[] = [];
  const results = checks.map((check) => {
    try {
      return check();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      told.push(error.message);
      return undefined;
    }
  });
  if (told.length > 0) throw new Refusal(told.join("\n"));
  return results as { readonly [At in keyof T]: ReturnType<T[At]> };
}

interface Changes {
  /** The whole file, with the entries under the version. */
  readonly file: string;
  /** The entries of the version. */
  readonly entries: string;
}

/** The changelog of the release. One that has a section of the version and nothing under Unreleased stays as it is. */
function changesOf(version: string, today: string): Changes {
  const text = read(CHANGELOG);
  const found = /^## Unreleased\n([\s\S]*?)(?=^## |$(?![\s\S]))/m.exec(text);
  if (!found) throw new Refusal(`${CHANGELOG} has no line "## Unreleased": add it above the latest release`);
  const unreleased = (found[1] ?? "").trim();
  const escaped = version.replaceAll(".", String.raw`\.`);
  const own = new RegExp(String.raw`^## ${escaped} - .*\n([\s\S]*?)(?=^## |$(?![\s\S]))`, "m").exec(text)?.[1]?.trim();
  if (own && unreleased) {
    throw new Refusal(`${CHANGELOG} has entries under Unreleased and under ${version}: move the former to the latter`);
  }
  if (own) return { file: text, entries: own };
  if (!unreleased) throw new Refusal(`${CHANGELOG} has nothing under "## Unreleased": nothing to release`);
  const moved = `## Unreleased\n\n## ${version} - ${today}\n\n${unreleased}\n\n`;
  return { file: `${text.replace(found[0], () => moved).trimEnd()}\n`, entries: unreleased };
}

function writeJson(file: string, change: (json: Manifest & { packages?: Record<string, Manifest> }) => void): void {
  const json = readJson(file);
  change(json);
  writeFileSync(file, `${JSON.stringify(json, undefined, 2)}\n`);
}

/** The project and its client have one version: the manifests, the lock file and the client's README say it. */
function setVersions(from: string, version: string): void {
  const both = (manifest: Manifest) => {
    manifest.version = version;
    if (manifest.devDependencies?.["unified-jobs"]) manifest.devDependencies["unified-jobs"] = version;
  };
  writeJson("package.json", both);
  writeJson("client/package.json", both);
  writeJson("package-lock.json", (lock) => {
    lock.version = version;
    for (const path of ["", "client"]) if (lock.packages?.[path]) both(lock.packages[path]);
  });
  const readme = read(CLIENT_README);
  writeFileSync(CLIENT_README, readme.replaceAll(`unified-jobs-${from}.tgz`, `unified-jobs-${version}.tgz`));
}

function runNpm(npm: string, args: readonly string[]): void {
  say(`> npm ${args.join(" ")}`);
  const { status, error } = spawnSync(npm, args, { stdio: "inherit" });
  if (status !== 0) throw new Refusal(`npm ${args.join(" ")} has failed (${error?.message ?? `status ${status}`})`);
}

interface Options {
  readonly dryRun: boolean;
  readonly skipTests: boolean;
  /** What is run in place of npm. */
  readonly npm: string;
}

function release(asked: string, options: Options): void {
  const { version: present } = readJson("package.json");
  const version = versionAfter(present, asked);
  const [, { file, entries }] = allOf([
    () => refuseUnfit(version),
    () => changesOf(version, new Date().toISOString().slice(0, 10)),
  ] as const);
  const tag = `v${version}`;
  const tarball = `unified-jobs-${version}.tgz`;
  const checks = options.skipTests ? [] : [["run", "check"], ["test"]];
  const data = [
    ["run", "package"],
    ["run", "last-release"],
  ];
  // Scripts are off in this repository, and the client is built by one.
  const pack = ["pack", "-w", "client"];
  if (options.dryRun) {
    say(`Would release ${version} (now ${present}), and has done nothing:`);
    for (const args of [...checks, ...data]) say(`  npm ${args.join(" ")}`);
    say(`  set the versions, move Unreleased to ${version}, commit "Release ${version}", tag ${tag}`);
    say(`  npm ${pack.join(" ")}: ${tarball}\n\nIts changes:\n\n${entries}`);
    return;
  }
  for (const args of checks) runNpm(options.npm, args);
  const before = git("rev-parse", "--short", "HEAD");
  try {
    setVersions(present, version);
    writeFileSync(CHANGELOG, file);
    // What the release has of the resources that hold data, for the next one to be compared with.
    for (const args of data) runNpm(options.npm, args);
    runNpm(options.npm, pack);
    // A version that was prepared by hand has nothing to commit.
    if (git("status", "--porcelain", "--untracked-files=no"))
      git("commit", "--quiet", "-a", "-m", `Release ${version}`);
  } catch (error) {
    git("reset", "--quiet", "--hard");
    rmSync(tarball, { force: true });
    throw error;
  }
  git("tag", "--annotate", tag, "-m", `Release ${version}\n\n${entries.replaceAll(/^#+ /gm, "")}`);
  say(`\nReleased ${version}: commit ${git("rev-parse", "--short", "HEAD")}, tag ${tag}, ${tarball}. Nothing was pushed.

Next:
  git push origin main ${tag}
  npm publish ./${tarball}
  npm run deploy -- --stage prod --region eu-central-1

To take it back before the push:
  git tag --delete ${tag} && git reset --hard ${before} && rm ${tarball}`);
}

const { values, positionals } = parseArgs({
  options: {
    "dry-run": { type: "boolean", default: false },
    "skip-tests": { type: "boolean", default: false },
    npm: { type: "string", default: "npm" },
    help: { type: "boolean", default: false },
  },
  allowPositionals: true,
});
const [asked] = positionals;
if (values.help || asked === undefined || positionals.length > 1 || !existsSync(CHANGELOG)) {
  (values.help ? process.stdout : process.stderr).write(USAGE);
  process.exit(values.help ? 0 : 2);
}
try {
  release(asked, { dryRun: values["dry-run"], skipTests: values["skip-tests"], npm: values.npm });
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
