import type { CDPSession, Protocol } from "puppeteer-core";
import type { PrintableDocument } from "./document.ts";
import { inspect } from "./inspection.ts";
import { told, type PdfOptions } from "./options.ts";
import { MOST_PAGES, countPages, sizeOf } from "./page-count.ts";
import { rangesText } from "./page-ranges.ts";
import { BadDocument } from "./request.ts";
import { sanitizeTemplates } from "./template.ts";
import { bounded, listed } from "./warnings.ts";

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

async function printOn(session: CDPSession, document: PrintableDocument): Promise<RenderedPdf> {
  const { html, options, date } = document;
  const warnings = [...document.warnings];
  const print = await sanitizeTemplates(session, document.print, { date, tell: (warning) => warnings.push(warning) });
  const left = Promise.withResolvers<never>();
  left.promise.catch(() => {});
  const leave = () => left.reject(new BadDocument(LEAVING));
  const stays = async <T>(work: Promise<T>) => Promise.race([left.promise, work]);

  answerWith(session, html, leave);
  const loaded = loadsOf(session);
  const leftOut = leftOutOf(session);
  await Promise.all([
    session.send("Page.enable"),
    session.send("Page.setLifecycleEventsEnabled", { enabled: true }),
    session.send("Emulation.setScriptExecutionDisabled", { value: true }),
    session.send("Fetch.enable"),
    session.send("Audits.enable"),
  ]);
  session.on("Page.frameNavigated", ({ frame }) => {
    if (frame.parentId === undefined && frame.url !== ADDRESS) leave();
  });
  const { loaderId, errorText } = await stays(session.send("Page.navigate", { url: ADDRESS }));
  if (errorText !== undefined || loaderId === undefined) {
    throw new Error(`Expected the document to be opened, found ${errorText}`);
  }
  await stays(loaded(loaderId));
  warnings.push(...(await stays(inspect(session, ADDRESS, document))));

  const made = await stays(printedPages(session, print, options));
  warnings.push(...sizeWarnings(made.file, print, options), ...leftOut());
  return { ...made, warnings: bounded(warnings) };
}

async function printedPages(
  session: CDPSession,
  print: Protocol.Page.PrintToPDFRequest,
  { pageRanges }: PdfOptions,
): Promise<Omit<RenderedPdf, "warnings">> {
  const whole = await printed(session, print);
  const pages = countPages(whole);
  if (pages <= MOST_PAGES) return { file: whole, pages, truncated: false };
  const kept = rangesText(pageRanges ?? "1-", MOST_PAGES);
  return { file: await printed(session, { ...print, pageRanges: kept }), pages, truncated: true };
}

/** Tells where the document's `@page` beats the options. */
function sizeWarnings(file: Uint8Array, print: Protocol.Page.PrintToPDFRequest, options: PdfOptions): string[] {
  const { format, width, height, landscape } = options;
  const { paperWidth = 0, paperHeight = 0 } = print;
  const asked = landscape ? [paperHeight, paperWidth] : [paperWidth, paperHeight];
  const found = sizeOf(file);
  if ((format ?? width ?? landscape) === undefined || !found) return [];
  if (found.every((inches, side) => Math.abs(inches - (asked[side] ?? 0)) < 0.05)) return [];
  const named = Object.entries({ format, width, height, landscape }).flatMap(([name, value]) =>
    value === undefined ? [] : [`options.${name} ${value}`],
  );
  const [across, down] = found.map(told);
  return [`${named.join(", ")} does not hold: @page in the document makes pages of ${across} by ${down}`];
}

const KINDS: Readonly<Record<string, string>> = {
  "img-src": "images",
  "style-src-elem": "style sheets",
  "font-src": "fonts",
  "frame-src": "frames",
  "media-src": "sound and video",
  "object-src": "objects",
};

/** Collects what the policy keeps a document from loading, and puts it in words. */
function leftOutOf(session: CDPSession): () => string[] {
  const found = new Map<string, Set<string>>();
  session.on("Audits.issueAdded", ({ issue }) => {
    const { blockedURL, violatedDirective = "" } = issue.details.contentSecurityPolicyIssueDetails ?? {};
    if (blockedURL === undefined || blockedURL.startsWith("data:")) return;
    const kind = KINDS[violatedDirective] ?? "other files";
    if (violatedDirective.startsWith("script-src")) return;
    if (!found.has(kind)) found.set(kind, new Set());
    found.get(kind)?.add(blockedURL.replace(ADDRESS, ""));
  });
  return () =>
    [...found].map(
      ([kind, urls]) => `Left out, since nothing is loaded: ${kind} ${listed([...urls])}. Put them in as data: URIs`,
    );
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
      if (isRefusal(error) && print.pageRanges !== undefined && /page range/i.test(error.message)) {
        throw new BadDocument(`options.pageRanges is ${print.pageRanges}, and the document has fewer pages`, error);
      }
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
  /** Of the whole document, or of the pages that were asked for. */
  readonly pages: number;
  /** True if only the first 100 are in the file. */
  readonly truncated: boolean;
  /** What it lacks of its document, in words. */
  readonly warnings: readonly string[];
}
