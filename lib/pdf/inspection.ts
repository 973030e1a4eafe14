import type { CDPSession } from "puppeteer-core";
import type { PrintableDocument } from "./document.ts";
import { listed } from "./warnings.ts";

// A last look at a document that is loaded and about to be printed, once its fonts are there. Links that would lead nowhere become text, and it
// gets a title if it has none.

interface Found {
  /** What links named that are text now. */
  readonly links: readonly string[];
  /** Links to places that the document does not have. */
  readonly dead: readonly string[];
  readonly scripts: number;
  /** Elements `<details>` whose content is not shown. */
  readonly closed: number;
  readonly page: { readonly size: boolean; readonly margin: boolean };
  /** Pictures that can't be read. */
  readonly broken: readonly string[];
  /** What pictures in SVG name elsewhere. */
  readonly named: readonly string[];
  /** Of the unknown code points, those that are shown as boxes. */
  readonly missing: readonly number[];
}

const MOST_CHARACTERS = 10;

/** `address` is that of the document. Resolves to warnings. */
export async function inspect(
  session: CDPSession,
  address: string,
  { options, unknown, unknownBeside }: PrintableDocument,
): Promise<string[]> {
  const { result } = await session.send("Runtime.evaluate", {
    expression: `(${LOOK})(${JSON.stringify({ address, unknown })})`,
    returnByValue: true,
    awaitPromise: true,
  });
  const found = result.value as Found | undefined;
  // A document that the look fails on is printed all the same.
  if (!found) return missingOf([...unknown, ...unknownBeside]);
  const { links, dead, scripts, closed, page, broken, named } = found;
  return [
    ...missingOf([...new Set([...found.missing, ...unknownBeside])]),
    ...(links.length > 0 ? [`Links to ${listed(links)} became text: expected https:, http:, mailto: or #`] : []),
    ...(dead.length > 0 ? [`Links to ${listed(dead)} lead nowhere: nothing in the document has such an id`] : []),
    ...(scripts > 0 ? [`${scripts === 1 ? "A script" : `${scripts} scripts`} did not run: none does`] : []),
    ...(closed > 0 ? [`${closed} <details> show their summary alone: write <details open>`] : []),
    ...(broken.length > 0 ? [`Images that can't be read: ${listed(broken)}`] : []),
    ...(named.length > 0
      ? [`Left out, since nothing is loaded: ${listed(named)} in images of SVG. Put them in as data: URIs`]
      : []),
    ...(page.margin && options.margin ? ["options.margin does not hold: @page in the document sets margins"] : []),
  ];
}

function missingOf(points: readonly number[]): string[] {
  if (points.length === 0) return [];
  const names = points.map((point) => {
    const char = String.fromCodePoint(point);
    const code = `U+${point.toString(16).toUpperCase().padStart(4, "0")}`;
    return /[\p{Co}\p{Cn}\p{M}]/u.test(char) ? code : `${code} (${char})`;
  });
  return [`No font has ${listed(names, MOST_CHARACTERS)}: boxes are shown. Bring a font that has them as a data: URI`];
}

/**
 * Runs in Chromium. Elements may have taken the names of the document's properties, so those of its prototype are used.
 * A character is missing if its picture is that of one that no font has.
 */
