import type { BuildOptions, Metafile } from "esbuild";
import { createRequire } from "node:module";
import { join } from "node:path";
import { readYaml } from "../../local/yaml-file.ts";
import { ROOT } from "./root.ts";

// The bundles of functions, made as `serverless package` makes them, without the rest of it.

/** A function's bundle, and the files of what is imported at run time. */
export interface Bundled {
  /** The path of the bundle within the package. */
  readonly entry: string;
  readonly files: ReadonlyMap<string, string>;
  readonly metafile: Metafile;
}

const bundling = createRequire(import.meta.url)("../../deploy/bundles.cjs") as {
  bundle(entry: string, options: BuildOptions): Promise<Bundled>;
  modulesOf(bundled: Bundled): readonly (readonly [path: string, bytes: number])[];
};

/** The settings of esbuild in serverless.yml. */
export function bundlingOptions(): BuildOptions {
  return (readYaml(join(ROOT, "serverless.yml")) as { custom: { esbuild: BuildOptions } }).custom.esbuild;
}

/** The bundle of the function at a path such as `functions/create-job.ts`. */
export async function bundle(entry: string): Promise<Bundled> {
  return bundling.bundle(entry, bundlingOptions());
}

/** The bytes that Node loads before the first event: one file. */
export function bytesAtOnce(bundled: Bundled): number {
  return Buffer.byteLength(bundled.files.get(bundled.entry) ?? "");
}

/** The modules in it with the bytes that each takes, the largest first. */
export function modulesAtOnce(bundled: Bundled): readonly (readonly [path: string, bytes: number])[] {
  return bundling.modulesOf(bundled);
}
