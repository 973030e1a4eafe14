import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { EXECUTION_TYPES } from "../../lib/executors/index.ts";
import { nextAttempt, type WaitingJob } from "../../lib/job/job.ts";
import { after, claim, end, fire, retry, stop } from "../../lib/job/moves.ts";
import { readTemplate } from "../../local/template.ts";
import { ROOT } from "../support/stack.ts";
import type { Outcome } from "../../lib/job/attempt.ts";

const read = (file: string) => readFileSync(join(ROOT, file), "utf8");

test("the diagram of a job's life has exactly the moves that the code makes", () => {
  const drawn = [...read("README.md").matchAll(/^ {2}([A-Z]+) --> ([A-Z]+) :/gm)].map(
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
  } as WaitingJob;
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
  const moves = [claimed, ...fired, ...ends, ...stops, retry({ ...job, status: "DEAD" }, 0)];
  const made = moves.flatMap(({ from, to }) => from.map((each) => `${each} → ${to}`));
  expect(new Set(drawn)).toEqual(new Set(made));
});

test("every setting is in the README's table, in .env.example, and read by something", () => {
  const table = read("README.md").split("## Configuration")[1]?.split("\n## ")[0] ?? "";
  const rows = table.split("\n").filter((line) => line.startsWith("| `"));
  const documented = rows.flatMap((line) =>
    [...(line.split("|")[1] ?? "").matchAll(/`(\w+)`/g)].map(([, name]) => name),
  );
  const example = [...read(".env.example").matchAll(/^#?([A-Z][A-Z0-9_]+)=/gm)].map(([, name]) => name);
  expect(new Set(example)).toEqual(new Set(documented));

  const code = [
    "lib/config.ts",
    "secrets.cjs",
    "lib/store/bucket.ts",
    "local/start.ts",
    "local/environment.ts",
    "local/cloud.ts",
    "local/emulators.ts",
    "local/token.ts",
    "local/lambda-api.ts",
  ]
    .map(read)
    .join("\n");
  for (const name of documented) expect(code).toContain(name);
  for (const name of Object.keys(readTemplate(ROOT).environment)) expect(documented).toContain(name);
});

test("the README names every endpoint and every execution type", () => {
  const readme = read("README.md");
  for (const { routes } of readTemplate(ROOT).functions) {
    for (const key of routes) if (key !== "*") expect(readme).toContain(`\`${key}\``);
  }
  for (const type of EXECUTION_TYPES) expect(readme).toContain(`\`${type}\``);
});

test("the task that docs/tasks.md shows is the one that there is", () => {
  const [, shown] = /```ts\n([\s\S]*?)```/.exec(read("docs/tasks.md")) ?? [];
  expect(shown).toBe(read("lib/tasks/example.ts"));
});

test("the events of the log are those that the operator's page lists", () => {
  const listed = [...read("docs/operations.md").matchAll(/^\| `([a-z]+\.[a-z-]+)` \|/gm)].map(([, name]) => name);
  const sources = [
    ...readdirSync(join(ROOT, "lib"))
      .filter((file) => file.endsWith(".ts"))
      .map((file) => `lib/${file}`),
    ...["lib/api", "lib/pdf"].flatMap((folder) => readdirSync(join(ROOT, folder)).map((file) => `${folder}/${file}`)),
  ];
  const logged = sources.flatMap((file) =>
    [...read(file).matchAll(/log\(\s*[^;]*?"([a-z]+\.[a-z-]+)"/g)].map(([, name]) => name),
  );
  expect(new Set(listed)).toEqual(new Set(logged));
});
