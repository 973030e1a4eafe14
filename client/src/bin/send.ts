import { readFileSync } from "node:fs";
import { text as readAll } from "node:stream/consumers";
import { secondsOf } from "../flat.ts";
import type { NewJob, SentJob } from "../index.ts";
import { UsageError, jobLine, only, show, timeoutOf, type Args, type Command } from "./command.ts";

export const send: Command = {
  name: "send",
  about: "Sends a job, or the jobs of a file.",
  usage: [
    "https://shop.example/hook --body '{\"order\": 1}' --key paid-1 --delay 10m",
    "--function resize --body @photo.json --wait",
    '--task export_report --payload \'{"dataset": "customers"}\'',
    "--file jobs.jsonl",
  ],
  options: {
    body: { type: "string", value: "TEXT|@FILE|-", about: "JSON or text; @FILE reads a file, - the standard input" },
    method: { type: "string", value: "METHOD", about: "default: POST" },
    header: { type: "string", multiple: true, value: "'NAME: VALUE'", about: "repeatable" },
    function: { type: "string", value: "NAME", about: "a Lambda function instead of a URL" },
    "function-url": { type: "string", value: "URL", about: "the URL of a Lambda function" },
    task: { type: "string", value: "TYPE", about: "a built-in task" },
    payload: { type: "string", value: "JSON|@FILE|-", about: "of a task" },
    key: { type: "string", value: "KEY", about: "jobs of one key are one job; default: a new key" },
    delay: { type: "string", value: "10m", about: "how long from now it waits" },
    "not-before": { type: "string", value: "TIME", about: "2027-01-15T10:00:00Z" },
    "not-after": { type: "string", value: "TIME", about: "not started by then, it fails" },
    retries: { type: "string", value: "N", about: "at most so many" },
    final: { type: "string", multiple: true, value: "STATUS", about: "answers that end it at once: 409, 4xx" },
    "keep-response": { type: "boolean", about: "the answer that ends it well is kept" },
    order: { type: "string", value: "NAME", about: "one after another with the others of this order" },
    group: { type: "string", value: "ID", about: "a member of this group" },
    label: { type: "string", multiple: true, value: "LABEL", about: "repeatable" },
    "on-complete": { type: "string", value: "URL", about: "where the job is posted as it ended" },
    mode: { type: "string", value: "MODE", about: "both, db or sqs; default: both" },
    file: { type: "string", value: "FILE|-", about: "jobs as JSON, one a line or as an array" },
    wait: { type: "boolean", about: "until it has ended; exit status 1 if it has failed" },
    timeout: { type: "string", value: "60s", about: "with --wait: exit status 75 then" },
  },

  async run(args) {
    const file = args.text("file");
    if (file !== undefined) return sendAll(args, jobsIn(await contentOf(file === "-" ? "-" : `@${file}`)));
    const job = await args.jobs().send((await jobOf(args)) as NewJob & { mode?: "both" });
    // Mode `sqs` has none.
    const sent = job as SentJob | null;
    const ended = args.flag("wait") && sent ? await args.jobs().wait(sent.id, waiting(args)) : undefined;
    show(args, sent && { ...sent, ...ended }, sentLine);
    return 0;
  },
};

function sentLine(job: SentJob | null): string {
  if (!job) return "sent";
  return job.isReplay ? `${jobLine(job)}\n  the key had this job already: nothing new is run` : jobLine(job);
}

function waiting(args: Args) {
  const timeout = args.text("timeout");
  return timeoutOf(timeout === undefined ? undefined : secondsOf(timeout));
}

async function sendAll(args: Args, jobs: readonly NewJob[]): Promise<number> {
  const results = await args.jobs().send(jobs);
  for (const { job, error } of results) {
    if (error) process.stderr.write(`${error.message}\n`);
    else show(args, job, sentLine);
  }
  return results.some(({ error }) => error) ? 1 : 0;
}

async function jobOf(args: Args): Promise<NewJob> {
  const [body, payload] = [args.text("body"), args.text("payload")];
  const target = {
    function: args.text("function"),
    functionUrl: args.text("function-url"),
    task: args.text("task"),
  };
  const isNamed = Object.values(target).some((each) => each !== undefined);
  const headers = { ...headersOf(args.all("header") ?? []) };
  const text = body === undefined ? undefined : await contentOf(body);
  const isTyped = Object.keys(headers).some((name) => name.toLowerCase() === "content-type");
  // Sent as text, its numbers stay as they were written. A function's event is left as it is.
  const isJson = text !== undefined && target.function === undefined && !isTyped && isJsonText(text);
  return {
    ...(isNamed ? target : { url: only(args, "the URL of a webhook, --function, --function-url or --task") }),
    ...(text !== undefined && { body: text }),
    ...((isJson || Object.keys(headers).length > 0) && {
      headers: { ...(isJson && { "content-type": "application/json" }), ...headers },
    }),
    ...(payload !== undefined && { payload: json("--payload", await contentOf(payload)) as Record<string, unknown> }),
    ...defined({
      method: args.text("method") as NewJob["method"],
      key: args.text("key"),
      delay: args.text("delay"),
      notBefore: args.text("not-before"),
      notAfter: args.text("not-after"),
      maxRetries: args.number("retries"),
      retry: finalOf(args),
      keepResponse: args.flag("keep-response") || undefined,
      order: args.text("order"),
      group: args.text("group"),
      labels: args.all("label"),
      onComplete: args.text("on-complete"),
      mode: args.text("mode") as NewJob["mode"],
    }),
  };
}

/** The answers of `--final`; what is neither a status nor a class is left for the service to refuse. */
function finalOf(args: Args): NewJob["retry"] {
  const answers = args.all("final")?.flatMap((each) => each.split(","));
  const final = answers?.map((each) => (/^\d+$/.test(each) ? Number(each) : each));
  return final && { final: final as NonNullable<NonNullable<NewJob["retry"]>["final"]> };
}

export function defined<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

export async function contentOf(given: string): Promise<string> {
  if (given === "-") return readAll(process.stdin);
  return given.startsWith("@") ? readFileSync(given.slice(1), "utf8") : given;
}

export function json(option: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${option} is no JSON: ${(error as Error).message}`);
  }
}

function isJsonText(text: string): boolean {
  try {
    return typeof JSON.parse(text) === "object";
  } catch {
    return false;
  }
}

/** A header that is given twice has both values. */
function headersOf(lines: readonly string[]): Record<string, string | string[]> {
  const found = new Map<string, readonly [name: string, values: readonly string[]]>();
  for (const line of lines) {
    const [, name, value] = /^([^:\s]+)\s*:\s*(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined)
      throw new UsageError(`--header is "${line}": expected 'Name: value'`);
    const [, before] = found.get(name.toLowerCase()) ?? [name, []];
    found.set(name.toLowerCase(), [name, [...before, value]]);
  }
  return Object.fromEntries(
    [...found.values()].map(([name, values]) => [name, values.length === 1 ? String(values) : [...values]]),
  );
}

function jobsIn(given: string): NewJob[] {
  // A byte order mark is white space too.
  const text = given.trim();
  const lines = text.startsWith("[") ? undefined : text.split("\n").filter((line) => line.trim() !== "");
  const jobs = lines ? lines.map((line, at) => json(`line ${at + 1} of --file`, line)) : json("--file", text);
  return jobs as NewJob[];
}
