import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { isBuilt } from "../../local/dashboard.ts";
import { ROOT } from "./root.ts";

/** The files of the dashboard as its source is now; built if they are older. */
export function builtDashboard(): void {
  if (!isBuilt(ROOT)) execFileSync(process.execPath, [join(ROOT, "web/build.ts")], { stdio: "pipe" });
}
