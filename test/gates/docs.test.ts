import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { expect, test } from "vitest";
import { EXECUTION_TYPES } from "../../lib/executors/index.ts";
import { FILE_STATUSES, statusesOf as fileOf } from "../../lib/api/tasks/files-view.ts";
import { TYPED_STATUSES, statusesOf as typedOf } from "../../lib/api/tasks/typed-view.ts";
import { nextAttempt, type Job, type EndedJob, type WaitingJob } from "../../lib/job/job.ts";
import { endGroup, type Group } from "../../lib/job/group-moves.ts";
import { after } from "../../lib/job/move.ts";
import { claim, edit, end, fire, lapse, retry, skip, stop } from "../../lib/job/moves.ts";
import { STATUSES } from "../../lib/job/status.ts";
import { pdfStatus } from "../../lib/pdf/view.ts";
import { readTemplate } from "../../local/template.ts";
import { ROOT } from "../support/root.ts";
import { sources } from "./rooms.ts";
import type { Outcome } from "../../lib/job/attempt.ts";

const read = (file: string) => readFileSync(join(ROOT, file), "utf8");

test("the diagram of a job's life has exactly the moves that the code makes", () => {
  const drawn = [...read("docs/reference.md").matchAll(/^ {2}([A-Z]+) --> ([A-Z]+) :/gm)].map(
    ([, from, to]) => `${from} → ${to}`,
  );

  const job = {
    id: "id",
    appId: "app",
    destination: "a",
    attempts: 0,
    retryCount: 0,
    maxRetries: 1,
    status: "PENDING",
    payload: { at: "inline", bytes: new Uint8Array() },
  } as unknown as WaitingJob;
  const claimed = claim({ ...nextAttempt(job) }, 0, 1);
  const running = after(job, claimed);
  const outcomes: Outcome[] = [
    { kind: "succeeded" },
    ...(["retry", "rejected", "lost"] as const).map((kind) => ({ kind, error: "" })),
  ];
  const ends = outcomes.flatMap((outcome) =>
    [0, 1].map((retryCount) =>
      end({ ...running, retryCount }, { outcome, now: 0, durationMs: 0, chance: 0, retention: 0 }),
    ),
  );
  const stops = (["CANCELLED", "DEAD"] as const).flatMap((as) => [
    stop(job, as, 0, 0),
    end(
      { ...running, stopAs: as },
      { outcome: { kind: "lost", error: "" }, now: 0, durationMs: 0, chance: 0, retention: 0 },
    ),
  ]);
  const run = { now: 0, targetJobId: "", retention: 0 };
  const fired = [fire(job, { ...run, next: undefined })];
  const group = { ...job, executionType: "group", fanIn: { sealBy: 1 } } as Group<WaitingJob>;
  const counts = { total: 1, succeeded: 0, failed: 1, dead: 0, cancelled: 0 };
  const ended = [counts, { ...counts, succeeded: 1 }].map((each) =>
    endGroup(group, { counts: each, failedJobIds: [] }, 0, 0),
  );
  const wanted = {
    startAt: 0,
    recurring: true as const,
    scheduleArn: undefined,
    pausedAt: undefined,
    pauseReason: undefined,
  };
  const anew = (["SUCCEEDED", "CANCELLED", "DEAD"] as const).map((status) =>
    edit({ ...job, status } as EndedJob, { ...wanted, owedUntil: undefined, skipped: undefined, editId: "" }, 0, false),
  );
  const skipped = skip(job, { now: 0, retention: 0, next: undefined });
  const moves = [
    claimed,
    ...ended,
    ...fired,
    skipped,
    ...anew,
    ...ends,
    ...stops,
    lapse(job, 0, 0),
    retry({ ...job, status: "DEAD" }, 0),
  ];
  const made = moves.flatMap(({ from, to }) => from.map((each) => `${each} → ${to}`));
  expect(new Set(drawn)).toEqual(new Set(made));
});

