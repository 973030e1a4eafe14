import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "vite";

// `npm run web`: builds the dashboard into web/dist. It is built beside and put in its place at once, so that nobody is
// served half of it.

// Whatever runs this: another value would keep the checks of a development in the files.
process.env["NODE_ENV"] = "production";
const here = import.meta.dirname;
const made = mkdtempSync(join(here, ".dist-"));
await build({
  configFile: join(here, "vite.config.ts"),
  mode: "production",
  logLevel: "warn",
  build: { outDir: made },
});
const dist = join(here, "dist");
const old = `${made}.old`;
try {
  renameSync(dist, old);
} catch {
  // There was none.
}
renameSync(made, dist);
rmSync(old, { recursive: true, force: true });
