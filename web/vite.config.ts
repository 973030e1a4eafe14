import { defineConfig } from "vite";

// The dashboard: static files that work under any path. The server writes the way to them into the page.

export default defineConfig({
  root: import.meta.dirname,
  // Relative to each file, so that no path prefix is built in.
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2023",
    // A data: URL would be a second source in the policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
    reportCompressedSize: false,
  },
});
