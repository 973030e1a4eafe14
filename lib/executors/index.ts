import type { Executor } from "./executor.ts";
import { lambdaInvoke } from "./lambda-invoke.ts";
import { lambdaUrl } from "./lambda-url.ts";
import { restApi } from "./rest-api.ts";
import { schedule } from "./schedule.ts";

/** Every execution type there is: validation and dispatch follow from this list. */
const registry = [restApi, lambdaInvoke, lambdaUrl, schedule] as const;

export const executors: readonly Executor[] = registry;
export const EXECUTION_TYPES = registry.map(({ type }) => type);
/** One schema for each type, for a union that discriminates by `type`. */
export const executionSchemas = registry.map(({ schema }) => schema) as unknown as readonly [
  (typeof registry)[0]["schema"],
  ...(typeof registry)[number]["schema"][],
];

export type ExecutorOf = (type: string) => Executor;

/** The executor of a type. Its schema has checked what the executor then trusts. */
export const executorOf: ExecutorOf = (type) => {
  const found = executors.find((executor) => executor.type === type);
  if (!found) throw new Error(`No executor for execution type ${type}; known: ${EXECUTION_TYPES.join(", ")}`);
  return found;
};
