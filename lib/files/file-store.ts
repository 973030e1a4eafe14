import type { CompletedPart, S3Client } from "@aws-sdk/client-s3";
import { CLIENT_DEFAULTS, askOf, isOurFault } from "../aws.ts";
import { HOUR, SECOND, type Clock, type EpochMs } from "../clock.ts";
import { Unavailable } from "../errors.ts";

// Files of any size in the private bucket, in constant memory: read as they come, written in parts.

export interface FileInfo {
  readonly key: string;
  readonly bytes: number;
  readonly modifiedAt: EpochMs;
  /** As the uploader called it; a listing does not tell. */
  readonly contentType?: string;
}

/** A file that is being written. Nobody sees it before `complete`. */
export interface Upload {
  write(chunk: Uint8Array): Promise<void>;
  /** Makes it a file; answers with its size. */
  complete(): Promise<number>;
  /** Leaves nothing of it. Of one that is complete, does nothing. */
  abort(): Promise<void>;
}

/** Makes a URL of a file: good for so many real milliseconds, an hour unless said otherwise. */
export type Link = (key: string, fileName: string, forMs?: number) => Promise<string>;

export type FileStore = ReturnType<typeof createFileStore>;

const BUCKET = "The bucket";
/** S3 wants at least 5 MiB of all parts but the last; the embedded bucket takes 11 MiB at most. */
const PART_BYTES = 8 * 1_024 * 1_024;
/** S3's limit of a DeleteObjects. */
const LARGEST_BATCH = 1_000;
const MOST_READ_FAILURES = 5;
const LINK_MS = HOUR;

