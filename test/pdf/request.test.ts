import { expect, test } from "vitest";
import { pdfRequest } from "../../lib/pdf/request.ts";
import { problemsIn } from "../../lib/validation.ts";

function problemsOf(request: unknown): string[] {
  const { error } = pdfRequest.safeParse(request);
  return error ? problemsIn(error, "body").map(({ field, message }) => `${field} ${message}`) : [];
}

const withOptions = (options: object) => ({ input_type: "html", html: "<p>Hello", options });

test.each([
  { input_type: "html", html: "<p>Hello" },
  { input_type: "markdown", markdown: "# Hello" },
  withOptions({ format: "A4", margin: { top: "20mm", right: "2cm", bottom: "0.5in", left: "48px" } }),
  withOptions({ format: "letter", margin: { top: 0, left: "0", bottom: "12.5" }, landscape: true }),
  withOptions({ printBackground: true, scale: 1.0, headerTemplate: "", footerTemplate: "<span></span>" }),
  withOptions({ scale: 0.1 }),
  withOptions({ scale: 2 }),
  withOptions({ format: "A6", margin: { left: "45mm", right: "45mm" }, landscape: true }),
])("a good request is accepted: %j", (request) => {
  expect(problemsOf(request)).toEqual([]);
});

test.each([
  [{ input_type: "pdf", html: "" }, "input_type must be html or markdown"],
  [{ input_type: "html", html: " \n\t" }, "html must not be empty; send the HTML to print"],
  [{ input_type: "markdown", markdown: "" }, "markdown must not be empty; send the Markdown to print"],
  [
    { input_type: "html", markdown: "# Hi", html: "x" },
    "markdown is not a known field; remove it or check its spelling",
  ],
  [withOptions({ landscpe: true }), "options.landscpe is not a known field; remove it or check its spelling"],
  [
    withOptions({ format: "A7" }),
    "options.format must be one of Letter, Legal, Tabloid, Ledger, A0, A1, A2, A3, A4, A5, A6",
  ],
  [withOptions({ scale: 3 }), "options.scale must be at most 2"],
  [withOptions({ headerTemplate: "x".repeat(8_193) }), "options.headerTemplate must be at most 8192 characters"],
])("a bad request is refused in words: %#", (request, problem) => {
  expect(problemsOf(request)).toEqual([problem]);
});
