import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../support/root.ts";
import { endStacks, temporaryDir } from "../support/stack.ts";
import { FILES, FLOORS, ROOMS, type Room } from "./rooms.ts";

// A check that cannot fail proves nothing: each test plants what the linter must find. The planted files stand in a
// folder with the repository's settings and without its code, so that one run of the linter judges them all.

/** Rooms of lower floors that are refused all the same. */
const CLOSED: Partial<Record<Room, readonly Room[]>> = {
  // Of the store, only the list of jobs: its type names a place in that list.
  tasks: ["store", "queue"],
  functions: ["store", "queue"],
};
const OUTSIDE = ["test", "local", "bench"] as const;

const ONE_WAY =
  "Imports go one way: clock, errors, zod → job → outbound, store → queue, files → flow, pdf, datasets → tasks → executors → engine → parts → api → functions.";
const BY_NAME = "A task reaches what its context gives it";
const TRANSLATES = "A function only translates";
/** What else than the direction may refuse an import of a room. */
const MESSAGES: Partial<Record<Room, readonly string[]>> = {
  clock: ["clock, errors and zod import nothing of ours."],
  errors: ["clock, errors and zod import nothing of ours."],
  zod: ["clock, errors and zod import nothing of ours."],
  tasks: [BY_NAME],
  executors: ["Executors never import the engine"],
  functions: [TRANSLATES],
};

interface Diagnostic {
  readonly code: string;
  readonly message: string;
  readonly help?: string;
  readonly filename: string;
  readonly labels: readonly { readonly span: { readonly line: number } }[];
}

let dir: string;
const planted = new Map<string, string>();
let found: Map<string, readonly Diagnostic[]>;

function folderOf(room: Room): string {
  return room === "functions" ? room : `lib/${room}`;
}

/** The file that others import from a room. It imports nothing, but for a room that is one file. */
function targetIn(room: Room): string {
  return FILES.includes(room) ? `lib/${room}.ts` : `${folderOf(room)}/target.ts`;
}

/** The file of a room that imports all others, a line for each. */
function importerIn(room: Room): string {
  return FILES.includes(room) ? `lib/${room}.ts` : `${folderOf(room)}/planted.ts`;
}

/** A module specifier, as it stands in `file`. */
function specifier(file: string, target: string): string {
  const path = relative(dirname(file), target);
  return path.startsWith(".") ? path : `./${path}`;
}

function exporting(file: string, targets: readonly string[]): string {
  return targets.map((target, at) => `export { target as planted${at} } from "${specifier(file, target)}";\n`).join("");
}

function othersOf(room: Room): readonly Room[] {
  return ROOMS.filter((other) => other !== room);
}

function targetsOf(room: Room): readonly string[] {
  return [...othersOf(room).map(targetIn), ...OUTSIDE.map((folder) => `${folder}/target.ts`)];
}

for (const file of [...ROOMS.map(targetIn), ...OUTSIDE.map((folder) => `${folder}/target.ts`)])
  planted.set(file, "export const target = 1;\n");
for (const room of ROOMS) {
  const file = importerIn(room);
  planted.set(file, exporting(file, targetsOf(room)) + (FILES.includes(room) ? "export const target = 1;\n" : ""));
}

/** Plants a file that must be refused, or passed. */
function plant(file: string, content: string): string {
  if (planted.has(file)) throw new Error(`${file} is planted twice`);
  planted.set(file, content);
  return file;
}

beforeAll(() => {
  dir = temporaryDir();
  for (const name of ["package.json", "tsconfig.json", "web/tsconfig.json", ".oxlintrc.json"])
    cpSync(join(ROOT, name), join(dir, name));
  symlinkSync(join(ROOT, "node_modules"), join(dir, "node_modules"));
  for (const [file, content] of planted) {
    mkdirSync(dirname(join(dir, file)), { recursive: true });
    writeFileSync(join(dir, file), content);
  }
  const oxlint = join(ROOT, "node_modules/oxlint/bin/oxlint");
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [oxlint, "-f", "json", "lib", "functions", "web", ...OUTSIDE],
    {
      cwd: dir,
      encoding: "utf8",
      maxBuffer: 2 ** 26,
    },
  );
  expect(stderr).toBe("");
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: Diagnostic[] };
  found = Map.groupBy(diagnostics, ({ filename }) => filename);
});
afterAll(endStacks);