export function createFileStore(parts: { bucket: string; clock: Clock; client?: S3Client }) {
  const { bucket: Bucket, clock } = parts;
  let made: S3Client | undefined;
  let madeSigner: S3Client | undefined;

  // Imported when first used, as lib/store/payloads.ts does; the client is another for its timeouts.
  async function s3() {
    const sdk = await import("@aws-sdk/client-s3");
    const forcePathStyle = Boolean(process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL);
    // What is read in ranges has no checksum to compare with.
    const reading = { forcePathStyle, responseChecksumValidation: "WHEN_REQUIRED" } as const;
    const settings = { ...CLIENT_DEFAULTS, requestHandler: PATIENT, ...reading };
    const client = parts.client ?? (made ??= new sdk.S3Client(settings));
    // A link would name the checksum of a body that it has not.
    const signing = { ...settings, requestChecksumCalculation: "WHEN_REQUIRED" } as const;
    const signer = parts.client ?? (madeSigner ??= new sdk.S3Client(signing));
    const { HeadObjectCommand, GetObjectCommand, PutObjectCommand, ListObjectsV2Command, DeleteObjectsCommand } = sdk;
    const { CreateMultipartUploadCommand, UploadPartCommand, CompleteMultipartUploadCommand } = sdk;
    const { AbortMultipartUploadCommand } = sdk;
    return {
      client,
      signer,
      HeadObjectCommand,
      GetObjectCommand,
      PutObjectCommand,
      ListObjectsV2Command,
      DeleteObjectsCommand,
      CreateMultipartUploadCommand,
      UploadPartCommand,
      CompleteMultipartUploadCommand,
      AbortMultipartUploadCommand,
    };
  }

  async function head(key: string, signal?: AbortSignal): Promise<FileInfo | undefined> {
    const { client, HeadObjectCommand } = await s3();
    try {
      const found = await askOf(BUCKET, client.send(new HeadObjectCommand({ Bucket, Key: key }), options(signal)));
      const { ContentLength = 0, LastModified, ContentType } = found;
      const info = { key, bytes: ContentLength, modifiedAt: LastModified?.getTime() ?? 0 };
      return { ...info, ...(ContentType && { contentType: ContentType }) };
    } catch (error) {
      if ((error as Error).name === "NotFound") return undefined;
      throw error;
    }
  }

  /** The content as it comes. A stream that breaks is taken up where it broke, if the file is still the same. */
  async function* read(key: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const { client, GetObjectCommand } = await s3();
    let at = 0;
    let size = 0;
    let etag: string | undefined;
    for (let failures = 0; ;) {
      const range = at > 0 && { Range: `bytes=${at}-`, IfMatch: etag };
      try {
        const object = await client.send(new GetObjectCommand({ Bucket, Key: key, ...range }), options(signal));
        etag ??= object.ETag;
        size = at + (object.ContentLength ?? 0);
        for await (const chunk of object.Body as AsyncIterable<Uint8Array>) {
          at += chunk.length;
          failures = 0;
          yield chunk;
        }
        if (at >= size) return;
      } catch (error) {
        signal?.throwIfAborted();
        if (isOurFault(error)) throw error;
        if (failures === MOST_READ_FAILURES) throw new Unavailable(BUCKET, error);
      }
      if (failures === MOST_READ_FAILURES) throw new Unavailable(BUCKET, new Error(`${key} ended at ${at} of ${size}`));
      failures += 1;
      await clock.sleep(50 * 2 ** failures, signal);
    }
  }

  /** Writes a file in parts, one of which is on its way while the next is filled, in two buffers of a part each. */
  function upload(key: string, contentType: string, signal?: AbortSignal): Upload {
    let filling = Buffer.alloc(0);
    let spare = Buffer.alloc(0);
    let filled = 0;
    let bytes = 0;
    let uploadId: string | undefined;
    let ended = false;
    const sent: CompletedPart[] = [];
    let underWay: Promise<void> = Promise.resolve();

    /** Sends what is filled, once the part before it has arrived: its buffer is then free. */
    async function sendPart(): Promise<void> {
      await underWay;
      const body = filling.subarray(0, filled);
      [filling, spare] = [spare, filling];
      filled = 0;
      const { client, CreateMultipartUploadCommand, UploadPartCommand } = await s3();
      if (uploadId === undefined) {
        const create = new CreateMultipartUploadCommand({ Bucket, Key: key, ContentType: contentType });
        uploadId = (await askOf(BUCKET, client.send(create, options(signal)))).UploadId;
      }
      const part = { PartNumber: sent.length + 1, ETag: undefined as string | undefined };
      sent.push(part);
      const put = new UploadPartCommand({
        Bucket,
        Key: key,
        UploadId: uploadId,
        PartNumber: part.PartNumber,
        Body: body,
      });
      underWay = askOf(BUCKET, client.send(put, options(signal))).then(({ ETag }) => {
        part.ETag = ETag;
      });
      // Whoever writes next, or completes, awaits it and hears of it.
      underWay.catch(() => {});
    }

    return {
      write: async (chunk) => {
        bytes += chunk.length;
        for (let from = 0; from < chunk.length;) {
          // Memory that is not written to is not taken from the machine either.
          if (filling.length === 0) filling = Buffer.allocUnsafeSlow(PART_BYTES);
          const end = Math.min(chunk.length, from + PART_BYTES - filled);
          filling.set(chunk.subarray(from, end), filled);
          filled += end - from;
          from = end;
          if (filled === PART_BYTES) await sendPart();
        }
      },
      complete: async () => {
        const { client, PutObjectCommand, CompleteMultipartUploadCommand } = await s3();
        if (sent.length === 0) {
          const put = new PutObjectCommand({
            Bucket,
            Key: key,
            ContentType: contentType,
            Body: filling.subarray(0, filled),
          });
          await askOf(BUCKET, client.send(put, options(signal)));
        } else {
          if (filled > 0) await sendPart();
          await underWay;
          const complete = { Bucket, Key: key, UploadId: uploadId, MultipartUpload: { Parts: sent } };
          await askOf(BUCKET, client.send(new CompleteMultipartUploadCommand(complete), options(signal)));
        }
        ended = true;
        return bytes;
      },
      abort: async () => {
        if (ended) return;
        ended = true;
        // A part that arrives after the end would be kept, and paid for, until somebody looks.
        await underWay.catch(() => {});
        if (uploadId === undefined) return;
        const { client, AbortMultipartUploadCommand } = await s3();
        const command = new AbortMultipartUploadCommand({ Bucket, Key: key, UploadId: uploadId });
        // The bucket's lifecycle removes what can't be removed now.
        await client.send(command).catch(() => {});
      },
    };
  }

  /** Files whose keys begin so, a page at a time, in the order of their keys. */
  async function* list(prefix: string, signal?: AbortSignal): AsyncGenerator<readonly FileInfo[]> {
    const { client, ListObjectsV2Command } = await s3();
    let token: string | undefined;
    do {
      const list = new ListObjectsV2Command({ Bucket, Prefix: prefix, ...(token && { ContinuationToken: token }) });
      const page = await askOf(BUCKET, client.send(list, options(signal)));
      yield (page.Contents ?? []).map(({ Key = "", Size = 0, LastModified }) => ({
        key: Key,
        bytes: Size,
        modifiedAt: LastModified?.getTime() ?? 0,
      }));
      token = page.NextContinuationToken;
    } while (token);
  }

  async function remove(keys: readonly string[], signal?: AbortSignal): Promise<void> {
    const { client, DeleteObjectsCommand } = await s3();
    for (let from = 0; from < keys.length; from += LARGEST_BATCH) {
      const Objects = keys.slice(from, from + LARGEST_BATCH).map((Key) => ({ Key }));
      const command = new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } });
      const { Errors = [] } = await askOf(BUCKET, client.send(command, options(signal)));
      const [first] = Errors;
      if (first) throw new Unavailable(BUCKET, new Error(`${first.Key} was not deleted: ${first.Code}`));
    }
  }

  /** A URL by which anybody may download the file, under a name that no browser acts on. */
  async function link(key: string, fileName: string, forMs = LINK_MS): Promise<string> {
    const { signer, GetObjectCommand } = await s3();
    const { getSignedUrl } = await import("@aws-sdk/s3-request-presigner");
    const ResponseContentDisposition = attachmentOf(fileName);
    const get = new GetObjectCommand({ Bucket, Key: key, ResponseContentDisposition });
    return getSignedUrl(signer, get, { expiresIn: Math.ceil(forMs / SECOND) });
  }

  return { head, read, upload, list, remove, link };
}

