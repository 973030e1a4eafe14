import { execFileSync, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { json } from "node:stream/consumers";
import type { Plugin } from "esbuild";
import { afterAll, expect, test } from "vitest";
import { startCloud } from "../../bench/cold/cloud.ts";
import { firstRequests } from "../../bench/cold/first-requests.ts";
import { bundlesOf, bundlingOptions, bytesAtOnce, modulesAtOnce, unpack, type Bundled } from "../support/bundles.ts";
import { ROOT } from "../support/root.ts";
import { endStacks, temporaryDir } from "../support/stack.ts";

// What Node reads before the first event of the functions whose start delays a job. The times are what
// `npm run bench:cold` prints; here bytes are counted. What is seldom needed is imported at its first use.

afterAll(endStacks);

/** The most bytes of each package, and of our own code, in thousands: a tenth more than there is. */
const LIMITS: Readonly<Record<string, number>> = {
  "@smithy/core": 118,
  "@aws-sdk/core": 26,
  "@aws-sdk/client-dynamodb": 36,
  "@aws-sdk/client-sqs": 27,
  "@smithy/signature-v4": 11,
  "@smithy/node-http-handler": 8,
  lib: 92,
  functions: 1,
};
/** Of each other package. */
const SMALL = 6;

/** Of those that read what clients send, also what checks it. */
const OF_REQUESTS = { ...LIMITS, zod: 54, lib: 162 };

const FUNCTIONS = [
  { file: "functions/create-job.ts", largest: 490_000, limits: OF_REQUESTS },
  { file: "functions/process-jobs.ts", largest: 355_000, limits: LIMITS },
  { file: "functions/sweep-jobs.ts", largest: 355_000, limits: LIMITS },
  { file: "functions/fire-schedule.ts", largest: 355_000, limits: LIMITS },
];

const load = createRequire(import.meta.url);
const { directImports } = load("../../deploy/direct-imports.cjs") as { directImports: Plugin };
const { build } = load("esbuild") as typeof import("esbuild");

const bundles = await bundlesOf(FUNCTIONS.map(({ file }) => file));

/** The package of a module, or the folder of ours. */
function packageOf(path: string): string {
  return /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? path.split("/")[0] ?? path;
}

function byPackage(modules: readonly (readonly [path: string, bytes: number])[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [path, bytes] of modules) sums.set(packageOf(path), (sums.get(packageOf(path)) ?? 0) + bytes);
  return sums;
}

test.each(FUNCTIONS)("$file loads little before its first event, and no client that it may not need", (of) => {
  const { file, largest } = of;
  const limits: Readonly<Record<string, number>> = of.limits;
  const made = bundles.get(file)!;
  expect(bytesAtOnce(made)).toBeLessThan(largest);
  const sums = byPackage(modulesAtOnce(made));
  const heavy = [...sums].filter(([path, bytes]) => bytes > (limits[path] ?? SMALL) * 1_000);
  expect(heavy).toEqual([]);
  const clients = [...sums.keys()].filter((of) => of.startsWith("@aws-sdk/client-"));
  expect(clients.toSorted()).toEqual(["@aws-sdk/client-dynamodb", "@aws-sdk/client-sqs"]);
});

test("a file of the SDK imports what it names alone, by whatever index files and names", async () => {
  const folder = join(temporaryDir(), "node_modules/@smithy/parts/dist-es");
  const files = {
    "../package.json": "{}",
    "index.js": `export * from "./other.js";\nexport * from "./more.js";\nexport { own as theirs } from "./own.js";\nexport * from "./heavy.js";\n`,
    // What is named, or defined by a file itself, goes before what an asterisk brings.
    "other.js": `export const theirs = 10;\n`,
    "more.js": `export * from "./index.js";\nexport * from "./most.js";\n`,
    "most.js": `export * from "./least.js";\nexport const more = 1;\n`,
    "least.js": `export const more = 20;\n`,
    "own.js": `const own = 2;\nexport { own };\n`,
    "heavy.js": `globalThis.heavy = 3;\nexport const heavy = 3;\n`,
    "user.js": `import { more, theirs as it } from "./index.js";\nexport const sum = more + it;\n`,
  };
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const entryPoints = [join(folder, "user.js")];
  const bundled = async (plugins: Plugin[], outfile: string) =>
    build({ entryPoints, plugins, outfile, bundle: true, format: "cjs" });
  const [whole, direct] = [join(folder, "whole.cjs"), join(folder, "direct.cjs")];
  await bundled([], whole);
  expect(readFileSync(whole, "utf8")).toContain("heavy");
  await bundled([directImports], direct);
  expect(readFileSync(direct, "utf8")).not.toContain("heavy");
  expect(load(direct)).toMatchObject({ sum: 3 });
});

/** By their packages. */
const CLIENTS = {
  "client-dynamodb": "DynamoDBClient",
  "client-kms": "KMSClient",
  "client-lambda": "LambdaClient",
  "client-s3": "S3Client",
  "client-scheduler": "SchedulerClient",
  "client-sesv2": "SESv2Client",
  "client-sqs": "SQSClient",
};

test("bundled clients know AWS's endpoints, which no test calls, as those of the SDK do", async () => {
  const outfile = join(temporaryDir(), "clients.cjs");
  const contents = Object.entries(CLIENTS).map(([path, name]) => `export { ${name} } from "@aws-sdk/${path}";`);
  const stdin = { contents: contents.join("\n"), resolveDir: ROOT };
  const options = { ...bundlingOptions(), stdin, outfile, plugins: [directImports] };
  await build(options);
  interface Client {
    readonly config: { endpointProvider(asked: object): { readonly url: URL } };
  }
  type Clients = Readonly<Record<string, new (config: object) => Client>>;
  const bundled = load(outfile) as Clients;
  for (const [path, name] of Object.entries(CLIENTS)) {
    for (const region of ["eu-central-1", "us-gov-west-1", "cn-north-1"]) {
      const urlOf = (clients: Clients) => {
        const { config } = new clients[name]!({ region });
        return config.endpointProvider({ Region: region, Bucket: "some-bucket" }).url.href;
      };
      const known = urlOf(load(`@aws-sdk/${path}`) as Clients);
      expect(known).toContain(region);
      expect(urlOf(bundled)).toBe(known);
    }
  }
});

/** The modules that come with one that is imported at run time. */
function loadedWith(entryPoint: string, { metafile: { outputs } }: Bundled): readonly string[] {
  const [first] = Object.entries(outputs).find(([, output]) => output.entryPoint === entryPoint) ?? [];
  const found = new Set<string>();
  const follow = (path: string) => {
    if (found.has(path)) return;
    found.add(path);
    for (const { path: next, kind } of outputs[path]?.imports ?? []) if (kind === "import-statement") follow(next);
  };
  follow(first ?? `no file of ${entryPoint}`);
  return [...found].flatMap((path) => Object.keys(outputs[path]?.inputs ?? {}));
}

test.each([
  [
    "functions/process-jobs.ts",
    "lib/engine/deliveries.ts",
    /message-schema|lib\/tasks\/index|croner|follow-ups|firing/,
  ],
  ["functions/process-jobs.ts", "lib/executors/rest-api.ts", /message-schema|lib\/tasks\/|croner/],
  ["functions/fire-schedule.ts", "lib/engine/firing.ts", /message-schema|lib\/tasks\/index|follow-ups|admin-actions/],
])("the first event of %s loads %s without what few events need", (file, module, few) => {
  const modules = loadedWith(module, bundles.get(file)!);
  expect(modules).toContain(module);
  expect(modules.filter((path) => few.test(path))).toEqual([]);
});

test("schemas write no code of their own before their first use", async () => {
  const written = async (module: string) => {
    const contents = `import * as z from ${JSON.stringify(module)}; z.object({ a: z.string() }).parse({ a: "b" });`;
    const file = join(temporaryDir(), "schema.cjs");
    await build({ stdin: { contents, resolveDir: ROOT }, bundle: true, platform: "node", outfile: file });
    const count = `let n = 0; const Real = Function;
      globalThis.Function = function (...code) { n += 1; return Real(...code); };
      require(${JSON.stringify(file)}); console.log(n);`;
    return Number(execFileSync(process.execPath, ["--eval", count]).toString());
  };
  expect(await written("./lib/zod.ts")).toBe(0);
  expect(await written("zod")).toBeGreaterThan(0);
});

test("no bundle has the form of Zod whose schemas are made by methods", () => {
  const modules = [...bundles.values()].flatMap(({ metafile }) => Object.keys(metafile.inputs));
  expect(modules.some((path) => path.includes("zod/v4/mini/"))).toBe(true);
  expect(modules.filter((path) => path.includes("zod/v4/classic/"))).toEqual([]);
});

test("what is imported at run time is packaged beside the bundle, which is one file, and loads", () => {
  const bundled = bundles.get("functions/create-job.ts")!;
  const { entry, files } = bundled;
  const dir = temporaryDir();
  unpack(bundled, dir);
  const loadPackaged = createRequire(join(dir, "package.json"));
  loadPackaged(`./${entry}`);
  expect(Object.keys(loadPackaged.cache).filter((path) => path.startsWith(dir))).toHaveLength(1);
  const modules = [...files.keys()].map((path) => loadPackaged(`./${path}`) as object);
  expect(modules.map((module) => Object.keys(module).length > 0)).not.toContain(false);
  expect([...files.keys()].some((path) => path.includes(".send-"))).toBe(true);
});

test("a packaged function says in words what is wrong with a request", async () => {
  const cloud = await startCloud();
  const { event, env } = await (await firstRequests(cloud))["createJob"]!();
  const body = { message: { execution: { type: "rest-api", baseUrl: 1 }, metadata: { maxRetries: 51 } }, mode: "fax" };
  const file = unpack(bundles.get("functions/create-job.ts")!, temporaryDir());
  const asked = JSON.stringify({ ...event, body: JSON.stringify(body) });
  const child = spawn(process.execPath, [join(ROOT, "bench/cold/start.cjs"), file, asked], {
    env: { ...cloud.environment, ...env },
    stdio: ["ignore", "inherit", "inherit", "pipe"],
  });
  const { answer } = (await json(child.stdio[3] as Readable)) as { answer: { body: string } };
  cloud.close();
  const { error } = JSON.parse(answer.body) as { error: { details: readonly { field: string; message: string }[] } };
  const told = Object.fromEntries(error.details.map(({ field, message }) => [field, message]));
  expect(told).toEqual({
    mode: 'Invalid option: expected one of "sqs"|"db"|"both"',
    "message.execution.baseUrl": "Invalid input: expected string, received number",
    "message.metadata.maxRetries": "Too big: expected number to be <=50",
  });
});
