import { secondsOf } from "../flat.ts";
import { JobFailedError, type BulkOptions, type Job, type JobWithAttempts, type ListOptions } from "../index.ts";
import { sleep } from "../transport.ts";
import {
  UsageError,
  jobLine,
  only,
  show,
  showPages,
  timeoutOf,
  type Args,
  type Command,
  type Option,
} from "./command.ts";
import { defined } from "./send.ts";

/** The conditions of lists and of bulk actions. */
export const FILTERS: Readonly<Record<string, Option>> = {
  status: {
    type: "string",
    multiple: true,
    value: "STATUS",
    about: "PENDING, RUNNING, RETRYING, SUCCEEDED, FAILED, DEAD, CANCELLED",
  },
  type: { type: "string", value: "TYPE", about: "rest-api, lambda-invoke, lambda-url, schedule, task" },
  host: { type: "string", value: "HOST", about: "of the destination" },
  error: { type: "string", value: "TEXT", about: "in the last error" },
  label: { type: "string", value: "LABEL", about: "that it has" },
  group: { type: "string", value: "ID", about: "that it is in" },
  since: { type: "string", value: "2h|TIME", about: "accepted since" },
  until: { type: "string", value: "2h|TIME", about: "accepted before" },
};

export function filterOf(args: Args): ListOptions & BulkOptions {
  const statuses = args.all("status")?.flatMap((each) => each.toUpperCase().split(","));
  return defined({
    // One is sent as one, which any version of the service takes.
    status: (statuses?.length === 1 ? statuses[0] : statuses) as BulkOptions["status"],
    executionType: args.text("type") as ListOptions["executionType"],
    host: args.text("host"),
    errorContains: args.text("error"),
    label: args.text("label"),
    group: args.text("group"),
    createdAfter: timeOf(args.text("since")),
    createdBefore: timeOf(args.text("until")),
  });
}

/** A time, or how long ago. */
function timeOf(given: string | undefined): string | undefined {
  if (given === undefined || /^\d{4}-/.test(given)) return given;
  try {
    return new Date(Date.now() - secondsOf(given) * 1_000).toISOString();
  } catch {
    throw new UsageError(`"${given}" is no time: expected how long ago, such as 2h or 1d, or 2027-01-15T10:00:00Z`);
  }
}

export const get: Command = {
  name: "get",
  about: "Shows a job with its attempts, and why it waits.",
  usage: ["ID"],
  options: {},
  run: async (args) => show(args, await args.jobs().get(only(args, "the id of a job")), wholeJob),
};

function wholeJob(job: JobWithAttempts): string {
  const attempts = job.attempts.map(({ number, startedAt, durationMs, outcome, httpStatus, error }) =>
    [
      `  ${number}`,
      startedAt ?? "-",
      outcome,
      httpStatus ?? "",
      durationMs === null ? "" : `${durationMs} ms`,
      error ?? "",
    ]
      .join("  ")
      .trimEnd(),
  );
  const { waiting } = job;
  return [jobLine(job), ...attempts, ...(waiting ? [`  waits: ${waiting.detail}`] : [])].join("\n");
}

export const list: Command = {
  name: "list",
  about: "Lists jobs, newest first.",
  usage: ["--status DEAD --host shop.example --since 2h"],
  options: {
    ...FILTERS,
    key: { type: "string", value: "KEY", about: "the job of this key" },
    waiting: { type: "boolean", about: "say why each job waits" },
    limit: { type: "string", value: "N", about: "at most so many; default: 50" },
    all: { type: "boolean", about: "all of them" },
  },

  async run(args) {
    const include = args.flag("waiting") ? ("waiting" as const) : undefined;
    const filter = defined({ ...filterOf(args), idempotencyKey: args.text("key"), include });
    await showPages(args, args.jobs().list(filter), ({ waiting, ...job }) =>
      waiting ? `${jobLine(job)}\n  waits: ${waiting.detail}` : jobLine(job),
    );
  },
};

