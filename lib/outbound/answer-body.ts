import { pipeline, type Readable, type Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from "node:zlib";

// Bodies that are compressed. Some servers do so although nobody has asked them to.

export type AnswerHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** The connection ended within a body: another request may help. */
export class BrokenAnswer extends Error {}

/** The reason why an answer can't be read, in words for people: another request would not help. */
export class UnreadableAnswer extends Error {}

const MOST_CODINGS = 3;

/** The body without its codings. A wrong coding is an error of the stream with a code of zlib. */
export function decodedBody(body: Readable, contentEncoding: string): Readable {
  const codings = contentEncoding
    .toLowerCase()
    .split(",")
    .map((coding) => coding.trim())
    .filter((coding) => coding !== "" && coding !== "identity");
  if (codings.length > MOST_CODINGS) throw new UnreadableAnswer(`the answer is compressed ${codings.length} times`);
  const steps = codings.toReversed().map(decompressor);
  // The last stream ends with the error of any of them.
  return steps.reduce<Readable>((stream, step) => pipeline(stream, step, () => {}), body);
}

/** True if the bytes are not of the coding that the answer named. A body that is cut off has another code. */
export function isWrongCoding(error: unknown): boolean {
  const { code = "" } = error as { code?: string };
  return /^(Z_(?!BUF_ERROR)|ERR_BROTLI|ERR__ERROR|ZSTD_)/.test(code);
}

function decompressor(coding: string): Transform {
  switch (coding) {
    case "gzip":
    case "x-gzip":
      return createGunzip();
    case "deflate":
      return createInflate();
    case "br":
      return createBrotliDecompress();
    case "zstd":
      return createZstdDecompress();
    default:
      throw new UnreadableAnswer(
        `the answer is compressed by ${JSON.stringify(coding.slice(0, 30))}: expected gzip, deflate, br, zstd or none`,
      );
  }
}
