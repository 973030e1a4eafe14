import { execFile, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { CDPSession, Browser as PuppeteerBrowser } from "puppeteer-core";
import { SECOND, type Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Chromium } from "./chromium.ts";
import type { PrintableDocument } from "./document.ts";
import { endWithThisProcess } from "./last-will.ts";
import { openPage, type OpenPage, type RenderedPdf } from "./page.ts";
import { BadDocument } from "./request.ts";
import { unless } from "./unless.ts";

// The life of one Chromium. It ends by a kill of its process group, since a page that hangs answers no request to
// close. If this process dies, Chromium is killed too.

/** The reason of a kill; `crashed` where there was none. */
export type End = "deadline" | "memory" | "failed" | "recycled" | "ended" | "crashed";

export interface Browser {
  /** It has printed no document yet. */
  readonly isFresh: boolean;
  /** It has printed many documents, or keeps much memory, and should be replaced. */
  readonly isWorn: boolean;
  readonly isAlive: boolean;
  /** One at a time. Throws `BrowserGone` if the browser ends meanwhile. */
  print(document: PrintableDocument): Promise<RenderedPdf>;
  kill(why: End): void;
  /** Resolves when its process and its files are gone. */
  readonly ended: Promise<void>;
}

export class BrowserGone extends Error {
  readonly end: End;

  constructor(end: End) {
    super(`Chromium has ended: ${end}`);
    this.name = "BrowserGone";
    this.end = end;
  }
}

interface Parts {
  readonly clock: Clock;
  readonly log: Log;
  readonly chromium: Chromium;
  /** The most that Chromium may take before it is killed. */
  readonly memoryMb: number;
}

/** Flags of the package that would weaken the isolation or ask for a GPU. */
const UNWANTED = ["--disable-web-security", "--allow-running-insecure-content", "--ignore-gpu-blocklist"];
const WANTED = [
  // No name resolves, and every connection goes to a proxy that does not exist.
  "--host-resolver-rules=MAP * ~NOTFOUND",
  "--proxy-server=http://127.0.0.1:9",
  "--proxy-bypass-list=<-loopback>",
  "--disable-gpu",
  "--disable-software-rasterizer",
];
/**
 * Of an installed Chromium, which keeps its processes apart. It runs without its sandbox on Linux alone, as the packaged
 * one does: many containers and distributions allow none.
 */
const OF_INSTALLED = [
  "--font-render-hinting=none",
  "--disable-domain-reliability",
  "--no-pings",
  ...(process.platform === "linux" ? ["--no-sandbox"] : []),
];
/** Bounds what Chromium may leak. */
const MOST_DOCUMENTS = 50;
const MEMORY_LOOKED_AT_EVERY_MS = SECOND / 5;
const PAGE_BYTES = 4_096;
const CLOSING_MS = SECOND;
const ENDING_MS = SECOND;
const REMOVED = { recursive: true, force: true, maxRetries: 3 } as const;

/** Aborting the signal while Chromium starts kills it. */
export async function startBrowser(parts: Parts, signal: AbortSignal): Promise<Browser> {
  const began = parts.clock.realNow();
  const home = await parts.chromium.createHome();
  const launched = await launch(parts.chromium, home, signal).catch(async (error: unknown) => {
    await rm(home, REMOVED);
    throw error;
  });
  parts.log("info", "pdf.browser-started", { durationMs: parts.clock.realNow() - began });
  return browserOf(parts, launched, home);
}

interface Launched {
  readonly browser: PuppeteerBrowser;
  readonly child: ChildProcess;
  readonly pid: number;
}

/** A Chromium of its own, without the watch over its memory and its end. */
export async function launch(chromium: Chromium, home: string, signal: AbortSignal): Promise<Launched> {
  const [{ default: puppeteer }, { default: packaged }] = await Promise.all([
    import("puppeteer-core"),
    import("@sparticuz/chromium"),
  ]);
  packaged.setGraphicsMode = false;
  const isPackaged = chromium.kind === "packaged";
  // The caller's signal is one document's and may abort later; Chromium outlives the document.
  const starting = new AbortController();
  const stop = () => starting.abort();
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  const browser = await puppeteer
    .launch({
      executablePath: chromium.executable,
      args: [...(isPackaged ? packaged.args.filter((flag) => !UNWANTED.includes(flag)) : OF_INSTALLED), ...WANTED],
      env: chromium.envIn(home),
      userDataDir: join(home, "profile"),
      headless: isPackaged ? "shell" : true,
      pipe: true,
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false,
      defaultViewport: null,
      waitForInitialPage: false,
      // Every caller has a deadline of its own, which ends in `kill`.
      protocolTimeout: 0,
      signal: starting.signal,
    })
    .finally(() => signal.removeEventListener("abort", stop));
  const child = browser.process();
  if (child?.pid === undefined) throw new Error("Expected puppeteer to have started a process, found none");
  endWithThisProcess(child, child.pid);
  return { browser, child, pid: child.pid };
}

function browserOf({ clock, log, memoryMb, chromium }: Parts, launched: Launched, home: string): Browser {
  const { child, pid } = launched;
  const memory = chromium.kind === "packaged" ? memoryMbOf : memoryMbOfGroup;
  let documents = 0;
  let keptMb = 0;
  let session: CDPSession | undefined;
  let why: End | undefined;
  let isAlive = child.exitCode === null && child.signalCode === null;
  const gone = new AbortController();
  const exited = isAlive ? once(child, "exit") : Promise.resolve();
  const ended = exited.then(async () => {
    isAlive = false;
    const outcome = why ?? "crashed";
    gone.abort(new BrowserGone(outcome));
    await rm(home, REMOVED).catch(() => {});
    log(outcome === "crashed" ? "warn" : "info", "pdf.browser-ended", { outcome, count: documents });
  });

  function kill(reason: End): void {
    if (!isAlive) return;
    isAlive = false;
    why = reason;
    killGroup(pid);
  }

  async function print(document: PrintableDocument): Promise<RenderedPdf> {
    documents += 1;
    const over = new AbortController();
    void watchMemory({ clock, pid, memory, memoryMb, kill }, AbortSignal.any([over.signal, gone.signal]));
    try {
      const { rendered, page } = await unless(gone.signal, printed(document));
      // Before the answer: a container that is frozen with its page half closed would find the time for it over.
      await close(page, { clock, kill });
      return rendered;
    } catch (error) {
      if (error instanceof BadDocument) throw error;
      // The protocol fails before the process is known to have ended, and the end has the reason.
      await clock.sleep(ENDING_MS, gone.signal).catch(() => {});
      throw gone.signal.aborted ? gone.signal.reason : error;
    } finally {
      over.abort();
    }
  }

  async function printed(document: PrintableDocument): Promise<{ rendered: RenderedPdf; page: OpenPage }> {
    session ??= await launched.browser.target().createCDPSession();
    const page = await openPage(session);
    const rendered = await page.print(document);
    keptMb = await memory(pid);
    return { rendered, page };
  }

  return {
    get isFresh() {
      return documents === 0;
    },
    get isWorn() {
      return documents >= MOST_DOCUMENTS || keptMb > memoryMb / 2;
    },
    get isAlive() {
      return isAlive;
    },
    print,
    kill,
    ended,
  };
}

type Kill = (why: End) => void;
type Memory = (pid: number) => Promise<number>;

/** Kills the browser when its page does not close in time. Throws nothing. */
async function close(page: OpenPage, { clock, kill }: { clock: Clock; kill: Kill }): Promise<void> {
  const over = new AbortController();
  const late = clock.sleep(CLOSING_MS, over.signal).then(
    () => kill("failed"),
    () => {},
  );
  await Promise.race([page.close().catch(() => kill("failed")), late]);
  over.abort();
}

/** Kills the browser when it takes more memory than it may. */
async function watchMemory(
  { clock, pid, memory, memoryMb, kill }: { clock: Clock; pid: number; memory: Memory; memoryMb: number; kill: Kill },
  until: AbortSignal,
): Promise<void> {
  while (!until.aborted) {
    if ((await memory(pid)) > memoryMb) kill("memory");
    await clock.sleep(MEMORY_LOOKED_AT_EVERY_MS, until).catch(() => {});
  }
}

/** Resident memory of the process: with the package's flags Chromium is a single one. */
async function memoryMbOf(pid: number): Promise<number> {
  const [, pages] = (await readFile(`/proc/${pid}/statm`, "latin1").catch(() => "")).split(" ");
  return (Number(pages ?? 0) * PAGE_BYTES) / 1e6;
}

/** Resident memory of a group of processes; 0 on a machine without `ps`, where only the deadline ends a document. */
async function memoryMbOfGroup(pid: number): Promise<number> {
  const { stdout } = await promisify(execFile)("ps", ["-A", "-o", "pgid=,rss="]).catch(() => ({ stdout: "" }));
  const all = stdout.split("\n").map((line) => line.trim().split(/ +/).map(Number));
  return all.reduce((sum, [group, kb = 0]) => (group === pid ? sum + kb : sum), 0) / 1_000;
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
