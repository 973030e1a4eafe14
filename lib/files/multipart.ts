import { SECOND } from "../clock.ts";
import type { BegunUpload, Bucket, CallOptions, UploadedPart } from "../store/bucket.ts";

// A file of any size, written in parts in constant memory.

/** A file that is being written. It exists once it is completed. */
export interface Upload {
  write(chunk: Uint8Array): Promise<void>;
  /** Completes the file. Returns its size. */
  complete(): Promise<number>;
  /** Deletes all parts. Does nothing after `complete`. */
  abort(): Promise<void>;
}

/** S3 wants at least 5 MiB of all parts but the last; the embedded bucket takes 11 MiB at most. */
const PART_BYTES = 8 * 1_024 * 1_024;
/** A part of 8 MiB may take longer than the 2 s that other calls get. */
export const FILE_TIMEOUT_MS = 30 * SECOND;

interface Parts {
  readonly bucket: Bucket;
}

interface Wanted {
  readonly key: string;
  readonly contentType: string;
  readonly signal?: AbortSignal | undefined;
}

/** One part is sent while the next is filled, in two buffers of a part each. */
export function createUpload({ bucket }: Parts, { key, contentType, signal }: Wanted): Upload {
  const options: CallOptions = { timeoutMs: FILE_TIMEOUT_MS, signal };
  let filling = Buffer.alloc(0);
  let spare = Buffer.alloc(0);
  let filled = 0;
  let bytes = 0;
  let begun: BegunUpload | undefined;
  let ended = false;
  const sent: UploadedPart[] = [];
  let sending: Promise<void> = Promise.resolve();

  /** Sends the filled buffer once the part before it has arrived, since only two buffers exist. */
  async function sendPart(): Promise<void> {
    await sending;
    const body = filling.subarray(0, filled);
    [filling, spare] = [spare, filling];
    filled = 0;
    begun ??= await bucket.begin(key, { contentType }, options);
    sending = bucket.putPart(begun, sent.length + 1, body, options).then((part) => {
      sent.push(part);
    });
    // The next write, or the completion, awaits it and throws its error.
    sending.catch(() => {});
  }

  async function write(chunk: Uint8Array): Promise<void> {
    bytes += chunk.length;
    for (let from = 0; from < chunk.length;) {
      // Allocated without a fill: the system provides only the pages that are written.
      if (filling.length === 0) filling = Buffer.allocUnsafeSlow(PART_BYTES);
      const end = Math.min(chunk.length, from + PART_BYTES - filled);
      filling.set(chunk.subarray(from, end), filled);
      filled += end - from;
      from = end;
      if (filled === PART_BYTES) await sendPart();
    }
  }

  async function complete(): Promise<number> {
    if (begun && filled > 0) await sendPart();
    await sending;
    if (begun) await bucket.complete(begun, sent, options);
    else await bucket.put(key, filling.subarray(0, filled), { contentType }, options);
    ended = true;
    return bytes;
  }

  async function abort(): Promise<void> {
    if (ended) return;
    ended = true;
    // A part that arrives after the abort would be kept, and paid for.
    await sending.catch(() => {});
    // No signal, since it may be aborted already. The bucket's lifecycle removes parts that this call can't.
    if (begun) await bucket.abort(begun, { timeoutMs: FILE_TIMEOUT_MS }).catch(() => {});
  }

  return { write, complete, abort };
}
