import { createRequire } from "node:module";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { bundle, bytesAtOnce, modulesAtOnce, type Bundled } from "../support/bundles.ts";
import { endStacks, temporaryDir } from "../support/stack.ts";

// What Node reads before the first event of the functions whose start delays a job. The times are what
// `npm run bench:cold` prints; here bytes are counted. What is seldom needed is imported at its first use.

afterAll(endStacks);

const LARGEST = 700_000;

/** The most bytes of each package, and of our own code, in thousands: a tenth more than there is. */
const LIMITS: Readonly<Record<string, number>> = {
  "@smithy/core": 135,
  zod: 117,
  "@aws-sdk/core": 40,
  croner: 37,
  "@aws-sdk/client-dynamodb": 36,
  "@aws-sdk/client-sqs": 27,
  "ipaddr.js": 15,
  "@smithy/signature-v4": 11,
  "@smithy/node-http-handler": 8,
  lib: 260,
  functions: 1,
};
/** Of each other package. */
const SMALL = 6;

const FUNCTIONS = ["create-job", "process-jobs", "sweep-jobs", "fire-schedule"];

const bundles = new Map<string, Promise<Bundled>>();

async function bundled(name: string): Promise<Bundled> {
  const made = bundles.get(name) ?? bundle(`functions/${name}.ts`);
  bundles.set(name, made);
  return made;
}

/** The package of a module, or the folder of ours. */
function packageOf(path: string): string {
  return /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? path.split("/")[0] ?? path;
}

function byPackage(modules: readonly (readonly [path: string, bytes: number])[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [path, bytes] of modules) sums.set(packageOf(path), (sums.get(packageOf(path)) ?? 0) + bytes);
  return sums;
}

test.each(FUNCTIONS)("%s loads little before its first event, and no client that it may not need", async (name) => {
  const made = await bundled(name);
  expect(bytesAtOnce(made)).toBeLessThan(LARGEST);
  const sums = byPackage(modulesAtOnce(made));
  const heavy = [...sums].filter(([of, bytes]) => bytes > (LIMITS[of] ?? SMALL) * 1_000);
  expect(heavy).toEqual([]);
  const clients = [...sums.keys()].filter((of) => of.startsWith("@aws-sdk/client-"));
  expect(clients.toSorted()).toEqual(["@aws-sdk/client-dynamodb", "@aws-sdk/client-sqs"]);
});

test("what is imported at run time is packaged beside the bundle, and loads", async () => {
  const { files } = await bundled("create-job");
  const dir = temporaryDir();
  for (const [path, code] of files) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), code);
  }
  const load = createRequire(join(dir, "package.json"));
  const modules = [...files.keys()].map((path) => load(`./${path}`) as object);
  expect(modules.map((module) => Object.keys(module).length > 0)).not.toContain(false);
  expect([...files.keys()].some((path) => path.includes(".send-"))).toBe(true);
});
