import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ACCEPTED } from "./accepted.ts";
import { killersByFile } from "./core.ts";
import { CORE } from "./killers.ts";
import { ROOT } from "../support/root.ts";

const all = ["lib/engine/engine.ts", "lib/engine/sweep.ts", "lib/job/job.ts"];

test("a glob of the core names the files of a room, and the first part that names a file counts", () => {
  const core = [
    { files: ["lib/engine/sweep.ts"], killers: ["sweep"] },
    { files: ["lib/engine/*.ts", "lib/job/job.ts"], killers: ["engine"] },
  ];
  expect([...killersByFile(core, all)]).toEqual([
    ["lib/engine/sweep.ts", ["sweep"]],
    ["lib/engine/engine.ts", ["engine"]],
    ["lib/job/job.ts", ["engine"]],
  ]);
});

test("a file of the core that does not exist is told", () => {
  const core = [{ files: ["lib/engine/gone.ts", "lib/gone/*.ts", "lib/job/job.ts"], killers: [] }];
  const refusal = "test/mutants/killers.ts names files that do not exist: lib/engine/gone.ts, lib/gone/*.ts";
  expect(() => killersByFile(core, all)).toThrow(refusal);
});

test("the files of accepted mutants and of the killers exist", () => {
  const read = CORE.flatMap(({ killers }) => killers.flatMap(({ reads }) => reads));
  const named = [...ACCEPTED.map(({ file }) => file), ...read];
  expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});
