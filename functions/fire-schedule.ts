import type { Ran } from "../lib/engine/engine.ts";
import { parts } from "../lib/parts.ts";

export const handler = async (event: unknown): Promise<Ran> => parts().engine.fire(event);
