const { basename, dirname, join } = require("node:path");
const esbuild = require("esbuild");

// The files of one function: its bundle, which Node loads before the first event, and a file for each part that is
// imported at run time, which Node loads when it is first used. esbuild divides ESM alone, and `invoke local` wants
// CommonJS, so that each file is turned into CommonJS afterwards.

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
  const files = await Promise.all(
    outputFiles.map(async ({ path, text }) => [path.slice(outdir.length + 1), await inCommonJs(text, options)]),
  );
  return { entry: name + EXTENSION, files: new Map(files), metafile };
}

async function inCommonJs(text, { minify, platform, target }) {
  const supported = { "dynamic-import": false };
  return (await esbuild.transform(text, { format: "cjs", minify, platform, target, supported })).code;
}

/** The files that Node loads before the first event: the bundle, and what it imports at once. */
function loadedAtOnce({ entry, metafile }) {
  const outputs = new Map(Object.entries(metafile.outputs).map(([path, output]) => [withinPackage(path), output]));
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

/** esbuild names outputs as seen from its working directory. */
function withinPackage(path) {
  return path.replace(/^.*bundles\//, "");
}

/** The bytes that each module takes in the files that Node loads at once, the largest first. */
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

module.exports = { bundle, loadedAtOnce, modulesOf };
