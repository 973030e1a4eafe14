import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createFunctions } from "../../local/lambda.ts";
import { endStacks, temporaryDir } from "../support/stack.ts";

// Functions as the local stack calls them: loaded with their first event, one event at a time in each container.

afterAll(endStacks);

const ended: (() => void)[] = [];
const seen: number[] = [];
Object.assign(globalThis, { containersOfTest: { ended, seen } });

/** Of a function with room for two containers. */
function invokeOf(code: string, timeoutMs: number) {
  const root = temporaryDir();
  mkdirSync(join(root, "functions"));
  writeFileSync(join(root, "functions/some.ts"), code);
  const definition = { name: "runPdfs", handler: "functions/some.handler", timeoutMs, queues: [], everyMs: [] };
  const [loaded] = createFunctions(root, [definition as never]);
  return loaded!.invoke;
}

test("a container that has not ended after its function's time takes no other event until it has", async () => {
  const invoke = invokeOf(
    `const { ended, seen } = globalThis.containersOfTest;
     let running = 0;
     export async function handler() {
       running += 1;
       seen.push(running);
       await new Promise((end) => ended.push(end));
       running -= 1;
     }`,
    200,
  );
  const late = await Promise.allSettled([invoke({}), invoke({})]);
  expect(late.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  const next = invoke({});
  next.catch(() => {});
  ended[0]?.();
  await expect.poll(() => seen.length).toBe(3);
  expect(seen).toEqual([1, 1, 1]);
  for (const end of ended) end();
  await next;
});

test("a function that can't be loaded says so to each event", async () => {
  const invoke = invokeOf("export const other = 1;\n", 60_000);
  const answers = await Promise.allSettled(Array.from({ length: 5 }, async () => invoke({})));
  const words = expect.objectContaining({ message: expect.stringContaining("exports no handler") });
  expect(answers).toEqual(answers.map(() => ({ status: "rejected", reason: words })));
});
