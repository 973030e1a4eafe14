import { createHash } from "node:crypto";
import { isOurFault } from "../aws.ts";
import { HOUR, SECOND, derivedUuid, type Clock } from "../clock.ts";
import type { BegunUpload, Bucket, CallOptions, UploadedPart } from "../store/bucket.ts";
import type { AppStore } from "../store/app-store.ts";
import { hasExpired, type Table } from "../store/table.ts";
import { safeFileName, filesPrefix } from "./file-store.ts";
import { createUploadBudget, uploadKey } from "./upload-budget.ts";

// Files that users upload: small ones with the job, large ones in parts, straight to the bucket. A key holds the app
// and a hash of the user. The announced name and size are in the object's metadata. A file exists once its parts are
// assembled, and is never changed after that.

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

/** The uploaded file of a task, with the size and type that the uploader has announced. */
export interface TaskFile {
  readonly key: string;
  readonly name: string;
  readonly bytes?: number;
  readonly mimeType?: string;
}

type Found =
  | { readonly kind: "there"; readonly file: TaskFile; readonly isNew?: true }
  /** Also for a file of another user. */
  | { readonly kind: "unknown" }
  /** The file was deleted, so the upload must begin again. */
  | { readonly kind: "other size"; readonly bytes: number; readonly announced: number; readonly version?: string };

export type Completed = Found | { readonly kind: "refused"; readonly problem: string };

export const LARGEST_UPLOAD = 5 * 1_024 ** 3;
/** S3 wants at least 5 MiB of all parts but the last; 640 of these are the largest upload. */
export const UPLOAD_PART_BYTES = 8 * 1_024 ** 2;
export const UPLOAD_LINK_MS = 6 * HOUR;
/** Assembling 5 GB takes S3 a while; the gateway cuts at 30 s. */
const CALL: CallOptions = { timeoutMs: 25 * SECOND };

interface GivenParts {
  readonly table: Table;
  readonly bucket: Bucket;
  readonly clock: Clock;
  readonly apps: Pick<AppStore, "settingsOf">;
}

interface Parts extends GivenParts {
  readonly budget: ReturnType<typeof createUploadBudget>;
}

export type Uploads = ReturnType<typeof createUploads>;

export function createUploads(given: GivenParts) {
  const parts = { ...given, budget: createUploadBudget(given) };
  return {
    begin: async (owner: Owner, announced: Announced) => begin(parts, owner, announced),
    partLinks: async (owner: Owner, fileKey: string) => partLinks(parts, owner, fileKey),
    complete: async (owner: Owner, fileKey: string, sent: readonly UploadedPart[]) =>
      complete(parts, owner, fileKey, sent),
    put: async (owner: Owner, file: Announced, bytes: Uint8Array, salt?: string) =>
      put(parts, owner, file, bytes, salt),
    /** To be called before uploads of an app are deleted: they no longer count. Other keys are ignored. */
    forget: async (appId: string, keys: readonly string[]) => {
      const own = keys.filter((key) => key.startsWith(folderOf(appId)));
      await Promise.all(own.map(async (fileKey) => parts.budget.gone({ appId, fileKey })));
    },
    /** A file of this user, if it exists with its announced size. */
    find: async (owner: Owner, fileKey: string): Promise<TaskFile | undefined> => {
      const file = await find(parts, owner, fileKey);
      return file.kind === "there" ? file.file : undefined;
    },
  };
}

/** A new key, and a URL for each part: 8 MiB each, and the rest in the last one. Throws FORBIDDEN beyond `uploadBytes`. */
async function begin({ table, bucket, clock, budget }: Parts, owner: Owner, announced: Announced) {
  const key = keyOf(owner, clock.uuid(), announced.fileName);
  // What is counted and does not begin is given up.
  await budget.announce({ appId: owner.appId, fileKey: key, bytes: announced.size });
  const upload = await bucket.begin(key, described(announced), CALL);
  await table.update(uploadKey(key), {
    UpdateExpression: "SET uploadId = :id",
    values: { ":id": upload.uploadId },
  });
  return { fileKey: key, urls: await linksTo(upload, announced.size, bucket) };
}

/** New URLs for the parts of an upload that this user has begun. Links end with the credentials that signed them. */
async function partLinks(parts: Parts, owner: Owner, fileKey: string): Promise<string[] | undefined> {
  const begun = await begunBy(parts, owner, fileKey);
  return begun && !begun.isOver ? linksTo(begun, begun.bytes, parts.bucket) : undefined;
}

