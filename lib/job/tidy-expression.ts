/** An expression with single spaces, and none at its ends or beside its parentheses: people paste and align them. */
export function tidyExpression(text: string): string {
  return text
    .trim()
    .replaceAll(/\s+/g, " ")
    .replaceAll(/ ?\( ?/g, "(")
    .replaceAll(/ ?\)/g, ")");
}
