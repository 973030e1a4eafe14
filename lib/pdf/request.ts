import * as z from "zod";

// The request for a PDF. This file imports little, since functions that only accept or show such jobs load it.

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
const LONGEST_TEMPLATE = 8_192;
/** Tells early what a header can't hold in any case. What it may hold is decided by `sanitizeTemplates`. */
const UNPRINTABLE =
  /<(?:script|link|meta|base|iframe|object|embed)\b|@import\b|<[^<>]*[\s/"']on\w+\s*=|\burl\((?!\s*["']?(?:data:|#))/i;

const A_LENGTH = "must be a length such as 20mm, 2cm, 0.5in or 48px; a number alone is pixels";

const length = z
  .union([z.number(A_LENGTH).min(0, A_LENGTH).max(99_999, A_LENGTH), z.string().regex(LENGTH, A_LENGTH)], A_LENGTH)
  .describe("`20mm`, `2cm`, `0.5in`, `48px`; a number alone is pixels.");

const margin = z
  .strictObject({
    top: length.optional(),
    right: length.optional(),
    bottom: length.optional(),
    left: length.optional(),
  })
  .describe("Each side's default: 0 for HTML, 20mm for Markdown.");

const template = z
  .string()
  .max(LONGEST_TEMPLATE, `must be at most ${LONGEST_TEMPLATE} characters`)
  .refine((html) => !UNPRINTABLE.test(html), "must not load or run anything; use style attributes and data: images")
  .describe(
    "HTML on every page, within the margin: text, tables, styles, links to https:, http:, mailto: and #, and images as `<img>` with a `data:` URI. Elements of class `pageNumber`, `totalPages`, `title` and `date` are filled in.",
  );

export const pdfOptions = z
  .strictObject({
    format: z
      .enum(
        [...FORMATS, ...FORMATS.map((name) => name.toLowerCase() as Lowercase<Format>)],
        `must be one of ${FORMATS.join(", ")}`,
      )
      .describe("Default: what `@page` in the document says, else A4."),
    margin,
    printBackground: z.boolean().describe("Backgrounds and their colours. Default: true."),
    scale: z.number().min(0.1, "must be at least 0.1").max(2, "must be at most 2").describe("Default: 1."),
    landscape: z.boolean().describe("Default: false."),
    headerTemplate: template,
    footerTemplate: template,
  })
  .partial()
  .superRefine((options, context) => {
    for (const { sides, inches } of pageOf(options)) {
      const taken = sides.map((side) => inchesOf(options.margin?.[side] ?? 0)).reduce((sum, each) => sum + each, 0);
      // NaN stands for a length that is malformed, which is a problem of its own.
      if (!(inches - taken < LEAST_ROOM_INCHES)) continue;
      const message = `leaves no room: ${sides.join(" and ")} take ${told(taken)} of the page's ${told(inches)}; make them smaller`;
      context.addIssue({ code: "custom", path: ["margin"], message });
    }
  });

export type PdfOptions = z.infer<typeof pdfOptions>;

/** The conversion to HTML blocks the process, for seconds in the worst case. */
const LONGEST_MARKDOWN = 1_000_000;

const content = (what: string) => z.string().regex(/\S/, `must not be empty; send the ${what} to print`);

/** The schema of a document together with other fields of the request. */
export function documentWith<Beside extends z.ZodRawShape>(beside: Beside) {
  const common = { options: pdfOptions.optional(), ...beside };
  return z.discriminatedUnion(
    "input_type",
    [
      z.strictObject({ input_type: z.literal("html"), html: content("HTML"), ...common }),
      z.strictObject({
        input_type: z.literal("markdown"),
        markdown: content("Markdown").max(
          LONGEST_MARKDOWN,
          `must be at most ${LONGEST_MARKDOWN} characters; send HTML`,
        ),
        ...common,
      }),
    ],
    "must be html or markdown",
  );
}

export const pdfRequest = documentWith({});

export type PdfRequest = z.infer<typeof pdfRequest>;

/** The document cannot become a PDF, however often it is tried. The message is shown to the caller. */
export class BadDocument extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "BadDocument";
  }
}

/** The file of a longer document holds the first pages only. */
export const MOST_PAGES = 100;

/**
 * Twice the time measured on a quiet core of 2026, for a Lambda of 2 GB. Measured, in seconds: 0.3 for 500 KB of paragraphs,
 * 1.0 for 1 MB, 4.1 for 4 MB; of table rows 0.35 for 100 KB, 2.2 for 500 KB, 5.1 for 1 MB, 22 for 2 MB; of Markdown
 * full of lists and tables 1.3 for 100 KB, 5.3 for 500 KB, 21 for 1 MB. Chromium looks at all elements for each page.
 */
const COST = { document: 300, thousandCharacters: 2, thousandOfData: 0.3, thousandElements: 40, elementsSquared: 3.6 };

/** Estimated milliseconds of the rendering, from the text alone and without the start of Chromium. */
export function estimateMs(request: PdfRequest): number {
  const isHtml = request.input_type === "html";
  const text = isHtml ? request.html : request.markdown;
  const data = lengthOf(text, DATA);
  const elements = (isHtml ? lengthOf(text, TAG) : 0.8 * lengthOf(text, MARK)) / 1_000;
  return Math.round(
    COST.document +
      ((text.length - data) / 1_000) * COST.thousandCharacters +
      (data / 1_000) * COST.thousandOfData +
      elements * COST.thousandElements +
      elements ** 2 * COST.elementsSquared,
  );
}

/** Data URLs, mostly images. */
const DATA = /\bdata:[\w/+.-]+[;,][\w;=,+/%.~-]+/g;
/** The first letter of an element's tag. */
const TAG = /(?<=<)[a-z]/gi;
/** The parts of Markdown that become elements: lines that are not empty, cells, emphasis. */
const MARK = /\n(?=[^\n])|\||\[|(?<=\w)[*_`]/g;

/** The characters of all matches together. */
function lengthOf(text: string, pattern: RegExp): number {
  let length = 0;
  for (const [found] of text.matchAll(pattern)) length += found.length;
  return length;
}

/** For a length that the schema has accepted. */
export function inchesOf(given: string | number): number {
  if (typeof given === "number") return given * INCHES.px;
  const [, digits, unit = "px"] = LENGTH.exec(given) ?? [];
  return Number(digits) * INCHES[unit as keyof typeof INCHES];
}

/** Width and height of the upright page, in inches. */
export function paperOf(format: string = "A4"): readonly [width: number, height: number] {
  return PAPER[FORMATS.find((name) => name.toLowerCase() === format.toLowerCase()) ?? "A4"];
}

/** Width and height of the page, and its margins. */
function pageOf({ format, landscape = false }: PdfOptions) {
  const [width, height] = paperOf(format);
  return [
    { sides: ["left", "right"], inches: landscape ? height : width },
    { sides: ["top", "bottom"], inches: landscape ? width : height },
  ] as const;
}

function told(inches: number): string {
  return `${Math.round(inches * 25.4)} mm`;
}
