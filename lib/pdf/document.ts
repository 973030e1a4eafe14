import type { Protocol } from "puppeteer-core";
import type { EpochMs } from "../clock.ts";
import { withoutFont } from "./glyphs.ts";
import { pageOf, type Room } from "./markdown.ts";
import { DEFAULT_MARGIN, inchesOf, paperOf, type PdfOptions } from "./options.ts";
import { rangesText } from "./page-ranges.ts";
import type { PdfRequest } from "./request.ts";

// A request as Chromium gets it: a page of HTML and the options of its print.

export interface PrintableDocument {
  readonly html: string;
  readonly print: Protocol.Page.PrintToPDFRequest;
  readonly options: PdfOptions;
  /** Of headers and footers; undefined if Chromium is to write it. */
  readonly date?: string | undefined;
  /** Code points somewhere in the document that no packaged font has. */
  readonly unknown: readonly number[];
  /** The same of its header and footer, which have no fonts of their own. */
  readonly unknownBeside: readonly number[];
  /** What is already known to be missing. */
  readonly warnings: readonly string[];
}

/** In characters. Tags for screen readers double the time of a table of 100 KB; its file gets thirty times larger. */
const LONGEST_TAGGED = 100_000;
/** Not empty: for an empty template Chromium prints its own, with date and address. */
const NO_TEMPLATE = "<span></span>";

export async function documentOf(request: PdfRequest, now: EpochMs): Promise<PrintableDocument> {
  const document = await withoutDate(request);
  const { locale } = document.options;
  const isUnknown = locale !== undefined && Intl.DateTimeFormat.supportedLocalesOf(locale).length === 0;
  const isDated = hasDate(document.print);
  return {
    ...document,
    date: dateOf(document.options, now),
    warnings: [
      ...document.warnings,
      ...(isUnknown && isDated ? [`options.locale ${locale} is not known: dates are written as by en-US`] : []),
    ],
  };
}

function hasDate({ headerTemplate = "", footerTemplate = "" }: PrintableDocument["print"]): boolean {
  return /\bdate\b/.test(headerTemplate + footerTemplate);
}

/** As short as Chromium's own, which knows no other language. */
function dateOf({ locale, timezone }: PdfOptions, now: EpochMs): string | undefined {
  if ((locale ?? timezone) === undefined) return undefined;
  const how = { dateStyle: "short", timeStyle: "short", timeZone: timezone ?? "UTC" } as const;
  return new Intl.DateTimeFormat([...(locale === undefined ? [] : [locale]), "en-US"], how).format(now);
}

async function withoutDate(request: PdfRequest): Promise<PrintableDocument> {
  const { options = {} } = request;
  switch (request.input_type) {
    case "html":
      return printable(request.html, options, { margin: DEFAULT_MARGIN.html });
    case "markdown": {
      const { html, warnings } = await pageOf(request.markdown, roomOf(options), options.locale);
      return printable(html, options, { margin: DEFAULT_MARGIN.markdown, warnings });
    }
    default:
      return request satisfies never;
  }
}

async function printable(
  html: string,
  options: PdfOptions,
  { margin, warnings = [] }: { margin: number | string; warnings?: readonly string[] },
): Promise<PrintableDocument> {
  const print = printOf(options, margin);
  const { headerTemplate = "", footerTemplate = "" } = print;
  return {
    html: html.toWellFormed(),
    // Bookmarks are made of the tags.
    print: { ...print, generateTaggedPDF: html.length <= LONGEST_TAGGED || print.generateDocumentOutline === true },
    options,
    unknown: await withoutFont([html]),
    unknownBeside: await withoutFont([headerTemplate, footerTemplate]),
    warnings,
  };
}

/** What a page of Markdown has between its margins. */
function roomOf(options: PdfOptions): Room {
  const { landscape = false, scale = 1, margin = {} } = options;
  const [width, height] = landscape ? paperOf(options).toReversed() : paperOf(options);
  const { top, right, bottom, left } = margin;
  const taken = (...sides: readonly (string | number | undefined)[]) =>
    sides.reduce<number>((sum, each) => sum + inchesOf(each ?? DEFAULT_MARGIN.markdown), 0);
  const points = (inches: number) => (inches * 72) / scale;
  return { width: points((width ?? 0) - taken(left, right)), height: points((height ?? 0) - taken(top, bottom)) };
}

function printOf(options: PdfOptions, margin: number | string): Protocol.Page.PrintToPDFRequest {
  const { headerTemplate, footerTemplate, pageRanges } = options;
  const [paperWidth, paperHeight] = paperOf(options);
  const inches = (side: "top" | "right" | "bottom" | "left") => inchesOf(options.margin?.[side] ?? margin);
  return {
    paperWidth,
    paperHeight,
    preferCSSPageSize: true,
    marginTop: inches("top"),
    marginRight: inches("right"),
    marginBottom: inches("bottom"),
    marginLeft: inches("left"),
    printBackground: options.printBackground ?? true,
    scale: options.scale ?? 1,
    landscape: options.landscape ?? false,
    ...(pageRanges !== undefined && { pageRanges: rangesText(pageRanges) }),
    ...(options.outline && { generateDocumentOutline: true }),
    ...((headerTemplate !== undefined || footerTemplate !== undefined) && {
      displayHeaderFooter: true,
      headerTemplate: (headerTemplate || NO_TEMPLATE).toWellFormed(),
      footerTemplate: (footerTemplate || NO_TEMPLATE).toWellFormed(),
    }),
  };
}
