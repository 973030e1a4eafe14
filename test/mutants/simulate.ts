import { join } from "node:path";
import { readTemplate } from "../../local/template.ts";
import { LIVES, everyMishap } from "../sim/exhaustive.ts";
import { planOf } from "../sim/plan.ts";
import { simulate } from "../sim/world.ts";

// The simulator as a killer of mutants: ends at the first violation. It runs on virtual time, so that
// silence means that it hangs: a dot a run.

const FIRST_SEEDS = 40;
const SEEDS = 120;

const template = readTemplate(join(import.meta.dirname, "../.."));

function look(ran: { readonly violations: readonly { readonly rule: string }[] }, what: string): void {
  process.stdout.write(".");
  const [violation] = ran.violations;
  if (!violation) return;
  process.stdout.write(`\n${what}: ${violation.rule}\n`);
  process.exit(1);
}

async function seeds(from: number, to: number): Promise<void> {
  for (let seed = from; seed < to; seed += 1) {
    look(await simulate(planOf(String(seed)), { template }), `seed ${seed}`);
  }
}

await seeds(0, FIRST_SEEDS);
// One kind is enough here: the other two kill hardly more, and take as long again each.
for (const life of Object.keys(LIVES)) {
  for await (const { ran } of everyMishap(life, "dies after", (plan, mishaps) =>
    simulate(plan, { template, mishaps }),
  )) {
    look(ran, life);
  }
}
await seeds(FIRST_SEEDS, SEEDS);
process.exit(0);
