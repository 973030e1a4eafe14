import type { Context } from "aws-lambda";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { FunctionTemplate } from "./template.ts";
import { within } from "./within.ts";

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
  const inContainer = createContainers(mostAtOnce(definition), async (n) => start(root, definition, n));
  return async (event) =>
    inContainer((handler) => {
      const deadline = performance.now() + definition.timeoutMs;
      const context = { functionName: definition.name, getRemainingTimeInMillis: () => deadline - performance.now() };
      const ended = handler(event, context as Context);
      return { ended, answered: cutOff(definition, ended) };
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

interface Execution {
  /** Also after the function was cut off. */
  readonly ended: Promise<unknown>;
  readonly answered: Promise<unknown>;
}

/**
 * One event at a time in each container, until it has ended. The last one used is the next, and events wait in order for
 * one. Without a limit, one container takes all events.
 */
function createContainers(most: number, startNext: (container: number) => Promise<Handler>) {
  const free: Handler[] = [];
  const waiting: ((container: Handler | Promise<Handler>) => void)[] = [];
  let started = 0;
  let only: Promise<Handler> | undefined;
  const take = async (): Promise<Handler> => {
    if (most === Infinity) return (only ??= startNext(1));
    const container = free.pop();
    if (container) return container;
    if (started === most) return new Promise((resolve) => waiting.push(resolve));
    started += 1;
    return startNext(started).catch((error: unknown) => {
      started -= 1;
      waiting.shift()?.(take());
      throw error;
    });
  };
  const leave = (container: Handler) => {
    const next = waiting.shift();
    if (next) next(container);
    else free.push(container);
  };
  return async (use: (handler: Handler) => Execution) => {
    const container = await take();
    const { ended, answered } = use(container);
    if (most !== Infinity) void ended.catch(() => {}).then(() => leave(container));
    return answered;
  };
}

async function cutOff({ name, timeoutMs }: FunctionTemplate, ended: Promise<unknown>): Promise<unknown> {
  return within(timeoutMs, ended, () => {
    throw new Error(`${name} timed out after ${timeoutMs} ms`);
  });
}
