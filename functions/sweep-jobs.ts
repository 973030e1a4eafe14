import type { Context } from "aws-lambda";
import type { Swept } from "../lib/engine/sweep.ts";
import { parts } from "../lib/parts.ts";

export const handler = async (_event: unknown, context: Context): Promise<Swept> =>
  parts().engine.sweep(() => context.getRemainingTimeInMillis());