export const wait: Command = {
  name: "wait",
  about: "Waits for the end of jobs or groups. Exit status 1 if one has failed, 75 after --timeout.",
  usage: ["ID… --timeout 60s"],
  options: { timeout: { type: "string", value: "60s", about: "default: none" } },

  async run(args) {
    if (args.words.length === 0) throw new UsageError("expected the ids of jobs, got nothing");
    const timeout = args.text("timeout");
    const options = timeoutOf(timeout === undefined ? undefined : secondsOf(timeout));
    const ended = await Promise.all(
      args.words.map(async (id) =>
        args
          .jobs()
          .wait(id, options)
          .catch((error: unknown) => {
            if (error instanceof JobFailedError) return error.job;
            throw error;
          }),
      ),
    );
    for (const job of ended) show(args, job, jobLine);
    return ended.every(({ status }) => status === "SUCCEEDED") ? 0 : 1;
  },
};

const LOOK_EVERY_MS = 1_000;
const FINAL = new Set<string>(["SUCCEEDED", "FAILED", "DEAD", "CANCELLED"]);

export const watch: Command = {
  name: "watch",
  about: "Shows a job whenever it changes, until it has ended. Exit status 1 unless it has succeeded.",
  usage: ["ID"],
  options: {},

  async run(args) {
    const id = only(args, "the id of a job");
    for (let shown = ""; ; await sleep(LOOK_EVERY_MS)) {
      const job = await args.jobs().get(id);
      const state = JSON.stringify([job.status, job.attempts, job.lastError, "progress" in job && job.progress]);
      if (state !== shown) show(args, job, stateLine);
      if (FINAL.has(job.status)) return job.status === "SUCCEEDED" ? 0 : 1;
      shown = state;
    }
  },
};

function stateLine(job: JobWithAttempts): string {
  const { status, attempts, lastError, nextRetryAt, updatedAt } = job;
  const retry = status === "RETRYING" && nextRetryAt !== null ? `next ${nextRetryAt}` : "";
  const done = "progress" in job ? (job.progress?.label ?? "") : "";
  return [updatedAt, status.padEnd(9), `attempts ${attempts.length}`, done, lastError ?? "", retry]
    .filter((part) => part !== "")
    .join("  ")
    .trimEnd();
}

const TAIL_EVERY_MS = 2_000;

export const tail: Command = {
  name: "tail",
  about: "Shows jobs as they change, until it is stopped.",
  usage: ["--status DEAD,FAILED", "--host shop.example"],
  options: {
    ...FILTERS,
    for: { type: "string", value: "60s", about: "how long; default: until Ctrl-C" },
  },

  async run(args) {
    const duration = args.text("for");
    const end = duration === undefined ? Infinity : Date.now() + secondsOf(duration) * 1_000;
    const jobs = args.jobs();
    const filter = filterOf(args);
    const shown = new Map<string, string>();
    let since = await serviceTime(args);
    for (;;) {
      const changed: Job[] = [];
      for await (const job of jobs.list({ ...filter, updatedAfter: since }))
        if (shown.get(job.id) !== job.updatedAt) changed.push(job);
      for (const job of changed.toSorted((a, b) => a.updatedAt.localeCompare(b.updatedAt))) {
        shown.set(job.id, job.updatedAt);
        show(args, job, (each) => `${each.updatedAt}  ${jobLine(each)}`);
        // A little overlap: a list may be some seconds behind.
        since = new Date(Date.parse(job.updatedAt) - OVERLAP_MS).toISOString();
      }
      for (const [id, at] of shown) if (at < since) shown.delete(id);
      if (Date.now() >= end) return 0;
      await sleep(Math.min(TAIL_EVERY_MS, end - Date.now()));
    }
  },
};

const OVERLAP_MS = 10_000;

/** The clock of a local stack may run ahead. */
async function serviceTime(args: Args): Promise<string> {
  const url = args.text("url") ?? process.env["JOBS_URL"];
  const response = await fetch(`${url}/health`);
  return ((await response.json()) as { now: string }).now;
}
