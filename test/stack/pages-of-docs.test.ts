import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROOT } from "../support/root.ts";
import { endStacks, newApp, sharedStack, temporaryDir, tokenFor, type Stack } from "../support/stack.ts";

// The `sh` blocks of pages that name the service once, by `export JOBS_URL=…`, run as a reader runs them: first the
// blocks of the page's first chapter, then those of one other chapter. A `text` block below is what they print, where
// `…` stands for anything. A block with a mark, as "(deployed)", is looked at by `bash -n` alone.

const NAMES = [
  "jobs",
  "recipes",
  "schedules",
  "groups",
  "requests",
  "file-imports",
  "pdf",
  "verify-signatures",
  "tasks",
];
const PAGES = [
  "README.md",
  ...[...NAMES, "reference", "dashboard", "deploy", "operations", "runbook", "machines"].map(
    (name) => `docs/${name}.md`,
  ),
];

/** Numbers of a page that would take minutes of this machine; what the page expects changes with them. */
const SMALLER: readonly (readonly [RegExp, string])[] = [
  [/\b2500000\b/g, "2000"],
  [/\b1000\b/g, "10"],
  [/\blimit=100\b/g, "limit=10"],
];

interface Block {
  readonly script: string;
  /** What it prints, if the page says so. */
  readonly printed: string | undefined;
}

interface Chapter {
  readonly title: string;
  readonly blocks: readonly Block[];
}

const FENCED = /^```sh( \([a-z ]+\))?\n([\s\S]*?)^```$(?:\n\n```text\n([\s\S]*?)^```$)?/gm;

function chaptersOf(page: string): readonly Chapter[] {
  return page.split(/^## /m).flatMap((chapter) => {
    const fenced = [...chapter.matchAll(FENCED)].filter(([, mark]) => mark === undefined);
    const blocks = fenced.map(([, , script = "", printed]) => ({ script, printed }));
    return blocks.length > 0 ? [{ title: chapter.split("\n")[0] ?? "", blocks }] : [];
  });
}

/** The scripts with a mark. */
function markedIn(page: string): readonly string[] {
  return [...page.matchAll(FENCED)].flatMap(([, mark, script = ""]) => (mark === undefined ? [] : [script]));
}

/** Runs blocks as one script, and answers what each has printed. */
async function run(blocks: readonly Block[], cwd: string): Promise<readonly string[]> {
  const script = ["set -e", ...blocks.flatMap(({ script }) => [script, "echo '@@'"])].join("\n");
  return new Promise((ended) => {
    const TMPDIR = mkdtempSync(join(temporaryDir(), "tmp-"));
    const PATH = `${dirname(process.execPath)}:${process.env["PATH"]}`;
    execFile("bash", ["--norc", "-c", script], { cwd, env: { PATH, TMPDIR } }, (error, stdout, stderr) => {
      const printed = stdout.split("@@\n");
      ended(error || stderr ? [...printed, stderr, `ended with ${error?.code ?? 0}`] : printed.slice(0, -1));
    });
  });
}

/** The lines of a script that set what a reader of another stack would set, with these values. */
function withValues(script: string, values: Readonly<Record<string, string>>): string {
  return script.replaceAll(/^export (\w+)=.*$/gm, (line, name: string) =>
    values[name] === undefined ? line : `export ${name}='${values[name]}'`,
  );
}

function patternOf(printed: string): RegExp {
  const parts = printed
    .trim()
    .split("…")
    .map((part) => part.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join("[^]*")}$`);
}

let stack: Stack;

beforeAll(async () => {
  stack = await sharedStack();
});
afterAll(endStacks);

describe.each(PAGES)("%s", (file) => {
  const page = readFileSync(join(ROOT, file), "utf8");
  const small = SMALLER.reduce((text, [large, less]) => text.replaceAll(large, less), page);
  const [first, ...others] = chaptersOf(small);
  const alone = first === undefined ? [] : [{ title: first.title, blocks: [] }];
  const chapters = others.length > 0 ? others : alone;

  test.concurrent.each(chapters)("$title: its commands print what the page says", async ({ blocks }) => {
    const { appId, token } = await newApp();
    const functions = join(stack.dir, "functions");
    const userToken = async (permissions: readonly string[]) =>
      tokenFor({ appId, sub: "ann", roles: ["USER"], permissions: [...permissions] });
    const values = {
      JOBS_URL: stack.url,
      JOBS_TOKEN: token,
      USER_TOKEN: await userToken(["jobs.create_jobs", "jobs.view_jobs", "jobs.cancel_jobs", "jobs.retry_jobs"]),
      FILE_TOKEN: await userToken(["job:Create", "job:Read"]),
      OPERATOR: await tokenFor({ sub: "operator", roles: ["PLATFORM_ADMIN"] }),
      APP: appId,
      // The stack has no task but the built-in ones; the page's own one is a copy of this.
      TASK: "example",
      LOCAL_FUNCTIONS: functions,
    };
    const all = [...(first?.blocks ?? []), ...blocks].map(({ script, printed }) => ({
      script: withValues(script, values),
      printed,
    }));
    const cwd = temporaryDir();
    const printed = await run(all, cwd);
    expect(printed.map((text) => text.trim())).toEqual(
      all.map((block) =>
        block.printed === undefined ? expect.any(String) : expect.stringMatching(patternOf(block.printed)),
      ),
    );
    expect(readdirSync(cwd)).toEqual([]);
  });

  test("bash can read the commands with a mark, which are for another place or a deployed service", () => {
    const script = markedIn(page).join("\n");
    execFileSync("bash", ["--norc", "-n", "-c", script]);
    expect(markedIn(page).length + chapters.length).toBeGreaterThan(0);
  });
});

test("a command that bash can't read is noticed", () => {
  expect(() => execFileSync("bash", ["--norc", "-n", "-c", "if"], { stdio: "ignore" })).toThrow("Command failed");
  expect(markedIn("```sh (deployed)\nls\n```\n")).toEqual(["ls\n"]);
});
