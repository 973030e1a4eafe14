const { readFileSync } = require("node:fs");
const { dirname } = require("node:path");

// A plugin of esbuild. The SDK's files import from index files, and esbuild loads at once whatever such a file names and
// anything uses at all, such as the XML that the bucket alone speaks. So each import names the file that has what it
// takes. Nothing else is lost: of the SDK's files one alone has a side effect, which makes its clients know AWS's endpoints,
// and these name it. Where the form of the SDK's files is another one day, an import stays as it is.

const SDK = /node_modules\/@(?:aws-sdk|smithy)\/.+\/dist-es\/.+\.js$/;
const IMPORT = /^import \{([^}]*)\} from "([^"]+)";$/gm;
const REEXPORT = /^export (?:\*|\{([^}]*)\}) from "([^"]+)";$/gm;

const directImports = {
  name: "direct-imports",
  setup({ onLoad, resolve }) {
    // Kept for all functions, which have most files in common.
    const pathOf = kept(async (from, dir) => {
      const { path, errors, external } = await resolve(from, { resolveDir: dir, kind: "import-statement" });
      return errors.length === 0 && !external && SDK.test(path) ? path : undefined;
    });
    const reexportsOf = kept(async (path) => {
      const found = [...readFileSync(path, "utf8").matchAll(REEXPORT)];
      const all = found.map(([, names, from]) => ({ names: names === undefined ? undefined : namesIn(names), from }));
      // As in the language, those by name before those by asterisk.
      return [...all.filter(({ names }) => names), ...all.filter(({ names }) => !names)];
    });
    /** `through`: the index files that led here, since two may name each other. What a file defines hides what it passes on. */
    const search = async (name, path, through) => {
      if (defines(name, path)) return { file: path, name };
      for (const { names, from } of await reexportsOf(path)) {
        const there = names ? names.find(([, as]) => as === name)?.[0] : name;
        const file = there !== undefined && (await pathOf(from, dirname(path)));
        const origin = file && !through.includes(file) && (await search(there, file, [...through, file]));
        if (origin) return origin;
      }
      return undefined;
    };
    /** The file that defines what the file at `path` exports as `name`, and its name there. */
    const originOf = kept(async (name, path) => search(name, path, [path]));
    const directed = async ([whole, names, from], path) => {
      const file = await pathOf(from, dirname(path));
      if (!file) return whole;
      const imports = namesIn(names).map(async ([name, as]) => {
        const origin = (await originOf(name, file)) ?? { file, name };
        return `import { ${origin.name} as ${as} } from ${JSON.stringify(origin.file)};`;
      });
      return (await Promise.all(imports)).join(" ");
    };
    const textOf = kept(async (path) => {
      const text = readFileSync(path, "utf8");
      const imports = await Promise.all([...text.matchAll(IMPORT)].map(async (found) => directed(found, path)));
      return text.replace(IMPORT, () => imports.shift());
    });
    onLoad({ filter: SDK }, async ({ path }) => ({ contents: await textOf(path) }));
  },
};

/** A function of texts whose results are kept. */
function kept(of) {
  const results = new Map();
  return (...texts) => {
    const key = texts.join("\n");
    if (!results.has(key)) results.set(key, of(...texts));
    return results.get(key);
  };
}

/** The names of a list such as `a, b as c`, there and here. */
function namesIn(list) {
  const entries = list.split(",").map((entry) => entry.trim().split(" as "));
  return entries.filter(([name]) => name !== "").map(([name, as = name]) => [name, as]);
}

function defines(name, path) {
  const text = readFileSync(path, "utf8");
  const lists = [...text.matchAll(/^export \{([^}]*)\};$/gm)].flatMap(([, names]) => namesIn(names));
  const own = [...text.matchAll(/^export (?:async )?(?:class|function\*?|const|let|var) ([\w$]+)/gm)];
  return own.some(([, defined]) => defined === name) || lists.some(([, as]) => as === name);
}

module.exports = { directImports };
