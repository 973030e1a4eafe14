import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tasks } from "../../lib/tasks/index.ts";
import type { Task } from "../../lib/tasks/task.ts";
import { TASKS_PAGE, payloadsIn } from "../../tools/form-schemas.ts";
import { ROOT } from "../support/root.ts";

const page = readFileSync(join(ROOT, TASKS_PAGE), "utf8");
// docs/tasks.md explains the example.
const builtIn = tasks.filter(({ jobType }) => jobType !== "example");

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
