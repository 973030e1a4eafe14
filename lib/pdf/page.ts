import type { CDPSession, Protocol } from "puppeteer-core";
import type { PrintableDocument } from "./document.ts";
import { countPages } from "./page-count.ts";
import { BadDocument, MOST_PAGES } from "./request.ts";
import { sanitizeTemplates } from "./template.ts";

// Each document has a page of its own, isolated four times: JavaScript is off; the content security policy allows only
// `data:`; every request is refused before it is made; and Chromium (browser.ts) can reach no address.
// The code speaks the DevTools protocol, since pages of puppeteer take 30 ms longer to open.

export interface OpenPage {
  /** Throws `BadDocument`, or the error of Chromium. A page prints only once. */
  print(document: PrintableDocument): Promise<RenderedPdf>;
  close(): Promise<void>;
}

const LARGEST_MB = 50;
/** No request for it leaves the browser: the document is the answer. */
const ADDRESS = "http://document.invalid/";
const POLICY = [
  "default-src data:",
  "style-src data: 'unsafe-inline'",
  "script-src 'none'",
  "form-action 'none'",
  // Forbids new windows and navigation too.
  "sandbox",
].join("; ");

/** `browser` is the session of the browser, not of a page. */
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

async function printOn(session: CDPSession, { html, print: asked }: PrintableDocument): Promise<RenderedPdf> {
  const print = await sanitizeTemplates(session, asked);
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

/** Answers the first request with the document and refuses all others. */
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
    // The answer fails if the page has ended, and then the print fails too.
    answered.catch(() => {});
  });
}

/** Waits for the load event of a loader, which may come before the loader's id is known. */
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
  // Two reads at a time: the first one mostly gives the whole file, and only the next one says that it is the end.
  const read = async () => session.send("IO.read", { handle });
  let [next, afterNext] = [read(), read()];
  for (;;) {
    // The read after the last one, or after a failure, may fail.
    afterNext.catch(() => {});
    const { data, base64Encoded, eof } = await next;
    const chunk = Buffer.from(data, base64Encoded ? "base64" : "utf8");
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > LARGEST_MB * 1_000_000) {
      throw new BadDocument(`Expected a PDF of at most ${LARGEST_MB} MB, and it became larger; use smaller images`);
    }
    if (eof) break;
    [next, afterNext] = [afterNext, read()];
  }
  session.send("IO.close", { handle }).catch(() => {});
  return Buffer.concat(chunks);
}

/** A refusal by Chromium, as opposed to a lost connection. */
function isRefusal(error: unknown): error is Error {
  return error instanceof Error && error.name === "ProtocolError";
}

export interface RenderedPdf {
  readonly file: Uint8Array;
  /** Of the whole document. */
  readonly pages: number;
  /** True if only the first 100 are in the file. */
  readonly truncated: boolean;
}