/** The header that makes a browser save a file, whatever the name holds. */
export function attachmentOf(fileName: string): string {
  const name = safeFileName(fileName);
  const plain = name.replace(/[^\w.() -]/g, "_");
  // encodeURIComponent leaves these, which RFC 8187 does not allow.
  const encoded = encodeURIComponent(name).replace(/['()*!]/g, (char) => `%${char.charCodeAt(0).toString(16)}`);
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

/** A name without folders, control characters, or anything that a shell or a browser takes for more than a name. */
export function safeFileName(name: string): string {
  const last = name.toWellFormed().split(/[/\\]/).at(-1) ?? "";
  // Bidirectional overrides make `exe.csv` of `csv.exe`.
  const safe = last.replace(/[\p{Cc}\p{Cf}<>:"|?*]/gu, "_").replace(/^\.+/, "_");
  return safe.length > 100 ? safe.slice(-100) : safe || "file";
}

function options(signal: AbortSignal | undefined) {
  return signal ? { abortSignal: signal } : {};
}

/** A part of 8 MiB may take longer than the 2 s that other calls get, and a reader may pause. */
const PATIENT = { ...CLIENT_DEFAULTS.requestHandler, requestTimeout: 30 * SECOND, socketTimeout: 30 * SECOND };

/** Where an app's files are. What comes next is the id of the job that has made them, or `uploads`. */
export function filesPrefix(appId: string): string {
  return `files/${appId}/`;
}