const LOOK = String.raw`async ({ address, unknown }) => {
  const getter = (of, name) => Object.getOwnPropertyDescriptor(of.prototype, name).get.bind(document);
  await getter(Document, "fonts")().ready;
  const all = Document.prototype.querySelectorAll.bind(document);
  const byId = Document.prototype.getElementById.bind(document);
  const make = Document.prototype.createElement.bind(document);
  const XLINK = "http://www.w3.org/1999/xlink";

  const base = getter(Node, "baseURI")();
  const decoded = (text) => { try { return decodeURIComponent(text); } catch { return text; } };
  const links = [], dead = [];
  for (const each of all("a[*|href], area[href]")) {
    const href = each.getAttribute("href") ?? each.getAttributeNS(XLINK, "href");
    const url = URL.parse(href, base);
    const isHere = url !== null && url.href.startsWith(address);
    if (isHere && url.href.startsWith(address + "#")) {
      const id = decoded(url.hash.slice(1));
      const isPlace = id === "" || id.toLowerCase() === "top" || byId(id) || all('a[name="' + CSS.escape(id) + '"]').length;
      if (!isPlace) dead.push(href);
      continue;
    }
    if (url !== null && !isHere && ["http:", "https:", "mailto:"].includes(url.protocol)) continue;
    each.removeAttribute("href");
    each.removeAttributeNS(XLINK, "href");
    links.push(href);
  }

  const broken = [], named = new Set();
  const LOADED = /<(?:\w{1,20}:)?(?:image|use|feImage)\s[^<>]*?href\s*=\s*(?:["']\s*)?(?!data:|#)([^"'\s<>]+)/gi;
  const URL_IN_STYLE = /(?:url\(|@import)\s*(?:["']\s*)?((?:https?:|\/\/)[^"')\s]+)/gi;
  for (const each of [...all("img[src]")].slice(0, 1000)) {
    const src = each.getAttribute("src").trim();
    if (/^https?:/i.test(src) || !/^[a-z][a-z\d+.-]*:/i.test(src)) continue;
    const isRead = each.naturalWidth > 0 || (await each.decode().then(() => true, () => false));
    if (!isRead) {
      const kind = src.slice(0, 60).replace(/^data:/i, "").replace(/[;,][^]*/, "");
      broken.push(each.alt === "" ? kind : each.alt + " (" + kind + ")");
    }
    if (!/^data:image\/svg/i.test(src) || src.length > 200000 || named.size > 20) continue;
    const [head, ...rest] = src.split(",");
    let text = rest.join(",");
    try { text = /;\s*base64\s*$/i.test(head) ? atob(text) : decodeURIComponent(text); } catch {}
    for (const pattern of [LOADED, URL_IN_STYLE]) for (const [, address] of text.matchAll(pattern)) named.add(address);
  }

  if (getter(Document, "title")().trim() === "") {
    const title = [...all("h1")].map((each) => each.textContent.trim().replace(/\s+/g, " ")).find((text) => text !== "");
    if (title) Object.getOwnPropertyDescriptor(Document.prototype, "title").set.call(document, title.slice(0, 200));
  }

  const isScript = ({ type }) => /^(?:|module|(?:text|application)\/(?:java|ecma)script)$/i.test(type);
  const scripts = [...all("script")].filter(isScript).length;

  const isHidden = (each) =>
    each instanceof Element ? each.localName !== "summary" && !each.checkVisibility() : each.nodeType === Node.TEXT_NODE;
  const closed = [...all("details:not([open])")].filter((each) =>
    each.checkVisibility() && [...each.childNodes].some((child) => isHidden(child) && child.textContent.trim() !== "")).length;

  const page = { size: false, margin: false };
  const read = (rules) => {
    for (const rule of rules) {
      if (rule instanceof CSSPageRule) {
        const has = (name) => rule.style.getPropertyValue(name) !== "";
        page.size ||= has("size");
        page.margin ||= ["top", "right", "bottom", "left"].some((side) => has("margin-" + side));
      } else if (rule.cssRules && !/^\s*screen\b/.test(rule.media?.mediaText ?? "")) read(rule.cssRules);
    }
  };
  for (const sheet of getter(Document, "styleSheets")()) {
    // A sheet of its own address says nothing about its rules.
    try { read(sheet.cssRules); } catch {}
  }

  const missing = new Set();
  if (unknown.length > 0) {
    const canvas = make("canvas");
    canvas.width = canvas.height = 48;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const picture = (font, text) => {
      context.clearRect(0, 0, 48, 48);
      context.font = font;
      context.fillText(text, 8, 36);
      return context.getImageData(0, 0, 48, 48).data.join();
    };
    const boxes = new Map(), seen = new Set();
    const look = (text, style) => {
      for (const [char] of text.matchAll(wanted)) {
        const font = [style.fontStyle, style.fontWeight, "32px", style.fontFamily].join(" ");
        if (seen.has(char + font) || seen.size > 500) continue;
        seen.add(char + font);
        if (!boxes.has(font)) boxes.set(font, picture(font, "\u0378"));
        if (picture(font, char) === boxes.get(font)) missing.add(char.codePointAt(0));
      }
    };
    const wanted = new RegExp("[" + unknown.map((point) => "\\u{" + point.toString(16) + "}").join("") + "]", "gu");
    const texts = Document.prototype.createTreeWalker.call(document, document, NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
      const { parentElement } = text;
      if (text.data.search(wanted) < 0 || !parentElement?.checkVisibility()) continue;
      look(text.data, getComputedStyle(parentElement));
    }
    const elements = [...all("body *")].slice(0, 20000);
    for (const each of elements) {
      for (const part of ["::before", "::after"]) {
        const style = getComputedStyle(each, part);
        if (style.content.search(wanted) >= 0) look(style.content, style);
      }
    }
  }
  return { links, dead, scripts, closed, page, broken, named: [...named], missing: [...missing] };
}`;
