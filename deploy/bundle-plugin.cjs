const { createWriteStream, globSync, mkdirSync, statSync, writeFileSync } = require("node:fs");
const { dirname, join } = require("node:path");
const { pipeline } = require("node:stream/promises");
const yazl = require("yazl");
const { createBundler } = require("./bundles.cjs");

// A plugin of Serverless: bundles each function, and makes its package of the bundle and the files that its `patterns`
// name in serverless.yml.

module.exports = class BundlePlugin {
  hooks = {};

  constructor(serverless, options) {
    const { service } = serverless;
    const all = async () => packageFunctions(service.getAllFunctions(), serverless);
    this.hooks = {
      "before:package:createDeploymentArtifacts": all,
      "before:deploy:function:packageFunction": async () => packageFunctions([options.function], serverless),
      "before:invoke:local:invoke": async () => bundleHere(options.function, serverless),
    };
  }
};

/** One after the other: a bundle takes 200 MB and all cores. */
async function packageFunctions(names, { service, serviceDir }) {
  mkdirSync(join(serviceDir, ".serverless"), { recursive: true });
  await bundled(names, service, async (name, bundle) => {
    const definition = service.getFunction(name);
    const { patterns = [] } = definition.package ?? {};
    const artifact = join(serviceDir, ".serverless", `${name}.zip`);
    const files = globSync(patterns, { cwd: serviceDir }).filter((path) => statSync(join(serviceDir, path)).isFile());
    await zip(artifact, bundle, { dir: serviceDir, files });
    definition.package = { ...definition.package, artifact };
  });
}

/** Bundles functions; `take` is given the files of each, by their paths within the package. */
async function bundled(names, service, take) {
  const bundler = await createBundler(service.custom.esbuild);
  try {
    for (const name of names) {
      const { files } = await bundler.bundle(service.getFunction(name).handler.replace(/\.\w+$/, ".ts"));
      await take(name, files);
    }
  } finally {
    await bundler.end();
  }
}

/** Of the same files, the same zip: Serverless deploys what has another hash. */
const SAME = { mtime: new Date(0), mode: 0o100644 };

async function zip(to, bundled, { dir, files }) {
  const archive = new yazl.ZipFile();
  for (const [path, text] of bundled) archive.addBuffer(Buffer.from(text), path, SAME);
  // Brotli leaves nothing to compress.
  for (const path of files.toSorted())
    archive.addFile(join(dir, path), path, { ...SAME, compress: !path.endsWith(".br") });
  archive.end();
  await pipeline(archive.outputStream, createWriteStream(to));
}

/** Puts the bundle where `invoke local` finds it. */
async function bundleHere(name, serverless) {
  const dir = join(serverless.serviceDir, ".esbuild");
  await bundled([name], serverless.service, (_, files) => {
    for (const [path, text] of files) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), text);
    }
  });
  serverless.serviceDir = dir;
}