function foundIn(file: string): readonly Diagnostic[] {
  return found.get(file) ?? [];
}

/** The refused imports of a file, each with its message, by the line on which they stand. */
function refusedIn(file: string): Map<number, string> {
  const refused = foundIn(file).filter(({ code }) => code.includes("no-restricted-imports"));
  return new Map(refused.map(({ labels, message, help }) => [labels[0]?.span.line ?? 0, help ?? message]));
}

test("every file and folder of lib/ is a room", () => {
  const names = readdirSync(join(ROOT, "lib")).map((name) => name.replace(/\.ts$/, ""));
  expect(names.toSorted()).toEqual(ROOMS.filter((room) => room !== "functions").toSorted());
});

test.each(ROOMS)("%s imports rooms of lower floors alone", (room) => {
  const floor = FLOORS.findIndex((rooms: readonly Room[]) => rooms.includes(room));
  const below = FLOORS.slice(0, floor).flat();
  const allowed = below.filter((other) => !CLOSED[room]?.includes(other)).map(targetIn);
  const refused = refusedIn(importerIn(room));
  const passed = targetsOf(room).filter((_, at) => !refused.has(at + 1));
  expect(passed.toSorted()).toEqual(allowed.toSorted());
  const messages = [ONE_WAY, ...(MESSAGES[room] ?? [])];
  for (const said of refused.values()) expect(messages.some((message) => said.includes(message))).toBe(true);
});

interface Apart {
  readonly name: string;
  readonly file: string;
  readonly refused: readonly string[];
  readonly passed: readonly string[];
  readonly message: string;
}

const IN_THE_API = "Within the API: http → unified, tasks, pdf, admin → routes → docs.";

const APART: readonly Apart[] = [
  {
    name: "the HTTP room of the API imports none of its other rooms",
    file: "lib/api/http/apart.ts",
    refused: [
      ...["unified", "tasks", "pdf", "admin", "docs"].map((room) => `lib/api/${room}/target.ts`),
      "lib/api/routes.ts",
      "lib/api/create-job-routes.ts",
    ],
    passed: ["lib/api/http/target.ts", "lib/parts.ts"],
    message: IN_THE_API,
  },
  ...["unified", "tasks", "pdf", "admin"].map((room) => ({
    name: `the room ${room} of the API imports neither the list of routes nor the document`,
    file: `lib/api/${room}/apart.ts`,
    refused: ["lib/api/routes.ts", "lib/api/create-job-routes.ts", "lib/api/docs/target.ts"],
    passed: ["lib/api/http/target.ts", "lib/parts.ts"],
    message: IN_THE_API,
  })),
  {
    name: "a task reaches no store, no queue and no way out",
    file: "lib/tasks/apart.ts",
    refused: [
      ...["job-store", "app-store", "table", "bucket", "payloads"].map((name) => `lib/store/${name}.ts`),
      "lib/queue/queue.ts",
      "lib/outbound/send.ts",
    ],
    passed: ["lib/store/job-list.ts", "lib/outbound/headers.ts"],
    message: BY_NAME,
  },
  ...["services", "log", "log-items"].map((name) => ({
    name: `lib/tasks/${name}.ts reaches the store, and nothing above the tasks`,
    file: `lib/tasks/${name}.ts`,
    refused: ["lib/executors/target.ts", "lib/engine/target.ts"],
    passed: ["lib/store/table.ts"],
    message: ONE_WAY,
  })),
  {
    name: "a model of the simulator imports neither the engine nor its callers",
    file: "test/sim/models/apart.ts",
    refused: ["lib/engine/target.ts", "lib/store/job-store.ts", "lib/queue/queue.ts"],
    passed: ["lib/job/target.ts"],
    message: "A model knows the service that it stands for",
  },
  {
    name: "the local stack imports no test",
    file: "local/apart.ts",
    refused: ["test/target.ts"],
    passed: ["lib/parts.ts"],
    message: "Tests import the service, not the reverse",
  },
];
for (const { file, refused, passed } of APART) plant(file, exporting(file, [...refused, ...passed]));

