import * as z from "../zod.ts";
import { pdfRequest } from "./request.ts";
import { LONGEST_WARNING, MOST_WARNINGS } from "./warnings.ts";

// The call of the function that has the browser, and its answer. That function has no rights of its own: a document
// goes in with the call, and the PDF comes back with the answer, or goes where the call says.

export const renderCall = z.strictObject({
  request: pdfRequest,
  /** Real milliseconds. Later, nobody waits for the answer any more. */
  timeLeftMs: z.number().check(z.positive()),
  /** Takes one PUT of a file that is too large for the answer. */
  putUrl: z.url(),
});

export type RenderCall = z.infer<typeof renderCall>;

/** An answer of Lambda holds 6 MB, and base64 takes a third more. */
export const LARGEST_ANSWERED = 4 * 1_024 * 1_024;
export const CONTENT_TYPE = "application/pdf";
/** In characters. */
export const LONGEST_ERROR = 1_000;

/** `refused`: no attempt would help. `late`: the time was over. */
export const renderAnswer = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("made"),
    pages: z.int().check(z.minimum(1)),
    truncated: z.boolean(),
    bytes: z.int().check(z.minimum(1)),
    /** Absent if there are none. */
    warnings: z.optional(z.array(z.string().check(z.maxLength(LONGEST_WARNING))).check(z.maxLength(MOST_WARNINGS))),
    /** In base64; absent if the file was put. */
    file: z.optional(z.string()),
  }),
  z.strictObject({ kind: z.literal("refused"), error: z.string().check(z.maxLength(LONGEST_ERROR)) }),
  z.strictObject({ kind: z.literal("late") }),
]);

export type RenderAnswer = z.infer<typeof renderAnswer>;
