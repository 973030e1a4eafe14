import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseSync } from "oxc-parser";
import { expect, test } from "vitest";
import { ROOT } from "../support/root.ts";

// CONTRIBUTING.md lists, for each walk of a job, the files that it crosses. Each is imported by one before it. Of the
// core's rooms, all that a file of the walk imports by value is in its list, or named as what the walk passes by.

const CORE = /^lib\/(?:engine|queue|executors)\//;
/** They name all that there is, for every walk. */
const CONTENTS = ["lib/engine/engine.ts", "lib/executors/index.ts", "lib/executors/by-type.ts"];
const WALKS = [
  "An accepted job",
  "A delivered webhook",
  "A task",
  "A schedule",
  "A follow-up",
  "A group",
  "A quick PDF",
  "A document in the browser",
];

interface Walk {
  readonly name: string;
  readonly files: readonly string[];
  /** Imported by files of the walk, and not part of it. */
  readonly passesBy: readonly string[];
}

interface Import {
  readonly file: string;
  readonly isType: boolean;
}

function walksIn(text: string): readonly Walk[] {
  const [, chapter = ""] = text.split(/^## The walks of a job$/m);
  const [walks = ""] = chapter.split(/^## /m);
  return walks
    .split(/^### /m)
    .slice(1)
    .map((section) => ({
      name: section.split("\n", 1)[0] ?? "",
      files: [...section.matchAll(/^\d+\. `([^`]+)`/gm)].map(([, file = ""]) => file),
      passesBy: [...(/^Passes by: .*$/m.exec(section)?.[0] ?? "").matchAll(/`([^`]+\.ts)`/g)].map(
        ([, file = ""]) => file,
      ),
    }));
}

function importsOf(file: string): readonly Import[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  const { staticImports, staticExports, dynamicImports } = parseSync(file, text).module;
  const imports = staticImports.map(({ moduleRequest, entries }) => ({
    path: moduleRequest.value,
    isType: entries.length > 0 && entries.every(({ isType }) => isType),
  }));
  const exports = staticExports.flatMap(({ entries }) =>
    entries.flatMap(({ moduleRequest, isType }) => (moduleRequest ? { path: moduleRequest.value, isType } : [])),
  );
  const atRunTime = dynamicImports.map(({ moduleRequest: { start, end } }) => ({
    path: text.slice(start + 1, end - 1),
    isType: false,
  }));
  return [...imports, ...exports, ...atRunTime]
    .filter(({ path }) => path.startsWith("."))
    .map(({ path, isType }) => ({ file: join(dirname(file), path), isType }));
}

/** The problems of a walk, each as a line. */
function problemsOf({ files, passesBy }: Walk): readonly string[] {
  const missing = [...files, ...passesBy].filter((file) => !existsSync(join(ROOT, file)));
  if (missing.length > 0) return missing.map((file) => `${file} does not exist`);
  const imports = new Map(files.map((file) => [file, importsOf(file)]));
  const unreached = files.filter(
    (file, at) => at > 0 && !files.slice(0, at).some((before) => imports.get(before)?.some((it) => it.file === file)),
  );
  const core = files.filter((file) => CORE.test(file) && !CONTENTS.includes(file));
  const needed = core.flatMap((by) =>
    (imports.get(by) ?? []).filter(({ file, isType }) => !isType && CORE.test(file)).map(({ file }) => ({ file, by })),
  );
  const unnamed = needed.filter(({ file }) => !files.includes(file) && !passesBy.includes(file));
  const unneeded = passesBy.filter((file) => files.includes(file) || !needed.some((it) => it.file === file));
  return [
    ...unreached.map((file) => `${file} is imported by none of the files before it`),
    ...unnamed.map(({ file, by }) => `${file} is imported by ${by}, and neither in the list nor passed by`),
    ...unneeded.map((file) => `${file} is not passed by`),
  ];
}

const walks = walksIn(readFileSync(join(ROOT, "CONTRIBUTING.md"), "utf8"));

test("every walk is drawn", () => {
  expect(walks.map(({ name }) => name)).toEqual(WALKS);
});

test.each(walks)("$name crosses the files that CONTRIBUTING.md lists", (walk) => {
  expect(walk.files.length).toBeGreaterThan(4);
  expect(problemsOf(walk)).toEqual([]);
});

test.each([
  ["a file that is not there", (files: string[]) => files.with(2, "lib/engine/gone.ts"), "does not exist"],
  ["a step that is left out", (files: string[]) => files.filter((file) => !file.endsWith("/attempt.ts")), "neither in"],
  ["a file that nothing leads to", (files: string[]) => [...files, "lib/api/unified/jobs.ts"], "none of the files"],
])("%s is noticed", (_, change, problem) => {
  const walk = walks.find(({ name }) => name === "A delivered webhook");
  if (!walk) throw new Error("CONTRIBUTING.md has no delivered webhook");
  expect(problemsOf({ ...walk, files: change([...walk.files]) }).join("\n")).toContain(problem);
});