test.each(APART)("$name", ({ file, refused, message }) => {
  const found = [...refusedIn(file)].toSorted(([a], [b]) => a - b);
  expect(found).toEqual(refused.map((_, at) => [at + 1, expect.stringContaining(message)]));
});

function plantCircle(files: readonly string[], line: (path: string) => string): readonly string[] {
  return files.map((file, at) => plant(file, line(specifier(file, files[(at + 1) % files.length] ?? file))));
}

const byValue = (path: string) => `import { next } from "${path}";\nexport const planted = (): unknown => next;\n`;
const byType = (path: string) => `import type { Planted as Next } from "${path}";\nexport type Planted = Next[];\n`;

const circles = [
  {
    name: "values over three files",
    files: plantCircle(["lib/engine/one.ts", "lib/engine/two.ts", "lib/engine/three.ts"], (path) =>
      byValue(path).replace("const planted", "const next = 1;\nexport const planted"),
    ),
  },
  { name: "types alone", files: plantCircle(["lib/job/one.ts", "lib/job/two.ts"], byType) },
  {
    name: "types over two rooms",
    files: plantCircle(["lib/engine/circle.ts", "lib/executors/circle.ts"], byType),
  },
];

test.each(circles)("a circle of $name is refused in each of its files", ({ files }) => {
  for (const file of files) expect(foundIn(file).map(({ code }) => code)).toContain("import(no-cycle)");
});

const UPWARD = { file: "lib/store/forms", target: "../queue/target.ts" };
const SINGLE: readonly (readonly [name: string, file: string, content: string, message: string])[] = [
  ["an upward import of a value", `${UPWARD.file}-value.ts`, byValue(UPWARD.target), ONE_WAY],
  ["an upward import of a type", `${UPWARD.file}-type.ts`, byType(UPWARD.target), ONE_WAY],
  ["an upward import for its effects", `${UPWARD.file}-effect.ts`, `import "${UPWARD.target}";\n`, ONE_WAY],
  ["all that is exported upward", `${UPWARD.file}-all.ts`, `export * from "${UPWARD.target}";\n`, ONE_WAY],
  ["the SDK in a task", "lib/tasks/sdk.ts", 'export { S3Client } from "@aws-sdk/client-s3";\n', BY_NAME],
  [
    "a clock in a model",
    "test/sim/models/timers.ts",
    'export { setTimeout } from "node:timers/promises";\n',
    "time and chance are its options",
  ],
  [
    "chance in a model",
    "test/sim/models/crypto.ts",
    'export { randomUUID } from "node:crypto";\n',
    "time and chance are its options",
  ],
  ["time in a model", "test/sim/models/now.ts", "export const planted = Date.now();\n", "Time is an argument"],
  ["time in lib", "lib/store/now.ts", "export const planted = Date.now();\n", "Time is an argument"],
  ["time in functions", "functions/now.ts", "export const planted = Date.now();\n", "Time is an argument"],
  ["a timer", "lib/store/timer.ts", "export const planted = setTimeout;\n", "Time is an argument"],
  ["chance", "lib/store/random.ts", "export const planted = Math.random();\n", "Chance is an argument"],
  [
    "a floating promise",
    "lib/store/floating.ts",
    "export async function planted(): Promise<void> {}\nplanted();\n",
    "Promises must be awaited",
  ],
  ["any", "lib/store/any.ts", "export const planted = (x: any): unknown => x;\n", "any"],
  ["a wrong type", "lib/store/typed.ts", 'export const planted: number = "1";\n', "not assignable to type 'number'"],
  ["a page in lib", "lib/store/page.ts", "export const planted = document.title;\n", "Cannot find name 'document'"],
  [
    "a wrong type in a page",
    "web/src/typed.ts",
    "export const planted: number = document.title;\n",
    "to type 'number'",
  ],
];
for (const [, file, content] of SINGLE) plant(file, content);

test.each(SINGLE)("%s is refused", (_, file, __, message) => {
  expect(foundIn(file).map((diagnostic) => `${diagnostic.message} ${diagnostic.help ?? ""}`)).toContainEqual(
    expect.stringContaining(message),
  );
});

plant("lib/executors/fine.ts", 'export const planted = "fine";\n');

test("the linter passes what is fine", () => {
  expect(foundIn("lib/executors/fine.ts")).toEqual([]);
});
