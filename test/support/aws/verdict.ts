import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// Around all tests: the requests of the AWS SDK that any of their processes has made must have kept AWS's rules.

export default function begin(): () => void {
  const folder = mkdtempSync(join(tmpdir(), "requests-"));
  process.env["RECORDED_REQUESTS"] = folder;
  return () => {
    const broken = brokenIn(folder);
    rmSync(folder, { recursive: true, force: true });
    if (broken.length > 0) throw new Error(`Requests that AWS would refuse or punish:\n\n${broken.join("")}`);
  };
}

/** What the processes that were told of the folder have sent against the rules. */
export function brokenIn(folder: string): string[] {
  return readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"));
}
