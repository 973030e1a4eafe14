import { parseArgs } from "node:util";
import { Jobs, type Job, type Pages } from "../index.ts";

// What the commands have in common.

/** What help calls the command line. Its other name, `jobs`, is one that shells have a command of their own for. */
export const NAME = "unified-jobs";

export interface Option {
  readonly type: "string" | "boolean";
  readonly about: string;
  /** How its value is called in the help. */
  readonly value?: string;
  readonly multiple?: boolean;
  readonly short?: string;
}

export interface Command {
  readonly name: string;
  readonly about: string;
  /** What follows the name, a line for each form. */
  readonly usage: readonly string[];
  readonly options: Readonly<Record<string, Option>>;
  /** Answers the exit status; nothing for 0. */
  run(args: Args): Promise<number | void>;
}

export interface Args {
  readonly words: readonly string[];
  readonly isJson: boolean;
  text(name: string): string | undefined;
  number(name: string): number | undefined;
  flag(name: string): boolean;
  /** Undefined if it was not given. */
  all(name: string): readonly string[] | undefined;
  /** Made at the first use, so that help needs no token. */
  jobs(): Jobs;
}

/** The command was not called as it can be. */
export class UsageError extends Error {}

const COMMON: Readonly<Record<string, Option>> = {
  json: { type: "boolean", about: "print JSON, one line each" },
  url: { type: "string", value: "URL", about: "the service; default: JOBS_URL" },
  help: { type: "boolean", short: "h", about: "this text" },
};

export function argsOf(command: Command, argv: readonly string[]): Args {
  const options = { ...command.options, ...COMMON };
  const parsed = (() => {
    try {
      return parseArgs({ args: [...argv], options, allowPositionals: true });
    } catch (error) {
      // What follows the first sentence is advice for values that begin with a dash.
      const [problem] = (error as Error).message.split(". To specify");
      throw new UsageError(`${problem}; ${NAME} ${command.name} --help lists the options`);
    }
  })();
  const values = parsed.values as Readonly<Record<string, string | boolean | string[] | undefined>>;
  const text = (name: string) => values[name] as string | undefined;
  let made: Jobs | undefined;
  return {
    words: parsed.positionals,
    isJson: values["json"] === true,
    text,
    number: (name) => {
      const given = text(name);
      if (given !== undefined && !/^-?\d+(\.\d+)?$/.test(given))
        throw new UsageError(`--${name} is "${given}": expected a number`);
      return given === undefined ? undefined : Number(given);
    },
    flag: (name) => values[name] === true,
    all: (name) => values[name] as string[] | undefined,
    jobs: () => (made ??= new Jobs({ url: text("url") })),
  };
}

export function helpOf({ name, about, usage, options }: Command): string {
  const rows = Object.entries({ ...options, ...COMMON }).map(([long, { short, value, about: text }]) => {
    const left = `${short ? `-${short}, ` : ""}--${long}${value ? ` ${value}` : ""}`;
    return `  ${left.padEnd(26)} ${text}`;
  });
  return `${about}\n\n${usage.map((form) => `  ${NAME} ${name} ${form}`.trimEnd()).join("\n")}\n\n${rows.join("\n")}\n`;
}

/** The one word that a command needs. */
export function only(args: Args, what: string): string {
  const [word, ...more] = args.words;
  if (word === undefined || more.length > 0)
    throw new UsageError(`expected ${what}, got ${args.words.length === 0 ? "nothing" : args.words.join(" ")}`);
  return word;
}

type Action = (args: Args, name: string) => Promise<void>;

/** `unified-jobs schedules ACTION NAME`; without an action, the list. */
export function byAction(actions: Readonly<Record<string, Action>>, withoutName: readonly string[]) {
  return async (args: Args): Promise<void> => {
    const [action = "list", name, ...more] = args.words;
    const found = Object.hasOwn(actions, action) ? actions[action] : undefined;
    if (!found) throw new UsageError(`expected one of ${Object.keys(actions).join(", ")}, got ${action}`);
    const needsName = !withoutName.includes(action);
    if (needsName && name === undefined) throw new UsageError(`${action} wants a name after it, got nothing`);
    const [extra] = needsName ? more : args.words.slice(1);
    if (extra !== undefined) throw new UsageError(`${extra} is one word too many`);
    await found(args, name ?? "");
  };
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

export function show<T>(args: Args, value: T, line: (value: T) => string): void {
  print(args.isJson ? JSON.stringify(value) : line(value));
}

/** All of a list, or the first so many. */
export async function showPages<T>(args: Args, pages: Pages<T>, line: (value: T) => string): Promise<void> {
  let left = args.flag("all") ? Infinity : (args.number("limit") ?? 50);
  if (left <= 0) return;
  for await (const item of pages) {
    show(args, item, line);
    left -= 1;
    if (left <= 0) return;
  }
}

export function jobLine(job: Job): string {
  const { id, status, executionType, createdAt, idempotencyKey, lastError } = job;
  return [id, status.padEnd(9), executionType.padEnd(13), createdAt, idempotencyKey ?? "-", lastError ?? ""]
    .join("  ")
    .trimEnd();
}

/** Aborts after the duration of `--timeout`. */
export function timeoutOf(seconds: number | undefined): { signal?: AbortSignal } {
  return seconds === undefined ? {} : { signal: AbortSignal.timeout(seconds * 1_000) };
}
