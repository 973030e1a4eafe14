import { GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import type { S3Client } from "@aws-sdk/client-s3";
import { marshall, unmarshall } from "@aws-sdk/util-dynamodb";
import { createHash } from "node:crypto";
import { CLIENT_DEFAULTS, askOf, isOurFault } from "../aws.ts";
import { DAY, HOUR, SECOND, derivedUuid, type Clock } from "../clock.ts";
import type { Table } from "../store/table.ts";
import { safeFileName, filesPrefix } from "./file-store.ts";
import { expirySeconds, hasExpired } from "../store/job-item.ts";

// Files that users bring: small ones with the job, large ones in parts, straight to the bucket. A key names
// the app and, hashed, the user; the file itself says what it was announced as. A file is there once all of
// its parts are put together, and is never changed after that.

export interface Owner {
  readonly appId: string;
  readonly userId: string;
}

/** A file as its uploader describes it. */
export interface Announced {
  readonly fileName: string;
  readonly contentType: string;
  readonly size: number;
}

export interface UploadedPart {
  readonly partNumber: number;
  readonly etag: string;
}

export type Completed =
  | { readonly kind: "there"; readonly file: TaskFile }
  /** Also for whoever it does not belong to. */
  | { readonly kind: "unknown" }
  /** Nothing is kept of it: it must be begun again. */
  | { readonly kind: "other size"; readonly bytes: number; readonly announced: number }
  | { readonly kind: "refused"; readonly problem: string };

export const LARGEST_UPLOAD = 5 * 1_024 ** 3;
/** S3 wants at least 5 MiB of all parts but the last; 640 of these are the largest upload. */
export const UPLOAD_PART_BYTES = 8 * 1_024 ** 2;
export const UPLOAD_LINK_MS = 6 * HOUR;
/** As long as S3 keeps the parts of what was never completed; resources.yml says the same. */
const BEGUN_KEPT = DAY;
const TABLE = "The jobs table";
const BUCKET = "The bucket";

interface Parts {
  readonly table: Table;
  readonly bucket: string;
  readonly clock: Clock;
}

export function createUploads(parts: Parts) {
  const { bucket: Bucket, clock } = parts;
  const { dynamodb: database } = parts.table;
  const table = parts.table.name;

  /** A key that is nobody else's, and a URL for each part: 8 MiB, the last one what is left. */
  async function begin(owner: Owner, announced: Announced) {
    const { client, sdk } = await s3();
    const Key = keyOf(owner, clock.uuid(), announced.fileName);
    const create = new sdk.CreateMultipartUploadCommand({ Bucket, Key, ...described(announced) });
    const { UploadId } = await askOf(BUCKET, client.send(create));
    const expiresAt = expirySeconds(clock.now() + clock.during(BEGUN_KEPT));
    const Item = marshall({ ...itemKey(Key), uploadId: UploadId, expiresAt });
    await askOf(TABLE, database().send(new PutItemCommand({ TableName: table, Item })));
    const { getSignedUrl } = await import("@aws-sdk/s3-request-presigner");
    const urls = Array.from({ length: Math.ceil(announced.size / UPLOAD_PART_BYTES) }, async (_, index) => {
      const ContentLength = Math.min(UPLOAD_PART_BYTES, announced.size - index * UPLOAD_PART_BYTES);
      const put = new sdk.UploadPartCommand({ Bucket, Key, UploadId, PartNumber: index + 1, ContentLength });
      // Signed, so that S3 takes no part of another size.
      const signableHeaders = new Set(["content-length"]);
      return getSignedUrl(client, put, { expiresIn: UPLOAD_LINK_MS / SECOND, signableHeaders });
    });
    return { fileKey: Key, urls: await Promise.all(urls) };
  }

  /** Makes the file of its parts. Once it is there, the answer stays the same. */
  async function complete(owner: Owner, fileKey: string, parts: readonly UploadedPart[]): Promise<Completed> {
    const UploadId = await begun(owner, fileKey);
    if (UploadId === undefined) return found(owner, fileKey);
    const { client, sdk } = await s3();
    const Parts = parts
      .toSorted((a, b) => a.partNumber - b.partNumber)
      .map(({ partNumber, etag }) => ({ PartNumber: partNumber, ETag: etag }));
    const command = { Bucket, Key: fileKey, UploadId, MultipartUpload: { Parts } };
    try {
      await askOf(BUCKET, client.send(new sdk.CompleteMultipartUploadCommand(command)));
    } catch (error) {
      if (!isOurFault(error)) throw error;
      // It is complete already, or was given up.
      if ((error as Error).name !== "NoSuchUpload") return { kind: "refused", problem: (error as Error).name };
    }
    const completed = await found(owner, fileKey);
    if (completed.kind === "other size") {
      await askOf(BUCKET, client.send(new sdk.DeleteObjectCommand({ Bucket, Key: fileKey })));
    }
    return completed;
  }

  /** Keeps a file that came with its job. The same `salt` and bytes are the same file, however often they come. */
  async function put(owner: Owner, file: Announced, bytes: Uint8Array, salt?: string): Promise<TaskFile> {
    const hash = () => createHash("sha256").update(bytes).digest("hex");
    const id = salt === undefined ? clock.uuid() : derivedUuid(owner.appId, owner.userId, salt, hash());
    const { client, sdk } = await s3();
    const Key = keyOf(owner, id, file.fileName);
    await askOf(BUCKET, client.send(new sdk.PutObjectCommand({ Bucket, Key, Body: bytes, ...described(file) })));
    return { key: Key, name: file.fileName, bytes: file.size, mimeType: file.contentType };
  }

  /** A file of this user that is there, and as large as it was announced. */
  async function find(owner: Owner, fileKey: string): Promise<TaskFile | undefined> {
    const file = await found(owner, fileKey);
    return file.kind === "there" ? file.file : undefined;
  }

  async function found(owner: Owner, fileKey: string): Promise<Exclude<Completed, { kind: "refused" }>> {
    if (!fileKey.startsWith(prefixOf(owner))) return { kind: "unknown" };
    const { client, sdk } = await s3();
    try {
      const head = new sdk.HeadObjectCommand({ Bucket, Key: fileKey });
      const { ContentLength: bytes = 0, ContentType = "", Metadata = {} } = await askOf(BUCKET, client.send(head));
      const announced = Number(Metadata["size"]);
      if (bytes !== announced) return { kind: "other size", bytes, announced };
      const name = decodeURIComponent(Metadata["name"] ?? "");
      return { kind: "there", file: { key: fileKey, name, bytes, mimeType: ContentType } };
    } catch (error) {
      if ((error as Error).name === "NotFound") return { kind: "unknown" };
      throw error;
    }
  }

  /** What S3 calls an upload that this user has begun; nothing if there is none. */
  async function begun(owner: Owner, fileKey: string): Promise<string | undefined> {
    if (!fileKey.startsWith(prefixOf(owner))) return undefined;
    const get = new GetItemCommand({ TableName: table, Key: marshall(itemKey(fileKey)), ConsistentRead: true });
    const { Item } = await askOf(TABLE, database().send(get));
    const item = Item && unmarshall(Item);
    return item && !hasExpired(item, clock.now()) ? String(item["uploadId"]) : undefined;
  }

  return { begin, complete, put, find };
}

function itemKey(fileKey: string) {
  return { pk: `U#${fileKey}`, sk: "U" };
}

function keyOf(owner: Owner, id: string, fileName: string): string {
  return `${prefixOf(owner)}${id}/${safeFileName(fileName)}`;
}

/** What the keys of a user's files begin with, and nobody else's. */
function prefixOf({ appId, userId }: Owner): string {
  return `${filesPrefix(appId)}uploads/${derivedUuid(appId, userId)}/`;
}

/** Metadata is ASCII. */
function described({ fileName, contentType, size }: Announced) {
  return { ContentType: contentType, Metadata: { name: encodeURIComponent(fileName), size: String(size) } };
}

let shared: S3Client | undefined;

/** Assembling 5 GB takes S3 a while; the gateway cuts at 30 s. */
const PATIENT = { ...CLIENT_DEFAULTS.requestHandler, requestTimeout: 25 * SECOND, socketTimeout: 25 * SECOND };

// Imported when first used, as lib/store/payloads.ts does. Checksums would have to be known when a URL is signed.
async function s3() {
  const sdk = await import("@aws-sdk/client-s3");
  const forcePathStyle = Boolean(process.env["AWS_ENDPOINT_URL_S3"] ?? process.env["AWS_ENDPOINT_URL"]);
  const settings = { ...CLIENT_DEFAULTS, requestHandler: PATIENT, forcePathStyle };
  const client = (shared ??= new sdk.S3Client({ ...settings, requestChecksumCalculation: "WHEN_REQUIRED" }));
  return { client, sdk };
}

/** The uploaded file of a task, with the size and type that the uploader has announced. */
export interface TaskFile {
  readonly key: string;
  readonly name: string;
  readonly bytes?: number;
  readonly mimeType?: string;
}
