import type { Transform } from "node:stream";
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from "node:zlib";
import { headerText } from "./header-text.ts";
import { MASK, isCredential, maskedAddress, maskedText } from "../job/masking.ts";

// What people are shown of an answer: an excerpt of its body as text, and its headers.

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

const EXCERPT_BYTES = 1_024;
/** Of a body that was compressed. More bytes than an excerpt in any character set; a bomb ends here. */
const MOST_DECODED = 4 * EXCERPT_BYTES;
const MOST_CODINGS = 3;

/** The first 1 KB of a body as text, whatever its codings and character set. */
export async function excerptOf(body: Uint8Array, headers: Headers): Promise<string> {
  if (body.length === 0) return "";
  const codings = listed(headers["content-encoding"])
    .toLowerCase()
    .split(",")
    .map((each) => each.trim());
  let bytes = body;
  if (codings.length <= MOST_CODINGS) for (const coding of codings.toReversed()) bytes = await decoded(bytes, coding);
  const text = decoderOf(listed(headers["content-type"])).decode(bytes.subarray(0, MOST_DECODED), { stream: true });
  const cut = Buffer.from(text).subarray(0, EXCERPT_BYTES);
  return new TextDecoder().decode(cut, { stream: true }).toWellFormed();
}

const CHUNK = { chunkSize: MOST_DECODED };
const ZLIB = { ...CHUNK, finishFlush: constants.Z_SYNC_FLUSH };

/** Flushed at the end, since a long body was cut off. */
function decompressor(coding: string, bytes: Uint8Array): Transform | undefined {
  switch (coding) {
    case "gzip":
    case "x-gzip":
      return createGunzip(ZLIB);
    case "deflate":
      // Some servers leave out the header of zlib.
      return (bytes[0] ?? 0) % 16 === 8 ? createInflate(ZLIB) : createInflateRaw(ZLIB);
    case "br":
      return createBrotliDecompress({ ...CHUNK, finishFlush: constants.BROTLI_OPERATION_FLUSH });
    case "zstd":
      return createZstdDecompress({ ...CHUNK, finishFlush: constants.ZSTD_e_flush });
    default:
      return undefined;
  }
}

/** At most 4 KB of what was coded; the bytes as they are if they are not of that coding. */
async function decoded(bytes: Uint8Array, coding: string): Promise<Uint8Array> {
  const stream = decompressor(coding, bytes);
  if (!stream) return bytes;
  const chunks: Uint8Array[] = [];
  let size = 0;
  stream.end(bytes);
  try {
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= MOST_DECODED) break;
    }
  } catch {
    // What came before the fault is shown.
  }
  return size === 0 ? bytes : Buffer.concat(chunks);
}

function decoderOf(contentType: string): InstanceType<typeof TextDecoder> {
  const [, charset = "utf-8"] = /charset\s*=\s*"?([^\s;"]+)/i.exec(contentType) ?? [];
  try {
    return new TextDecoder(charset);
  } catch {
    return new TextDecoder();
  }
}

/** Headers of the connection, and the time, which the attempt has. */
const NOT_SHOWN: ReadonlySet<string> = new Set(["connection", "keep-alive", "transfer-encoding", "date"]);
const LONGEST_VALUE = 256;
const MOST_HEADERS = 40;

/** The headers without credentials, each value up to 256 characters. */
export function shownHeaders(headers: Headers): Record<string, string> {
  const shown = Object.entries(headers).filter(([name]) => !NOT_SHOWN.has(name));
  return Object.fromEntries(
    shown.slice(0, MOST_HEADERS).map(([name, value]) => [name, shownValue(name, headerText(listed(value)))]),
  );
}

function shownValue(name: string, value: string): string {
  if (isCredential(name)) return MASK;
  const masked = name.endsWith("location") ? maskedAddress(value) : maskedText(value);
  return masked.slice(0, LONGEST_VALUE).toWellFormed();
}

function listed(value: Headers[string] = ""): string {
  return typeof value === "string" ? value : value.join(", ");
}
