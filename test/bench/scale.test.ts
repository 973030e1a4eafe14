import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { ROOT } from "../support/root.ts";

async function scale(...args: readonly string[]): Promise<{ rows: string[]; errors: string }> {
  const child = spawn(process.execPath, ["bench/scale.ts", ...args], { cwd: ROOT });
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { rows: out.trim().split("\n"), errors };
}

test("npm run bench:scale prints a row for each measure, with its ratio and whether that is as wanted", async () => {
  const { rows, errors } = await scale("--sizes", "880", "--crowds", "10", "--rounds", "1");
  expect(rows[0]).toMatch(/^measure +10 +880 +ratio +wanted +ok$/);
  const shown = rows.slice(1).map((row) => /^(.*?)(?: \((?:CPU )?[a-z%]+\))? {2,}.*(yes|NO)$/.exec(row)?.slice(1));
  for (const name of ["sweep, 200 due", "list of all 20 DEAD", "job by its id", "job by its key", "counts of an app"]) {
    expect(shown, errors).toContainEqual([`${name}: calls of the table`, "yes"]);
    expect(shown).toContainEqual([`${name}: items read`, "yes"]);
  }
  expect(shown).toContainEqual(["due at once: messages beyond one a job", "yes"]);
  expect(shown).toContainEqual(["beside them: another app's webhook starts after", "yes"]);
  expect(errors).toMatch(/^0 figures beyond what is wanted/m);
});
