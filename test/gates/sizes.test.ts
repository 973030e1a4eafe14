import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../support/root.ts";
import { endStacks, temporaryDir } from "../support/stack.ts";

// The linter counts the lines, with this test's own rules. With the repository's, a file that is long for a reason
// would need a comment that switches them off, and that comment has no room for the reason.

const FOLDERS = ["lib", "functions", "local", "bench", "test", "tools", "deploy", "client/src", "web/src"];
const LONGEST_FUNCTION = 80;
const LONGEST_FILE = 300;
/** What a comment must not switch off. */
const RULES = ["max-lines", "max-lines-per-function", "all"];
/** The reason stands in a comment of the first lines. */
const REASON = /^\/\/ Over 300 lines: \S/m;
const FIRST_LINES = 5;

let dir: string;
let config: string;

beforeAll(() => {
  dir = temporaryDir();
  config = join(dir, "sizes.json");
  const rules = {
    "max-lines-per-function": ["error", { max: LONGEST_FUNCTION, skipBlankLines: false, skipComments: false }],
    "max-lines": ["error", { max: LONGEST_FILE, skipBlankLines: false, skipComments: false }],
  };
  writeFileSync(config, JSON.stringify({ categories: { correctness: "off" }, rules }));
});
afterAll(endStacks);

interface Diagnostic {
  /** Absent if the file can't be parsed. */
  readonly code?: string;
  readonly message: string;
  readonly filename: string;
  readonly labels: readonly { readonly span: { readonly line: number } }[];
}

/** The functions and files of `folders` that are too long, each as one line. */
function tooLong(root: string, folders: readonly string[]): string[] {
  const oxlint = join(ROOT, "node_modules/oxlint/bin/oxlint");
  const args = [oxlint, "-c", config, "--disable-nested-config", "-f", "json", ...folders];
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8", maxBuffer: 2 ** 26 });
  expect(stderr).toBe("");
  const { diagnostics, number_of_files: files } = JSON.parse(stdout) as {
    diagnostics: Diagnostic[];
    number_of_files: number;
  };
  expect(files).toBeGreaterThan(0);
  return diagnostics
    .filter(({ code, filename }) => !code?.includes("(max-lines)") || !hasReason(join(root, filename)))
    .map(({ filename, labels, message }) => `${filename}:${labels[0]?.span.line} ${message}`);
}

function hasReason(file: string): boolean {
  return REASON.test(readFileSync(file, "utf8").split("\n").slice(0, FIRST_LINES).join("\n"));
}

/** The rules that a comment of the linter switches off: none named means all. */
function switchedOffIn(text: string): readonly string[] {
  const comments = text.matchAll(/(?:ox|es)lint-disable(?:-next-line|-line)?(?<rules>(?:(?!--|\*\/).)*)/g);
  return [...comments].flatMap(({ groups }) => {
    const rules = groups?.["rules"]?.trim() ?? "";
    return rules === "" ? ["all"] : rules.split(",").map((rule) => rule.trim().replace(/^.*\//, ""));
  });
}

/** The files of `folders` in which a comment switches the count off. */
function uncounted(root: string, folders: readonly string[]): string[] {
  return folders.flatMap((folder) =>
    globSync(`${folder}/**/*.{ts,tsx,cjs,mjs,js}`, { cwd: root }).filter((file) =>
      switchedOffIn(readFileSync(join(root, file), "utf8")).some((rule) => RULES.includes(rule)),
    ),
  );
}

test("no comment switches the count off", () => {
  expect(uncounted(ROOT, FOLDERS)).toEqual([]);
});

// In pieces: these comments are not this file's.
const DISABLE = ["oxlint", "disable"].join("-");
test.each([
  ["a comment for the file", `/* ${DISABLE} max-lines */\n`],
  ["a comment for the next line", `// ${DISABLE}-next-line max-lines-per-function -- it is long\n`],
  ["a comment for the line", `void 0; // ${DISABLE}-line eslint/max-lines\n`],
  ["a comment for two rules", `// ${DISABLE}-next-line no-console, max-lines-per-function\n`],
  ["a comment for all rules", `/* ${DISABLE} */\n`],
  ["a comment of the other linter", `/* ${DISABLE.replace("ox", "es")} max-lines -- long */\n`],
])("%s that switches the count off is refused", (name, content) => {
  const file = plant(name, content);
  expect(uncounted(dir, [dirname(file)])).toEqual([file]);
});

test("a comment that switches another rule off is accepted", () => {
  const file = plant("another rule", `// ${DISABLE}-next-line no-console -- max-lines is another\n`);
  expect(uncounted(dir, [dirname(file)])).toEqual([]);
});

test("no function is over 80 lines, and no file over 300 without a reason in its first lines", () => {
  expect(tooLong(ROOT, FOLDERS)).toEqual([]);
});

const LINE = "void 0;\n";
const functionOf = (lines: number) => `export function planted() {\n${"  planted();\n".repeat(lines - 2)}}\n`;

test.each([
  ["a function of 81 lines", functionOf(81), "planted"],
  [
    "a method of 81 lines",
    `export const planted = {\n  long() {\n${"    0;\n".repeat(79)}  },\n};\n`,
    "too many lines (81)",
  ],
  ["a file of 301 lines", LINE.repeat(301), "File has too many lines (301)"],
  ["a file whose comment gives no reason", `// Over 300 lines:\n${LINE.repeat(300)}`, "File has too many lines (301)"],
  ["a file whose reason comes late", `${LINE.repeat(300)}// Over 300 lines: late.\n`, "File has too many lines (301)"],
])("%s is refused", (name, content, message) => {
  expect(tooLong(dir, [plant(name, content)])).toEqual([expect.stringContaining(message)]);
});

test.each([
  ["a function of 80 lines", functionOf(80)],
  ["a file of 300 lines", LINE.repeat(300)],
  ["a longer file with its reason", `// Over 300 lines: one table.\n${LINE.repeat(400)}`],
])("%s is accepted", (name, content) => {
  expect(tooLong(dir, [plant(name, content)])).toEqual([]);
});

function plant(name: string, content: string): string {
  const file = join(dir, name.replaceAll(" ", "-"), "planted.ts");
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return relative(dir, file);
}
