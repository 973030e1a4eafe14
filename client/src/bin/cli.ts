import { ConflictError, JobFailedError, JobsError } from "../index.ts";
import { counts, destinations } from "./around.ts";
import { cancel, redrive, resend } from "./bulk.ts";
import { groups, schedules } from "./change.ts";
import { NAME, UsageError, argsOf, helpOf, jobLine, print, type Command } from "./command.ts";
import { get, list, tail, wait, watch } from "./look.ts";
import { send } from "./send.ts";
import { token } from "./token.ts";

// The command line. Exit status: 0 done, 1 failed, 2 not called as it can be, 4 conflict, 75 try again.

const COMMANDS: readonly Command[] = [
  send,
  get,
  list,
  counts,
  watch,
  wait,
  tail,
  redrive,
  resend,
  cancel,
  schedules,
  groups,
  destinations,
  token,
];

const HELP = `Jobs, from the command line.

${COMMANDS.map(({ name, about }) => `  ${NAME} ${name.padEnd(12)} ${about}`).join("\n")}

  ${NAME} COMMAND --help

JOBS_URL names the service, JOBS_TOKEN holds a token.
Exit status: 0 done, 1 failed, 2 wrong usage, 4 conflict, 75 try again later.
`;

async function main([name, ...argv]: readonly string[]): Promise<number> {
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    process.stdout.write(HELP);
    return name === undefined ? 2 : 0;
  }
  const command = COMMANDS.find((each) => each.name === name);
  if (!command) throw new UsageError(`there is no command ${name}: ${NAME} --help lists them`);
  const args = argsOf(command, argv);
  if (args.flag("help")) {
    process.stdout.write(helpOf(command));
    return 0;
  }
  return (await command.run(args)) ?? 0;
}

function statusOf(error: unknown): number {
  // A TypeError of the client is an argument that can't be.
  if (error instanceof UsageError || error instanceof TypeError) return 2;
  if (error instanceof ConflictError) return 4;
  const isLater = error instanceof JobsError ? error.isRetryable : (error as Error).name === "TimeoutError";
  return isLater ? 75 : 1;
}

/** The exit status. */
export async function run(argv: readonly string[]): Promise<number> {
  try {
    return await main(argv);
  } catch (error) {
    if (error instanceof JobFailedError) print(jobLine(error.job));
    process.stderr.write(`${(error as Error).message}\n`);
    return statusOf(error);
  }
}
