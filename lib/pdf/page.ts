import type { CDPSession, Protocol } from "puppeteer-core";
import type { PrintableDocument } from "./document.ts";
import { countPages } from "./page-count.ts";
import { BadDocument, MOST_PAGES } from "./request.ts";

// One document on a page of its own. It is locked in four times: no JavaScript; a policy that knows nothing but
// `data:`; every request is refused before it is made; and Chromium (browser.ts) could reach no address.
// In Chromium's own protocol: puppeteer's pages take 30 ms more to open, for what none of this needs.

export interface OpenPage {
  /** Throws `BadDocument`, or whatever Chromium fails with. Once: the page is of no use afterwards. */
  print(document: PrintableDocument): Promise<RenderedPdf>;
  close(): Promise<void>;
}

const LARGEST_MB = 50;
/** Nobody is ever asked for it: the document is what is answered. */
const ADDRESS = "http://document.invalid/";
const POLICY = [
  "default-src data:",
  "style-src data: 'unsafe-inline'",
  "script-src 'none'",
  "form-action 'none'",
  // Also no windows, and no way to another page.
  "sandbox",
].join("; ");

/** `browser` is the session of the browser itself. */
export async function openPage(browser: CDPSession): Promise<OpenPage> {
  const { targetId } = await browser.send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await browser.send("Target.attachToTarget", { targetId, flatten: true });
  const session = browser.connection()?.session(sessionId);
  if (!session) throw new Error("Expected a session with the page that was opened, found none");
  return {
    print: async (document) => printOn(session, document),
    close: async () => {
      await browser.send("Target.closeTarget", { targetId });
    },
  };
}

async function printOn(session: CDPSession, { html, print }: PrintableDocument): Promise<RenderedPdf> {
  const left = Promise.withResolvers<never>();
  left.promise.catch(() => {});
  const leave = () => left.reject(new BadDocument(LEAVING));
  const stays = async <T>(work: Promise<T>) => Promise.race([left.promise, work]);

  answerWith(session, html, leave);
  const loaded = loadsOf(session);
  await Promise.all([
    session.send("Page.enable"),
    session.send("Page.setLifecycleEventsEnabled", { enabled: true }),
    session.send("Emulation.setScriptExecutionDisabled", { value: true }),
    session.send("Fetch.enable"),
  ]);
  session.on("Page.frameNavigated", ({ frame }) => {
    if (frame.parentId === undefined && frame.url !== ADDRESS) leave();
  });
  const { loaderId, errorText } = await stays(session.send("Page.navigate", { url: ADDRESS }));
  if (errorText !== undefined || loaderId === undefined) {
    throw new Error(`Expected the document to be opened, found ${errorText}`);
  }
  await stays(loaded(loaderId));
  await stays(
    session.send("Runtime.evaluate", { expression: "document.fonts.ready.then(() => 0)", awaitPromise: true }),
  );

  const whole = await stays(printed(session, print));
  const pages = countPages(whole);
  if (pages <= MOST_PAGES) return { file: whole, pages, truncated: false };
  return { file: await stays(printed(session, { ...print, pageRanges: `1-${MOST_PAGES}` })), pages, truncated: true };
}

const LEAVING =
  "The document leads to another page. Expected one that stays as it is; remove meta refresh and whatever else loads a page";

/** Answers the first request with the document and no other. */
function answerWith(session: CDPSession, html: string, leave: () => void): void {
  let mainFrame: string | undefined;
  session.on("Fetch.requestPaused", ({ requestId, frameId, resourceType }) => {
    const isDocument = mainFrame === undefined;
    mainFrame ??= frameId;
    if (!isDocument && resourceType === "Document" && frameId === mainFrame) leave();
    const answered = isDocument
      ? session.send("Fetch.fulfillRequest", {
          requestId,
          responseCode: 200,
          responseHeaders: [
            { name: "content-type", value: "text/html; charset=utf-8" },
            { name: "content-security-policy", value: POLICY },
            { name: "referrer-policy", value: "no-referrer" },
          ],
          body: Buffer.from(html).toString("base64"),
        })
      : session.send("Fetch.failRequest", { requestId, errorReason: "BlockedByClient" });
    // It fails if the page has ended, which whoever waits for the page is told.
    answered.catch(() => {});
  });
}

/** When a loader, of which one may only be told later, has loaded its document and what belongs to it. */
function loadsOf(session: CDPSession): (loader: string) => Promise<void> {
  const done = new Set<string>();
  let check = () => {};
  session.on("Page.lifecycleEvent", ({ name, loaderId }) => {
    if (name !== "load") return;
    done.add(loaderId);
    check();
  });
  return async (loader) =>
    new Promise((resolve) => {
      check = () => done.has(loader) && resolve();
      check();
    });
}

async function printed(session: CDPSession, print: Protocol.Page.PrintToPDFRequest): Promise<Uint8Array> {
  const { stream: handle = "" } = await session
    .send("Page.printToPDF", { ...print, transferMode: "ReturnAsStream" })
    .catch((error: unknown) => {
      if (isRefusal(error)) throw new BadDocument(`Chromium can't print the document: ${error.message}`, error);
      throw error;
    });
  const chunks: Buffer[] = [];
  let bytes = 0;
  for (;;) {
    const { data, base64Encoded, eof } = await session.send("IO.read", { handle });
    const chunk = Buffer.from(data, base64Encoded ? "base64" : "utf8");
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > LARGEST_MB * 1_000_000) {
      throw new BadDocument(`Expected a PDF of at most ${LARGEST_MB} MB, and it became larger; use smaller images`);
    }
    if (eof) break;
  }
  await session.send("IO.close", { handle });
  return Buffer.concat(chunks);
}

/** An answer of Chromium's, not the loss of it. */
function isRefusal(error: unknown): error is Error {
  return error instanceof Error && error.name === "ProtocolError";
}

export interface RenderedPdf {
  readonly file: Uint8Array;
  /** Of the whole document. */
  readonly pages: number;
  /** Whether only the first 100 are in the file. */
  readonly truncated: boolean;
}
