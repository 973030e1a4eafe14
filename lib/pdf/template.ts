import type { CDPSession, Protocol } from "puppeteer-core";
import { BadDocument } from "./request.ts";

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

/** Replaces both templates by what is allowed of them. Throws `BadDocument` for an element or a style that is not. */
export async function sanitizeTemplates(session: CDPSession, print: Print): Promise<Print> {
  const { headerTemplate, footerTemplate } = print;
  return {
    ...print,
    ...(headerTemplate !== undefined && {
      headerTemplate: await sanitized(session, "options.headerTemplate", headerTemplate),
    }),
    ...(footerTemplate !== undefined && {
      footerTemplate: await sanitized(session, "options.footerTemplate", footerTemplate),
    }),
  };
}

/** In a page that has opened no document yet. */
async function sanitized(session: CDPSession, field: string, html: string): Promise<string> {
  const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
    expression: `(${SANITIZE})(${JSON.stringify(html)}, ${JSON.stringify({ ELEMENTS, ATTRIBUTES })})`,
    returnByValue: true,
  });
  const outcome = result.value as { html?: string; refused?: string } | undefined;
  if (outcome?.refused !== undefined) {
    throw new BadDocument(
      `${field} holds ${outcome.refused}: expected text, style attributes and style elements, and images as <img> with a data: URI`,
    );
  }
  if (outcome?.html === undefined) {
    throw new Error(`Expected Chromium to sanitize ${field}, found ${exceptionDetails?.exception?.description}`);
  }
  return outcome.html;
}

/**
 * Runs in Chromium. The elements belong to a document without a window, which loads nothing and runs nothing.
 * A link that leads elsewhere than to the web or an e-mail becomes text, and so does an image that is not `data:`.
 */
const SANITIZE = String.raw`(html, { ELEMENTS, ATTRIBUTES }) => {
  const { body } = document.implementation.createHTMLDocument("");
  body.innerHTML = html;
  for (const { localName, namespaceURI } of body.querySelectorAll("*")) {
    const isKnown = namespaceURI === "http://www.w3.org/1999/xhtml" && ELEMENTS.includes(localName);
    if (!isKnown) return { refused: "<" + localName.slice(0, 40) + ">" };
  }
  const sanitizer = new Sanitizer({ elements: ELEMENTS, attributes: ATTRIBUTES, comments: false, dataAttributes: true });
  body.setHTML(html, { sanitizer });
  for (const each of body.querySelectorAll("[href]")) {
    const href = each.getAttribute("href").trim();
    if (!/^(?:https?:\/\/|mailto:|#)/i.test(href)) each.removeAttribute("href");
  }
  for (const each of body.querySelectorAll("[src]")) {
    if (!/^data:image\//i.test(each.getAttribute("src").trim())) each.removeAttribute("src");
  }
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
  return styles.some(loads) ? { refused: "a style that loads something" } : { html: body.innerHTML };
}`;
