import { startDynamoDb, startQueuesAndBucket } from "../../local/emulators.ts";

// One emulator as a process to kill: `node test/chaos/emulator.ts database|queue DIR PORT`. It ends when its
// standard input does, and so with its parent, however that ended.

const [, , part, dir, port] = process.argv;
const end = () => process.exit();
// A Ctrl-C is for its parent.
process.on("SIGINT", () => {}).on("SIGTERM", end);
process.stdin.on("end", end).resume();

let { pid } = process;
if (part === "database") {
  const database = await startDynamoDb(dir, Number(port));
  database.process.on("exit", end);
  pid = database.process.pid ?? 0;
} else await startQueuesAndBucket(dir, Number(port));
process.stdout.write(`ready: process ${pid}\n`);
