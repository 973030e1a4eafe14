import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tasks } from "../../lib/tasks/index.ts";
import { ROOT } from "../support/root.ts";

test("the page of built-in tasks shows a payload of each that is accepted", () => {
  const page = readFileSync(join(ROOT, "docs/built-in-tasks.md"), "utf8");
  const examples = [...page.matchAll(/```json (\w+)\n([\s\S]*?)```/g)].map(([, name = "", text = ""]) => [name, text]);
  // docs/tasks.md explains the example.
  const builtIn = tasks.filter(({ jobType }) => jobType !== "example");
  expect(examples.map(([name]) => name)).toEqual(builtIn.map(({ jobType }) => jobType));
  for (const [index, { payload }] of builtIn.entries()) payload.parse(JSON.parse(examples[index]?.[1] ?? ""));
});
