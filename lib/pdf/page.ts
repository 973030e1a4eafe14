import type { CDPSession, PDFOptions, Page } from "puppeteer-core";
import type { PrintableDocument } from "./document.ts";
import { countPages } from "./page-count.ts";
import type { RenderedPdf } from "./renderer.ts";
import { BadDocument, MOST_PAGES } from "./request.ts";

// One document on a page of its own. It is locked in four times: no JavaScript; a policy that knows nothing but
// `data:`; every request is refused before it is made; and Chromium (browser.ts) could reach no address.

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

/** Throws `BadDocument`, or whatever Chromium fails with. The page is of no use afterwards. */
export async function printOn(page: Page, { html, print }: PrintableDocument): Promise<RenderedPdf> {
  const session = await page.createCDPSession();
  const left = Promise.withResolvers<never>();
  left.promise.catch(() => {});
  const leave = () => left.reject(new BadDocument(LEAVING));
  const stays = async <T>(work: Promise<T>) => Promise.race([left.promise, work]);
  page.on("framenavigated", (frame) => {
    if (frame === page.mainFrame() && frame.url() !== ADDRESS) leave();
  });
  await Promise.all([lockIn(session, html, leave), page.setJavaScriptEnabled(false)]);
  await stays(page.goto(ADDRESS, { waitUntil: "load", timeout: 0 }));
  const whole = await stays(printed(page, print));
  const pages = countPages(whole);
  if (pages <= MOST_PAGES) return { file: whole, pages, truncated: false };
  return { file: await stays(printed(page, { ...print, pageRanges: `1-${MOST_PAGES}` })), pages, truncated: true };
}

const LEAVING =
  "The document leads to another page. Expected one that stays as it is; remove meta refresh and whatever else loads a page";

/** Answers the first request with the document and no other. */
async function lockIn(session: CDPSession, html: string, leave: () => void): Promise<void> {
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
  await session.send("Fetch.enable");
}

async function printed(page: Page, print: PDFOptions): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of await page.createPDFStream(print)) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > LARGEST_MB * 1_000_000) throw new BadDocument(tooLarge());
    }
  } catch (error) {
    if (isRefusal(error)) throw new BadDocument(`Chromium can't print the document: ${error.message}`, error);
    throw error;
  }
  return Buffer.concat(chunks);
}

function tooLarge(): string {
  return `Expected a PDF of at most ${LARGEST_MB} MB, and it became larger; use fewer or smaller images`;
}

/** An answer of Chromium's, not the loss of it. */
function isRefusal(error: unknown): error is Error {
  return error instanceof Error && error.name === "ProtocolError";
}
