const { basename, join } = require("node:path");
const esbuild = require("esbuild");
const { directImports } = require("./direct-imports.cjs");

// The files of one function: its bundle, which Node loads before the first event, and a file for each part that is
// imported at run time, which Node loads when it is first used. esbuild divides ESM alone, and makes some fifty pieces of
// what is loaded at once; `invoke local` wants CommonJS. So a second step joins the pieces of the bundle, and turns each
// file into CommonJS.

/** The extension of all files. Lambda takes such a file for CommonJS, whatever a package.json says. */
const EXTENSION = ".cjs";
/** The piece that esbuild begins with. */
const FIRST = `entry${EXTENSION}`;
const ROOT = join(__dirname, "..");

/** Makes bundles, one at a time; a module is read and parsed once for all. `options`: those of serverless.yml. */
async function createBundler(options) {
  let asked;
  const onResolveEntry = () => ({ path: join(ROOT, asked) });
  const context = await esbuild.context({
    ...options,
    format: "esm",
    splitting: true,
    metafile: true,
    write: false,
    absWorkingDir: ROOT,
    entryPoints: { entry: "asked" },
    outdir: "/bundles",
    outExtension: { ".js": EXTENSION },
    chunkNames: "[name]-[hash]",
    plugins: [
      directImports,
      { name: "entry", setup: ({ onResolve }) => onResolve({ filter: /^asked$/ }, onResolveEntry) },
    ],
  });
  return {
    /**
     * Bundles the function at `entry`, a path within the repository such as `functions/create-job.ts`. Returns the files,
     * by their paths within the package.
     */
    bundle: async (entry) => {
      asked = entry;
      const { outputFiles, metafile } = await context.rebuild();
      const pieces = new Map(outputFiles.map(({ path, text }) => [basename(path), text]));
      const name = entry.replace(/\.\w+$/, "");
      return {
        entry: fileOf(FIRST, name),
        metafile,
        files: await joined({ name, pieces, metafile }, options),
      };
    },
    end: () => context.dispose(),
  };
}

/** The file of a piece, by the name of its function. */
function fileOf(piece, name) {
  return piece === FIRST ? name + EXTENSION : `${name}.${piece}`;
}

/** All that is loaded at once in one file, since to find and compile a file takes Node half a millisecond. */
async function joined(divided, { minify, platform, target }) {
  const { name, pieces, metafile } = divided;
  const outdir = "/joined";
  const atOnce = new Set(loadedAtOnce(metafile));
  const entries = [FIRST, ...[...pieces.keys()].filter((piece) => !atOnce.has(piece))];
  const { outputFiles } = await esbuild.build({
    bundle: true,
    format: "cjs",
    minify,
    platform,
    target,
    supported: { "dynamic-import": false },
    write: false,
    entryPoints: Object.fromEntries(entries.map((piece) => [fileOf(piece, name).slice(0, -EXTENSION.length), piece])),
    outdir,
    outExtension: { ".js": EXTENSION },
    plugins: [joining(divided, atOnce)],
  });
  return new Map(outputFiles.map(({ path, text }) => [path.slice(outdir.length + 1), text]));
}

/**
 * Pieces that are loaded later take what they import from the joined file's `late`: a function for each of its pieces, by
 * number. What they return is made then, once, and read by getters; as exports, hundreds of them would be made before the
 * first event.
 */
function joining({ name, pieces, metafile }, atOnce) {
  const outputs = outputsOf(metafile);
  const numbers = new Map([...atOnce].map((piece, n) => [piece, n]));
  const exportsOf = (piece) => outputs.get(piece).exports;
  const nameIn = (piece, exported) => `_${numbers.get(piece)}_${exported}`;
  const isLater = ([piece]) => !atOnce.has(piece);
  const wanted = new Set(
    [...outputs].filter(isLater).flatMap(([, { imports }]) => imports.map(({ path }) => basename(path))),
  );
  const exporting = [...atOnce].filter((piece) => wanted.has(piece));
  const besideOf = (piece) => `./${basename(fileOf(piece, name))}`;
  const importOf = (piece) =>
    `import { ${exportsOf(piece).map((name) => `${name} as ${nameIn(piece, name)}`)} } from "./${piece}";`;
  const lateOf = (piece) =>
    `_${numbers.get(piece)}: once(() => ({ ${exportsOf(piece).map((name) => `get ${name}() { return ${nameIn(piece, name)}; }`)} }))`;
  const contents = {
    whole: () =>
      [
        `export * from "./${FIRST}";`,
        ...exporting.map(importOf),
        "const once = (make) => { let made; return () => (made ??= make()); };",
        `export const late = { ${exporting.map(lateOf).join()} };`,
      ].join("\n"),
    atOnce: (piece) => pieces.get(piece),
    later: (piece) => pieces.get(piece),
    ofWhole: (piece) => `module.exports = require("./${FIRST}").late._${numbers.get(piece)}();`,
  };
  return {
    name: "joining",
    setup: ({ onResolve, onLoad }) => {
      onResolve({ filter: /.*/ }, ({ path, kind, namespace }) => {
        if (kind === "entry-point") return { path, namespace: path === FIRST ? "whole" : "later" };
        const piece = path.replace("./", "");
        if (!pieces.has(piece)) return { path, external: true };
        if (!atOnce.has(piece) || namespace === "ofWhole") return { path: besideOf(piece), external: true };
        return { path: piece, namespace: namespace === "later" ? "ofWhole" : "atOnce" };
      });
      for (const [namespace, of] of Object.entries(contents))
        onLoad({ filter: /.*/, namespace }, ({ path }) => ({ contents: of(path) }));
    },
  };
}

/** The pieces that Node loads before the first event: the function's, and what they import at once. */
function loadedAtOnce(metafile) {
  const outputs = outputsOf(metafile);
  const loaded = new Set();
  const load = (piece) => {
    if (loaded.has(piece)) return;
    loaded.add(piece);
    const imports = outputs.get(piece)?.imports ?? [];
    for (const { path, kind, external } of imports) if (!external && kind !== "dynamic-import") load(basename(path));
  };
  load(FIRST);
  return [...loaded];
}

/** By piece: esbuild names outputs as seen from its working directory. */
function outputsOf(metafile) {
  return new Map(Object.entries(metafile.outputs).map(([path, output]) => [basename(path), output]));
}

/** The bytes that each module takes in the file that Node loads at once, the largest first. */
function modulesOf({ metafile }) {
  const loaded = new Set(loadedAtOnce(metafile));
  const bytes = new Map();
  for (const [piece, { inputs }] of outputsOf(metafile)) {
    if (!loaded.has(piece)) continue;
    for (const [input, { bytesInOutput }] of Object.entries(inputs))
      bytes.set(input, (bytes.get(input) ?? 0) + bytesInOutput);
  }
  return [...bytes].toSorted(([, a], [, b]) => b - a);
}

module.exports = { createBundler, modulesOf };
