import { resolve } from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    // Loading modules again for every file would take a quarter of the whole time.
    isolate: false,
    setupFiles: ["test/support/setup.ts"],
    // One more than the cores: tests also wait, for processes, time-outs and queues.
    maxWorkers: 3,
    // Tests wait for events. These end a test that hangs, and are far beyond what a slow, busy machine takes.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    teardownTimeout: 60_000,
    expect: { poll: { timeout: 120_000 } },
    // One place for what every test that builds parts of its own needs.
    env: {
      AWS_REGION: "local",
      AWS_ACCESS_KEY_ID: "local",
      AWS_SECRET_ACCESS_KEY: "local",
      // The programs that they start need not compile everything again.
      NODE_COMPILE_CACHE: resolve("node_modules/.cache/node"),
    },
  },
});
