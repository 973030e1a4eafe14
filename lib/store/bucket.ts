import type { S3Client } from "@aws-sdk/client-s3";
import { CLIENT_DEFAULTS, askOf } from "../aws.ts";
import { SECOND, type EpochMs } from "../clock.ts";
import { Unavailable } from "../errors.ts";

// The one private bucket: every call of S3 that the service makes, in plain values, and the only owner of its clients.

/** `timeoutMs`: until the answer begins, in each of three tries; 2 s by default, as for every other AWS service. */
export interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** An object's headers and metadata. Metadata is ASCII. */
export interface Description {
  readonly contentType?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  readonly modifiedAt: EpochMs;
}

/** An upload in parts that was begun and not yet completed. */
export interface BegunUpload {
  readonly key: string;
  readonly uploadId: string | undefined;
}

/** `partNumber` counts from 1. */
export interface UploadedPart {
  readonly partNumber: number;
  readonly etag: string | undefined;
}

/** From a byte on, up to another one or the end. */
interface ReadFrom {
  readonly at: number;
  /** Exclusive. Default: the end. */
  readonly to?: number | undefined;
  readonly etag: string | undefined;
}

export type Bucket = ReturnType<typeof createBucket>;

interface Parts {
  readonly name: string;
  readonly connect: ReturnType<typeof createConnect>;
}

const PART = "The bucket";
/** S3's limit of a DeleteObjects. */
const LARGEST_BATCH = 1_000;
/** The SDK's default. */
const CHECKSUM = "CRC32";

/** Every call but `read` throws `Unavailable` when S3 could not answer. `client` replaces the bucket's own clients. */
export function createBucket({ name, client }: { name: string; client?: S3Client | undefined }) {
  const parts = { name, connect: createConnect(client) };
  return { ...objectsIn(parts), ...uploadsIn(parts), ...linksInto(parts), unavailable };
}

/** Whole objects. */
function objectsIn({ name: Bucket, connect }: Parts) {
  /** Returns the object's version, where the bucket keeps versions. */
  async function put(key: string, body: Uint8Array, described: Description = {}, options?: CallOptions) {
    const { sdk, client, limits } = await connect(options);
    const input = { Bucket, Key: key, Body: body, ...headersOf(described), ChecksumAlgorithm: CHECKSUM } as const;
    const { VersionId: version } = await askOf(PART, client.send(new sdk.PutObjectCommand(input), limits));
    return version;
  }

  async function get(key: string): Promise<Uint8Array> {
    const { sdk, client, limits } = await connect();
    const command = new sdk.GetObjectCommand({ Bucket, Key: key, ChecksumMode: "ENABLED" });
    const object = await askOf(PART, client.send(command, limits));
    if (!object.Body) throw new Error(`The bucket answered without the content of ${key}`);
    return object.Body.transformToByteArray();
  }

  /** The content, while the object still has this etag. Errors are S3's own. A range has no checksum. */
  async function read(key: string, from: ReadFrom, options: CallOptions) {
    const { sdk, client, limits } = await connect(options);
    const object = await client.send(new sdk.GetObjectCommand({ Bucket, Key: key, ...rangeOf(from) }), limits);
    const chunks = object.Body as AsyncIterable<Uint8Array>;
    return { chunks, bytes: object.ContentLength ?? 0, etag: object.ETag };
  }

  async function head(key: string, options: CallOptions) {
    const { sdk, client, limits } = await connect(options);
    try {
      const found = await askOf(PART, client.send(new sdk.HeadObjectCommand({ Bucket, Key: key }), limits));
      const { ContentLength: bytes = 0, LastModified, ContentType: contentType, Metadata: metadata = {} } = found;
      const version = found.VersionId !== undefined && { version: found.VersionId };
      return { key, bytes, modifiedAt: LastModified?.getTime() ?? 0, contentType, metadata, ...version };
    } catch (error) {
      if ((error as Error).name === "NotFound") return undefined;
      throw error;
    }
  }

  /** Objects with keys of this prefix, a page at a time, in the order of their keys. */
  async function* list(prefix: string, options: CallOptions): AsyncGenerator<readonly StoredObject[]> {
    const { sdk, client, limits } = await connect(options);
    let token: string | undefined;
    do {
      const list = new sdk.ListObjectsV2Command({ Bucket, Prefix: prefix, ...(token && { ContinuationToken: token }) });
      const page = await askOf(PART, client.send(list, limits));
      yield (page.Contents ?? []).map(({ Key = "", Size = 0, LastModified }) => ({
        key: Key,
        bytes: Size,
        modifiedAt: LastModified?.getTime() ?? 0,
      }));
      token = page.NextContinuationToken;
    } while (token);
  }

  /** Succeeds if there is no such object. A version that is named can't be restored. */
  async function remove(key: string, { version, ...options }: CallOptions & { version?: string } = {}): Promise<void> {
    const { sdk, client, limits } = await connect(options);
    await askOf(PART, client.send(new sdk.DeleteObjectCommand({ Bucket, Key: key }), limits));
    if (version === undefined) return;
    // Second: without its version alone, an object that a repeated put has put twice would show its other one.
    const input = { Bucket, Key: key, VersionId: version };
    await askOf(PART, client.send(new sdk.DeleteObjectCommand(input), limits));
  }

  /** Throws `Unavailable` when one was not deleted. */
  async function removeMany(keys: readonly string[], options: CallOptions): Promise<void> {
    const { sdk, client, limits } = await connect(options);
    for (let from = 0; from < keys.length; from += LARGEST_BATCH) {
      const Objects = keys.slice(from, from + LARGEST_BATCH).map((Key) => ({ Key }));
      const command = new sdk.DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } });
      const { Errors = [] } = await askOf(PART, client.send(command, limits));
      const [first] = Errors;
      if (first) throw unavailable(new Error(`${first.Key} was not deleted: ${first.Code}`));
    }
  }

  return { put, get, read, head, list, remove, removeMany };
}

