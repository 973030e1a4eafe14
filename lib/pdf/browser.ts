import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { CDPSession } from "puppeteer-core";
import { SECOND, type Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Chromium } from "./chromium.ts";
import type { PrintableDocument } from "./document.ts";
import { openPage, type OpenPage, type RenderedPdf } from "./page.ts";
import { BadDocument } from "./request.ts";
import { unless } from "./unless.ts";

// The life of one Chromium. It is never asked to end: its process group is killed, for a page that hangs hangs
// whatever it is asked. If this process dies, Chromium ends by itself, for its pipe does.

/** Why one is killed; `crashed` if nobody did. */
export type End = "deadline" | "memory" | "failed" | "recycled" | "ended" | "crashed";

export interface Browser {
  /** It has had no document yet. */
  readonly isFresh: boolean;
  /** Time for another: it has had many documents, or has kept much memory. */
  readonly isWorn: boolean;
  readonly isAlive: boolean;
  /** One at a time. Throws `BrowserGone` if it ends meanwhile. */
  print(document: PrintableDocument): Promise<RenderedPdf>;
  kill(why: End): void;
  /** When its process and its files are gone. */
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
  /** Chromium is killed when it takes more. */
  readonly memoryMb: number;
}

/** Of the package's flags: they open what has to be shut, or ask for a GPU. */
const UNWANTED = ["--disable-web-security", "--allow-running-insecure-content", "--ignore-gpu-blocklist"];
const WANTED = [
  // No name is known, and every connection goes by a proxy that is not there.
  "--host-resolver-rules=MAP * ~NOTFOUND",
  "--proxy-server=http://127.0.0.1:9",
  "--proxy-bypass-list=<-loopback>",
  "--disable-gpu",
  "--disable-software-rasterizer",
];
/** So that nothing that it may leak becomes much. */
const MOST_DOCUMENTS = 50;
const MEMORY_LOOKED_AT_EVERY_MS = SECOND / 5;
const PAGE_BYTES = 4_096;
const CLOSING_MS = 2 * SECOND;
const ENDING_MS = SECOND;
const REMOVED = { recursive: true, force: true, maxRetries: 3 } as const;

/** Aborting the signal while it starts kills it. */
export async function startBrowser({ clock, log, chromium, memoryMb }: Parts, signal: AbortSignal): Promise<Browser> {
  const began = clock.realNow();
  const [{ default: puppeteer }, { default: packaged }] = await Promise.all([
    import("puppeteer-core"),
    import("@sparticuz/chromium"),
  ]);
  packaged.setGraphicsMode = false;
  const home = await chromium.createHome();
  // The signal outlives the start; Chromium is to live longer.
  const starting = new AbortController();
  const stop = () => starting.abort();
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  const launched = await puppeteer
    .launch({
      executablePath: chromium.executable,
      args: [...packaged.args.filter((flag) => !UNWANTED.includes(flag)), ...WANTED],
      env: chromium.envIn(home),
      userDataDir: join(home, "profile"),
      headless: "shell",
      pipe: true,
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false,
      defaultViewport: null,
      waitForInitialPage: false,
      // Whoever waits has a deadline of their own, and it ends in `kill`.
      protocolTimeout: 0,
      signal: starting.signal,
    })
    .catch(async (error: unknown) => {
      await rm(home, REMOVED);
      throw error;
    })
    .finally(() => signal.removeEventListener("abort", stop));
  const child = launched.process();
  if (child?.pid === undefined) throw new Error("Expected puppeteer to have started a process, found none");
  const { pid } = child;
  log("info", "pdf.browser-started", { durationMs: clock.realNow() - began });

  let documents = 0;
  let keptMb = 0;
  let session: CDPSession | undefined;
  let why: End | undefined;
  let isAlive = child.exitCode === null && child.signalCode === null;
  let closing: Promise<void> = Promise.resolve();
  const gone = new AbortController();
  const exited = isAlive ? once(child, "exit") : Promise.resolve();
  const ended = exited.then(async () => {
    isAlive = false;
    gone.abort(new BrowserGone(why ?? "crashed"));
    await rm(home, REMOVED).catch(() => {});
    const outcome = why ?? "crashed";
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
    void watchMemory(AbortSignal.any([over.signal, gone.signal]));
    try {
      return await unless(gone.signal, printed(document));
    } catch (error) {
      if (error instanceof BadDocument) throw error;
      // Whoever talks to it hears of its end before it is known to have ended.
      await clock.sleep(ENDING_MS, gone.signal).catch(() => {});
      throw gone.signal.aborted ? gone.signal.reason : error;
    } finally {
      over.abort();
    }
  }

  async function printed(document: PrintableDocument): Promise<RenderedPdf> {
    session ??= await launched.target().createCDPSession();
    // The page before it closes meanwhile.
    const [page] = await Promise.all([openPage(session), closing]);
    const rendered = await page.print(document);
    closing = close(page);
    keptMb = await memoryMbOf(pid);
    return rendered;
  }

  /** A page that does not close takes its browser along. */
  async function close(page: OpenPage): Promise<void> {
    const over = new AbortController();
    const late = clock.sleep(CLOSING_MS, over.signal).then(
      () => kill("failed"),
      () => {},
    );
    await Promise.race([page.close().catch(() => kill("failed")), late]);
    over.abort();
  }

  async function watchMemory(until: AbortSignal): Promise<void> {
    while (!until.aborted) {
      if ((await memoryMbOf(pid)) > memoryMb) kill("memory");
      await clock.sleep(MEMORY_LOOKED_AT_EVERY_MS, until).catch(() => {});
    }
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

/** Resident, in one process: that is all that Chromium is made of here. */
async function memoryMbOf(pid: number): Promise<number> {
  const [, pages] = (await readFile(`/proc/${pid}/statm`, "latin1").catch(() => "")).split(" ");
  return (Number(pages ?? 0) * PAGE_BYTES) / 1e6;
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
