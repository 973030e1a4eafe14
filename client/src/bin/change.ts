import type { Group, NewSchedule, Schedule, ScheduleChanges } from "../index.ts";
import { actionLine } from "./bulk.ts";
import { NAME, UsageError, byAction, jobLine, show, showPages, type Args, type Command } from "./command.ts";
import { contentOf, defined, json } from "./send.ts";

// Schedules, and groups of jobs.

export const schedules: Command = {
  name: "schedules",
  about: "Lists and changes schedules.",
  usage: [
    "[list] [--state PAUSED]",
    "get|delete|runs KEY",
    "put KEY --cron '0 2 * * *' --timezone Asia/Seoul --job '{\"url\": \"https://…\"}'",
    "patch KEY --cron '0 10 * * 1-5'",
    "pause KEY [--reason TEXT]",
    "resume KEY [--missed once|skip|all]",
    "run KEY [--at TIME]",
    "preview --cron '0 2 * * *'",
  ],
  options: {
    state: { type: "string", value: "STATE", about: "ACTIVE, PAUSED or ENDED" },
    host: { type: "string", value: "HOST", about: "of the destination" },
    cron: { type: "string", value: "FIELDS", about: "five fields" },
    every: { type: "string", value: "10m", about: "minutes, hours or days" },
    expression: { type: "string", value: "TEXT", about: "rate(…), cron(…) or at(…)" },
    timezone: { type: "string", value: "ZONE", about: "default: UTC" },
    job: { type: "string", value: "JSON|@FILE|-", about: `what runs, as for ${NAME} send --file` },
    overlap: { type: "string", value: "POLICY", about: "allow, skip, queue or replace" },
    missed: { type: "string", value: "POLICY", about: "once, skip or all" },
    "starts-at": { type: "string", value: "TIME", about: "no run before" },
    "ends-at": { type: "string", value: "TIME", about: "no run after" },
    "max-runs": { type: "string", value: "N", about: "at most so many" },
    reason: { type: "string", value: "TEXT", about: "of a pause" },
    at: { type: "string", value: "TIME", about: "the time that a run stands for" },
    limit: { type: "string", value: "N", about: "at most so many; default: 50" },
    all: { type: "boolean", about: "all of them" },
  },
  run: byAction(
    {
      list: async (args) => {
        const filter = defined({ state: args.text("state") as Schedule["state"], host: args.text("host") });
        await showPages(args, args.jobs().schedules.list(filter), scheduleLine);
      },
      get: async (args, key) => show(args, await args.jobs().schedules.get(key), scheduleLine),
      put: async (args, key) => {
        const job = args.text("job");
        if (job === undefined) throw new UsageError("put wants --job, got none");
        const schedule = { ...whenOf(args), ...policiesOf(args), job: json("--job", await contentOf(job)) };
        show(args, await args.jobs().schedules.put(key, schedule as NewSchedule), scheduleLine);
      },
      patch: async (args, key) => {
        const job = args.text("job");
        const changes = {
          ...whenOf(args),
          ...policiesOf(args),
          ...(job !== undefined && { job: json("--job", await contentOf(job)) }),
        };
        if (Object.keys(changes).length === 0)
          throw new UsageError("patch wants an option that says what to change, such as --cron, got none");
        show(args, await args.jobs().schedules.patch(key, changes as ScheduleChanges), scheduleLine);
      },
      pause: async (args, key) => show(args, await args.jobs().schedules.pause(key, args.text("reason")), scheduleLine),
      resume: async (args, key) => {
        const missed = args.text("missed") as NewSchedule["missed"];
        show(args, await args.jobs().schedules.resume(key, missed), scheduleLine);
      },
      run: async (args, key) => show(args, await args.jobs().schedules.run(key, args.text("at")), jobLine),
      runs: async (args, key) => showPages(args, args.jobs().schedules.runs(key), jobLine),
      delete: async (args, key) => {
        await args.jobs().schedules.delete(key);
        show(args, { key, deleted: true }, () => `${key}  deleted`);
      },
      preview: async (args) =>
        show(args, await args.jobs().schedules.preview(whenOf(args)), ({ nextRuns }) => nextRuns.join("\n")),
    },
    ["list", "preview"],
  ),
};

function whenOf(args: Args) {
  return defined({
    cron: args.text("cron"),
    every: args.text("every"),
    expression: args.text("expression"),
    timezone: args.text("timezone"),
  });
}

function policiesOf(args: Args) {
  return defined({
    overlap: args.text("overlap"),
    missed: args.text("missed"),
    startsAt: args.text("starts-at"),
    endsAt: args.text("ends-at"),
    maxRuns: args.number("max-runs"),
  });
}

function scheduleLine(schedule: Schedule): string {
  const { key, state, expression, timezone, nextRuns, nextRunsIfResumed: [then] = [], runCount } = schedule;
  const next = then === undefined ? (nextRuns[0] ?? "-") : `if resumed ${then}`;
  return `${key}  ${state}  ${expression} ${timezone}  next ${next}  runs ${runCount}`;
}

export const groups: Command = {
  name: "groups",
  about: "Makes, shows and ends groups of jobs.",
  usage: [
    "create [--key KEY] [--expected N] [--seal-by 24h] [--on-complete URL]",
    "seal ID [--expected N]",
    "get|jobs|cancel|redrive ID",
  ],
  options: {
    key: { type: "string", value: "KEY", about: "groups of one key are one group" },
    expected: { type: "string", value: "N", about: "how many jobs it has" },
    "seal-by": { type: "string", value: "24h", about: "unsealed by then, it fails" },
    "cancel-on-failure": { type: "boolean", about: "cancel the others when one has failed" },
    "on-complete": { type: "string", value: "URL", about: "where the group is posted as it ended" },
    status: { type: "string", value: "STATUS", about: "of jobs" },
    limit: { type: "string", value: "N", about: "at most so many; default: 50" },
    all: { type: "boolean", about: "all of them" },
  },
  run: byAction(
    {
      create: async (args) => {
        const group = defined({
          key: args.text("key"),
          expected: args.number("expected"),
          sealBy: args.text("seal-by"),
          onComplete: args.text("on-complete"),
          cancelOnFailure: args.flag("cancel-on-failure") || undefined,
        });
        show(args, await args.jobs().groups.create(group), groupLine);
      },
      seal: async (args, id) => show(args, await args.jobs().groups.seal(id, args.number("expected")), groupLine),
      get: async (args, id) => show(args, await args.jobs().groups.get(id), groupLine),
      jobs: async (args, id) => {
        const filter = defined({ status: args.text("status") as Group["status"] });
        await showPages(args, args.jobs().groups.jobs(id, filter), jobLine);
      },
      cancel: async (args, id) => show(args, await args.jobs().groups.cancel(id), actionLine),
      redrive: async (args, id) => show(args, await args.jobs().groups.redrive(id), actionLine),
    },
    ["create"],
  ),
};

function groupLine({ id, status, expected, members }: Group): string {
  const { ended, total, failed, dead } = members;
  return `${id}  ${status.padEnd(9)}  ended ${ended} of ${expected ?? total}  failed ${failed + dead}`;
}
