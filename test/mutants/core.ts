import { matchesGlob } from "node:path";

// The files whose mutants are hunted, by paths or globs, and the checks that everything that is named exists.

/** Some files of the core and their killers, the cheapest first. */
export interface Part<Killer> {
  /** Paths or globs, such as `lib/engine/*.ts`. */
  readonly files: readonly string[];
  readonly killers: readonly Killer[];
}

/** The killers of each file; the first part that names a file counts. Throws if a path or glob names no file. */
export function killersByFile<Killer>(
  core: readonly Part<Killer>[],
  all: readonly string[],
): ReadonlyMap<string, readonly Killer[]> {
  const found = new Map<string, readonly Killer[]>();
  for (const { files, killers } of core) {
    checkExist(files, all, "test/mutants/killers.ts");
    for (const file of all.filter((path) => files.some((glob) => matchesGlob(path, glob)))) {
      if (!found.has(file)) found.set(file, killers);
    }
  }
  return found;
}

/** Throws if a path or glob names no file. `by`: the place of the names, for the message. */
export function checkExist(globs: Iterable<string>, all: readonly string[], by: string): void {
  const missing = [...new Set(globs)].filter((glob) => !all.some((path) => matchesGlob(path, glob)));
  if (missing.length === 0) return;
  throw new Error(`${by} names files that do not exist: ${missing.join(", ")}. Name those that took their place`);
}