function rangeOf({ at, to, etag }: ReadFrom) {
  if (at === 0 && to === undefined) return {};
  return { Range: `bytes=${at}-${to === undefined ? "" : to - 1}`, ...(etag !== undefined && { IfMatch: etag }) };
}

/** Uploads in parts. The object appears when its upload is completed. */
function uploadsIn({ name: Bucket, connect }: Parts) {
  // No checksum, here and of the parts: the completion would have to name that of each part, and those that a browser
  // sends have none.
  async function begin(key: string, described: Description, options: CallOptions): Promise<BegunUpload> {
    const { sdk, client, limits } = await connect(options);
    const input = { Bucket, Key: key, ...headersOf(described) };
    const { UploadId } = await askOf(PART, client.send(new sdk.CreateMultipartUploadCommand(input), limits));
    return { key, uploadId: UploadId };
  }

  async function putPart(to: BegunUpload, partNumber: number, body: Uint8Array, options: CallOptions) {
    const { sdk, client, limits } = await connect(options);
    const input = { ...begun(to), PartNumber: partNumber, Body: body };
    const { ETag } = await askOf(PART, client.send(new sdk.UploadPartCommand(input), limits));
    return { partNumber, etag: ETag };
  }

  /** `sent`: in the order of their numbers. */
  async function complete(upload: BegunUpload, sent: readonly UploadedPart[], options: CallOptions): Promise<void> {
    const { sdk, client, limits } = await connect(options);
    const Parts = sent.map(({ partNumber, etag }) => ({ PartNumber: partNumber, ETag: etag }));
    const input = { ...begun(upload), MultipartUpload: { Parts } };
    await askOf(PART, client.send(new sdk.CompleteMultipartUploadCommand(input), limits));
  }

  async function abort(upload: BegunUpload, options: CallOptions): Promise<void> {
    const { sdk, client, limits } = await connect(options);
    await askOf(PART, client.send(new sdk.AbortMultipartUploadCommand(begun(upload)), limits));
  }

  const begun = ({ key, uploadId }: BegunUpload) => ({ Bucket, Key: key, UploadId: uploadId });
  return { begin, putPart, complete, abort };
}

