import type { BulkAction, Job, JobCount, Jobs, ResendChanges } from "../index.ts";
import { NAME, UsageError, jobLine, only, show, type Command } from "./command.ts";
import { FILTERS, filterOf } from "./look.ts";
import { contentOf, defined } from "./send.ts";

// Jobs that are tried again, sent again or ended: by their ids, or all that fit.

export const redrive = ofJobs({
  name: "redrive",
  about: "Tries all FAILED or DEAD jobs again that fit, or the jobs of these ids.",
  usage: ["--status DEAD,FAILED --host shop.example --since 1d --dry-run", "--status DEAD --wait", "ID…"],
  one: async (jobs, id) => jobs.retry(id),
});

export const cancel = ofJobs({
  name: "cancel",
  about: "Ends all unfinished jobs that fit, or the jobs of these ids; a running attempt is let end first.",
  usage: ["--label import --dry-run", "--host shop.example --wait", "ID…"],
  one: async (jobs, id) => jobs.cancel(id),
});

interface OfJobs extends Pick<Command, "about" | "usage"> {
  readonly name: "redrive" | "cancel";
  readonly one: (jobs: Jobs, id: string) => Promise<Job>;
}

function ofJobs({ name, about, usage, one }: OfJobs): Command {
  return {
    name,
    about,
    usage,
    options: {
      ...FILTERS,
      "dry-run": { type: "boolean", about: "count them, and change none" },
      wait: { type: "boolean", about: "until all that fit have been changed" },
    },

    async run(args) {
      const filter = filterOf(args);
      if (args.words.length > 0) {
        if (Object.keys(filter).length > 0) throw new UsageError("expected ids or a filter, got both");
        if (args.flag("dry-run")) throw new UsageError("--dry-run goes with a filter, got ids");
        for (const id of args.words) show(args, await one(args.jobs(), id), jobLine);
        return;
      }
      const { bulk } = args.jobs();
      if (args.flag("dry-run")) return show(args, await bulk[name]({ ...filter, dryRun: true }), countLine);
      const action = await bulk[name](filter);
      if (args.flag("wait")) await args.jobs().wait(action.id);
      show(args, args.flag("wait") ? await bulk.get(action.id) : action, actionLine);
    },
  };
}

export function actionLine(action: BulkAction): string {
  const { id, status, looked, matched, changed, shutDestinations = [] } = action;
  const shut = shutDestinations.map(
    ({ destination, state }) => `\n  waits: ${destination} is ${state}; ${NAME} destinations resume ${destination}`,
  );
  return `${id}  status ${status}  looked ${looked}  matched ${matched}  changed ${changed}${shut.join("")}`;
}

function countLine({ count, isLowerBound }: JobCount): string {
  return `${count}${isLowerBound ? " or more" : ""}`;
}

export const resend: Command = {
  name: "resend",
  about: "Sends a job once more, as a new one, with these changes.",
  usage: ["ID", "ID --to https://shop.example/hook --body '{\"order\": 1}'"],
  options: {
    to: { type: "string", value: "URL", about: "where it goes instead" },
    body: { type: "string", value: "TEXT|@FILE|-", about: "instead of the job's" },
    key: { type: "string", value: "KEY", about: "of the new job; default: a new key" },
  },

  async run(args) {
    const body = args.text("body");
    const changes: ResendChanges = defined({
      url: args.text("to"),
      body: body === undefined ? undefined : await contentOf(body),
      key: args.text("key"),
    });
    show(args, await args.jobs().resend(only(args, "the id of a job"), changes), jobLine);
  },
};
