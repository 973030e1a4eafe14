import * as z from "../zod.ts";
import { isTimeZone } from "../job/local-time.ts";

// The options of a PDF. This file imports little, since functions that only accept or show such jobs load it.

/** The formats of Chromium: width and height in inches, upright. */
const PAPER = {
  Letter: [8.5, 11],
  Legal: [8.5, 14],
  Tabloid: [11, 17],
  Ledger: [17, 11],
  A0: [33.1102, 46.811],
  A1: [23.3858, 33.1102],
  A2: [16.5354, 23.3858],
  A3: [11.6929, 16.5354],
  A4: [8.2677, 11.6929],
  A5: [5.8268, 8.2677],
  A6: [4.1339, 5.8268],
} as const;

type Format = keyof typeof PAPER;

const FORMATS = Object.keys(PAPER) as Format[];
const INCHES = { px: 1 / 96, in: 1, cm: 1 / 2.54, mm: 1 / 25.4 } as const;
const LENGTH = /^(\d{1,5}(?:\.\d{1,4})?)(px|in|cm|mm)?$/;
/** The least width and height between the margins. */
const LEAST_ROOM_INCHES = 0.5;
/** 14,400 points: larger pages are cut off by common readers. */
const LONGEST_SIDE_INCHES = 200;
const LONGEST_TEMPLATE = 8_192;
/** Tells early what a header can't hold in any case. What it may hold is decided by `sanitizeTemplates`. */
const UNPRINTABLE =
  /<(?:script|link|meta|base|iframe|object|embed)\b|@import\b|<[^<>]*[\s/"']on\w+\s*=|\burl\((?!\s*["']?(?:data:|#))/i;

const A_LENGTH = "must be a length such as 20mm, 2cm, 0.5in or 48px; a number alone is pixels";

const length = () =>
  z
    .union(
      [
        z.number(A_LENGTH).check(z.minimum(0, A_LENGTH), z.maximum(99_999, A_LENGTH)),
        z.string().check(z.regex(LENGTH, A_LENGTH)),
      ],
      A_LENGTH,
    )
    .check(z.describe("`20mm`, `2cm`, `0.5in`, `48px`; a number alone is pixels."));

const margin = () =>
  z
    .strictObject({
      top: z.optional(length()),
      right: z.optional(length()),
      bottom: z.optional(length()),
      left: z.optional(length()),
    })
    .check(
      z.describe("Each side's default: 0 for HTML, 20mm for Markdown. `@page` in the document stands instead of it."),
    );

const template = () =>
  z.string().check(
    z.maxLength(LONGEST_TEMPLATE, `must be at most ${LONGEST_TEMPLATE} characters`),
    z.refine((html) => !UNPRINTABLE.test(html), "must not load or run anything; use style attributes and data: images"),
    z.describe(
      "HTML on every page, within the margin: text, tables, styles, links to https:, http:, mailto: and #, and images as `<img>` with a `data:` URI. Elements of class `pageNumber`, `totalPages`, `title` and `date` are filled in.",
    ),
  );

const fields = () =>
  z.partial(
    z.strictObject({
      format: z
        .enum(
          [...FORMATS, ...FORMATS.map((name) => name.toLowerCase() as Lowercase<Format>)],
          `must be one of ${FORMATS.join(", ")}`,
        )
        .check(z.describe("Default: A4. What `@page` in the document says stands instead of it.")),
      width: length().check(z.describe("Of the page, together with `height`, in place of `format`.")),
      height: length().check(z.describe("Of the page, together with `width`, in place of `format`.")),
      margin: margin(),
      printBackground: z.boolean().check(z.describe("Backgrounds and their colours. Default: true.")),
      scale: z
        .number()
        .check(z.minimum(0.1, "must be at least 0.1"), z.maximum(2, "must be at most 2"), z.describe("Default: 1.")),
      landscape: z.boolean().check(z.describe("Swaps width and height. Default: false.")),
      pageRanges: z
        .string()
        .check(
          z.maxLength(200, "must be at most 200 characters"),
          z.refine(areRanges, "must name pages from 1 to 99999, the first before the last, such as 1-3, 5 or 8-"),
          z.describe("The pages that are kept: `1-3, 5`; `8-` to the end. Default: all."),
        ),
      outline: z.boolean().check(z.describe("Bookmarks made of the headings. Default: false.")),
      headerTemplate: template(),
      footerTemplate: template(),
      locale: z
        .string()
        .check(
          z.maxLength(35, "must be at most 35 characters"),
          z.refine(isLocale, "is not a language tag; expected one such as de, en-GB or zh-TW"),
          z.describe("How headers and footers write the date. Default: en-US."),
        ),
      timezone: z
        .string()
        .check(
          z.maxLength(64, "must be at most 64 characters"),
          z.refine(isTimeZone, "is not a time zone of the IANA database; expected one such as UTC or Asia/Seoul"),
          z.describe("Of the date in headers and footers. Default: UTC."),
        ),
      filename: z
        .string()
        .check(
          z.maxLength(100, "must be at most 100 characters"),
          z.regex(
            /^(?![.\p{Z}])[^\p{Cc}\p{Cf}<>:"/\\|?*]*[^\p{Cc}\p{Cf}\p{Z}<>:"/\\|?*.]$/u,
            'must be a name such as invoice-4711.pdf, without folders and without < > : " / \\ | ? *',
          ),
          z.describe("The file's name for those who save it; `.pdf` is added. Default: the job's id."),
        ),
    }),
  );

export type PdfOptions = z.infer<ReturnType<typeof fields>>;

/** Each side's margin where the options name none. */
export const DEFAULT_MARGIN = { html: 0, markdown: "20mm" } as const;

/** The options of HTML or Markdown: their margins differ, and with them the room on a page. */
export function pdfOptions(kind: keyof typeof DEFAULT_MARGIN) {
  return fields().check(
    z.superRefine((options, context) => {
      for (const { path, message } of problemsOf(options, DEFAULT_MARGIN[kind]))
        context.addIssue({ code: "custom", path: [path], message });
    }),
  );
}

type Problem = { readonly path: keyof PdfOptions; readonly message: string };

function* problemsOf(options: PdfOptions, defaultMargin: string | number): Generator<Problem> {
  const { format, width, height } = options;
  if (format !== undefined && (width ?? height) !== undefined) {
    yield { path: "format", message: "excludes width and height: send either of them" };
  }
  if ((width === undefined) !== (height === undefined)) {
    const path = width === undefined ? "width" : "height";
    yield { path, message: `is missing: send width and height together` };
    return;
  }
  for (const { sides, inches } of pageOf(options)) {
    const taken = sides.reduce((sum, side) => sum + inchesOf(options.margin?.[side] ?? defaultMargin), 0);
    const isDefault = defaultMargin !== 0 && sides.some((side) => options.margin?.[side] === undefined);
    const path = (sides[0] === "left") === (options.landscape ?? false) ? "height" : "width";
    if (inches > LONGEST_SIDE_INCHES) {
      yield { path, message: `must be at most ${LONGEST_SIDE_INCHES}in, which is the most that readers show` };
    }
    // NaN and what is negative stand for a length that is malformed, which is a problem of its own.
    if (!(inches >= 0 && inches - taken < LEAST_ROOM_INCHES)) continue;
    if (inches < LEAST_ROOM_INCHES) {
      yield { path, message: `must be at least ${LEAST_ROOM_INCHES}in; a number alone is pixels` };
      continue;
    }
    const message = `leaves no room: ${sides.join(" and ")} take ${told(taken)} of the page's ${told(inches)}; make them smaller${isDefault ? `, for without options.margin they are ${defaultMargin} each` : ""}`;
    yield { path: "margin", message };
  }
}

/** For a length that the schema has accepted. */
export function inchesOf(given: string | number): number {
  if (typeof given === "number") return given * INCHES.px;
  const [, digits, unit = "px"] = LENGTH.exec(given) ?? [];
  return Number(digits) * INCHES[unit as keyof typeof INCHES];
}

/** Width and height of the upright page, in inches. */
export function paperOf({ format = "A4", width, height }: PdfOptions): readonly [width: number, height: number] {
  if (width !== undefined && height !== undefined) return [inchesOf(width), inchesOf(height)];
  return PAPER[FORMATS.find((name) => name.toLowerCase() === format.toLowerCase()) ?? "A4"];
}

/** Width and height of the page, and its margins. */
function pageOf(options: PdfOptions) {
  const [width, height] = paperOf(options);
  const { landscape = false } = options;
  return [
    { sides: ["left", "right"], inches: landscape ? height : width },
    { sides: ["top", "bottom"], inches: landscape ? width : height },
  ] as const;
}

/** Pages as Chromium counts them: `1-3, 5`, or `8-` to the end. */
const RANGE = /^\s*(\d{1,5})\s*(?:-\s*(\d{0,5}))?\s*$/;

/** The first and the last page of each part of a text; the last one of `8-` is infinite. */
export function rangesIn(text: string): [from: number, to: number][] {
  return text.split(",").map((part) => {
    const [, from, to = from] = RANGE.exec(part) ?? [];
    return [Number(from), to === "" ? Infinity : Number(to)];
  });
}

function areRanges(text: string): boolean {
  // NaN stands for what is none.
  return rangesIn(text).every(([from, to]) => from >= 1 && to >= from);
}

function isLocale(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length === 1;
  } catch {
    return false;
  }
}

/** A length for people. */
export function told(inches: number): string {
  return `${Math.round(inches * 25.4)} mm`;
}
