import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../support/root.ts";

const OUTPUT = JSON.stringify(join(ROOT, "local/output.ts"));

/** What a script has written when it has ended. */
function written(script: string): string {
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", script]);
  expect(stderr.toString()).toBe("");
  return stdout.toString();
}

test("lines are written in their order, bytes among them too, and none is lost at an end", () => {
  const lines =
    'process.stdout.write("a\\n"); process.stdout.write(Buffer.from("b\\n")); process.stdout.write("c\\n");';
  const script = `import { collectOutput } from ${OUTPUT}; collectOutput(); ${lines}`;
  expect(written(script)).toBe("a\nb\nc\n");
  expect(written(`${script} process.exit();`)).toBe("a\nb\nc\n");
});

test("lines of one moment are one write", () => {
  const script = `import { collectOutput } from ${OUTPUT};
    const write = process.stdout.write.bind(process.stdout);
    let calls = 0;
    process.stdout.write = (...given) => (calls += 1, write(...given));
    collectOutput();
    for (const line of ["a", "b", "c"]) process.stdout.write(line);
    process.on("exit", () => write(String(calls)));`;
  expect(written(script)).toBe("abc1");
});

test("a thread that stops writes the rest before it says so", () => {
  const script = `import { Worker } from "node:worker_threads";
    const thread = new Worker(\`
      import { parentPort } from "node:worker_threads";
      import { collectOutput } from ${OUTPUT};
      const writeRest = collectOutput();
      process.stdout.write("the last line");
      writeRest();
      parentPort.postMessage("stopped");
    \`, { eval: true, type: "module" });
    thread.once("message", () => setImmediate(() => process.exit()));`;
  expect(written(script)).toBe("the last line");
});
