import { build } from "esbuild";
import { execFile } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { apiDocument } from "../../lib/api/docs/site.ts";
import { TYPES_FILE, typesOf } from "../../tools/client-types.ts";
import { cleanEnv } from "../support/clean-env.ts";
import { ROOT } from "../support/root.ts";
import { endStacks, temporaryDir } from "../support/stack.ts";

// The package `unified-jobs`: its types, its size, and what is published.

const exec = promisify(execFile);
const CLIENT = join(ROOT, "client");
const { name, exports, version } = JSON.parse(readFileSync(join(CLIENT, "package.json"), "utf8")) as {
  name: string;
  version: string;
  exports: Record<string, Record<string, string>>;
};

test("its types are those of the API document", async () => {
  const isSame = readFileSync(join(ROOT, TYPES_FILE), "utf8") === typesOf(await apiDocument());
  if (!isSame) throw new Error(`${TYPES_FILE} differs from the API document: run npm run client:types, and commit it`);
});

async function gzipped(entry: string): Promise<number> {
  const { outputFiles } = await build({
    entryPoints: [join(CLIENT, entry)],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    // Whatever is imported from Node fails the build.
    platform: "neutral",
    write: false,
  });
  return gzipSync(outputFiles[0]?.contents ?? "").length;
}

const KILOBYTE = 1_024;
const BUDGETS = Object.entries(exports).map(
  ([path, { "unified-jobs-source": source = "" }]) =>
    [path, source, path === "." ? 6 * KILOBYTE : 1.5 * KILOBYTE] as const,
);

test.each(BUDGETS)("%s (%s) needs nothing of Node, and is at most %d bytes, gzipped", async (_, source, most) => {
  expect(await gzipped(source)).toBeLessThanOrEqual(most);
});

let project: string;
let packed: string[];

/** An empty project that has the published package, unpacked as npm would. */
beforeAll(async () => {
  project = temporaryDir();
  // The settings of this repository let no script run unless it is asked for.
  const pack = ["pack", "-w", "client", "--json", "--pack-destination", project];
  const { stdout } = await exec("npm", [...pack, "--offline"], {
    cwd: ROOT,
    env: { ...cleanEnv(), npm_config_update_notifier: "false" },
  });
  packed = filesIn(stdout);
  const folder = join(project, "node_modules", name);
  mkdirSync(folder, { recursive: true });
  await exec("tar", ["-xzf", join(project, `${name}-${version}.tgz`), "-C", folder, "--strip-components=1"]);
  writeFileSync(join(project, "package.json"), '{"type":"module"}');
});
afterAll(endStacks);

/** What `npm pack --json` says; the script before it prints lines of its own. */
function filesIn(stdout: string): string[] {
  const [{ files } = { files: [] }] = JSON.parse(stdout.slice(stdout.search(/^\[$/m))) as {
    files: { path: string }[];
  }[];
  return files.map(({ path }) => path);
}

test("the published package has what it exports, its README and its license, and no source", () => {
  const promised = Object.values(exports).flatMap(({ types = "", default: code = "" }) => [types, code]);
  for (const file of promised) expect(packed).toContain(file.replace("./", ""));
  expect(packed).toEqual(expect.arrayContaining(["LICENSE", "README.md", "package.json", "dist/bin/jobs.js"]));
  expect(packed.filter((file) => !file.startsWith("dist/"))).toHaveLength(3);
  const dist = join(project, "node_modules", name, "dist");
  for (const file of readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((each) => /\.[jt]s$/.test(each)))
    expect([file, ...importsIn(join(dist, file)).filter((each) => !existsSync(each))]).toEqual([file]);
});

function importsIn(file: string): string[] {
  const imports = readFileSync(file, "utf8").matchAll(/(?:from|import) "(\.[^"]+)"/g);
  return [...imports].map(([, path = ""]) =>
    join(file, "..", file.endsWith(".d.ts") ? path.replace(/\.[jt]s$/, ".d.ts") : path),
  );
}

