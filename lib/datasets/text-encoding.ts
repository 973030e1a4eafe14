import { encodingOf } from "./encoding-names.ts";
import { BadFile, peeked } from "./source-row.ts";

// The bytes of a text file as text: by its byte order mark, else by the encoding that was asked for, else as UTF-8.

export interface Decoded {
  /** As the WHATWG names it. */
  readonly encoding: string;
  /** What the encoding was taken from. */
  readonly by: "byte order mark" | "option" | "default";
  readonly text: AsyncIterable<string>;
}

const MARKS: readonly (readonly [encoding: string, bytes: readonly number[]])[] = [
  ["utf-32", [0xff, 0xfe, 0, 0]],
  ["utf-32", [0, 0, 0xfe, 0xff]],
  ["utf-8", [0xef, 0xbb, 0xbf]],
  ["utf-16le", [0xff, 0xfe]],
  ["utf-16be", [0xfe, 0xff]],
];

/** The beginning by which binary data is told from text. */
const HEAD_BYTES = 4_096;
/** Of NUL, in text. */
const LARGEST_SHARE = 0.1;

/** Throws `BadFile` for binary data, and while the text is read for bytes that are not of its encoding. */
export async function decoded(bytes: AsyncIterable<Uint8Array>, asked: string | undefined): Promise<Decoded> {
  const isEnough = (parts: readonly Uint8Array[]) => sizeOf(parts) >= HEAD_BYTES;
  const { head, all, close } = await peeked(bytes, isEnough);
  const beginning = Buffer.concat(head).subarray(0, HEAD_BYTES);
  const marked = MARKS.find(([, mark]) => mark.every((byte, index) => beginning[index] === byte))?.[0];
  const encoding = marked ?? (asked === undefined ? "utf-8" : (encodingOf(asked) ?? "utf-8"));
  const by = marked === undefined ? (asked === undefined ? "default" : "option") : "byte order mark";
  const problem = encoding === "utf-32" ? UTF_32 : encoding.startsWith("utf-16") ? undefined : binaryIn(beginning);
  if (problem === undefined) return { encoding, by, text: textIn(all, encoding, by) };
  await close();
  throw new BadFile(problem);
}

const UTF_32 = "The file is in UTF-32: expected UTF-8 or UTF-16; save it as UTF-8";

function sizeOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

/** What is wrong with a beginning that is not text of a byte a character or more. */
function binaryIn(beginning: Uint8Array): string | undefined {
  const zeros = [0, 0];
  for (const [index, byte] of beginning.entries()) if (byte === 0) zeros[index % 2] = (zeros[index % 2] ?? 0) + 1;
  const [even = 0, odd = 0] = zeros;
  if (even + odd <= LARGEST_SHARE * beginning.length) return undefined;
  const utf16 = even === 0 ? "utf-16le" : odd === 0 ? "utf-16be" : undefined;
  return utf16 === undefined
    ? "The file holds binary data: expected CSV or XLSX; export it as one of them and upload that"
    : `The file seems to be in UTF-16 without a byte order mark: submit the job with encoding ${utf16}`;
}

async function* textIn(bytes: AsyncIterable<Uint8Array>, encoding: string, by: Decoded["by"]): AsyncGenerator<string> {
  // Node's own decoder of Windows-1252 has read bytes 80 to 9F as control characters in some versions.
  if (encoding === "windows-1252") {
    for await (const chunk of bytes) yield windows1252(chunk);
    return;
  }
  const decoder = new TextDecoder(encoding, { fatal: true });
  let at = 0;
  const decode = (chunk?: Uint8Array): string => {
    try {
      return chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode();
    } catch {
      throw new BadFile(
        `The file is not ${encoding.toUpperCase()}, somewhere after byte ${at}: ` +
          (by === "option"
            ? "submit the job with the encoding of the file"
            : 'save it as "CSV UTF-8", or submit the job with its encoding, such as windows-1252'),
      );
    }
  };
  for await (const chunk of bytes) {
    yield decode(chunk);
    at += chunk.length;
  }
  yield decode();
}

/** Of the bytes 80 to 9F. Five of them have no character, and stay what they are. */
const ABOVE_ASCII = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ";

function windows1252(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  return text.replace(/[\x80-\x9f]/g, (char) => ABOVE_ASCII[char.charCodeAt(0) - 0x80] ?? char);
}
