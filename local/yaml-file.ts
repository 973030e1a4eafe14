import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { ScalarTag } from "yaml";

// Parsing the template takes a sixth of a stack's start, so each text is parsed once on this machine.

/** Beside Node's compile cache. */
const CACHE = join(import.meta.dirname, "../node_modules/.cache/yaml");

/** A YAML file with CloudFormation's short tags, as plain data. Nobody may change what is returned. */
export function readYaml(file: string, cache = CACHE): unknown {
  const text = readFileSync(file, "utf8");
  const hash = createHash("sha256")
    .update(JSON.stringify([TAGS.map(String), text]))
    .digest("hex");
  const kept = join(cache, `${hash}.json`);
  return readKept(kept) ?? keep(kept, parse(text));
}

const TAGS = [
  ["!Ref", (text: string) => ({ Ref: text })],
  ["!GetAtt", (text: string) => ({ "Fn::GetAtt": text })],
  ["!Sub", (text: string) => ({ "Fn::Sub": text })],
] as const;

function parse(text: string): unknown {
  // Loaded at need, which takes as long as half the parsing.
  const yaml = createRequire(import.meta.url)("yaml") as typeof import("yaml");
  const customTags = TAGS.map(([tag, resolve]): ScalarTag => ({ tag, resolve }));
  return yaml.parse(text, { customTags });
}

function readKept(kept: string): unknown {
  try {
    return JSON.parse(readFileSync(kept, "utf8"));
  } catch {
    return undefined;
  }
}

/** A cache that can't be written costs time and nothing else. */
function keep(kept: string, data: unknown): unknown {
  try {
    mkdirSync(join(kept, ".."), { recursive: true });
    // Renamed, so that no process reads half of it.
    writeFileSync(`${kept}.${process.pid}`, JSON.stringify(data));
    renameSync(`${kept}.${process.pid}`, kept);
  } catch {
    // For instance because the folder belongs to somebody else.
  }
  return data;
}
