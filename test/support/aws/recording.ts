import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT } from "../root.ts";

/** Variables by which a process that is started is held to AWS's rules too. */
export function recording(): Record<string, string> {
  if (process.env["RECORDED_REQUESTS"] === undefined) return {};
  return { NODE_OPTIONS: `--import=${pathToFileURL(join(ROOT, "test/support/aws/preload.ts")).href}` };
}
