import type { Context } from "aws-lambda";
import type { SweepPart, Swept } from "../lib/engine/sweep.ts";
import { parts } from "../lib/parts.ts";

/** `event`: that of the schedule, or the part of a sweep that another invocation had no time for. */
export const handler = async (event: SweepPart | null, context: Context): Promise<Swept> =>
  parts().sweep(() => context.getRemainingTimeInMillis(), { shards: event?.shards });
