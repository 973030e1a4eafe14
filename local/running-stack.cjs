const { readFileSync } = require("node:fs");
const { join } = require("node:path");

// Read by serverless.yml: `serverless invoke local` runs a function against the running local stack.
const invokesLocally = process.argv.includes("invoke") && process.argv.includes("local");

const patterns = (process.env.INVOKABLE_FUNCTIONS || "").split(",").flatMap((pattern) => pattern.trim() || []);

module.exports = {
  // A policy needs a resource: without patterns it names a function that can't exist.
  invokableFunctions: (patterns.length > 0 ? patterns : ["-"]).map((pattern) => ({
    "Fn::Sub": `arn:\${AWS::Partition}:lambda:\${AWS::Region}:\${AWS::AccountId}:function:${pattern}`,
  })),
  stage: invokesLocally ? "local" : "dev",
  get environment() {
    if (!invokesLocally) return {};
    const file = join(process.env.DATA_DIR || ".local", "stack.json");
    try {
      return JSON.parse(readFileSync(file, "utf8")).environment;
    } catch {
      throw new Error(`No local stack is running (${file} is missing); start one with npm start`);
    }
  },
};
