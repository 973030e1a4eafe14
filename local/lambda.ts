import type { Context } from "aws-lambda";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { FunctionTemplate } from "./template.ts";

/** A function as Lambda would run it: called with an event, cut off at its timeout. */
export type Invoke = (event: unknown) => Promise<unknown>;

export interface LoadedFunction {
  readonly definition: FunctionTemplate;
  readonly invoke: Invoke;
}

export async function loadFunctions(root: string, functions: readonly FunctionTemplate[]): Promise<LoadedFunction[]> {
  return Promise.all(functions.map(async (definition) => ({ definition, invoke: await load(root, definition) })));
}

async function load(root: string, definition: FunctionTemplate): Promise<Invoke> {
  const [file = "", name = "handler"] = definition.handler.split(/\.(?=\w+$)/);
  const module = (await import(pathToFileURL(join(root, `${file}.ts`)).href)) as Record<string, Handler>;
  const handler = module[name];
  if (!handler) throw new Error(`${file}.ts exports no ${name}, which serverless.yml names for ${definition.name}`);
  return async (event) => {
    const deadline = performance.now() + definition.timeoutMs;
    const context = { functionName: definition.name, getRemainingTimeInMillis: () => deadline - performance.now() };
    return await Promise.race([handler(event, context as Context), cutOff(definition)]);
  };
}

type Handler = (event: unknown, context: Context) => Promise<unknown>;

async function cutOff({ name, timeoutMs }: FunctionTemplate): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`${name} timed out after ${timeoutMs} ms`)), timeoutMs).unref();
  });
}
