import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

// Part of `npm run check`. A dependency's install script may do anything on every machine that installs it, and may fetch
// what no lock file names. `allowScripts` in package.json lists the dependencies that have one, and refuses it: they do
// without. A new one fails here until somebody has looked at it.

interface Locked {
  readonly version?: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
  readonly link?: boolean;
  readonly os?: string | readonly string[];
  readonly cpu?: string | readonly string[];
  readonly libc?: string | readonly string[];
}

const INSTALL_SCRIPTS = ["preinstall", "install", "postinstall"];

/** What is wrong with the dependencies of a folder, a sentence each. */
function problemsIn(folder: string): string[] {
  const read = (path: string) => readFileSync(join(folder, path), "utf8");
  const { allowScripts: listed = {} } = JSON.parse(read("package.json")) as { allowScripts?: Record<string, boolean> };
  const { packages } = JSON.parse(read("package-lock.json")) as { packages: Record<string, Locked> };
  // Beside them, the lock file has this package, its workspaces, and the links to these.
  const dependencies = Object.entries(packages).filter(([path, { link }]) => path.includes("node_modules/") && !link);
  const nameOf = (path: string) => path.split("node_modules/").at(-1) ?? "";

  const scripted = dependencies.filter(
    ([path, { hasInstallScript }]) => hasInstallScript === true || runsAtInstall(join(folder, path)),
  );
  const names = new Set(scripted.map(([path]) => nameOf(path)));
  return [
    ...[...names]
      .filter((name) => listed[name] === undefined)
      .map(
        (name) =>
          `${name} has an install script: use a package without one, or see that it works without it and add "${name}": false to allowScripts in package.json`,
      ),
    ...Object.entries(listed)
      .filter(([, allowed]) => allowed)
      .map(([name]) => `allowScripts has "${name}": true: expected false, since no install script runs`),
    ...Object.keys(listed)
      .filter((name) => !names.has(name))
      .map((name) => `allowScripts has "${name}", which has no install script or is no dependency: remove it`),
    ...dependencies
      .filter(([, locked]) => locked.integrity === undefined && isForLinux(locked))
      .map(
        ([path]) => `${path} has no integrity in package-lock.json: expected a package of the registry; npm run lock`,
      ),
  ];
}

/** A registry may lack the packages of other platforms: `tools/complete-lockfile.mjs` adds them by their names alone. */
function isForLinux({ os = "linux", cpu = "x64", libc = "glibc" }: Locked): boolean {
  return allows(os, "linux") && allows(cpu, "x64") && allows(libc, "glibc");
}

/** npm's rule: `!win32` allows all others. */
function allows(given: string | readonly string[], wanted: string): boolean {
  const all = [given].flat();
  if (all.includes(`!${wanted}`)) return false;
  return all.includes(wanted) || all.includes("any") || all.every((each) => each.startsWith("!"));
}

/** The lock file says what the registry said, the installed package what npm would run. */
function runsAtInstall(folder: string): boolean {
  const file = join(folder, "package.json");
  if (!existsSync(file)) return false;
  const { scripts = {} } = JSON.parse(readFileSync(file, "utf8")) as { scripts?: Record<string, string> };
  return INSTALL_SCRIPTS.some((name) => name in scripts) || existsSync(join(folder, "binding.gyp"));
}

const problems = problemsIn(process.argv[2] ?? ".");
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.exitCode = problems.length === 0 ? 0 : 1;
