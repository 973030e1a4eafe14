const { basename, dirname, join } = require("node:path");
const esbuild = require("esbuild");

// The files of one function: its bundle, which Node loads before the first event, and a file for each part that is
// imported at run time, which Node loads when it is first used. esbuild divides ESM alone, and makes some fifty pieces of
// what is loaded at once; `invoke local` wants CommonJS. So a second step joins the pieces of the bundle, and turns each
// file into CommonJS.

/** The extension of all files. Lambda takes such a file for CommonJS, whatever a package.json says. */
const EXTENSION = ".cjs";

/**
 * Bundles the function at `entry`, a path within the repository such as `functions/create-job.ts`. `options`: those of
 * serverless.yml. Returns the files, by their paths within the package.
 */
async function bundle(entry, options) {
  const outdir = "/bundles";
  const name = entry.replace(/\.\w+$/, "");
  const { outputFiles, metafile } = await esbuild.build({
    ...options,
    format: "esm",
    splitting: true,
    metafile: true,
    write: false,
    absWorkingDir: join(__dirname, ".."),
    entryPoints: [entry],
    outbase: ".",
    outdir,
    outExtension: { ".js": EXTENSION },
    chunkNames: join(dirname(name), `${basename(name)}.[name]-[hash]`),
  });
  const pieces = new Map(outputFiles.map(({ path, text }) => [path.slice(outdir.length + 1), text]));
  const divided = { entry: name + EXTENSION, pieces, metafile };
  return { ...divided, files: await joined(divided, options) };
}

/** All that is loaded at once in one file, since to find and compile a file takes Node half a millisecond. */
async function joined(divided, { minify, platform, target }) {
  const { entry, pieces } = divided;
  const outdir = "/joined";
  const atOnce = new Set(loadedAtOnce(divided));
  const entries = [entry, ...[...pieces.keys()].filter((path) => !atOnce.has(path))];
  const { outputFiles } = await esbuild.build({
    bundle: true,
    format: "cjs",
    minify,
    platform,
    target,
    supported: { "dynamic-import": false },
    write: false,
    entryPoints: Object.fromEntries(entries.map((path) => [path.slice(0, -EXTENSION.length), path])),
    outdir,
    outExtension: { ".js": EXTENSION },
    plugins: [joining(divided, atOnce)],
  });
  return new Map(outputFiles.map(({ path, text }) => [path.slice(outdir.length + 1), text]));
}

/** Pieces that are loaded later import what the joined file exports for them: the names of its pieces, numbered. */
function joining({ entry, pieces, metafile }, atOnce) {
  const outputs = outputsOf(metafile);
  const numbers = new Map([...atOnce].map((path, n) => [path, n]));
  const listOf = (path, say) =>
    outputs
      .get(path)
      .exports.map((name) => say(name, `_${numbers.get(path)}_${name}`))
      .join();
  const isLater = ([path]) => !atOnce.has(path);
  const wanted = new Set(
    [...outputs].filter(isLater).flatMap(([, { imports }]) => imports.map(({ path }) => withinPackage(path))),
  );
  const exported = [...atOnce].filter((path) => wanted.has(path));
  const contents = {
    whole: () =>
      [entry, ...exported]
        .map((path) => {
          const names = path === entry ? "*" : `{ ${listOf(path, (name, as) => `${name} as ${as}`)} }`;
          return `export ${names} from "./${basename(path)}";`;
        })
        .join("\n"),
    atOnce: (path) => pieces.get(path),
    later: (path) => pieces.get(path),
    ofWhole: (path) => `export { ${listOf(path, (name, as) => `${as} as ${name}`)} } from "./${basename(entry)}";`,
  };
  return {
    name: "joining",
    setup: ({ onResolve, onLoad }) => {
      onResolve({ filter: /.*/ }, ({ path: asked, kind, namespace }) => {
        if (kind === "entry-point") return { path: asked, namespace: asked === entry ? "whole" : "later" };
        const path = join(dirname(entry), asked);
        if (!atOnce.has(path) || namespace === "ofWhole") return { path: asked, external: true };
        return { path, namespace: namespace === "later" ? "ofWhole" : "atOnce" };
      });
      for (const [namespace, of] of Object.entries(contents))
        onLoad({ filter: /.*/, namespace }, ({ path }) => ({ contents: of(path) }));
    },
  };
}

/** The pieces that Node loads before the first event: the function's, and what they import at once. */
function loadedAtOnce({ entry, metafile }) {
  const outputs = outputsOf(metafile);
  const loaded = new Set();
  const load = (path) => {
    if (loaded.has(path)) return;
    loaded.add(path);
    const imports = outputs.get(path)?.imports ?? [];
    for (const { path: imported, kind, external } of imports)
      if (!external && kind !== "dynamic-import") load(withinPackage(imported));
  };
  load(entry);
  return [...loaded];
}

function outputsOf(metafile) {
  return new Map(Object.entries(metafile.outputs).map(([path, output]) => [withinPackage(path), output]));
}

/** The path within the package: esbuild names outputs as seen from its working directory. */
function withinPackage(path) {
  return path.replace(/^.*bundles\//, "");
}

/** The bytes that each module takes in the file that Node loads at once, the largest first. */
function modulesOf(bundled) {
  const { metafile } = bundled;
  const loaded = new Set(loadedAtOnce(bundled));
  const bytes = new Map();
  for (const [path, { inputs }] of Object.entries(metafile.outputs)) {
    if (!loaded.has(withinPackage(path))) continue;
    for (const [input, { bytesInOutput }] of Object.entries(inputs))
      bytes.set(input, (bytes.get(input) ?? 0) + bytesInOutput);
  }
  return [...bytes].toSorted(([, a], [, b]) => b - a);
}

module.exports = { bundle, modulesOf };
