const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Of \b, \t, \n, \f and \r. */
const SHORT = new Set([8, 9, 10, 12, 13]);

/** The bytes of a text as a JSON string in UTF-8. To make that of megabytes, only to measure it, would take far longer. */
export function jsonBytes(text: string): number {
  let bytes = 2;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code >= 0x20 && code < 0x80) bytes += code === QUOTE || code === BACKSLASH ? 2 : 1;
    else if (code < 0x20) bytes += SHORT.has(code) ? 2 : 6;
    else if (code < 0x800) bytes += 2;
    else if (code < 0xd800 || code > 0xdfff) bytes += 3;
    // A surrogate without its other half is escaped.
    else if (text.codePointAt(at) === code) bytes += 6;
    else {
      bytes += 4;
      at += 1;
    }
  }
  return bytes;
}
