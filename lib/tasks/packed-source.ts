import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { peeked } from "../datasets/source-row.ts";
import { UnreadableAnswer, isWrongCoding } from "../outbound/answer-body.ts";

/** Of a file that is packed by gzip itself, such as `events.ndjson.gz`. Neither JSON nor CSV begins like it. */
const GZIP: readonly number[] = [0x1f, 0x8b];

/** The bytes of an answer, or of the file that they are. Throws `UnreadableAnswer`. */
export async function* unpackedSource(bytes: AsyncIterable<Uint8Array>, mostBytes: number): AsyncGenerator<Uint8Array> {
  const isEnough = (parts: readonly Uint8Array[]) => parts.reduce((sum, { length }) => sum + length, 0) >= GZIP.length;
  const { head, all } = await peeked(bytes, isEnough);
  const beginning = Buffer.concat(head);
  if (!GZIP.every((byte, index) => beginning[index] === byte)) {
    yield* all;
    return;
  }
  let size = 0;
  try {
    // The last stream ends with the error of any of them.
    for await (const chunk of pipeline(Readable.from(all), createGunzip(), () => {}) as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > mostBytes) throw new UnreadableAnswer(`the answer unpacks to more than ${mostBytes} bytes`);
      yield chunk;
    }
  } catch (error) {
    if (isWrongCoding(error) || (error as { code?: unknown }).code === "Z_BUF_ERROR")
      throw new UnreadableAnswer("the answer begins like gzip, and can't be unpacked");
    throw error;
  }
}
