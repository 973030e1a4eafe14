import { spawnSync } from "node:child_process";

// `npm run check`: makes all checks, also after one that fails, and says at the end what mends each.

interface Check {
  readonly name: string;
  readonly command: readonly [program: string, ...args: string[]];
  readonly mend: string;
}

const CHECKS: readonly Check[] = [
  { name: "format", command: ["oxfmt", "--check", "."], mend: "npm run fix writes it" },
  {
    name: "lint and types",
    command: ["oxlint"],
    mend: "npm run fix mends some of it; the rest is named above, with file and line",
  },
  { name: "unused code", command: ["knip"], mend: "remove what is named above, or use it" },
  { name: "dependencies", command: ["node", "tools/check-dependencies.ts"], mend: "it is said above" },
];

const failed = CHECKS.filter(({ command: [program, ...args] }) => {
  const { status, error } = spawnSync(program, args, { stdio: "inherit" });
  if (error) process.stderr.write(`${program} can't be run (${error.message}): npm ci, then npm run check\n`);
  return status !== 0;
});
for (const { name, mend } of failed) process.stderr.write(`\n${name}: failed. ${mend}`);
if (failed.length > 0) process.stderr.write("\n");
process.exitCode = failed.length > 0 ? 1 : 0;
