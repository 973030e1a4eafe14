import type { Token } from "markdown-it";
import type { Protocol } from "puppeteer-core";
import { BadDocument, inchesOf, paperOf, type PdfOptions, type PdfRequest } from "./request.ts";

// A request as Chromium gets it: a page of HTML and the options of its print.

export interface PrintableDocument {
  readonly html: string;
  readonly print: Protocol.Page.PrintToPDFRequest;
}

const MARKDOWN_MARGIN = "20mm";
/** In characters. Tags for screen readers double the time of a table of 100 KB; its file gets thirty times larger. */
const LONGEST_TAGGED = 100_000;
/** In characters, of the HTML of Markdown: twice what a request may hold. */
const LONGEST_HTML = 8_000_000;
const TOO_MUCH_HTML = `The Markdown becomes more than ${LONGEST_HTML / 1e6} MB of HTML: expected less; use shorter link definitions, or split it`;
/** Not empty: for an empty template Chromium prints its own, with date and address. */
const NO_TEMPLATE = "<span></span>";

const STYLE = `
body { margin: 0; font: 11pt/1.5 sans-serif; color: #1f2328; overflow-wrap: break-word; }
h1, h2, h3, h4, h5, h6 { margin: 1.4em 0 .5em; line-height: 1.25; break-after: avoid; }
h1 { font-size: 20pt; } h2 { font-size: 16pt; } h3 { font-size: 13pt; } h4, h5, h6 { font-size: 11pt; }
h1, h2 { padding-bottom: .2em; border-bottom: 1px solid #d1d9e0; }
body > :first-child { margin-top: 0; }
p, ul, ol, pre, table, blockquote { margin: 0 0 .8em; }
p { orphans: 2; widows: 2; }
li > ul, li > ol { margin: 0; }
a { color: #0757ba; }
code, pre { font-family: monospace; font-size: 9pt; background: #f3f4f6; border-radius: 3px; }
code { padding: .1em .3em; }
pre { padding: .8em; white-space: pre-wrap; line-height: 1.4; }
pre code { padding: 0; }
blockquote { padding: 0 1em; color: #59636e; border-left: 3px solid #d1d9e0; }
table { border-collapse: collapse; max-width: 100%; }
thead { display: table-header-group; }
tr, img { break-inside: avoid; }
th, td { padding: .3em .7em; border: 1px solid #d1d9e0; vertical-align: top; }
th { background: #f3f4f6; }
img { max-width: 100%; }
hr { border: 0; border-top: 1px solid #d1d9e0; }
`;

export async function documentOf(request: PdfRequest): Promise<PrintableDocument> {
  const { options = {} } = request;
  switch (request.input_type) {
    case "html":
      return printable(request.html, options, 0);
    case "markdown":
      return printable(await pageOf(request.markdown), options, MARKDOWN_MARGIN);
    default:
      return request satisfies never;
  }
}

function printable(html: string, options: PdfOptions, margin: number | string): PrintableDocument {
  const print = { ...printOf(options, margin), generateTaggedPDF: html.length <= LONGEST_TAGGED };
  return { html: html.toWellFormed(), print };
}

async function pageOf(markdown: string): Promise<string> {
  const { default: MarkdownIt } = await import("markdown-it");
  // HTML within Markdown is shown as text.
  const parser = new MarkdownIt({ html: false, linkify: true });
  const tokens = parser.parse(markdown, {});
  if (lengthOf(tokens) > LONGEST_HTML) throw new BadDocument(TOO_MUCH_HTML);
  const body = parser.renderer.render(tokens, parser.options, {});
  if (body.length > LONGEST_HTML) throw new BadDocument(TOO_MUCH_HTML);
  return `<!doctype html><html><head><meta charset="utf-8"><style>${STYLE}</style></head><body>${body}</body></html>`;
}

/** A link is defined once and named a hundred thousand times: each stands in the HTML with the whole address. */
function lengthOf(tokens: readonly Token[]): number {
  let length = 0;
  for (const { content, attrs, children } of tokens) {
    length += children ? lengthOf(children) : content.length;
    for (const [, value] of attrs ?? []) length += String(value).length;
  }
  return length;
}

function printOf(options: PdfOptions, margin: number | string): Protocol.Page.PrintToPDFRequest {
  const { format, headerTemplate, footerTemplate } = options;
  const [paperWidth, paperHeight] = paperOf(format);
  const inches = (side: "top" | "right" | "bottom" | "left") => inchesOf(options.margin?.[side] ?? margin);
  return {
    paperWidth,
    paperHeight,
    preferCSSPageSize: format === undefined,
    marginTop: inches("top"),
    marginRight: inches("right"),
    marginBottom: inches("bottom"),
    marginLeft: inches("left"),
    printBackground: options.printBackground ?? true,
    scale: options.scale ?? 1,
    landscape: options.landscape ?? false,
    ...((headerTemplate !== undefined || footerTemplate !== undefined) && {
      displayHeaderFooter: true,
      headerTemplate: (headerTemplate || NO_TEMPLATE).toWellFormed(),
      footerTemplate: (footerTemplate || NO_TEMPLATE).toWellFormed(),
    }),
  };
}
