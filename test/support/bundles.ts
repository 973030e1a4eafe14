import type { BuildOptions, Metafile } from "esbuild";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
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
  createBundler(options: BuildOptions): Promise<{ bundle(entry: string): Promise<Bundled>; end(): Promise<void> }>;
  modulesOf(bundled: Bundled): readonly (readonly [path: string, bytes: number])[];
};

/** The settings of esbuild in serverless.yml. */
export function bundlingOptions(): BuildOptions {
  return (readYaml(join(ROOT, "serverless.yml")) as { custom: { esbuild: BuildOptions } }).custom.esbuild;
}

/** The bundles of functions at paths such as `functions/create-job.ts`, by these paths. */
export async function bundlesOf(entries: readonly string[]): Promise<ReadonlyMap<string, Bundled>> {
  const bundler = await bundling.createBundler(bundlingOptions());
  const bundles = new Map<string, Bundled>();
  for (const entry of entries) bundles.set(entry, await bundler.bundle(entry));
  await bundler.end();
  return bundles;
}

/** Writes the files of a function into a folder, as a package has them. Returns the path of its bundle. */
export function unpack({ entry, files }: Bundled, dir: string): string {
  for (const [path, code] of files) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), code);
  }
  return join(dir, entry);
}

/** The bytes that Node loads before the first event: one file. */
export function bytesAtOnce(bundled: Bundled): number {
  return Buffer.byteLength(bundled.files.get(bundled.entry) ?? "");
}

/** The modules in it with the bytes that each takes, the largest first. */
export function modulesAtOnce(bundled: Bundled): readonly (readonly [path: string, bytes: number])[] {
  return bundling.modulesOf(bundled);
}
