import { isOurFault } from "../aws.ts";
import { HOUR, type Clock, type EpochMs } from "../clock.ts";
import type { Bucket, CallOptions } from "../store/bucket.ts";
import { FILE_TIMEOUT_MS, createUpload } from "./multipart.ts";

// Files of any size in the private bucket, in constant memory: read as streams, written in parts.

export interface FileInfo {
  readonly key: string;
  readonly bytes: number;
  readonly modifiedAt: EpochMs;
  /** The type that the uploader has named. Absent in a listing. */
  readonly contentType?: string;
}

/** Makes a URL of a file, valid for `forMs` real milliseconds, by default an hour. */
export type Link = (key: string, fileName: string, forMs?: number) => Promise<string>;

export type FileStore = ReturnType<typeof createFileStore>;

interface Parts {
  readonly bucket: Bucket;
  readonly clock: Clock;
}

const MOST_READ_FAILURES = 5;
const LINK_MS = HOUR;

export function createFileStore(parts: Parts) {
  const { bucket } = parts;
  const link: Link = async (key, fileName, forMs = LINK_MS) =>
    bucket.link(key, dispositionOf("attachment", fileName), forMs);
  return {
    head: async (key: string, signal?: AbortSignal) => infoOf(parts, key, signal),
    read: (key: string, signal?: AbortSignal, range?: Range) => read(parts, key, signal, range),
    upload: (key: string, contentType: string, signal?: AbortSignal) =>
      createUpload(parts, { key, contentType, signal }),
    /** Files with keys of this prefix, a page at a time, in the order of their keys. */
    list: (prefix: string, signal?: AbortSignal): AsyncGenerator<readonly FileInfo[]> =>
      bucket.list(prefix, options(signal)),
    remove: async (keys: readonly string[], signal?: AbortSignal) => bucket.removeMany(keys, options(signal)),
    link,
    /** A URL to which anybody may put the file once, valid for real milliseconds. */
    putLink: async (key: string, contentType: string, forMs: number) => bucket.putLink(key, contentType, forMs),
  };
}

async function infoOf({ bucket }: Parts, key: string, signal?: AbortSignal): Promise<FileInfo | undefined> {
  const found = await bucket.head(key, options(signal));
  if (!found) return undefined;
  const { bytes, modifiedAt, contentType } = found;
  return { key, bytes, modifiedAt, ...(contentType && { contentType }) };
}

/** A part of a file, of at least a byte: `to` is exclusive. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** The content as a stream. If it breaks, it is resumed at the same byte, provided that the file is unchanged. */
async function* read(
  { bucket, clock }: Parts,
  key: string,
  signal: AbortSignal | undefined,
  range?: Range,
): AsyncGenerator<Uint8Array> {
  let at = range?.from ?? 0;
  let size = 0;
  let etag: string | undefined;
  for (let failures = 0; ;) {
    let cause: unknown;
    try {
      const rest = await bucket.read(key, { at, to: range?.to, etag }, options(signal));
      etag ??= rest.etag;
      size = at + rest.bytes;
      for await (const chunk of rest.chunks) {
        at += chunk.length;
        failures = 0;
        yield chunk;
      }
      if (at >= size) return;
      cause = new Error(`${key} ended at ${at} of ${size}`);
    } catch (error) {
      signal?.throwIfAborted();
      if (isOurFault(error)) throw error;
      cause = error;
    }
    if (failures === MOST_READ_FAILURES) throw bucket.unavailable(cause);
    failures += 1;
    await clock.sleep(50 * 2 ** failures, signal);
  }
}

/** The header that makes a browser save a file, under a safe name, or show it. */
export function dispositionOf(disposition: "attachment" | "inline", fileName: string): string {
  const name = safeFileName(fileName);
  const plain = name.replace(/[^\w.() -]/g, "_");
  // encodeURIComponent leaves these, which RFC 8187 does not allow.
  const encoded = encodeURIComponent(name).replace(/['()*!]/g, (char) => `%${char.charCodeAt(0).toString(16)}`);
  return `${disposition}; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

/** A name without folders, control characters, and characters that are special to a shell or a browser. */
export function safeFileName(name: string): string {
  const last = name.toWellFormed().split(/[/\\]/).at(-1) ?? "";
  // Bidirectional overrides make `exe.csv` of `csv.exe`.
  const safe = last.replace(/[\p{Cc}\p{Cf}<>:"|?*]/gu, "_").replace(/^\.+/, "_");
  // The cut may leave half a surrogate pair.
  return safe.length > 100 ? safe.slice(-100).replace(/^[\uDC00-\uDFFF]/, "") : safe || "file";
}

/** The prefix of the keys of an app's files. It is followed by the id of the job that made a file, or `uploads`. */
export function filesPrefix(appId: string): string {
  return `files/${appId}/`;
}

function options(signal: AbortSignal | undefined): CallOptions {
  return { timeoutMs: FILE_TIMEOUT_MS, signal };
}
