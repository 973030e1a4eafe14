import { join } from "node:path";
import { parseArgs } from "node:util";
import { readTemplate } from "../local/template.ts";
import { crowdOf } from "./crowd.ts";
import { MEASURES, createStored, measureFlat } from "./flat.ts";
import { FEWEST } from "./stored.ts";

// `npm run bench:scale`: whether what the service does costs the same whatever the number of jobs that are stored.
// `--sizes 1000,10000` for other numbers, `--crowds 1000,10000` for other numbers of jobs that are due at once,
// `--rounds 10` for the number of measurements, `--only stored` or `--only crowds` for one half of them.

const FLAT = 1.3;
const LONGEST_DELAY = 2;
const MOST_DOUBLE_PERCENT = 1;

const USAGE =
  "npm run bench:scale -- --sizes 1000,100000,1000000 --crowds 1000,100000 --rounds 40 --only stored|crowds";

const { values: options } = parseArgs({
  options: {
    sizes: { type: "string", default: "1000,100000,1000000" },
    crowds: { type: "string", default: "1000,100000" },
    rounds: { type: "string", default: "40" },
    only: { type: "string", default: "" },
  },
});
const sizes = numbers("sizes", options.sizes, FEWEST);
const crowds = numbers("crowds", options.crowds, 1);
const [rounds = 1] = numbers("rounds", options.rounds, 1);
if (!["", "stored", "crowds"].includes(options.only)) refuse(`--only is "${options.only}": expected stored or crowds`);

function numbers(name: string, text: string, least: number): number[] {
  const all = text.split(",").map(Number);
  const isFit = all.every((one) => Number.isSafeInteger(one) && one >= least);
  return isFit ? all : refuse(`--${name} is "${text}": expected numbers of ${least} or more`);
}

function refuse(why: string): never {
  process.stderr.write(`${why}, as in ${USAGE}\n`);
  process.exit(2);
}

const columns = [
  ...new Set([...(options.only === "crowds" ? [] : sizes), ...(options.only === "stored" ? [] : crowds)]),
].toSorted((a, b) => a - b);
let broken = 0;

function line(measure: string, cells: readonly string[]): void {
  process.stdout.write(`${measure.padEnd(56)}${cells.map((cell) => cell.padStart(12)).join("")}\n`);
}

/** `of`: the figure at each of the numbers of jobs. `most`: of the highest figure, or of its ratio to the first. */
function row(measure: string, of: ReadonlyMap<number, number>, most: number, unit: "ratio" | "%"): void {
  const [first = 0, ...others] = of.values();
  const highest = Math.max(first, ...others);
  const ratio = highest === first ? 1 : highest / first;
  const ok = (unit === "%" ? highest : ratio) <= most;
  if (!ok) broken += 1;
  const wanted = unit === "%" ? ["", `≤ ${most} %`] : [ratio.toFixed(2), `≤ ${most}`];
  const figures = columns.map((size) => of.get(size)).map((one) => (one === undefined ? "–" : shown(one)));
  line(measure, [...figures, ...wanted, ok ? "yes" : "NO"]);
}

function shown(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 1 ? 3 : 2);
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

const template = readTemplate(join(import.meta.dirname, ".."));
// The service imports these when it first needs them, and nothing on virtual time may wait for that.
await Promise.all([import("@aws-sdk/client-s3"), import("@aws-sdk/client-scheduler")]);
line("measure", [...columns.map((size) => size.toLocaleString("en")), "ratio", "wanted", "ok"]);

async function benchCrowds(): Promise<void> {
  const all = new Map<number, Awaited<ReturnType<typeof crowdOf>>>();
  for (const size of crowds) {
    const began = performance.now();
    say(`${size} jobs of one app are due at once`);
    const crowd = await crowdOf(template, size);
    all.set(size, crowd);
    const seconds = Math.round((performance.now() - began) / 1_000);
    say(`  had ended after ${Math.round(crowd.drainedMs / 1_000)} s of virtual time, ${seconds} s of real time`);
  }
  const of = (name: keyof Awaited<ReturnType<typeof crowdOf>>) =>
    new Map([...all].map(([size, crowd]) => [size, crowd[name]]));
  row("due at once: messages beyond one a job (%)", of("doubleSends"), MOST_DOUBLE_PERCENT, "%");
  row("due at once: starts beyond one a job (%)", of("doubleStarts"), MOST_DOUBLE_PERCENT, "%");
  row("beside them: another app's webhook starts after (ms)", of("sentMs"), LONGEST_DELAY, "ratio");
  row("beside them: one that the sweep brings, after (ms)", of("sweptMs"), LONGEST_DELAY, "ratio");
}

async function benchStored(): Promise<void> {
  const all: Awaited<ReturnType<typeof createStored>>[] = [];
  for (const size of sizes) {
    say(`storing ${size} jobs`);
    all.push(await createStored(template, size, (count) => say(`  ${count} of ${size}`)));
  }
  const costs = await measureFlat(all, rounds, (name) => say(`measuring ${rounds} times: ${name}`));
  for (const { name } of MEASURES) {
    const of = (value: "ms" | "calls" | "items") =>
      new Map(sizes.map((size, at) => [size, costs.get(name)?.[at]?.[value] ?? NaN]));
    row(`${name}: time (CPU ms)`, of("ms"), FLAT, "ratio");
    row(`${name}: calls of the table`, of("calls"), FLAT, "ratio");
    row(`${name}: items read`, of("items"), FLAT, "ratio");
  }
}

if (options.only !== "stored") await benchCrowds();
if (options.only !== "crowds") await benchStored();
say(`${broken} figures beyond what is wanted; ${Math.round(process.memoryUsage().rss / 2 ** 20)} MB of memory`);
process.exitCode = broken === 0 ? 0 : 1;
