import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { lstat, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";
import { extract } from "tar-fs";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { fontsConfig } from "./fonts.ts";
import { whichChromium } from "./which-chromium.ts";

// Where Chromium comes from. The files of the packaged one are unpacked into the temporary folder, once per machine or
// container.

/** The files and settings that start a browser. */
export interface Chromium {
  readonly executable: string;
  /** A packaged one is a single process, an installed one several, in a group of their own. */
  readonly kind: "packaged" | "installed";
  /** The whole environment of a browser, which writes only below `home`. */
  envIn(home: string): Record<string, string>;
  /** A folder for one browser, empty but for the configuration of the fonts. */
  createHome(): Promise<string>;
}

const PACKAGE = "@sparticuz/chromium";
const HOME = "pdf-home";

/** Of this machine: unpacked, or installed. Throws `BadDocument` where there is none. */
export async function findChromium(parts: { clock: Clock; log: Log }): Promise<Chromium> {
  const { platform, arch, env } = process;
  const which = whichChromium({ platform, arch, env, exists: existsSync });
  return which.kind === "packaged" ? unpackChromium(parts) : installedChromium(which.executable);
}

/** Its fonts are the machine's where it doesn't use fontconfig, as on macOS. */
async function installedChromium(executable: string): Promise<Chromium> {
  const modules = modulesFolder();
  await sweep(HOME);
  return {
    executable,
    kind: "installed",
    envIn: environmentIn,
    createHome: async () => createHome(modules, (home) => join(home, "fonts-cache")),
  };
}

function environmentIn(home: string): Record<string, string> {
  return { HOME: home, TMPDIR: home, LANG: "en_US.UTF-8", TZ: "UTC", FONTCONFIG_FILE: join(home, "fonts.conf") };
}

async function createHome(modules: string, cacheIn: (home: string) => string): Promise<string> {
  const home = await mkdtemp(own(HOME));
  await writeFile(join(home, "fonts.conf"), fontsConfig(modules, cacheIn(home)));
  return home;
}

/** Unpacks Chromium unless that has been done. Several processes may do so at once. */
export async function unpackChromium({ clock, log }: { clock: Clock; log: Log }): Promise<Chromium> {
  const modules = modulesFolder();
  const bin = join(modules, PACKAGE, "bin");
  const { size } = await stat(join(bin, "chromium.br"));
  const user = process.getuid?.() ?? 0;
  // The size stands for the version.
  const name = `pdf-chromium-${size}-${user}`;
  const folder = join(tmpdir(), name);
  await Promise.all([sweep(HOME), sweep(name)]);
  const found = await lstat(folder).catch(() => undefined);
  if (found && !(found.isDirectory() && found.uid === user)) {
    throw new Error(`Expected ${folder} to be a folder of this user's, found something else; remove it`);
  }
  if (!found) {
    const began = clock.realNow();
    await unpack(bin, folder);
    log("info", "pdf.chromium-unpacked", { durationMs: clock.realNow() - began });
  }
  return {
    executable: join(folder, "chromium"),
    kind: "packaged",
    envIn: (home) => ({ ...environmentIn(home), LD_LIBRARY_PATH: join(folder, "lib") }),
    createHome: async () => createHome(modules, () => join(folder, "fonts-cache")),
  };
}

/** `node_modules` in the start folder or the nearest folder above it that has the package. */
export function modulesFolder(): string {
  const root = process.env["LAMBDA_TASK_ROOT"] ?? ".";
  // `serverless invoke local` names a root that is not there.
  const started = resolve(existsSync(root) ? root : ".");
  let folder = started;
  while (!existsSync(join(folder, "node_modules", PACKAGE, "bin", "chromium.br"))) {
    if (folder === dirname(folder)) {
      const expected = `Expected node_modules/${PACKAGE}/bin in ${started} or above, found none`;
      throw new Error(`${expected}; run npm ci, or package it with the function`);
    }
    folder = dirname(folder);
  }
  return join(folder, "node_modules");
}

/** The folder gets its name when it is complete. */
async function unpack(bin: string, folder: string): Promise<void> {
  const making = await mkdtemp(own(folder));
  await Promise.all([
    pipeline(
      createReadStream(join(bin, "chromium.br"), { highWaterMark: 4 << 20 }),
      createBrotliDecompress({ chunkSize: 2 << 20 }),
      createWriteStream(join(making, "chromium"), { mode: 0o700 }),
    ),
    // Libraries that Lambda's system lacks.
    pipeline(createReadStream(join(bin, "al2023.tar.br")), createBrotliDecompress(), extract(making)),
    mkdir(join(making, "fonts-cache")),
  ]);
  // Another process was first and has unpacked the same files.
  await rename(making, folder).catch(async () => rm(making, { recursive: true, force: true }));
}

/** The name holds the process id, so that leftovers of dead processes can be told from folders in use. */
function own(name: string): string {
  return `${resolve(tmpdir(), name)}-of-${process.pid}-`;
}

/** Removes the folders of dead processes. */
async function sweep(name: string): Promise<void> {
  for (const each of await readdir(tmpdir())) {
    const [, pid] = each.startsWith(`${name}-of-`) ? (/-of-(\d+)-\w+$/.exec(each) ?? []) : [];
    if (pid === undefined || isAlive(Number(pid))) continue;
    await rm(join(tmpdir(), each), { recursive: true, force: true }).catch(() => {});
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Another user's.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
