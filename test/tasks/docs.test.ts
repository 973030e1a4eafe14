import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { JOB_TYPES, definitionOf } from "../../lib/tasks/index.ts";
import type { Task } from "../../lib/tasks/task.ts";
import { TASKS_PAGE, payloadsIn } from "../../tools/form-schemas.ts";
import { ROOT } from "../support/root.ts";
import { createTaskWorld, type TaskWorld } from "../support/task-world.ts";

const page = readFileSync(join(ROOT, TASKS_PAGE), "utf8");
// docs/tasks.md explains the example.
const builtIn = await Promise.all(JOB_TYPES.filter((jobType) => jobType !== "example").map(definitionOf));

/** What the page lacks, or has too much, each as a line that says what to do. */
function problemsOf(text: string, all: readonly Pick<Task, "jobType" | "payload">[]): readonly string[] {
  const payloads = payloadsIn(text);
  const known = all.map(({ jobType }) => jobType);
  const unknown = Object.keys(payloads).filter((task) => !known.includes(task));
  const ofTasks = all.flatMap(({ jobType, payload }) => {
    const section = `a chapter "## \`${jobType}\`" that says what it does, with a block \`\`\`json ${jobType}`;
    if (!payloads[jobType]) return [`${TASKS_PAGE} lacks ${section} that holds a payload of it`];
    const { error } = payload.safeParse(payloads[jobType]);
    return (error?.issues ?? []).map(
      ({ path, message }) => `${TASKS_PAGE}: the block "json ${jobType}" is refused: ${path.join(".")} ${message}`,
    );
  });
  return [
    ...ofTasks,
    ...unknown.map(
      (task) => `${TASKS_PAGE} has a block "json ${task}", and lib/tasks/index.ts no such task: remove it`,
    ),
  ];
}

test("the page of built-in tasks shows a payload of each that is accepted", () => {
  expect(problemsOf(page, builtIn)).toEqual([]);
});

test("a task that the page lacks, one that is gone and a payload that is refused are told, with what to do", () => {
  const [first, ...others] = builtIn;
  if (!first) throw new Error("There is no built-in task");
  expect(problemsOf(page, [...builtIn, { ...first, jobType: "count_words" }])).toEqual([
    'docs/built-in-tasks.md lacks a chapter "## `count_words`" that says what it does, with a block ```json count_words that holds a payload of it',
  ]);
  expect(problemsOf(page, others)).toEqual([expect.stringContaining(`has a block "json ${first.jobType}", and lib`)]);
  const wrong = page.replace('"olderThanDays": 90', '"olderThanDays": "x"');
  expect(problemsOf(wrong, builtIn)).toEqual([expect.stringContaining('"json cleanup" is refused: olderThanDays')]);
});

test("the recipe for a task of one's own makes all that belongs to it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "recipe-"));
  cpSync(join(ROOT, "lib/tasks"), join(folder, "lib/tasks"), { recursive: true });
  mkdirSync(join(folder, "docs"));
  cpSync(join(ROOT, TASKS_PAGE), join(folder, TASKS_PAGE));
  const recipe = readFileSync(join(ROOT, "docs/recipes.md"), "utf8");
  const [, script = ""] = /```sh \(by itself\)\n(git switch -c our-tasks\n[\s\S]*?)^```$/m.exec(recipe) ?? [];
  // What the other lines do, tests of their own show.
  const edits = script.split("\n").filter((line) => !/^(?:git|npm|npx) /.test(line));
  execFileSync("bash", ["-ec", edits.join("\n")], { cwd: folder });
  const read = (file: string) => readFileSync(join(folder, file), "utf8");
  expect(read("lib/tasks/letters.ts")).toContain('export const letters = defineTask({\n  jobType: "letters"');
  expect(read("lib/tasks/index.ts")).toMatch(
    /^ {4}letters: async \(\) => \(await import\("\.\/letters\.ts"\)\)\.letters,$/m,
  );
  const { payload } = await definitionOf("example");
  expect(problemsOf(read(TASKS_PAGE), [...builtIn, { jobType: "letters", payload }])).toEqual([]);
  rmSync(folder, { recursive: true });
});

describe("the task about a file that docs/tasks.md shows", () => {
  let world: TaskWorld;
  let task: Task;
  const folder = mkdtempSync(join(tmpdir(), "task-of-docs-"));

  beforeAll(async () => {
    world = await createTaskWorld();
    const blocks = [...readFileSync(join(ROOT, "docs/tasks.md"), "utf8").matchAll(/```ts\n([\s\S]*?)```/g)];
    const [code = ""] = blocks.flatMap(([, text = ""]) => (text.includes("count_lines") ? [text] : []));
    const file = join(folder, "count-lines.ts");
    // As if it stood in lib/tasks/.
    const placed = code
      .replace('"./task.ts"', JSON.stringify(pathToFileURL(join(ROOT, "lib/tasks/task.ts"))))
      .replace('"../zod.ts"', JSON.stringify(pathToFileURL(join(ROOT, "lib/zod.ts"))));
    writeFileSync(file, placed);
    ({ countLines: task } = (await import(pathToFileURL(file).href)) as { countLines: Task });
  });
  afterAll(async () => {
    await world.end();
    rmSync(folder, { recursive: true });
  });

  test("counts the lines, shows how far it is, and makes a file", async () => {
    const file = await world.upload("a\nb\nc\n");
    const { outcome, logs, steps } = await world.run(task, { title: "Rows" }, { file });
    expect(outcome).toEqual({ kind: "done", result: { lines: 3, fileKey: expect.stringMatching(/report\.txt$/) } });
    const { fileKey = "" } = outcome?.kind === "done" ? outcome.result : {};
    expect((await world.content(fileKey)).toString()).toBe("Rows: 3\n");
    expect(steps.at(-1)).toMatchObject({ step: 6, total: 6, label: "reading" });
    expect(logs.map(({ message }) => message)).toEqual(["Counted 3 lines"]);
  });

  test("goes on where an earlier attempt was, also at the end", async () => {
    const file = await world.upload("a\nb\nc\n");
    const of = async (saved: unknown) => (await world.run(task, {}, { file, saved })).outcome;
    expect(await of({ at: 2, lines: 1 })).toMatchObject({ result: { lines: 3 } });
    expect(await of({ at: 6, lines: 3 })).toMatchObject({ result: { lines: 3 } });
  });

  test("ends with its signal, and says what is wrong with a file that is not there", async () => {
    const file = await world.upload("a\n");
    const { outcome, thrown } = await world.run(task, {}, { file, signal: AbortSignal.abort() });
    expect([outcome, thrown]).toEqual([undefined, expect.any(Error)]);
    expect((await world.run(task, {})).outcome).toMatchObject({
      kind: "failed",
      error: expect.stringMatching(/^Expected a file/),
    });
    const gone = { ...file, key: `${file.key}-gone` };
    expect((await world.run(task, {}, { file: gone })).outcome).toMatchObject({
      kind: "failed",
      error: expect.stringMatching(/is gone: upload it/),
    });
  });
});
