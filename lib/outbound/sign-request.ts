import { SignatureV4 } from "@smithy/signature-v4";
import { Sha256 } from "../aws.ts";

export interface SigningKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface Signable {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | null;
}

export interface SigningScope {
  readonly region: string;
  readonly service: string;
  /** Real time. */
  readonly signedAt: Date;
}

/** The request's headers, without host, with an AWS signature (SigV4) over method, path, query, headers and body. */
export async function signRequest(
  request: Signable,
  keys: SigningKeys,
  scope: SigningScope,
): Promise<Record<string, string>> {
  const { url, method, headers, body } = request;
  const { accessKeyId, secretAccessKey, sessionToken } = keys;
  const signer = new SignatureV4({
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) },
    region: scope.region,
    service: scope.service,
    sha256: Sha256,
    applyChecksum: false,
  });
  const signed = await signer.sign(
    {
      method,
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query: queryOf(url),
      headers: { ...headers, host: url.host },
      ...(body && { body }),
    },
    { signingDate: scope.signedAt },
  );
  // The host is part of the signature, but the connection sends the header.
  return Object.fromEntries(Object.entries(signed.headers).filter(([name]) => name !== "host"));
}

function queryOf(url: URL): Record<string, string | string[]> {
  const names = [...new Set(url.searchParams.keys())];
  return Object.fromEntries(names.map((name) => [name, url.searchParams.getAll(name)]));
}
