import { createHash, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { SignJWT, exportJWK, generateKeyPair, type JWTPayload } from "jose";

// An OpenID provider on this machine: the authorization code with PKCE for one public client, as RFC 6749, 7636 and 9207
// say, for a person who is signed in there and agrees at once.

export const CLIENT_ID = "dashboard";
export const AUDIENCE = "jobs";

/** What is other than it should be at the next sign-in. */
export interface Trouble {
  /** The person does not agree. */
  readonly refusal?: string;
  /** The answer carries the state of another sign-in. */
  readonly state?: string;
  /** The answer names another issuer. */
  readonly iss?: string;
  /** The code belongs to another verifier. */
  readonly challenge?: string;
  readonly claims?: JWTPayload;
  /** A token that says nothing to anybody but the provider. */
  readonly isOpaque?: boolean;
}

export interface Provider {
  readonly issuer: string;
  /** Codes that have been asked to be tokens. */
  readonly exchanged: readonly string[];
  next(trouble: Trouble): void;
  close(): Promise<void>;
}

interface Grant {
  readonly challenge: string;
  readonly redirectUri: string;
  readonly trouble: Trouble;
}

interface Parts {
  readonly grants: Map<string, Grant>;
  readonly exchanged: string[];
  readonly token: (claims?: JWTPayload) => Promise<string>;
}

/** `claims`: of every token. */
export async function startProvider(claims: JWTPayload): Promise<Provider> {
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  const key = { ...(await exportJWK(publicKey)), kid: "1", alg: "ES256", use: "sig" };
  let trouble: Trouble = {};
  let issuer = "";
  const parts: Parts = {
    grants: new Map(),
    exchanged: [],
    token: async (own = {}) => {
      const now = Math.floor(Date.now() / 1_000);
      return new SignJWT({ iss: issuer, aud: AUDIENCE, iat: now, exp: now + 3_600, ...claims, ...own })
        .setProtectedHeader({ alg: "ES256", kid: "1" })
        .sign(privateKey);
    },
  };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "", issuer);
    const json = (body: object) =>
      void response.setHeader("content-type", "application/json").end(JSON.stringify(body));
    switch (`${request.method} ${url.pathname}`) {
      case "GET /.well-known/openid-configuration":
        json({
          issuer,
          authorization_endpoint: `${issuer}/authorize`,
          token_endpoint: `${issuer}/token`,
          jwks_uri: `${issuer}/keys`,
        });
        break;
      case "GET /keys":
        json({ keys: [key] });
        break;
      case "GET /authorize":
        authorize(url, response, { iss: issuer, ...trouble }, parts);
        trouble = {};
        break;
      case "POST /token":
        void exchange(request, response, parts);
        break;
      default:
        response.writeHead(404).end();
    }
  });
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    issuer,
    exchanged: parts.exchanged,
    next: (one) => (trouble = one),
    close: async () => {
      server.closeAllConnections();
      await new Promise((closed) => {
        server.close(closed);
      });
    },
  };
}

/** Leads back with a code, or with what is wrong. */
function authorize({ searchParams }: URL, response: ServerResponse, trouble: Trouble, { grants }: Parts): void {
  const asked = Object.fromEntries(searchParams);
  const { redirect_uri: redirectUri = "", state = "", code_challenge: challenge = "" } = asked;
  const isRight =
    asked["client_id"] === CLIENT_ID &&
    asked["response_type"] === "code" &&
    asked["code_challenge_method"] === "S256" &&
    asked["scope"] === "openid" &&
    challenge.length === 43 &&
    state.length >= 22 &&
    new URL(redirectUri).pathname === "/dashboard";
  // A request that is not the client's is never led anywhere.
  if (!isRight) return void response.writeHead(400).end(`This is no request of the client: ${searchParams.toString()}`);
  const code = randomUUID();
  const back = new URL(redirectUri);
  const answer = {
    state: trouble.state ?? state,
    iss: trouble.iss ?? "",
    ...(trouble.refusal === undefined ? { code } : { error: "access_denied", error_description: trouble.refusal }),
  };
  for (const [name, value] of Object.entries(answer)) back.searchParams.set(name, value);
  grants.set(code, { challenge: trouble.challenge ?? challenge, redirectUri, trouble });
  response.writeHead(302, { location: back.href }).end();
}

/** Gives a token for a code, once, to whoever knows its verifier. */
async function exchange(request: IncomingMessage, response: ServerResponse, parts: Parts): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const asked = new URLSearchParams(Buffer.concat(chunks).toString());
  const code = asked.get("code") ?? "";
  parts.exchanged.push(code);
  const grant = parts.grants.get(code);
  parts.grants.delete(code);
  const proof = createHash("sha256")
    .update(asked.get("code_verifier") ?? "")
    .digest("base64url");
  const isRight =
    grant !== undefined &&
    asked.get("grant_type") === "authorization_code" &&
    asked.get("client_id") === CLIENT_ID &&
    asked.get("redirect_uri") === grant.redirectUri &&
    proof === grant.challenge;
  response.setHeader("access-control-allow-origin", "*");
  response.setHeader("content-type", "application/json");
  if (!isRight) return void response.writeHead(400).end(JSON.stringify({ error: "invalid_grant" }));
  const accessToken = grant.trouble.isOpaque ? "opaque" : await parts.token(grant.trouble.claims);
  response.end(JSON.stringify({ access_token: accessToken, token_type: "Bearer", expires_in: 3_600 }));
}
