// Run by `npm run lock` after a change of dependencies. A registry that mirrors only some platforms leaves the
// other packages out of package-lock.json, and `npm ci` then refuses the whole file. This adds them as optional
// packages of another platform, which are never fetched.
import { readFileSync, writeFileSync } from "node:fs";

const file = "package-lock.json";
const lock = JSON.parse(readFileSync(file, "utf8"));
const OS = /\b(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)\b/;
const CPU = /\b(arm64|arm|ia32|loong64|mips64el|mips64|ppc64|riscv64|s390x|x64|wasm32)\b/;

const added = [];
for (const [path, { optionalDependencies = {} }] of Object.entries(lock.packages)) {
  for (const [name, range] of Object.entries(optionalDependencies)) {
    const nested = `${path}/node_modules/${name}`.replace(/^\//, "");
    const hoisted = `node_modules/${name}`;
    if (lock.packages[nested] ?? lock.packages[hoisted]) continue;
    const platform = name.replaceAll("_", "-");
    const os = OS.exec(platform)?.[1];
    const cpu = CPU.exec(platform)?.[1];
    if (!os && !cpu) continue;
    const version = range.replace(/^[^\d]*/, "");
    const libc = /musl/.test(platform) ? { libc: ["musl"] } : /gnu/.test(platform) ? { libc: ["glibc"] } : {};
    // A cpu that npm does not know matches no machine, so the package is never fetched.
    lock.packages[hoisted] = { version, optional: true, os: [os ?? "none"], cpu: [cpu ?? "none"], ...libc };
    added.push(`${name}@${version}`);
  }
}
const { "": root, ...packages } = lock.packages;
const sorted = Object.entries(packages).toSorted(([a], [b]) => (a < b ? -1 : 1));
lock.packages = { "": root, ...Object.fromEntries(sorted) };
writeFileSync(file, `${JSON.stringify(lock, undefined, 2)}\n`);
process.stdout.write(`Added ${added.length} packages of other platforms to ${file}; commit it, then npm ci\n`);
