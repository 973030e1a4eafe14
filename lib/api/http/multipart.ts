import type { BusboyInstance } from "@fastify/busboy";
import { NOT_UTF8, badRequest } from "../../errors.ts";
import { HALF_PAIR } from "../../job/well-formed.ts";

// Bodies of `multipart/form-data`: text fields and one file.

export interface FormFile {
  /** The name given by the client, which may be a path. */
  readonly fileName: string;
  readonly contentType: string;
  readonly bytes: Buffer;
}

export interface Form {
  readonly fields: Readonly<Record<string, string>>;
  readonly file: FormFile;
}

/** The name of the field with the file. */
export const FILE_FIELD = "file";
const LARGEST_FIELD = 256 * 1_024;
const LIMITS = { fieldNameSize: 100, fieldSize: LARGEST_FIELD, fields: 20, files: 2, parts: 22, headerPairs: 20 };

export function isMultipart(contentType: string | undefined): contentType is string {
  return /^multipart\/form-data\b/i.test(contentType ?? "");
}

/** Throws BAD_REQUEST unless the body is a complete form with exactly one file that is not empty. */
export async function readForm(contentType: string, body: Buffer): Promise<Form> {
  const { Busboy } = await import("@fastify/busboy");
  const parser = parserOf(() => {
    const headers = { "content-type": contentType };
    // A path is kept, and refused later, rather than cut down to a name.
    return new Busboy({ headers, limits: LIMITS, preservePath: true });
  });
  const fields = new Map<string, string>();
  const files: FormFile[] = [];
  const problems: { field: string; message: string }[] = [];
  parser.on("field", (name, value, isNameCut, isCut) => {
    if (isCut) problems.push({ field: name, message: `must not be larger than ${LARGEST_FIELD} bytes` });
    if (isNameCut) problems.push({ field: name, message: "is not a known field; remove it or check its spelling" });
    if (fields.has(name)) problems.push({ field: name, message: "is there twice: expected it once" });
    fields.set(name, value);
  });
  parser.on("file", (name, stream, fileName, _encoding, mimeType) => {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => files.push({ fileName, contentType: mimeType, bytes: Buffer.concat(chunks) }));
    // The error of the parser has more detail.
    stream.on("error", () => {});
    if (name !== FILE_FIELD) problems.push({ field: name, message: `is a file: expected it in ${FILE_FIELD}` });
  });
  for (const limit of ["fieldsLimit", "partsLimit"] as const) {
    parser.on(limit, () => problems.push({ field: "body", message: `has more than ${LIMITS.fields} fields` }));
  }
  await wholeForm(parser, body);
  const texts = [
    ...fields,
    ...files.flatMap(({ fileName, contentType: type }) => [
      [FILE_FIELD, fileName] as const,
      [FILE_FIELD, type] as const,
    ]),
  ];
  for (const [field, text] of texts) {
    // A part may say that it is in UTF-16.
    if (!field.isWellFormed() || !text.isWellFormed()) problems.push({ field, message: HALF_PAIR });
    // The parser puts U+FFFD in place of bytes that are not UTF-8. Text of the client's own is in the body as it is.
    if (text.includes("\uFFFD") && !body.includes(text)) problems.push({ field, message: NOT_UTF8 });
  }
  const [file] = files;
  if (fields.has(FILE_FIELD)) {
    problems.push({
      field: FILE_FIELD,
      message: "is text: expected a file, with a filename in its content-disposition",
    });
  } else if (!file) problems.push({ field: FILE_FIELD, message: "is missing: expected a file" });
  else if (files.length > 1) problems.push({ field: FILE_FIELD, message: "is there twice: expected one file" });
  else if (file.bytes.length === 0)
    problems.push({ field: FILE_FIELD, message: "is empty: expected at least one byte" });
  if (problems.length > 0 || !file) throw badRequest(problems);
  return { fields: Object.fromEntries(fields), file };
}

function parserOf(create: () => BusboyInstance): BusboyInstance {
  try {
    return create();
  } catch (error) {
    throw malformed(error);
  }
}

async function wholeForm(parser: BusboyInstance, body: Buffer): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    parser.on("finish", resolve);
    parser.on("error", (error) => reject(malformed(error)));
    parser.end(body);
  });
}

function malformed(error: unknown): Error {
  const reason = error instanceof Error ? error.message : String(error);
  return badRequest([{ field: "body", message: `expected multipart/form-data with its boundary, whole: ${reason}` }]);
}