test("every setting is in the table of the reference, in .env.example, and read by something", () => {
  const table = read("docs/reference.md").split("## Configuration")[1]?.split("\n## ")[0] ?? "";
  const rows = table.split("\n").filter((line) => line.startsWith("| `"));
  const documented = rows.flatMap((line) =>
    [...(line.split("|")[1] ?? "").matchAll(/`(\w+)`/g)].map(([, name]) => name),
  );
  const example = [...read(".env.example").matchAll(/^#?([A-Z][A-Z0-9_]+)=/gm)].map(([, name]) => name);
  expect(new Set(example)).toEqual(new Set(documented));

  const code = [
    "lib/config.ts",
    "deploy/secrets.cjs",
    "deploy/concurrency.cjs",
    "deploy/permissions.cjs",
    "serverless.yml",
    "deploy/alarms.yml",
    "lib/store/bucket.ts",
    "lib/pdf/which-chromium.ts",
    "local/start.ts",
    "local/environment.ts",
    "local/cloud.ts",
    "local/emulators.ts",
    "local/guard.ts",
    "local/token.ts",
    "local/lambda-api.ts",
  ]
    .map(read)
    .join("\n");
  for (const name of documented) expect(code).toContain(name);
  for (const name of Object.keys(readTemplate(ROOT).environment)) expect(documented).toContain(name);
});

test("the reference names every endpoint and every execution type", () => {
  const reference = read("docs/reference.md");
  for (const { routes } of readTemplate(ROOT).functions) {
    for (const key of routes) if (key !== "*") expect(reference).toContain(`\`${key}\``);
  }
  for (const type of EXECUTION_TYPES) expect(reference).toContain(`\`${type}\``);
});

test("what each status is called where is what the views show", () => {
  const [, table = ""] = read("docs/which-endpoint.md").split("## What each status is called where");
  const rows = table.matchAll(/^\| [^|]+ \| `([A-Z]+)` \| `(\w+)` \| `(\w+)`[^|]*\| `(\w+)` \|$/gm);
  const told = [...rows].map(([, ...names]) => names);
  const shown = STATUSES.map((status) => [
    status,
    TYPED_STATUSES.find((name) => typedOf(name).includes(status)),
    FILE_STATUSES.find((name) => fileOf(name).includes(status)),
    pdfStatus({ status } as Job),
  ]);
  expect(told).toEqual(shown);
});

test("the task that docs/tasks.md shows is the one that there is", () => {
  const [, shown] = /```ts\n([\s\S]*?)```/.exec(read("docs/tasks.md")) ?? [];
  expect(shown).toBe(read("lib/tasks/example.ts"));
});

test("the events of the log are those that the operator's page lists", () => {
  const listed = [...read("docs/operations.md").matchAll(/^\| `([a-z]+\.[a-z-]+)` \|/gm)].map(([, name]) => name);
  const logged = sources().flatMap((file) =>
    [...read(file).matchAll(/log\(\s*[^;]*?"([a-z]+\.[a-z-]+)"/g)].map(([, name]) => name),
  );
  expect(new Set(listed)).toEqual(new Set(logged));
});

/** Folders of the repository that documents name. */
const FOLDERS = ["lib", "functions", "test", "local", "bench", "deploy", "docs", "events", "tools", "client", ".ci"];
const DOCUMENTS = [
  "README.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  "SECURITY.md",
  "docs/examples/README.md",
  "client/README.md",
  ...readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** The names in backticks that look like a file or folder of the repository. A name without a folder is any file's. */
function namesIn(text: string): readonly string[] {
  const quoted = [...text.matchAll(/`([\w.-]+(?:\/[\w.-]+)*\/?)`/g)].map(([, name = ""]) => name);
  return quoted.filter((name) => {
    const [first = ""] = name.split("/");
    return /^[a-z][\w./-]*\.(?:ts|cjs|yml)$/.test(name) || (name.includes("/") && FOLDERS.includes(first));
  });
}

test("every file that a document names exists", () => {
  const files = FOLDERS.flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }));
  const names = new Set([...readdirSync(ROOT), ...files].map((file) => basename(file)));
  const missing = DOCUMENTS.flatMap((document) =>
    namesIn(read(document))
      .filter((name) => (name.includes("/") ? !existsSync(join(ROOT, name)) : !names.has(name)))
      .map((name) => `${document}: ${name}`),
  );
  expect(missing).toEqual([]);
  const text = "`lib/gone.ts`, `gone.cjs`, `gone/file.ts`, `lib/gone/`, `a/b`, `name`, `YOURS.ts`";
  expect(namesIn(text)).toEqual(["lib/gone.ts", "gone.cjs", "gone/file.ts", "lib/gone/"]);
});

test("the index of the documentation leads to every page", () => {
  const linked = [...read("docs/README.md").matchAll(/\]\(([\w-]+\.md)\)/g)].map(([, page]) => `docs/${page}`);
  const pages = DOCUMENTS.filter((name) => /^docs\/[\w-]+\.md$/.test(name) && name !== "docs/README.md");
  expect(new Set(linked)).toEqual(new Set(pages));
});

test("every link of a document to a file leads to one", () => {
  const broken = DOCUMENTS.flatMap((document) =>
    [...read(document).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)]
      .map(([, path = ""]) => join(dirname(document), path))
      .filter((path) => !existsSync(join(ROOT, path)) || !statSync(join(ROOT, path)).isFile())
      .map((path) => `${document}: ${path}`),
  );
  expect(broken).toEqual([]);
});

/** The ids that GitHub gives to the headings of a page. */
function anchorsOf(document: string): ReadonlySet<string> {
  const headings = read(document)
    .replaceAll(/^```[^]*?^```$/gm, "")
    .matchAll(/^#+ (.+)$/gm);
  return new Set(
    [...headings].map(([, heading = ""]) =>
      heading
        .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}_ -]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

test("every link of a document to a part of a page leads to a heading", () => {
  const broken = DOCUMENTS.flatMap((document) =>
    [...read(document).matchAll(/\]\((?!https?:)([^)#\s]*\.md|)#([^)\s]+)\)/g)]
      .map(([, path = "", id = ""]) => [path ? join(dirname(document), path) : document, id] as const)
      .filter(([path, id]) => !anchorsOf(path).has(id))
      .map(([path, id]) => `${document}: ${path}#${id}`),
  );
  expect(broken).toEqual([]);
  expect(anchorsOf("docs/jobs.md")).toContain("before-you-start");
});

test("a document names the address of the local stack once, or in each `export JOBS_URL` of another machine", () => {
  const often = DOCUMENTS.filter((document) => {
    const named = [...read(document).matchAll(/(export JOBS_URL=http:\/\/)?(?:127\.0\.0\.1|localhost):3000(?!:)/g)];
    return named.length > 1 && named.some(([, exported]) => exported === undefined);
  });
  expect(often).toEqual([]);
});

test("each page opens with what its reader can do afterwards", () => {
  const pages = DOCUMENTS.filter((document) => /^docs\/|CONTRIBUTING/.test(document));
  expect(pages.filter((page) => !/^# .+\n\nAfter this page you /.test(read(page)))).toEqual([]);
});
