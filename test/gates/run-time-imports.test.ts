import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../support/root.ts";
import { floorOf, roomOf, sources } from "./rooms.ts";

// The linter's rule does not see an `import()`, so their direction is checked here.

/** The `import()`s of `content` that don't go down by at least a floor. */
function upwardIn(file: string, content: string): readonly string[] {
  const specifiers = [...content.matchAll(/\bimport\(\s*"(\.[^"]+)"/g)].map(([, path = ""]) => path);
  const targets = specifiers.map((path) => join(dirname(file), path));
  return targets.filter((target) => roomOf(target) !== roomOf(file) && floorOf(target) >= floorOf(file));
}

test("imports at run time go one way, too", () => {
  const upward = sources().flatMap((file) => upwardIn(file, readFileSync(join(ROOT, file), "utf8")));
  expect(upward).toEqual([]);
});

test.each([
  ["lib/store/planted.ts", "../queue/queue.ts", 1],
  ["lib/store/planted.ts", "../outbound/send.ts", 1],
  ["lib/store/planted.ts", "../../local/start.ts", 1],
  ["lib/queue/planted.ts", "../outbound/send.ts", 0],
  ["lib/store/planted.ts", "./table.ts", 0],
])("%s with an import of %s at run time", (file, path, refused) => {
  expect(upwardIn(file, `const planted = await import("${path}");\n`)).toHaveLength(refused);
});
