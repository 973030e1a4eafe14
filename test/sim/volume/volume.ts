import { on } from "node:events";
import { join } from "node:path";
import { availableParallelism } from "node:os";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { readTemplate } from "../../../local/template.ts";
import { preload } from "../preload.ts";
import { VOLUME_PLANTS } from "./planted.ts";
import type { Figure, Size } from "./scenario.ts";
import { SCENARIOS } from "./scenarios.ts";

export const SIZES = ["gate", "usual", "long"] as const satisfies readonly Size[];

// `npm run sim -- --volume`: a table of the rules of volume, with their figures.

/** A scenario to be run in a thread, perhaps with a planted bug. */
interface Task {
  readonly scenario: string;
  readonly size: Size;
  readonly plant?: string;
}

interface Done {
  readonly figures: readonly Figure[];
  readonly seconds: number;
}

/** Runs a scenario; one that has no jobs of this size gives no figures. */
export async function runScenario({ scenario: name, size, plant: planted }: Task): Promise<Done> {
  const began = performance.now();
  await preload();
  const scenario = SCENARIOS.find((one) => one.name === name);
  const jobs = scenario?.jobs[size] ?? 0;
  const template = readTemplate(join(import.meta.dirname, "../../.."));
  const plant = VOLUME_PLANTS.find((one) => one.name === planted);
  const figures = scenario && jobs > 0 ? await scenario.run({ template, jobs, plant }) : [];
  return { figures, seconds: (performance.now() - began) / 1_000 };
}

/** Has tasks done by as many threads as there are cores. */
async function share(tasks: readonly Task[], onDone: (task: Task, done: Done) => void): Promise<void> {
  const left = [...tasks];
  const thread = async () => {
    for (let task = left.shift(); task; task = left.shift()) {
      const worker = new Worker(new URL(import.meta.url), { workerData: { volume: task } });
      const [done] = (await on(worker, "message").next()).value as [Done];
      onDone(task, done);
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), tasks.length) }, thread));
}

const COLUMNS = { rule: 74, bound: 12, measured: 12 };

/** Prints the table. True if all rules held. `only`: scenarios whose names have this in them. */
export async function volume(size: Size, only: string, say: (line: string) => void): Promise<boolean> {
  const wanted = SCENARIOS.filter(({ name, jobs }) => name.includes(only) && jobs[size] > 0);
  let [broken, rules] = [0, 0];
  const row = (rule: string, bound: string, measured: string, ok: string) =>
    say(`${rule.padEnd(COLUMNS.rule)}${bound.padEnd(COLUMNS.bound)}${measured.padEnd(COLUMNS.measured)}${ok}`);
  row("rule", "bound", "measured", "ok");
  await share(
    wanted.map(({ name }) => ({ scenario: name, size })),
    ({ scenario }, { figures, seconds }) => {
      const jobs = wanted.find(({ name }) => name === scenario)?.jobs[size] ?? 0;
      say(`${scenario}: ${jobs} jobs, ${seconds.toFixed(1)} s`);
      for (const { rule, bound, measured, ok } of figures) row(`  ${rule}`, bound, measured, ok ? "yes" : "NO");
      rules += figures.length;
      broken += figures.filter(({ ok }) => !ok).length;
    },
  );
  say(`rules of volume: ${rules}, broken: ${broken}`);
  return broken === 0 && rules > 0;
}

/** Plants each bug of volume: its scenario must find it. */
export async function plantedVolume(say: (line: string) => void): Promise<boolean> {
  let found = 0;
  await share(
    VOLUME_PLANTS.map(({ name: plant, scenario }) => ({ scenario, size: "gate", plant })),
    ({ plant: name = "" }, { figures }) => {
      const breaks = VOLUME_PLANTS.find((one) => one.name === name)?.breaks ?? "";
      const broken = figures.find(({ ok, rule }) => !ok && rule.startsWith(breaks));
      if (broken) found += 1;
      say(broken ? `found: ${name} (${broken.rule}: ${broken.measured})` : `NOT FOUND: ${name}`);
    },
  );
  say(`${found} of ${VOLUME_PLANTS.length} planted bugs of volume found`);
  return found === VOLUME_PLANTS.length;
}

const given = workerData as { readonly volume?: Task } | null;
if (!isMainThread && given?.volume) parentPort?.postMessage(await runScenario(given.volume));
