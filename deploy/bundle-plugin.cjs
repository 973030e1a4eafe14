const { mkdirSync, writeFileSync } = require("node:fs");
const { dirname, join } = require("node:path");
const { bundle } = require("./bundles.cjs");

// A plugin of Serverless, in place of the bundler of serverless-esbuild, which makes one file of each function. What a
// function seldom needs would be read at each of its starts.

/** The hooks before which serverless-esbuild bundles. This plugin stands before it in serverless.yml. */
const HOOKS = [
  "before:package:createDeploymentArtifacts",
  "before:deploy:function:packageFunction",
  "before:invoke:local:invoke",
];

module.exports = class BundlePlugin {
  hooks = {};

  constructor(serverless) {
    for (const hook of HOOKS) this.hooks[hook] = () => fillCache(serverless);
  }
};

/** Fills the cache of serverless-esbuild, which asks a kept result to build again instead of building. */
function fillCache({ service, pluginManager }) {
  const bundler = pluginManager.plugins.find(({ constructor }) => constructor.name === "EsbuildServerlessPlugin");
  const entryPoints = [...new Set(bundler.functionEntries.map(({ entry }) => entry))];
  const { exclude, outputFileExtension: _, ...options } = service.custom.esbuild;
  const build = async (entry) => {
    const { files } = await bundle(entry, { ...options, external: exclude });
    for (const [path, text] of files) {
      const file = join(bundler.buildDirPath, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
  };
  // One after the other: each takes 200 MB and all cores.
  let last = Promise.resolve();
  const rebuild = (entry) => (last = last.then(() => build(entry)));
  bundler.buildCache = Object.fromEntries(
    entryPoints.map((entry) => [entry, { result: { rebuild: () => rebuild(entry) } }]),
  );
}
