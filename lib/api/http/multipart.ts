import { isUtf8 } from "node:buffer";
import type { BusboyInstance } from "@fastify/busboy";
import { NOT_UTF8, badRequest } from "../../errors.ts";
import { HALF_PAIR } from "../../job/well-formed.ts";

// Bodies of `multipart/form-data`: text fields and one file. A field may come as a part of JSON with a file's name, as
// browsers send a Blob.

export interface FormFile {
  /** The name given by the client. A path leads up; other folders are cut off. */
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
const LIMITS = { fieldNameSize: 100, fieldSize: LARGEST_FIELD, fields: 20, files: 6, parts: 26, headerPairs: 20 };

/** Forms have had no other encodings since RFC 7578, and the parser knows none: base64 would be kept as it is written. */
const AS_IT_IS = /^(?:7bit|8bit|binary)?$/i;
const NOT_AS_IT_IS = ", by its Content-Transfer-Encoding: expected its bytes as they are; leave that header out";

/** Throws BAD_REQUEST unless the body is a complete form with exactly one file that is not empty. */
export async function readForm(contentType: string, body: Buffer): Promise<Form> {
  const { Busboy } = await import("@fastify/busboy");
  const parser = parserOf(() => {
    const headers = { "content-type": contentType };
    return new Busboy({ headers, limits: LIMITS, preservePath: true });
  });
  const fields = new Map<string, string>();
  const files: FormFile[] = [];
  const problems: { field: string; message: string }[] = [];
  const checkEncoding = (field: string, encoding = "") => {
    if (!AS_IT_IS.test(encoding)) problems.push({ field, message: `is in ${encoding.slice(0, 40)}${NOT_AS_IT_IS}` });
  };
  const field = (name: string, value: string) => {
    if (fields.has(name)) problems.push({ field: name, message: "is there twice: expected it once" });
    fields.set(name, value);
  };
  parser.on("field", (given, value, isNameCut, isCut, encoding) => {
    const name = textOf(given);
    checkEncoding(name, encoding);
    if (isCut) problems.push({ field: name, message: `must not be larger than ${LARGEST_FIELD} bytes` });
    if (isNameCut) problems.push({ field: name, message: "is not a known field; remove it or check its spelling" });
    field(name, value);
  });
  parser.on("file", (given, stream, fileName, encoding, mimeType) => {
    const name = textOf(given);
    checkEncoding(name, encoding);
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      const bytes = Buffer.concat(chunks);
      if (name === FILE_FIELD)
        files.push({ fileName: nameAlone(fromWords(textOf(fileName))), contentType: mimeType, bytes });
      else if (!/^application\/json\s*(;|$)/i.test(mimeType))
        problems.push({ field: name, message: `is a file: expected it in ${FILE_FIELD}, or JSON as application/json` });
      else if (bytes.length > LARGEST_FIELD)
        problems.push({ field: name, message: `must not be larger than ${LARGEST_FIELD} bytes` });
      else if (!isUtf8(bytes)) problems.push({ field: name, message: NOT_UTF8 });
      else field(name, bytes.toString());
    });
    // The error of the parser has more detail.
    stream.on("error", () => {});
  });
  for (const limit of ["fieldsLimit", "partsLimit"] as const) {
    parser.on(limit, () => problems.push({ field: "body", message: `has more than ${LIMITS.fields} fields` }));
  }
  // What is skipped could be a second file.
  parser.on("filesLimit", () => problems.push({ field: "body", message: `has more than ${LIMITS.files} files` }));
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

/** A part may lack its name, and one of application/octet-stream the file's name, which the types don't say. */
function textOf(given: string | undefined): string {
  return given ?? "";
}

/** `=?utf-8?B?…?=` is how .NET and Spring write a name that is not ASCII: the encoded words of RFC 2047. */
function fromWords(name: string): string {
  const joined = name.replaceAll(/\?=[ \t]+=\?/g, "?==?");
  return joined.replaceAll(
    /=\?([\w-]{1,40})\?([BQ])\?([^?\s]*)\?=/gi,
    (word, charset: string, kind: string, text: string) => {
      const isBase64 = kind.toUpperCase() === "B";
      const escaped = () =>
        text
          .replaceAll("_", " ")
          .replaceAll(/=([\da-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
      const bytes = isBase64 ? Buffer.from(text, "base64") : Buffer.from(escaped(), "latin1");
      try {
        return new TextDecoder(charset, { fatal: true }).decode(bytes);
      } catch {
        return word;
      }
    },
  );
}

/** Without its folders (`C:\fakepath\a.csv`). One that leads up is kept, to be refused. */
function nameAlone(fileName: string): string {
  const parts = fileName.split(/[/\\]/);
  return parts.includes("..") ? fileName : (parts.at(-1) ?? "");
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
