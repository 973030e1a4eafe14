import { startEmulators, type Emulators } from "../../local/emulators.ts";
import { provision, type References } from "../../local/provision.ts";
import { readTemplate } from "../../local/template.ts";
import { ROOT } from "./root.ts";

export const TEMPLATE = readTemplate(ROOT);

let emulators: Promise<Emulators> | undefined;
let stacks = 0;

export interface Emulated {
  readonly endpoints: Emulators["endpoints"];
  readonly references: References;
}

/** A table, queues and a bucket of their own, on emulators that this process shares and that end with it. */
export async function emulated(): Promise<Emulated> {
  const { endpoints } = await (emulators ??= startEmulators());
  stacks += 1;
  return { endpoints, references: await provision(TEMPLATE, endpoints, `-${stacks}`) };
}
