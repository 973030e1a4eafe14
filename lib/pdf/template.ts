import type { CDPSession, Protocol } from "puppeteer-core";
import { BadDocument } from "./request.ts";
import { listed } from "./warnings.ts";

// Headers and footers, sanitized. Chromium prints them in a page of its own in which scripts run, so that they may hold
// what is listed here and nothing else. Chromium's own sanitizer parses them: the parser that decides is the one that
// prints, and no text means one thing to the first and another to the second.

type Print = Protocol.Page.PrintToPDFRequest;

const ELEMENTS =
  "a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd label li main mark nav ol p pre q s samp section small span strike strong style sub sup table tbody td tfoot th thead time title tr tt u ul var wbr".split(
    " ",
  );
const ATTRIBUTES =
  "align alt bgcolor border cellpadding cellspacing class color colspan dir face height href id lang media role rowspan size span src start style title type valign width".split(
    " ",
  );

interface Filling {
  /** What elements of class `date` say; undefined if Chromium is to write it. */
  readonly date?: string | undefined;
  readonly tell: (warning: string) => void;
}

/**
 * Replaces both templates by what is allowed of them, and tells what is left out. Throws `BadDocument` for an element or
 * a style that is not allowed.
 */
export async function sanitizeTemplates(session: CDPSession, print: Print, filling: Filling): Promise<Print> {
  const { headerTemplate, footerTemplate } = print;
  const own = async (field: string, html: string) => sanitized(session, { field, html, ...filling });
  return {
    ...print,
    ...(headerTemplate !== undefined && { headerTemplate: await own("options.headerTemplate", headerTemplate) }),
    ...(footerTemplate !== undefined && { footerTemplate: await own("options.footerTemplate", footerTemplate) }),
  };
}

/** In a page that has opened no document yet. */
async function sanitized(
  session: CDPSession,
  { field, html, date, tell }: { field: string; html: string } & Filling,
): Promise<string> {
  const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
    expression: `(${SANITIZE})(${JSON.stringify(html)}, ${JSON.stringify({ ELEMENTS, ATTRIBUTES, date })})`,
    returnByValue: true,
  });
  const outcome = result.value as { html?: string; left?: string[]; refused?: string } | undefined;
  if (outcome?.refused !== undefined) {
    throw new BadDocument(
      `${field} holds ${outcome.refused}: expected text, style attributes and style elements, and images as <img> with a data: URI`,
    );
  }
  if (outcome?.html === undefined) {
    throw new Error(`Expected Chromium to sanitize ${field}, found ${exceptionDetails?.exception?.description}`);
  }
  const { left = [] } = outcome;
  if (left.length > 0) tell(`Left out of ${field}: ${listed(left)}. It holds links to the web, and data: images`);
  return outcome.html;
}

/**
 * Runs in Chromium. The elements belong to a document without a window, which loads nothing and runs nothing.
 * A link that leads elsewhere than to the web or an e-mail becomes text, and so does an image that is not `data:`.
 */
const SANITIZE = String.raw`(html, { ELEMENTS, ATTRIBUTES, date }) => {
  const { body } = document.implementation.createHTMLDocument("");
  body.innerHTML = html;
  for (const { localName, namespaceURI } of body.querySelectorAll("*")) {
    const isKnown = namespaceURI === "http://www.w3.org/1999/xhtml" && ELEMENTS.includes(localName);
    if (!isKnown) return { refused: "<" + localName.slice(0, 40) + ">" };
  }
  const sanitizer = new Sanitizer({ elements: ELEMENTS, attributes: ATTRIBUTES, comments: false, dataAttributes: true });
  body.setHTML(html, { sanitizer });
  // Chromium would write its own date into elements of that class, and an address that the document does not have.
  const write = (name, text) => {
    const written = body.querySelectorAll("." + name);
    for (const each of written) {
      each.textContent = text;
      each.classList.replace(name, "written-" + name);
    }
    const selector = new RegExp("\\." + name + "(?![\\w-])", "g");
    for (const each of written.length > 0 ? body.querySelectorAll("style") : []) {
      each.textContent = each.textContent.replace(selector, ".written-" + name);
    }
  };
  if (date !== undefined) write("date", date);
  write("url", "");
  const left = [];
  const keep = (name, pattern) => {
    for (const each of body.querySelectorAll("[" + name + "]")) {
      const address = each.getAttribute(name).trim();
      if (pattern.test(address)) continue;
      each.removeAttribute(name);
      left.push(address);
    }
  };
  keep("href", /^(?:https?:\/\/|mailto:|#)/i);
  keep("src", /^data:image\//i);
  // A style sheet that is loaded makes Chromium crash. An escape may stand for any letter, a comment between any two words.
  const plain = (css) => css.replace(/\\(?:([0-9a-f]{1,6})\s?|([^]))/gi, (_, code, char) =>
    char ?? String.fromCodePoint(Math.min(parseInt(code, 16), 0x10ffff)));
  const loads = (css) =>
    [css, css.replace(/\/\*[^]*?\*\//g, "")].some((text) =>
      /@import|\b(?:url|src|image|image-set)\(\s*(?!["']?\s*(?:data:|#))/i.test(plain(text)));
  const styles = [
    ...Array.from(body.querySelectorAll("style"), (each) => each.textContent),
    ...Array.from(body.querySelectorAll("[style]"), (each) => each.getAttribute("style")),
  ];
  return styles.some(loads) ? { refused: "a style that loads something" } : { html: body.innerHTML, left };
}`;
