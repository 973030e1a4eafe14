import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const NODE_COMPILE_CACHE = resolve("node_modules/.cache/node");
// Also for the stacks that test files share, which this process starts.
process.env["NODE_COMPILE_CACHE"] ??= NODE_COMPILE_CACHE;

/**
 * Files that take long: one that begins last would run alone at the end. Those that mostly wait stand beside those that
 * mostly compute, so that the processors are busy.
 */
const LONG = [
  "sim/sim",
  "chaos/chaos",
  "deploy/serverless",
  "stack/schedule-faults",
  "stack/stack",
  "stack/retries",
  "stack/pdf-jobs",
  "stack/pdf-deadline",
  "fuzz/fuzz",
  "stack/faults",
  "pdf/process",
  "stack/pdf-expiry",
  "sim/volume/volume",
  "local/burst",
  "files/file-store",
  "stack/pdf-call",
  "tasks/log",
  "tasks/export-report",
  "pdf/lockdown",
  "tasks/import-csv",
  "deploy/invoke-local",
];

/** The stack that a file shares with others; empty for none. */
function sharedIn({ moduleId }: TestSpecification): string {
  const [shared = ""] = /(?:sharedStack|startFileStack)\(.*?\)/.exec(readFileSync(moduleId, "utf8")) ?? [];
  return shared.replace("startFileStack", "sharedStack");
}

/** The long files, then those that share a stack, side by side, since the stack ends when it is not used. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const at = LONG.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
      return at < 0 ? LONG.length : at;
    };
    const all = await super.sort(files); // oxlint-disable-line unicorn/no-array-sort -- vitest's own
    const sharing = new Map(all.map((file) => [file, sharedIn(file)]));
    const shared = (file: TestSpecification) => sharing.get(file) ?? "";
    return all.toSorted((a, b) => place(a) - place(b) || shared(b).localeCompare(shared(a)));
  }
}

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // `npm run test:browser` has them run too.
    exclude: process.env["BROWSER_TESTS"] === "whole" ? [] : ["test/browser/whole/**"],
    pool: "forks",
    // Loading modules again for every file would take a quarter of the whole time.
    isolate: false,
    // Node loads modules itself, as it does for the service: nothing is transformed, and an import at first use takes no
    // message to another process, for which a world on virtual time would not wait.
    experimental: { viteModuleRunner: false, nodeLoader: false },
    globalSetup: ["test/support/aws/verdict.ts", "test/support/shared-stacks.ts"],
    setupFiles: ["test/support/setup.ts"],
    // Two more than the cores: tests also wait, for processes, time-outs and queues.
    maxWorkers: 4,
    sequence: { sequencer: LongFirst },
    // Tests wait for events. These end a test that hangs, and are far beyond what a slow, busy machine takes.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    teardownTimeout: 60_000,
    expect: { poll: { timeout: 120_000, interval: 150 } },
    // One place for what every test that builds parts of its own needs.
    env: {
      AWS_REGION: "local",
      AWS_ACCESS_KEY_ID: "local",
      AWS_SECRET_ACCESS_KEY: "local",
      // The programs that they start need not compile everything again.
      NODE_COMPILE_CACHE,
    },
  },
});
