import { parts } from "../lib/parts.ts";
import type { Ran } from "../lib/engine/tally.ts";

export const handler = async (event: unknown): Promise<Ran> => parts().engine.fire(event);
