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

/** Each is loaded with its first event, as on AWS. */
export function createFunctions(root: string, functions: readonly FunctionTemplate[]): LoadedFunction[] {
  return functions.map((definition) => ({ definition, invoke: create(root, definition) }));
}

/**
 * How many containers of a function this machine has room for, where AWS would start one for each event at a time. The
 * events of other functions share one.
 */
const MOST_CONTAINERS: Readonly<Record<string, number>> = { renderPdf: 3, runPdfs: 2 };

export function mostAtOnce({ name }: FunctionTemplate): number {
  return MOST_CONTAINERS[name] ?? Infinity;
}

function create(root: string, definition: FunctionTemplate): Invoke {
  const containers = createContainers(mostAtOnce(definition), async (n) => start(root, definition, n));
  return async (event) =>
    containers(async (handler) => {
      const deadline = performance.now() + definition.timeoutMs;
      const context = { functionName: definition.name, getRemainingTimeInMillis: () => deadline - performance.now() };
      return Promise.race([handler(event, context as Context), cutOff(definition)]);
    });
}

type Handler = (event: unknown, context: Context) => Promise<unknown>;

/** Loads the function's module, once for each container. */
async function start(root: string, { name: of, handler: path }: FunctionTemplate, container: number): Promise<Handler> {
  const [file = "", name = "handler"] = path.split(/\.(?=\w+$)/);
  const { href } = pathToFileURL(join(root, `${file}.ts`));
  const module = (await import(container === 1 ? href : `${href}?container=${container}`)) as Record<string, Handler>;
  const handler = module[name];
  if (!handler) throw new Error(`${file}.ts exports no ${name}, which serverless.yml names for ${of}`);
  return handler;
}

/**
 * One event at a time in each container. The last one used is the next, and events wait in order for one. Without a
 * limit, one container takes all events.
 */
function createContainers(most: number, startNext: (container: number) => Promise<Handler>) {
  if (most === Infinity) {
    let only: Promise<Handler> | undefined;
    return async (use: (handler: Handler) => Promise<unknown>) => use(await (only ??= startNext(1)));
  }
  const free: Handler[] = [];
  const waiting: ((container: Handler) => void)[] = [];
  let started = 0;
  const take = async () => {
    const container = free.pop();
    if (container) return container;
    if (started < most) return startNext((started += 1));
    return new Promise<Handler>((resolve) => {
      waiting.push(resolve);
    });
  };
  return async (use: (handler: Handler) => Promise<unknown>) => {
    const container = await take();
    try {
      return await use(container);
    } finally {
      const next = waiting.shift();
      if (next) next(container);
      else free.push(container);
    }
  };
}

async function cutOff({ name, timeoutMs }: FunctionTemplate): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`${name} timed out after ${timeoutMs} ms`)), timeoutMs).unref();
  });
}
