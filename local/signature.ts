import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

// SigV4 from the receiving side, written from its specification without the code that signs, so that an error
// there is not repeated here.

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;
const LONGEST_SKEW_MS = 5 * 60_000;

export interface SignedRequest {
  readonly method: string;
  /** Path and query as received, not decoded. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Whether a request was signed for Lambda with these keys, within five minutes, and has not been changed since. */
export function isSigned(
  request: SignedRequest,
  keys: { accessKeyId: string; secretAccessKey: string },
  now: number,
): boolean {
  const { method, target, headers, body } = request;
  const [, accessKeyId, date = "", region = "", service = "", names = "", signature = ""] =
    AUTHORIZATION.exec(headers.authorization ?? "") ?? [];
  const at = String(headers["x-amz-date"] ?? "");
  if (accessKeyId !== keys.accessKeyId || service !== "lambda" || !at.startsWith(date)) return false;
  if (!(Math.abs(timeOf(at) - now) <= LONGEST_SKEW_MS)) return false;
  const signed = names.split(";");
  if (!signed.includes("host")) return false;

  const [path = "", query = ""] = target.split("?");
  const canonicalRequest = [
    method,
    path.split("/").map(encode).join("/"),
    canonicalQuery(query),
    ...signed.map(
      (name) =>
        `${name}:${String(headers[name] ?? "")
          .trim()
          .replace(/ +/g, " ")}`,
    ),
    "",
    names,
    sha256(body),
  ].join("\n");
  const wanted = signatureOf(canonicalRequest, at, [date, region, service], keys.secretAccessKey);
  return timingSafeEqual(Buffer.from(wanted), Buffer.from(signature));
}

/** Whether a link into a bucket was signed with these keys for such a request at this host, and has not expired. */
export function isSignedLink(
  { method, target, headers, host }: Omit<SignedRequest, "body"> & { readonly host: string },
  keys: { accessKeyId: string; secretAccessKey: string },
  now: number,
): boolean {
  const [path = "", search = ""] = target.split("?");
  const query = new URLSearchParams(search);
  const [accessKeyId, ...scope] = (query.get("X-Amz-Credential") ?? "").split("/");
  const at = query.get("X-Amz-Date") ?? "";
  const signature = query.get("X-Amz-Signature") ?? "";
  if (accessKeyId !== keys.accessKeyId || scope[2] !== "s3" || !/^[0-9a-f]{64}$/.test(signature)) return false;
  if (!(now <= timeOf(at) + Number(query.get("X-Amz-Expires")) * 1_000)) return false;
  query.delete("X-Amz-Signature");
  const names = query.get("X-Amz-SignedHeaders") ?? "";
  const lines = names
    .split(";")
    .map((name) => `${name}:${name === "host" ? host : String(headers[name] ?? "").trim()}`);
  const canonicalRequest = [method, path, canonicalQuery(String(query)), ...lines, "", names, "UNSIGNED-PAYLOAD"];
  const wanted = signatureOf(canonicalRequest.join("\n"), at, scope.slice(0, 3), keys.secretAccessKey);
  return names.split(";").includes("host") && timingSafeEqual(Buffer.from(wanted), Buffer.from(signature));
}

/** `scope`: date, region and service. */
function signatureOf(canonicalRequest: string, at: string, scope: readonly string[], secret: string): string {
  const within = [...scope, "aws4_request"];
  const stringToSign = ["AWS4-HMAC-SHA256", at, within.join("/"), sha256(Buffer.from(canonicalRequest))].join("\n");
  const key = within.reduce<Buffer | string>(hmac, `AWS4${secret}`);
  return hmac(key, stringToSign).toString("hex");
}

function canonicalQuery(query: string): string {
  const pairs = [...new URLSearchParams(query)].map(([name, value]) => `${encode(name)}=${encode(value)}`);
  return pairs.toSorted((a, b) => (a < b ? -1 : 1)).join("&");
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** `20150830T123600Z` */
function timeOf(stamp: string): number {
  return Date.parse(stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));
}

function sha256(data: Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}

function hmac(key: Buffer | string, data: string): Buffer {
  return createHmac("sha256", key).update(data).digest();
}