test("an empty project imports every part of it, and has its command", async () => {
  const parts = Object.keys(exports).map((path) => path.replace(".", name));
  const imports = parts.map((part, at) => `import * as part${at} from "${part}";`);
  const names = parts.map((_, at) => `...Object.keys(part${at})`);
  writeFileSync(join(project, "all.js"), `${imports.join("\n")}\nconsole.log(JSON.stringify([${names.join()}]))`);
  const { stdout } = await exec(process.execPath, ["all.js"], { cwd: project });
  expect(JSON.parse(stdout)).toEqual(
    expect.arrayContaining([
      "Jobs",
      "ConflictError",
      "verify",
      "Final",
      "express",
      "fastifyReceiver",
      "next",
      "lambda",
    ]),
  );
  const bin = join(project, "node_modules", name, "dist/bin/jobs.js");
  expect(readFileSync(bin, "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
  // A shell would take `jobs` for a command of its own, and npx starts a command by a shell.
  const [, named = ""] = /^ {2}(\S+) send /m.exec((await exec(process.execPath, [bin, "--help"])).stdout) ?? [];
  const { bin: commands } = JSON.parse(readFileSync(join(project, "node_modules", name, "package.json"), "utf8"));
  const links = join(project, "node_modules/.bin");
  mkdirSync(links, { recursive: true });
  for (const [command, file] of Object.entries<string>(commands))
    symlinkSync(`../${name}/${file}`, join(links, command));
  chmodSync(bin, 0o755);
  const env = { ...process.env, PATH: `${links}:${dirname(process.execPath)}:${process.env["PATH"]}` };
  expect((await exec("sh", ["-c", `${named} list --help`], { env })).stdout).toContain(`${named} list --status`);
});

test("its declarations are fine for a strict program", async () => {
  writeFileSync(
    join(project, "use.ts"),
    `import { Jobs, type Job } from "${name}";
     import { express } from "${name}/receiver/express";
     import { lambda } from "${name}/receiver/lambda";
     import { verify } from "${name}/receiver";
     export async function use(jobs: Jobs): Promise<Job> {
       const none: null = await jobs.send({ url: "https://a.example", mode: "sqs" });
       for await (const { id, status } of jobs.list({ status: "DEAD" })) await jobs.retry(status === "DEAD" ? id : String(none));
       // @ts-expect-error -- there is no such status
       jobs.list({ status: "DONE" });
       return jobs.send({ url: "https://a.example", body: { order: 1 }, delay: "10m" });
     }
     export const receivers = [express("whsec_AAAA", ({ body }) => body.order), lambda(["whsec_AAAA"], async () => {}), verify];`,
  );
  // The compiler's own libraries are not checked, the package's declarations are.
  expect(await compiled(project, { types: [], skipDefaultLibCheck: true }, ["use.ts"])).toBe("");
});

/** What the strict compiler says of the files of a folder. */
async function compiled(folder: string, more: object, files = ["*.ts"]): Promise<string> {
  const options = { module: "nodenext", target: "es2022", lib: ["es2022", "dom"], strict: true, noEmit: true, ...more };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, include: files }));
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  return exec(process.execPath, [tsc, "-p", folder]).then(
    () => "",
    ({ stdout }: { stdout: string }) => stdout,
  );
}

/** The names that examples take as given. */
const GIVEN = `
  import type { Express } from "express";
  import type { Jobs as Client } from "${name}";
  declare global {
    const jobs: Client;
    const app: Express;
${["hook", "price", "charge", "allDone", "token", "id"].map((each) => `    const ${each}: string;`).join("\n")}
    const body: { order: number };
    const rows: readonly { readonly id: string }[];
  }`;

/** The TypeScript of a page, but for parts of this repository's own code. */
const examplesIn = (file: string) =>
  [...readFileSync(join(ROOT, file), "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code = ""]) => code);
const EXAMPLES = ["README.md", "client/README.md", ...readdirSync(join(ROOT, "docs")).map((page) => `docs/${page}`)]
  // Its code is lib/tasks/example.ts, as another test says.
  .filter((file) => file.endsWith(".md") && file !== "docs/tasks.md")
  .flatMap((file) => examplesIn(file).map((code, at) => [file, at, code] as const));

test("the TypeScript of the README files and of the documentation is fine for a strict program", async () => {
  expect(EXAMPLES.length).toBeGreaterThan(10);
  const folder = join(project, "examples");
  mkdirSync(folder);
  const packages = ["express", "fastify", "@types"].map((each) => [join(ROOT, "node_modules", each), each] as const);
  for (const [from, to] of packages) symlinkSync(from, join(project, "node_modules", to));
  for (const [file, at, code] of EXAMPLES)
    writeFileSync(join(folder, `${file.replaceAll(/\W/g, "-")}-${at + 1}.ts`), `${code}\nexport {};\n`);
  writeFileSync(join(folder, "given.ts"), GIVEN);
  expect(await compiled(folder, { types: ["node"], skipLibCheck: true })).toBe("");
});