async function linksTo(upload: BegunUpload, size: number, bucket: Bucket): Promise<string[]> {
  const urls = Array.from({ length: Math.ceil(size / UPLOAD_PART_BYTES) }, async (_, index) => {
    const bytes = Math.min(UPLOAD_PART_BYTES, size - index * UPLOAD_PART_BYTES);
    return bucket.partLink(upload, { number: index + 1, bytes }, UPLOAD_LINK_MS);
  });
  return Promise.all(urls);
}

/** Assembles the file from its parts. Once it exists, a repeat gives the same answer. */
async function complete(
  parts: Parts,
  owner: Owner,
  fileKey: string,
  sent: readonly UploadedPart[],
): Promise<Completed> {
  const { bucket, budget } = parts;
  const { appId } = owner;
  const upload = await begunBy(parts, owner, fileKey);
  if (!upload) return find(parts, owner, fileKey);
  const inOrder = sent.toSorted((a, b) => a.partNumber - b.partNumber);
  let isNew = false;
  try {
    await bucket.complete(upload, inOrder, CALL);
    isNew = true;
  } catch (error) {
    if (!isOurFault(error)) throw error;
    // The upload is already complete, or has expired.
    if ((error as Error).name !== "NoSuchUpload") return { kind: "refused", problem: (error as Error).name };
  }
  const completed = await find(parts, owner, fileKey);
  if (completed.kind === "there") await budget.completed({ appId, fileKey });
  if (completed.kind === "other size") {
    // For good: what the bucket could give back for a week, nobody would count.
    const { version } = completed;
    await bucket.remove(fileKey, { ...CALL, ...(version !== undefined && { version }) });
    await budget.gone({ appId, fileKey });
  }
  return completed.kind === "there" && isNew ? { ...completed, isNew } : completed;
}

/**
 * Stores a file that came with its job. The same `salt` and bytes always give the same file. Throws FORBIDDEN beyond
 * `uploadBytes`.
 */
async function put(
  { bucket, clock, budget }: Parts,
  owner: Owner,
  file: Announced,
  bytes: Uint8Array,
  salt: string | undefined,
): Promise<TaskFile> {
  const hash = () => createHash("sha256").update(bytes).digest("hex");
  const id = salt === undefined ? clock.uuid() : derivedUuid(owner.appId, owner.userId, salt, hash());
  const key = keyOf(owner, id, file.fileName);
  const counted = { appId: owner.appId, fileKey: key, bytes: file.size };
  const kept = { key, name: file.fileName, bytes: file.size, mimeType: file.contentType };
  // If this process ends before the file is there, it is given up like one that was announced.
  const standing = await budget.announce(counted);
  // The bucket would keep a second version, which nobody counts.
  if (standing === "kept" && (await bucket.head(key, CALL))) return kept;
  await bucket.put(key, bytes, described(file), CALL).catch(async (error: unknown) => {
    if (standing === "new") await budget.gone(counted);
    throw error;
  });
  await budget.completed(counted);
  return kept;
}

async function find({ bucket }: Parts, owner: Owner, fileKey: string): Promise<Found> {
  if (!fileKey.startsWith(prefixOf(owner))) return { kind: "unknown" };
  const found = await bucket.head(fileKey, CALL);
  if (!found) return { kind: "unknown" };
  const { bytes, contentType = "", metadata, version } = found;
  const announced = Number(metadata["size"]);
  if (bytes !== announced) return { kind: "other size", bytes, announced, ...(version !== undefined && { version }) };
  const name = decodeURIComponent(metadata["name"] ?? "");
  return { kind: "there", file: { key: fileKey, name, bytes, mimeType: contentType } };
}

/** The upload to this key, if this user has begun it and it has not expired. */
async function begunBy(
  { table, clock }: Parts,
  owner: Owner,
  fileKey: string,
): Promise<(BegunUpload & { readonly bytes: number; readonly isOver: boolean }) | undefined> {
  if (!fileKey.startsWith(prefixOf(owner))) return undefined;
  const item = await table.get(uploadKey(fileKey));
  const uploadId = item?.["uploadId"];
  return typeof uploadId === "string" && item && !hasExpired(item, clock.now())
    ? { key: fileKey, uploadId, bytes: Number(item["bytes"]), isOver: item["isThere"] !== undefined }
    : undefined;
}

function keyOf(owner: Owner, id: string, fileName: string): string {
  return `${prefixOf(owner)}${id}/${safeFileName(fileName)}`;
}

/** The prefix of the keys of a user's files, and of no other user's. */
function prefixOf({ appId, userId }: Owner): string {
  return `${folderOf(appId)}${derivedUuid(appId, userId)}/`;
}

function folderOf(appId: string): string {
  return `${filesPrefix(appId)}uploads/`;
}

/** Metadata is ASCII. */
function described({ fileName, contentType, size }: Announced) {
  return { contentType, metadata: { name: encodeURIComponent(fileName), size: String(size) } };
}