/** URLs that anybody may use until they expire. Signing makes no request. */
function linksInto({ name: Bucket, connect }: Parts) {
  async function link(key: string, contentDisposition: string, forMs: number): Promise<string> {
    const { sdk, client } = await connect({}, "links");
    const { getSignedUrl } = await import("@aws-sdk/s3-request-presigner");
    const get = new sdk.GetObjectCommand({ Bucket, Key: key, ResponseContentDisposition: contentDisposition });
    return getSignedUrl(client, get, { expiresIn: Math.ceil(forMs / SECOND) });
  }

  /** A URL to send one part to. */
  async function partLink(to: BegunUpload, part: { number: number; bytes: number }, forMs: number): Promise<string> {
    const { sdk, client } = await connect({}, "links");
    const { getSignedUrl } = await import("@aws-sdk/s3-request-presigner");
    const at = { Bucket, Key: to.key, UploadId: to.uploadId };
    const put = new sdk.UploadPartCommand({ ...at, PartNumber: part.number, ContentLength: part.bytes });
    // The length is signed, so that S3 refuses a part of another size.
    return getSignedUrl(client, put, {
      expiresIn: Math.ceil(forMs / SECOND),
      signableHeaders: new Set(["content-length"]),
    });
  }

  /** A URL to put a whole object to. Its type is signed. */
  async function putLink(key: string, contentType: string, forMs: number): Promise<string> {
    const { sdk, client } = await connect({}, "links");
    const { getSignedUrl } = await import("@aws-sdk/s3-request-presigner");
    const put = new sdk.PutObjectCommand({ Bucket, Key: key, ContentType: contentType });
    return getSignedUrl(client, put, {
      expiresIn: Math.ceil(forMs / SECOND),
      signableHeaders: new Set(["content-type"]),
    });
  }

  return { link, partLink, putLink };
}

/** A file of 8 MiB takes longer than 2 s, and a reader may pause: these connections may be silent for longer. */
const PATIENT = { ...CLIENT_DEFAULTS.requestHandler, requestTimeout: 30 * SECOND, socketTimeout: 30 * SECOND };

/**
 * The SDK with a client for a call. There are two clients, because how long a connection may be silent can't be
 * said per call: one for calls of 2 s, one for those that name a timeout of their own.
 */
function createConnect(given: S3Client | undefined) {
  let quick: S3Client | undefined;
  let patient: S3Client | undefined;
  let signer: S3Client | undefined;
  return async ({ timeoutMs, signal }: CallOptions = {}, use: "calls" | "links" = "calls") => {
    // Where the bucket of the local stack can be reached by others; nothing is sent there from here.
    const linked = use === "links" ? process.env["LOCAL_BUCKET_LINKS"] : undefined;
    // Imported at the first call: few jobs need S3, and its client costs every cold start 60 ms.
    const sdk = await import("@aws-sdk/client-s3");
    const make = (requestHandler: typeof PATIENT, endpoint?: string) =>
      new sdk.S3Client({
        ...CLIENT_DEFAULTS,
        ...(endpoint !== undefined && { endpoint }),
        requestHandler,
        forcePathStyle: Boolean(process.env["AWS_ENDPOINT_URL_S3"] ?? process.env["AWS_ENDPOINT_URL"]),
        // Each command names the checksum that it wants: links and reads in ranges can have none.
        requestChecksumCalculation: "WHEN_REQUIRED",
        responseChecksumValidation: "WHEN_REQUIRED",
      });
    const client =
      given ??
      (linked
        ? (signer ??= make(CLIENT_DEFAULTS.requestHandler, linked))
        : timeoutMs === undefined
          ? (quick ??= make(CLIENT_DEFAULTS.requestHandler))
          : (patient ??= make(PATIENT)));
    const limits = {
      ...(timeoutMs !== undefined && { requestTimeout: timeoutMs }),
      ...(signal && { abortSignal: signal }),
    };
    return { sdk, client, limits };
  };
}

/** The error of a store that gave up on the bucket. */
function unavailable(cause: unknown): Unavailable {
  return new Unavailable(PART, cause);
}

function headersOf({ contentType, metadata }: Description) {
  return { ...(contentType !== undefined && { ContentType: contentType }), ...(metadata && { Metadata: metadata }) };
}
