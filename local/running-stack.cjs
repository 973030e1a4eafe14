const { readFileSync } = require("node:fs");
const { join } = require("node:path");

// Read by serverless.yml: `serverless invoke local` runs a function against the running local stack.
const invokesLocally = process.argv.includes("invoke") && process.argv.includes("local");

module.exports = {
  stage: invokesLocally ? "local" : "dev",
  get environment() {
    if (!invokesLocally) return {};
    // As local/clock-file.ts: a stack with another SPEED than 1 has a folder of its own.
    const usual = Number(process.env.SPEED || 1) === 1 ? ".local" : ".local-fast";
    const file = join(process.env.DATA_DIR || usual, "stack.json");
    try {
      return JSON.parse(readFileSync(file, "utf8")).environment;
    } catch {
      throw new Error(`No local stack is running (${file} is missing); start one with npm start`);
    }
  },
};
