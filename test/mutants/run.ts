import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join, matchesGlob } from "node:path";
import { parseArgs } from "node:util";
import { ACCEPTED } from "./accepted.ts";
import { checkExist, killersByFile } from "./core.ts";
import { CORE, type Killer } from "./killers.ts";
import { applied, mutantsOf, type Mutant } from "./mutate.ts";

// `npm run mutants`: changes the core in one place at a time and runs its killers. See CONTRIBUTING.md.

const ROOT = join(import.meta.dirname, "../..");
/** One result a line; the last one about a mutant counts. */
const RESULTS = join(ROOT, ".mutants.log");
/** The percentage of compiling mutants that must be killed. */
const WANTED_PERCENT = 90;

const { values: options } = parseArgs({
  options: {
    /** Paths or globs of the core. All of it by default. */
    file: { type: "string", multiple: true, default: ["**"] },
    /** How many of a file: always the same ones. All by default. */
    sample: { type: "string", default: "Infinity" },
    lanes: { type: "string", default: String(availableParallelism()) },
    /** Asks only these killers, by name. */
    ask: { type: "string", multiple: true },
    /** Forgets the results of earlier runs. */
    fresh: { type: "boolean", default: false },
  },
});

/** The result of a mutant: the killer that failed, or those that passed, with the state of their files. */
interface Result {
  readonly compiles: boolean;
  readonly killedBy?: string;
  readonly passed: Record<string, string>;
}

const say = (line: string) => void process.stdout.write(`${line}\n`);

if (options.fresh) rmSync(RESULTS, { force: true });

const results = new Map<string, Result>();
for (const line of existsSync(RESULTS) ? readFileSync(RESULTS, "utf8").trim().split("\n") : []) {
  const [key, result] = JSON.parse(line) as [string, Result];
  results.set(key, result);
}

function remember(key: string, result: Result): void {
  results.set(key, result);
  appendFileSync(RESULTS, `${JSON.stringify([key, result])}\n`);
}

const textOf = (file: string) => readFileSync(join(ROOT, file), "utf8");

/** A mutant of another text of the file is another mutant. */
const keyOf = ({ file, id }: Mutant) => `${file} ${digest(textOf(file)).slice(0, 10)} ${id}`;

const ofRepository = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { cwd: ROOT, encoding: "utf8" })
  .trim()
  .split("\n")
  .filter((path) => existsSync(join(ROOT, path)));

const killersOf = killersByFile(CORE, ofRepository);
const names = ACCEPTED.map(({ file }) => file);
checkExist(names, ofRepository, "test/mutants/accepted.ts");
checkExist(
  [...killersOf.values()].flat().flatMap(({ reads }) => reads.filter((path) => path.endsWith(".ts"))),
  ofRepository,
  "test/mutants/killers.ts",
);
checkExist(options.file, [...killersOf.keys()], "--file");

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** The state of the files that a killer depends on. */
function stateOf({ reads }: Killer): string {
  const files = ofRepository.filter((path) => ["lib", ...reads].some((of) => path === of || path.startsWith(`${of}/`)));
  return digest(files.map((path) => path + digest(textOf(path))).join("")).slice(0, 10);
}

const copies: string[] = [];
process.on("exit", () => {
  for (const copy of copies) rmSync(copy, { recursive: true, force: true });
});

function copyOfRepository(): string {
  const copy = mkdtempSync(join(tmpdir(), "mutants-"));
  copies.push(copy);
  for (const path of ofRepository) {
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    cpSync(join(ROOT, path), join(copy, path));
  }
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  return copy;
}

