import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { startDynamoDb } from "../../local/emulators.ts";

const dir = mkdtempSync(join(tmpdir(), "emulators-"));

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true, force: true });
});

/** A dynoxide that can't listen at so many places. */
function failing(times: number): void {
  const real = createRequire(import.meta.url).resolve("@dynoxide/linux-x64/dynoxide");
  const script = join(dir, "dynoxide");
  const tries = join(dir, "tries");
  writeFileSync(tries, "");
  writeFileSync(
    script,
    `#!/bin/sh
echo x >> "${tries}"
if [ $(wc -l < "${tries}") -le ${times} ]; then echo "Address in use" >&2; exit 1; fi
exec "${real}" "$@"
`,
  );
  chmodSync(script, 0o755);
  vi.stubEnv("DYNOXIDE", script);
}

test("dynoxide listens elsewhere if its place was taken, and its last words are told if it never can", async () => {
  failing(2);
  const { process: child, url } = await startDynamoDb();
  expect(url).toMatch(/^http:\/\/127\./);
  child.kill("SIGKILL");
  failing(3);
  await expect(startDynamoDb()).rejects.toThrow("dynoxide ended with status 1 before it was ready. Address in use");
});
