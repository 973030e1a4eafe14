import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { MINUTE, SECOND } from "../../lib/clock.ts";
import type { Part } from "./core.ts";

/** A check that may fail on a copy of the service with a mutant. */
export interface Killer {
  readonly name: string;
  /** Files and folders that it depends on: their change makes it run again. */
  readonly reads: readonly string[];
  /** The failure, in a few words; undefined if there is none. */
  readonly notices: (copy: string) => Promise<string | undefined>;
}

/** Longer than a quick check, and any other, takes on a busy machine: one that lasts longer hangs. */
const LONGEST_QUICK = MINUTE;
const LONGEST = 4 * MINUTE;
const LONGEST_SILENCE = 30 * SECOND;
const CHECKS = 3;

interface Ended {
  readonly status: number | undefined;
  readonly output: string;
}

/** Ends each program that runs now: none outlives this one, for a mutant may run for ever. */
const running = new Set<() => void>();

function endAll(): void {
  for (const end of running) end();
  process.exit(1);
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

/** How long a program may take, and how long it may print nothing. */
interface Patience {
  readonly longestMs: number;
  readonly silenceMs?: number;
}

/** Runs a program of node until it ends or hangs. */
function run(copy: string, args: readonly string[], { longestMs, silenceMs = longestMs }: Patience): Promise<Ended> {
  return new Promise((resolve) => {
    // A group of its own: the programs that it starts end with it.
    const child = spawn(process.execPath, args, {
      cwd: copy,
      detached: true,
      env: { ...process.env, TEST_ON_MODELS: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const end = () => endGroup(child.pid);
    if (running.size === 0) process.on("SIGINT", endAll).on("SIGTERM", endAll);
    running.add(end);
    const longest = setTimeout(end, longestMs);
    let silence = setTimeout(end, silenceMs);
    const hear = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-100_000);
      clearTimeout(silence);
      silence = setTimeout(end, silenceMs);
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.on("close", (status) => {
      clearTimeout(longest);
      clearTimeout(silence);
      running.delete(end);
      if (running.size === 0) process.off("SIGINT", endAll).off("SIGTERM", endAll);
      end();
      resolve({ status: status ?? undefined, output });
    });
  });
}

const simulator: Killer = {
  name: "simulator",
  reads: ["test/sim", "test/mutants/simulate.ts"],
  notices: async (copy) => {
    const { status, output } = await run(copy, ["test/mutants/simulate.ts"], {
      longestMs: LONGEST,
      silenceMs: LONGEST_SILENCE,
    });
    if (status === 0) return undefined;
    return status === undefined ? "hangs" : (output.trim().split("\n").at(-1) ?? "fails");
  },
};

interface Report {
  readonly testResults: readonly {
    readonly status: string;
    readonly name: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** Test files, run together, that depend on neither time nor chance. */
function tests(...names: readonly string[]): Killer {
  return killerOf(names, false);
}

/** Test files that depend on real time: a failure counts if the same test fails again by itself. */
function timed(...names: readonly string[]): Killer {
  return killerOf(names, true);
}

function killerOf(names: readonly string[], isTimed: boolean): Killer {
  const files = names.map((name) => `test/${name}.test.ts`);
  const longestMs = isTimed ? LONGEST : LONGEST_QUICK;
  return {
    name: names.join("+"),
    reads: [...files, "test/support"],
    notices: async (copy) => {
      for (let check = 0; check < CHECKS; check += 1) {
        const failed = await failureIn(copy, files, longestMs);
        if (!failed) return undefined;
        if (failed.test === undefined) return failed.file;
        const counts = !isTimed || (await failureIn(copy, [failed.file], longestMs, failed.test));
        if (counts) return `${failed.file}: ${failed.test}`;
      }
      return undefined;
    },
  };
}

async function failureIn(copy: string, files: readonly string[], longestMs: number, test?: string) {
  const report = join(copy, `.report-${process.hrtime.bigint()}.json`);
  const only = test === undefined ? [] : ["-t", `^${test.replaceAll(/[$()*+.?[\\\]^{|}]/g, "\\$&")}$`];
  const flags = ["--bail", "1", "--maxWorkers", "1", "--reporter", "json", "--outputFile", report];
  const { status } = await run(copy, ["node_modules/vitest/vitest.mjs", "run", ...flags, ...only, ...files], {
    longestMs,
  });
  if (status === 0) return undefined;
  const results = status === undefined ? [] : resultsIn(report);
  for (const { name, assertionResults } of results) {
    const failed = assertionResults.find((each) => each.status === "failed");
    if (failed) return { file: name.slice(copy.length + 1), test: failed.fullName };
  }
  const broken = results.find((each) => each.status === "failed");
  return { file: broken ? broken.name.slice(copy.length + 1) : `${files.join(", ")} hang` };
}

function resultsIn(report: string): Report["testResults"] {
  try {
    return (JSON.parse(readFileSync(report, "utf8")) as Report).testResults;
  } catch {
    return [];
  }
}

const rules = tests("job/job", "job/moves", "job/schedule-moves", "queue/queue");
const sweep = tests("engine/sweep", "flow/sweep-figures");
const store = tests("store/job-store", "store/job-store-faults");
const attempt = timed("engine/attempt");
const engine = timed("engine/engine", "engine/recovery");
const line = timed("flow/task-line");
const life = timed("engine/follow-ups", "flow/flow-control", "flow/limits", "engine/schedules");
const steering = timed("engine/schedule-edits", "engine/retry-now", "engine/windows", "engine/groups");
const backlogs = timed("engine/backlog", "flow/backlogs", "flow/limits", "flow/destination-store");
const clocks = tests("job/schedule-expression");

/** The core, by paths or globs. A file takes the killers of the first part that names it. */
export const CORE: readonly Part<Killer>[] = [
  {
    files: ["lib/job/{job,accept,attempt}.ts"],
    killers: [rules, engine, line, life, steering, store, simulator, timed("stack/create-job")],
  },
  { files: ["lib/job/moves.ts"], killers: [rules, engine, line, life, steering, store, simulator] },
  {
    files: ["lib/engine/{sweep,due-work}.ts"],
    killers: [sweep, backlogs, engine, life, simulator, timed("stack/faults", "stack/internal")],
  },
  {
    files: ["lib/engine/{engine,submit,deliveries,attempt,carried,dead-letters,follow-through}.ts"],
    killers: [attempt, engine, line, life, steering, simulator, timed("stack/faults", "stack/internal")],
  },
  {
    files: ["lib/engine/backlog.ts", "lib/job/backlog.ts", "lib/store/backlogs.ts", "lib/flow/{gates,limits,wait}.ts"],
    killers: [tests("flow/wait"), backlogs, sweep, life, simulator, timed("stack/destinations")],
  },
  { files: ["lib/job/local-time.ts"], killers: [clocks, timed("fuzz/clocks")] },
  {
    files: ["lib/store/{merge,job-list,job-pages}.ts"],
    killers: [tests("store/lists"), store, timed("stack/reading", "stack/typed-jobs")],
  },
  {
    files: ["lib/store/{job-store,job-index,attachments,payloads,table}.ts"],
    killers: [store, engine, life, simulator, timed("stack/reading", "stack/admin")],
  },
  {
    files: ["lib/queue/{queue,message,batch,hand-over}.ts"],
    killers: [rules, engine, life, simulator, timed("stack/internal")],
  },
];
