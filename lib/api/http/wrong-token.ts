const TOKEN = /\s*(?:[{}[\],:"]|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])|(?:true|false|null)(?!\w))/iy;

/** The position of the first token that JSON does not have, such as NaN; `undefined` if there is none. */
export function wrongTokenIn(text: string): number | undefined {
  let at = 0;
  TOKEN.lastIndex = 0;
  for (let found = TOKEN.exec(text); found; found = TOKEN.exec(text)) {
    at = TOKEN.lastIndex;
    if (found[0].endsWith('"')) at = behindString(text, at);
    TOKEN.lastIndex = at;
  }
  const rest = text.slice(at).trimStart();
  return rest === "" ? undefined : text.length - rest.length;
}

/** Behind the quote that ends a string, or the end of the text. */
function behindString(text: string, from: number): number {
  for (let quote = text.indexOf('"', from); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let before = quote;
    while (before > from && text[before - 1] === "\\") before -= 1;
    if ((quote - before) % 2 === 0) return quote + 1;
  }
  return text.length;
}
