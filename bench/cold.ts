import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { readTemplate } from "../local/template.ts";
import {
  bundlesOf,
  bundlingOptions,
  bytesAtOnce,
  modulesAtOnce,
  unpack,
  type Bundled,
} from "../test/support/bundles.ts";
import { ROOT } from "../test/support/root.ts";
import { startCloud, type Call, type Cloud } from "./cold/cloud.ts";
import { firstRequests, type Asked, type FirstRequest } from "./cold/first-requests.ts";
import { buildSmallest, stepsOf } from "./cold/smallest.ts";
import { median } from "./measure.ts";

// `npm run bench:cold`: each function's bundle in fresh processes: the time until its handler is there, and until its
// first request is answered. Beside it the smallest function that makes the same calls. Names of functions measure these
// alone; ROUNDS is how many starts there are of each, in turns.

const ROUNDS = Number(process.env["ROUNDS"] ?? 21);
/** What is wanted of the functions with a first request. */
const MOST_TIMES = 1.3;
const LARGEST = 700_000;
const HEAVIEST = 5;

interface Started {
  readonly loaded: number;
  readonly answered: number;
  readonly answer: unknown;
}

interface Subject {
  readonly name: string;
  readonly bundled: Bundled;
  readonly file: string;
  readonly first: FirstRequest | undefined;
  /** The smallest function, and the calls that both make. */
  readonly smallest: { readonly file: string; readonly calls: readonly Call[] } | undefined;
  readonly starts: Started[];
  readonly smallestStarts: Started[];
}

async function main(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "cold-"));
  const cloud = await startCloud();
  try {
    const subjects = await subjectsIn(dir, cloud);
    for (let round = 0; round < ROUNDS; round += 1) for (const subject of subjects) await measure(subject, cloud);
    report(subjects);
  } finally {
    cloud.close();
    rmSync(dir, { recursive: true });
  }
}

async function subjectsIn(dir: string, cloud: Cloud): Promise<Subject[]> {
  const names = process.argv.slice(2);
  const requests = await firstRequests(cloud);
  const subjects: Subject[] = [];
  const functions = readTemplate(ROOT).functions.filter(({ name }) => names.length === 0 || names.includes(name));
  const entryOf = (handler: string) => handler.replace(/\.\w+$/, ".ts");
  const bundles = await bundlesOf(functions.map(({ handler }) => entryOf(handler)));
  for (const { name, handler } of functions) {
    const bundled = bundles.get(entryOf(handler))!;
    const folder = join(dir, name);
    const file = unpack(bundled, folder);
    const first = requests[name];
    const smallest = first && (await smallestOf(file, first, cloud, join(folder, "smallest.cjs")));
    subjects.push({ name, bundled, file, first, smallest, starts: [], smallestStarts: [] });
  }
  return subjects;
}

async function smallestOf(file: string, first: FirstRequest, cloud: Cloud, outfile: string) {
  const asked = await first();
  const calls = await cloud.during(async () => start(file, cloud, asked));
  await buildSmallest(calls, bundlingOptions(), outfile);
  return { file: outfile, calls };
}

/** The smallest one and the function in turns, since the machine's speed changes with time. */
async function measure({ file, first, smallest, starts, smallestStarts }: Subject, cloud: Cloud): Promise<void> {
  if (smallest) {
    const event = stepsOf(smallest.calls, cloud.url);
    smallestStarts.push(await cloud.replaying(smallest.calls, async () => start(smallest.file, cloud, { event })));
  }
  starts.push(await start(file, cloud, first && (await first())));
}

/** One cold start in a process of its own. Without a request it ends when the handler is there. */
async function start(file: string, cloud: Cloud, asked: Asked | undefined): Promise<Started> {
  const args = [join(import.meta.dirname, "cold/start.cjs"), file, ...(asked ? [JSON.stringify(asked.event)] : [])];
  const env = { ...cloud.environment, ...asked?.env };
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "ignore", "pipe", "pipe"] });
  const [told, said] = await Promise.all([text(child.stdio[3] as unknown as Readable), text(child.stderr as Readable)]);
  if (told === "") throw new Error(`${file} did not answer: ${said}`);
  return JSON.parse(told) as Started;
}

function report(subjects: readonly Subject[]): void {
  const columns = ["function", "ready ms", "smallest", "ratio", "answered", "smallest", "ratio", "KB", "smallest"];
  print(columns.map((name, at) => (at === 0 ? name.padEnd(20) : name.padStart(9))).join(" "));
  for (const subject of subjects) print(rowOf(subject));
  for (const { name, bundled } of subjects) {
    const heaviest = modulesAtOnce(bundled).slice(0, HEAVIEST);
    print(`\n${name}: the heaviest modules, in KB`);
    for (const [path, bytes] of heaviest) print(`  ${kb(bytes).padStart(6)}  ${path.replace(/^.*node_modules\//, "")}`);
  }
  const missed = subjects.filter(({ first }) => first).flatMap(missedBy);
  for (const line of missed) print(`\nNot as wanted: ${line}`);
  if (missed.length > 0) process.exitCode = 1;
}

function rowOf({ name, bundled, starts, smallestStarts, smallest, first }: Subject): string {
  const cells = [
    ...timesOf(starts, smallestStarts, ({ loaded }) => loaded),
    ...(first ? timesOf(starts, smallestStarts, ({ answered }) => answered) : ["", "", ""]),
    kb(bytesAtOnce(bundled)),
    smallest ? kb(statSync(smallest.file).size) : "",
  ];
  return [name.padEnd(20), ...cells.map((cell) => cell.padStart(9))].join(" ");
}

function timesOf(own: readonly Started[], smallest: readonly Started[], of: (start: Started) => number): string[] {
  const [ownMs, smallestMs] = [median(own.map(of)), median(smallest.map(of))];
  if (smallest.length === 0) return [ownMs.toFixed(0), "", ""];
  return [ownMs.toFixed(0), smallestMs.toFixed(0), (ownMs / smallestMs).toFixed(2)];
}

function missedBy({ name, bundled, starts, smallestStarts }: Subject): string[] {
  const times = (of: (start: Started) => number) => median(starts.map(of)) / median(smallestStarts.map(of));
  const ready = times(({ loaded }) => loaded);
  const answered = times(({ answered }) => answered);
  const bytes = bytesAtOnce(bundled);
  return [
    ...(ready > MOST_TIMES ? [`${name} is ready after ${ready.toFixed(2)} times the smallest one`] : []),
    ...(answered > MOST_TIMES ? [`${name} has answered after ${answered.toFixed(2)} times the smallest one`] : []),
    ...(bytes > LARGEST ? [`${name} loads ${kb(bytes)} KB`] : []),
  ];
}

function kb(bytes: number): string {
  return (bytes / 1_000).toFixed(0);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

await main();
