import * as z from "../zod.ts";
import { pdfOptions } from "./options.ts";

// The request for a PDF. This file imports little, since functions that only accept or show such jobs load it.

/** The conversion to HTML blocks the process, for seconds in the worst case. */
const LONGEST_MARKDOWN = 1_000_000;

const content = (what: string) => z.string().check(z.regex(/\S/, `must not be empty; send the ${what} to print`));

/** The schema of a document together with other fields of the request. */
export function documentWith<Beside extends z.core.$ZodShape>(beside: Beside) {
  return z.discriminatedUnion(
    "input_type",
    [
      z.strictObject({
        input_type: z.literal("html"),
        html: content("HTML"),
        options: z.optional(pdfOptions("html")),
        ...beside,
      }),
      z.strictObject({
        input_type: z.literal("markdown"),
        markdown: content("Markdown").check(
          z.maxLength(LONGEST_MARKDOWN, `must be at most ${LONGEST_MARKDOWN} characters; send HTML`),
        ),
        options: z.optional(pdfOptions("markdown")),
        ...beside,
      }),
    ],
    "must be html or markdown",
  );
}

/** Made at its first use: those who create webhooks need none. */
export const pdfRequest = z.lazy(() => documentWith({}));

export type PdfRequest = z.infer<typeof pdfRequest>;

/** The document cannot become a PDF, however often it is tried. The message is shown to the caller. */
export class BadDocument extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "BadDocument";
  }
}

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
