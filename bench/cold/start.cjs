const { writeSync } = require("node:fs");

// One cold start: loads a bundle, calls its handler once and writes to a pipe when each was done, in ms since the
// process began.

const [, , file, event] = process.argv;
const PIPE = 3;

async function main() {
  const { handler } = require(file);
  const loaded = performance.now();
  const answer = event === undefined ? null : await handler(JSON.parse(event), context());
  const answered = performance.now();
  writeSync(PIPE, JSON.stringify({ loaded, answered, answer }));
  process.exit();
}

function context() {
  return { getRemainingTimeInMillis: () => 180_000 };
}

void main();