/** Compiles all mutants at once: each is one more file, beside its original. */
function compile(mutants: readonly Mutant[]): void {
  const unknown = mutants.filter((mutant) => !results.has(keyOf(mutant)));
  if (unknown.length === 0) return;
  const copy = copyOfRepository();
  const besides = unknown.map((mutant) => mutant.file.replace(".ts", `-${mutant.id}.ts`));
  for (const [at, mutant] of unknown.entries()) {
    writeFileSync(join(copy, besides[at] ?? ""), applied(textOf(mutant.file), mutant));
  }
  const tsc = ["node_modules/typescript/lib/tsc.js", "--pretty", "false"];
  const refused = new Set<string>();
  // As long as one file can't be parsed, the compiler reports nothing about the others.
  for (let found = -1; found !== refused.size;) {
    found = refused.size;
    const { stdout } = spawnSync(process.execPath, tsc, { cwd: copy, encoding: "utf8", maxBuffer: 2 ** 30 });
    for (const [path = ""] of stdout.matchAll(/^[\w./-]+(?=\(\d+,)/gm)) {
      refused.add(path);
      rmSync(join(copy, path), { force: true });
    }
  }
  for (const [at, mutant] of unknown.entries()) {
    remember(keyOf(mutant), { compiles: !refused.has(besides[at] ?? ""), passed: {} });
  }
}

/** A killer that fails without a mutant would kill every mutant. */
async function check(asked: readonly Killer[]): Promise<void> {
  const copy = copyOfRepository();
  for (const { name, notices } of asked) {
    const noticed = await notices(copy);
    if (noticed !== undefined) throw new Error(`${name} fails without a mutant, so that it can't be asked: ${noticed}`);
  }
}

/** Runs one killer after another, until one fails. */
async function hunt(mutant: Mutant, copy: string, states: ReadonlyMap<Killer, string>): Promise<void> {
  const key = keyOf(mutant);
  const known = results.get(key);
  if (!known?.compiles || known.killedBy !== undefined) return;
  const path = join(copy, mutant.file);
  writeFileSync(path, applied(textOf(mutant.file), mutant));
  const { passed } = known;
  try {
    for (const killer of killersOf.get(mutant.file) ?? []) {
      const state = states.get(killer);
      if (state === undefined || passed[killer.name] === state) continue;
      const noticed = await killer.notices(copy);
      if (noticed !== undefined) {
        remember(key, { compiles: true, killedBy: `${killer.name}: ${noticed}`, passed });
        return;
      }
      passed[killer.name] = state;
      remember(key, { compiles: true, passed });
    }
  } finally {
    writeFileSync(path, textOf(mutant.file));
  }
}

const isKilled = (mutant: Mutant) => results.get(keyOf(mutant))?.killedBy !== undefined;
const compiles = (mutant: Mutant) => results.get(keyOf(mutant))?.compiles === true;

function accepted({ file, code, was, becomes }: Mutant): string | undefined {
  return ACCEPTED.find(
    (each) => each.file === file && each.code === code && each.was === was && each.becomes === becomes,
  )?.reason;
}

function percent(killed: number, of: number): string {
  return of === 0 ? "–" : `${((100 * killed) / of).toFixed(1)} %`;
}

async function main(): Promise<boolean> {
  const files = [...killersOf.keys()].filter((path) => options.file.some((glob) => matchesGlob(path, glob)));
  const all = new Map(files.map((file) => [file, mutantsOf(file, textOf(file))]));
  compile([...all.values()].flat());
  const chosen = [...all.values()].flatMap((mutants) =>
    // By their ids: a choice that neither time nor chance changes.
    mutants
      .filter(compiles)
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
      .slice(0, Number(options.sample)),
  );
  const killers = new Set(files.flatMap((file) => killersOf.get(file) ?? []));
  const asked = [...killers].filter((killer) => options.ask?.includes(killer.name) ?? true);

  // Before the copies are made: a change during the run counts for the next one.
  const states = new Map(asked.map((killer) => [killer, stateOf(killer)]));
  const waiting = [...chosen];
  if (chosen.some((mutant) => !isKilled(mutant))) await check(asked);
  let done = 0;
  const lane = async () => {
    const copy = copyOfRepository();
    for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
      await hunt(mutant, copy, states);
      done += 1;
      const killed = chosen.filter(isKilled).length;
      const { file, line, was, becomes } = mutant;
      const change = `${JSON.stringify(was)} → ${JSON.stringify(becomes)}`;
      const by = results.get(keyOf(mutant))?.killedBy;
      say(`${done} of ${chosen.length}, ${killed} killed. ${file}:${line} ${change}: ${by ?? "SURVIVED"}`);
    }
  };
  await Promise.all(Array.from({ length: Number(options.lanes) }, lane));

  return report(all, chosen);
}

function report(all: ReadonlyMap<string, readonly Mutant[]>, chosen: readonly Mutant[]): boolean {
  let isEnough = true;
  const survivors = chosen.filter((mutant) => !isKilled(mutant));
  for (const mutant of survivors) {
    const { file, line, code, was, becomes } = mutant;
    say(`\n${file}:${line}: ${code}\n  ${JSON.stringify(was)} → ${JSON.stringify(becomes)}`);
    say(`  ${accepted(mutant) ?? "NOT ACCEPTED"}`);
  }
  say("\nfile              mutants  refused by the compiler  tried  killed  survived  of these accepted  killed %");
  for (const [file, mutants] of all) {
    const ofFile = chosen.filter((mutant) => mutant.file === file);
    const killed = ofFile.filter(isKilled).length;
    const survived = ofFile.length - killed;
    const excused = survivors.filter((mutant) => mutant.file === file && accepted(mutant) !== undefined).length;
    const refused = mutants.length - mutants.filter(compiles).length;
    const numbers = [mutants.length, refused, ofFile.length, killed, survived, excused];
    const [a, b, c, d, e, f] = numbers.map(String);
    say(
      `${file.padEnd(16)}${a?.padStart(9)}${b?.padStart(25)}${c?.padStart(7)}${d?.padStart(8)}${e?.padStart(10)}${f?.padStart(19)}${percent(killed, ofFile.length).padStart(10)}`,
    );
    isEnough &&= killed * 100 >= WANTED_PERCENT * ofFile.length;
  }
  const everything = [...all.values()].flat();
  for (const { file, code, was, becomes } of ACCEPTED) {
    if (!all.has(file)) continue;
    const found = everything.find(
      (it) => [it.file, it.code, it.was, it.becomes].join() === [file, code, was, becomes].join(),
    );
    if (!found) say(`\nAccepted, but there is no such mutant any more: ${file}: ${code}: ${was} → ${becomes}`);
    else if (isKilled(found)) say(`\nAccepted, but killed: ${file}:${found.line}: ${code}: ${was} → ${becomes}`);
  }
  return isEnough;
}

process.exit((await main()) ? 0 : 1);
