import * as z from "../../zod.ts";
import { SECOND } from "../../clock.ts";
import { ClientError, badRequest } from "../../errors.ts";
import { LARGEST_UPLOAD, UPLOAD_LINK_MS, UPLOAD_PART_BYTES, type TaskFile } from "../../files/uploads.ts";
import type { ServiceParts } from "../../parts.ts";
import { appOf, ownerOf, requirePermission, type Caller } from "../http/auth.ts";
import { route, type Answer } from "../http/http.ts";

// Files that are too large for the request of their job are announced, sent to the bucket in parts, and completed.

const LONGEST_NAME = 255;
const MOST_PARTS = LARGEST_UPLOAD / UPLOAD_PART_BYTES;

// XML forbids some of these characters, and S3 answers in XML.
const NO_NAME = /[/\\\p{Cc}\p{Noncharacter_Code_Point}]|^\.{1,2}$/u;

const fileName = z.string().check(
  z.minLength(1),
  z.maxLength(LONGEST_NAME),
  z.refine(
    (name) => name.isWellFormed() && !NO_NAME.test(name),
    "must be a name alone: no folders, no control characters",
  ),
  z.refine((name) => Buffer.byteLength(name) <= LONGEST_NAME, `must not be longer than ${LONGEST_NAME} bytes`),
  z.describe("Without folders."),
);

const contentType = z
  .string()
  .check(z.maxLength(255), z.regex(/^[\w.+-]+\/[\w.+-]+( *;[ -~]*)?$/, "expected a type such as text/csv"));

const size = z.int().check(z.minimum(1), z.maximum(LARGEST_UPLOAD), z.describe("Bytes: up to 5 GB."));

const fileKey = z.string().check(z.minLength(1), z.maxLength(1_024));

export const announcedFile = z
  .strictObject({ fileName, size, contentType })
  .register(z.globalRegistry, { id: "CreateUpload" });

const upload = z.strictObject({
  fileKey: z.string().check(z.describe("The file, for `complete` and for the job. It is good for its user alone.")),
  partSize: z.int().check(z.describe("Bytes of each part; the last one is what is left.")),
  parts: z
    .array(z.strictObject({ partNumber: z.int(), url: z.string() }))
    .check(z.describe("Where each part is PUT. The `ETag` of each answer is for `complete`.")),
  expiresInSeconds: z
    .int()
    .check(z.describe("How long the URLs are good for, at most. New ones: `/api/jobs/uploads/parts`.")),
});

export const createUpload = route({
  key: "POST /api/jobs/uploads",
  id: "createUpload",
  summary: "Announces a file, and says where its parts are to be sent",
  answers: { 201: upload.check(z.describe("A URL for each part.")) },
  examples: () => ({
    "a small file, in one part": { fileName: "customers.csv", size: 1_024, contentType: "text/csv" },
  }),
  access: (caller) => requirePermission(caller, "job:Create"),
  body: announcedFile,

  async handle({ body, caller }, service): Promise<Answer> {
    const { fileKey, urls } = await service.uploads.begin(ownerOf(caller), body);
    await recordUpload("announced", caller, { key: fileKey, name: body.fileName, bytes: body.size }, service);
    return { status: 201, body: shown(fileKey, urls) };
  },
});

export const signUploadParts = route({
  key: "POST /api/jobs/uploads/parts",
  id: "signUploadParts",
  summary: "Gives new URLs for the parts of an announced file",
  answers: {
    200: upload.check(z.describe("As when the file was announced. What has been sent need not be sent again.")),
  },
  refusals: ["NOT_FOUND"],
  access: (caller) => requirePermission(caller, "job:Create"),
  body: z.strictObject({ fileKey }).register(z.globalRegistry, { id: "SignUploadParts" }),

  async handle({ body, caller }, service): Promise<Answer> {
    const urls = await service.uploads.partLinks(ownerOf(caller), body.fileKey);
    if (!urls) throw noUpload();
    return { status: 200, body: shown(body.fileKey, urls) };
  },
});

function shown(fileKey: string, urls: readonly string[]) {
  const parts = urls.map((url, index) => ({ partNumber: index + 1, url }));
  return { fileKey, partSize: UPLOAD_PART_BYTES, parts, expiresInSeconds: UPLOAD_LINK_MS / SECOND };
}

function noUpload(): ClientError {
  return new ClientError("NOT_FOUND", "No such upload: expected the fileKey of one of your own");
}

/** Records in the audit log who has announced a file, or brought it. */
export async function recordUpload(
  action: "announced" | "completed",
  caller: Caller,
  { key, name, bytes }: TaskFile,
  { audit }: Pick<ServiceParts, "audit">,
): Promise<void> {
  const changes = [{ field: name, from: null, to: bytes }];
  const entry = { by: caller.sub, action: `upload.${action}`, object: `upload:${key}`, changes };
  await audit.record(appOf(caller), entry);
}

const part = z.strictObject({
  partNumber: z.int().check(z.minimum(1), z.maximum(MOST_PARTS)),
  etag: z
    .string()
    .check(
      z.regex(/^"?[\w-]{1,100}"?$/, "expected the ETag that the part was answered"),
      z.describe("As the part was answered, with or without quotes."),
    ),
});

const completeBody = z
  .strictObject({ fileKey, parts: z.array(part).check(z.minLength(1), z.maxLength(MOST_PARTS)) })
  .register(z.globalRegistry, { id: "CompleteUpload" });

const completed = z.strictObject({ fileKey: z.string(), fileName: z.string(), size: z.int(), contentType: z.string() });

export const completeUpload = route({
  key: "POST /api/jobs/uploads/complete",
  id: "completeUpload",
  summary: "Makes a file of its parts, if it is as large as announced",
  answers: { 200: completed.check(z.describe("The file is there; a repeat is answered the same.")) },
  refusals: ["NOT_FOUND"],
  access: (caller) => requirePermission(caller, "job:Create"),
  body: completeBody,

  async handle({ body, caller }, service): Promise<Answer> {
    const { fileKey, parts } = body;
    const result = await service.uploads.complete(ownerOf(caller), fileKey, parts);
    switch (result.kind) {
      case "there": {
        const { name, bytes = 0, mimeType = "" } = result.file;
        // A repeat changes nothing.
        if (result.isNew) await recordUpload("completed", caller, result.file, service);
        return { status: 200, body: { fileKey, fileName: name, size: bytes, contentType: mimeType } };
      }
      case "unknown":
        throw noUpload();
      case "other size": {
        const message = `make a file of ${result.bytes} bytes, expected ${result.announced} as announced: the upload was cut short; begin it again`;
        throw badRequest([{ field: "parts", message }]);
      }
      case "refused": {
        const message = `can't be put together (${result.problem}): expected each part's number and ETag, all of ${UPLOAD_PART_BYTES} bytes but the last`;
        throw badRequest([{ field: "parts", message }]);
      }
      default:
        return result satisfies never;
    }
  },
});
