import * as z from "zod";

// What a client sends to have a PDF. Light: functions that only accept or show such jobs import it.

/** The formats that Chromium knows, in inches, upright. */
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
/** Less than this is no page to print on. */
const LEAST_ROOM_INCHES = 0.5;
const LONGEST_TEMPLATE = 8_192;
/** Chromium prints headers in a place of their own, where scripts would run, and crashes if they load a style sheet. */
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
    "HTML on every page, within the margin. Elements of class `pageNumber`, `totalPages`, `title` and `date` are filled in.",
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
      // Not a number if it is no length, which is told already.
      if (!(inches - taken < LEAST_ROOM_INCHES)) continue;
      const message = `leaves no room: ${sides.join(" and ")} take ${told(taken)} of the page's ${told(inches)}; make them smaller`;
      context.addIssue({ code: "custom", path: ["margin"], message });
    }
  });

export type PdfOptions = z.infer<typeof pdfOptions>;

/** Making HTML of it keeps everything else waiting, for seconds if it is as odd as can be. */
const LONGEST_MARKDOWN = 1_000_000;

const content = (what: string) => z.string().regex(/\S/, `must not be empty; send the ${what} to print`);

/** What is to become a PDF, and what a request says beside that. */
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

/** What is to become a PDF, as users send it. */
export const pdfRequest = documentWith({});

export type PdfRequest = z.infer<typeof pdfRequest>;

/** The document cannot become a PDF, however often it is tried. Its message is for whoever sent it. */
export class BadDocument extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "BadDocument";
  }
}

/** Of a longer document, the first ones are in the file. */
export const MOST_PAGES = 100;

/**
 * Twice what it took on a quiet core of 2026, for a Lambda of 2 GB. There, in seconds: 0.3 for 500 KB of paragraphs,
 * 1.0 for 1 MB, 4.1 for 4 MB; of table rows 0.35 for 100 KB, 2.2 for 500 KB, 5.1 for 1 MB, 22 for 2 MB; of Markdown
 * full of lists and tables 1.3 for 100 KB, 5.3 for 500 KB, 21 for 1 MB. Chromium looks at all elements for each page.
 */
const COST = { document: 300, thousandCharacters: 2, thousandOfData: 0.3, thousandElements: 40, elementsSquared: 3.6 };

/** How long it takes to render, in ms, as far as its text tells; starting Chromium comes on top. */
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

/** Mostly images. */
const DATA = /\bdata:[\w/+.-]+[;,][\w;=,+/%.~-]+/g;
/** The first letter of an element. */
const TAG = /(?<=<)[a-z]/gi;
/** What makes elements of Markdown: lines that are not empty, cells, emphasis. */
const MARK = /\n(?=[^\n])|\||\[|(?<=\w)[*_`]/g;

/** Of all that matches. */
function lengthOf(text: string, pattern: RegExp): number {
  let length = 0;
  for (const [found] of text.matchAll(pattern)) length += found.length;
  return length;
}

/** Of a length that the schema lets through. */
export function inchesOf(given: string | number): number {
  if (typeof given === "number") return given * INCHES.px;
  const [, digits, unit = "px"] = LENGTH.exec(given) ?? [];
  return Number(digits) * INCHES[unit as keyof typeof INCHES];
}

/** Width and height of the upright page, in inches. */
export function paperOf(format: string = "A4"): readonly [width: number, height: number] {
  return PAPER[FORMATS.find((name) => name.toLowerCase() === format.toLowerCase()) ?? "A4"];
}

/** Width and height, and the margins that take of them. */
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
