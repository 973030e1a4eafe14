/**
 * Whether text is base64 by RFC 4648 §4 to the last bit: whole groups of four, padded, without leftover bits. Decoders
 * take other text too, but as bytes that nobody has encoded; text that was cut is then one of them.
 */
export function isBase64(text: string): boolean {
  return text.length % 4 === 0 && Buffer.from(text, "base64").toString("base64") === text;
}

export const EXPECTED_BASE64 =
  "expected base64 with its padding, such as aGVsbG8=; encode it again, and send all of it";
