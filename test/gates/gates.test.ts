import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT, endStacks, temporaryDir } from "../support/stack.ts";

// A check that cannot fail proves nothing, so each test plants a violation that its check must find.

let copy: string;

beforeAll(() => {
  copy = temporaryDir();
  for (const name of ["lib", "functions", "sim", "tsconfig.json", ".oxlintrc.json"])
    cpSync(join(ROOT, name), join(copy, name), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
});
afterAll(endStacks);

function lint(file: string, content: string): string {
  const path = join(copy, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  try {
    execFileSync(process.execPath, [join(ROOT, "node_modules/oxlint/bin/oxlint"), file], {
      cwd: copy,
      encoding: "utf8",
      stdio: "pipe",
    });
    return "";
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}

test("the linter passes what is fine", () => {
  expect(lint("lib/executors/planted.ts", 'export const planted = "fine";\n')).toBe("");
});

test.each([
  [
    "lib/executors/planted.ts",
    'import { createEngine } from "../engine.ts";\nexport const planted = createEngine;\n',
    "Executors never import the engine",
  ],
  [
    "lib/tasks/planted.ts",
    'import { createJobStore } from "../job-store.ts";\nexport const planted = createJobStore;\n',
    "A task reaches what its context gives it",
  ],
  [
    "lib/engine/engine.ts",
    'import { parts } from "./parts.ts";\nexport const planted = parts;\n',
    "Imports go one way",
  ],
  [
    "lib/job/job.ts",
    'import { createQueue } from "./queue.ts";\nexport const planted = createQueue;\n',
    "job imports only clock and errors",
  ],
  [
    "lib/job/moves.ts",
    'import { createQueue } from "./queue.ts";\nexport const planted = createQueue;\n',
    "moves imports only clock and job",
  ],
  [
    "lib/clock.ts",
    'import { ClientError } from "./errors.ts";\nexport const planted = ClientError;\n',
    "import nothing of ours",
  ],
  [
    "lib/queue/queue.ts",
    'import { createEngine } from "./engine.ts";\nexport const planted = createEngine;\n',
    "Imports go one way",
  ],
  [
    "lib/api/planted.ts",
    'import { handler } from "../../functions/site.ts";\nexport const planted = handler;\n',
    "api → functions",
  ],
  [
    "functions/planted.ts",
    'import { createQueue } from "../../lib/queue/queue.ts";\nexport const planted = createQueue;\n',
    "A function only translates",
  ],
  [
    "lib/engine/engine.ts",
    'import { createSqs } from "../sim/models/sqs.ts";\nexport const planted = createSqs;\n',
    "Imports go one way",
  ],
  [
    "lib/planted.ts",
    'import { createSqs } from "../sim/models/sqs.ts";\nexport const planted = createSqs;\n',
    "The simulator imports the service",
  ],
  ["sim/models/planted.ts", "export const planted = Date.now();\n", "Time is an argument"],
  ["lib/planted.ts", "export const planted = Date.now();\n", "Time is an argument"],
  ["lib/planted.ts", "export const planted = Math.random();\n", "Chance is an argument"],
  ["lib/planted.ts", "export async function planted(): Promise<void> {}\nplanted();\n", "floating"],
  ["lib/planted.ts", "export const planted = (x: any): unknown => x;\n", "any"],
])("%s with a planted violation is refused", (file, content, message) => {
  expect(lint(file, content)).toContain(message);
});
