import { once } from "node:events";
import { SECOND, type Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { BrowserGone, startBrowser, type Browser } from "./browser.ts";
import { findChromium, type Chromium } from "./chromium.ts";
import { documentOf, type PrintableDocument } from "./document.ts";
import { BadDocument, type PdfRequest } from "./request.ts";
import { unless } from "./unless.ts";
import type { RenderedPdf } from "./page.ts";

export interface Renderer {
  /**
   * One after the other, in the order of the calls. Throws `BadDocument` if another attempt would not help. When the
   * signal aborts, Chromium is killed and the call rejects with the signal's reason at once.
   */
  render(request: PdfRequest, signal: AbortSignal): Promise<RenderedPdf>;
  /** Kills Chromium, and with it a document in progress. Resolves when its processes and files are gone. */
  end(): Promise<void>;
}

interface Parts {
  readonly clock: Clock;
  readonly log: Log;
  /** Documents for which Chromium takes more are refused. Default: 1,536. */
  readonly memoryMb?: number;
  /** Default: a real one. */
  readonly start?: typeof startBrowser;
}

const DEFAULT_MEMORY_MB = 1_536;
/** A Chromium that is killed and has not ended within this time is left behind. */
const ENDING_MS = 3 * SECOND;

/** Chromium is started with the first document and reused for the next. */
export function createRenderer({ clock, log, memoryMb = DEFAULT_MEMORY_MB, start = startBrowser }: Parts): Renderer {
  let found: Promise<Chromium> | undefined;
  let browser: Browser | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  const over = new AbortController();
  const refused = (error: unknown) => asRefused(error, memoryMb);

  async function render(request: PdfRequest, signal: AbortSignal): Promise<RenderedPdf> {
    const until = AbortSignal.any([signal, over.signal]);
    const mine = turn.then(async () => renderNow(request, until));
    // The turn keeps no reference to the file.
    turn = settledOrLate(mine.then(nothing, nothing), until, clock);
    return unless(until, mine);
  }

  async function renderNow(request: PdfRequest, until: AbortSignal): Promise<RenderedPdf> {
    until.throwIfAborted();
    const document = await documentOf(request, clock.realNow());
    const used = await usable(until);
    const { isFresh } = used;
    try {
      return await printIn(used, document, until);
    } catch (error) {
      // A document before this one may be the reason.
      if (!isFresh && error instanceof BrowserGone && !until.aborted) {
        return await printIn(await usable(until), document, until).catch(refused);
      }
      return refused(error);
    }
  }

  /** The running browser, unless it is worn or dead: then a new one. */
  async function usable(until: AbortSignal): Promise<Browser> {
    if (browser?.isWorn) browser.kill("recycled");
    if (browser?.isAlive) return browser;
    // Two at once would take twice the memory.
    if (browser) await settledSoon(browser.ended, clock);
    browser = undefined;
    found ??= findChromium({ clock, log });
    const chromium = await found.catch((error: unknown) => {
      found = undefined;
      throw error;
    });
    until.throwIfAborted();
    const started = await start({ clock, log, chromium, memoryMb }, until);
    // The turn may be another document's by now.
    if (until.aborted) {
      started.kill("deadline");
      await settledSoon(started.ended, clock);
      until.throwIfAborted();
    }
    browser = started;
    return started;
  }

  return {
    render,
    end: async () => {
      over.abort(new Error("The renderer has ended"));
      browser?.kill("ended");
      await turn;
      if (browser) await settledSoon(browser.ended, clock);
    },
  };
}

/** Chromium is killed when the signal aborts, and after any failure: the next document gets a fresh one. */
async function printIn(used: Browser, document: PrintableDocument, until: AbortSignal): Promise<RenderedPdf> {
  const stop = () => used.kill("deadline");
  until.addEventListener("abort", stop);
  try {
    until.throwIfAborted();
    return await used.print(document);
  } catch (error) {
    used.kill("failed");
    throw error;
  } finally {
    until.removeEventListener("abort", stop);
  }
}

/** Blames the document for the end of Chromium where another attempt would end the same way. */
function asRefused(error: unknown, memoryMb: number): never {
  if (!(error instanceof BrowserGone)) throw error;
  if (error.end === "memory") {
    throw new BadDocument(
      `Expected a document that can be printed with ${memoryMb} MB of memory, and it took more; use fewer or smaller images and less of filters and shadows`,
      error,
    );
  }
  if (error.end === "crashed") {
    throw new BadDocument("The document makes Chromium crash; leave out what is unusual in it, and try again", error);
  }
  throw error;
}

/** Resolves when the document has been printed, or soon after its deadline, whatever Chromium does. */
async function settledOrLate(printed: Promise<void>, until: AbortSignal, clock: Clock): Promise<void> {
  const settled = new AbortController();
  void printed.then(() => settled.abort());
  const either = AbortSignal.any([until, settled.signal]);
  if (!either.aborted) await once(either, "abort");
  await settledSoon(printed, clock);
}

async function settledSoon(ending: Promise<void>, clock: Clock): Promise<void> {
  const settled = new AbortController();
  const late = clock.sleep(ENDING_MS, settled.signal).catch(nothing);
  await Promise.race([ending.then(() => settled.abort()), late]);
}

function nothing(): void {}
