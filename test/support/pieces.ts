/** A text or bytes in pieces of a size. */
export async function* inPieces<T extends string | Uint8Array>(content: T, size = content.length): AsyncGenerator<T> {
  for (let at = 0; at < content.length; at += Math.max(1, size)) yield content.slice(at, at + Math.max(1, size)) as T;
}
