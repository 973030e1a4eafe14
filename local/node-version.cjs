// Loaded before a script in TypeScript, which an older Node would refuse by its ending. npm ci brings Node for Linux on
// x64; elsewhere it is the one that is installed.

const LEAST = 24;

/** What is wrong with a version of Node, in words, or undefined. */
function problemOf(version) {
  if (Number.parseInt(version, 10) >= LEAST) return undefined;
  return (
    `Expected Node ${LEAST} or later, found ${version}. npm ci installs it for Linux on x64 alone: ` +
    "elsewhere, install it from https://nodejs.org or by your version manager"
  );
}

const problem = problemOf(process.versions.node);
if (problem !== undefined) {
  process.stderr.write(`${problem}\n`);
  process.exit(1);
}

module.exports = { problemOf };
