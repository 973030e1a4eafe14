import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

// The dashboard: static files that work under any path. The server writes the way to them into the page.

/** Writes each file compressed beside it: API Gateway compresses nothing, and a function would at each start. */
const compressed: Plugin = {
  name: "compressed",
  generateBundle: {
    order: "post",
    handler(_, bundle) {
      for (const [fileName, file] of Object.entries(bundle)) {
        if (!/\.(?:js|css)$/.test(fileName)) continue;
        const bytes = Buffer.from(file.type === "chunk" ? file.code : file.source);
        const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
        this.emitFile({ type: "asset", fileName: `${fileName}.br`, source: brotliCompressSync(bytes, quality) });
        this.emitFile({ type: "asset", fileName: `${fileName}.gz`, source: gzipSync(bytes, { level: 9 }) });
      }
    },
  },
};

/** What is not of a page that comes later. */
function isFirst(id: string): boolean {
  return (FIRST_PAGES.test(id) && !PARTS_OF_FEW.test(id)) || !LATER.test(id);
}

const LATER = /src[\\/](?:pages[\\/]|parts[\\/](?:fields|versions)|api[\\/]oidc|patch|help|curl|saved|pages-of)/;
const FIRST_PAGES = /pages[\\/](?:overview|jobs|job|sign-in)(?:\.tsx|[\\/])/;
const PARTS_OF_FEW = /(?:job[\\/](?:group|log|result|curl)|jobs[\\/]first)\.tsx/;

export default defineConfig({
  root: import.meta.dirname,
  // Relative to each file, so that no path prefix is built in.
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  plugins: [compressed],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2023",
    // A data: URL would be a second source in the policy.
    assetsInlineLimit: 0,
    // A page that comes later is one or two small files, and telling of them would take more than waiting for them.
    modulePreload: false,
    cssCodeSplit: false,
    rolldownOptions: {
      preserveEntrySignatures: false,
      output: {
        // One file for all that the first view needs, and one for each page that comes later.
        codeSplitting: { groups: [{ name: "index", test: isFirst, includeDependenciesRecursively: false }] },
      },
    },
    reportCompressedSize: false,
  },
});
