import { createHash, createSecretKey, timingSafeEqual } from "node:crypto";
import type { errors, JWTPayload, JWTVerifyOptions } from "jose";
import { MINUTE, SECOND } from "../../clock.ts";
import { claimNames, defaultAppId, internalToken, isLocal, scraping, tokenConfig } from "../../config.ts";
import { ClientError, Unavailable } from "../../errors.ts";
import type { Owner } from "../../files/uploads.ts";
import { claimsOf, expiredMessage, isFor, type Claims } from "./claims.ts";

/** The claims of the token. */
export interface Caller extends Claims {
  /** The end of the token, in real time. */
  readonly expiresAt?: number;
  /** In a request that changes nothing, an APP_VIEWER is as good as an administrator of the app. */
  readonly isReading?: boolean;
}

const LONGEST_TOKEN = 8 * 1_024;
const CLOCK_SKEW_SECONDS = 60;

/** Throws `Unavailable` without the issuer's keys, and UNAUTHORIZED for every invalid token. */
type Verify = (token: string) => Promise<JWTPayload>;

/** Verified tokens are remembered for a minute each, since a client sends the same token with every request. */
const VERIFIED_FOR_MS = MINUTE;
const MOST_VERIFIED = 1_000;
/** No date is later. */
const LATEST = 8.64e15;

/** The caller of a request. Every invalid token gets the same 401. */
type Authenticate = (authorization: string | undefined, realNow: number) => Promise<Caller>;

let authenticator: Authenticate | undefined;

export const authenticate: Authenticate = async (authorization, realNow) =>
  (authenticator ??= createAuthenticator(process.env))(authorization, realNow);

type Env = Readonly<Record<string, string | undefined>>;

export function createAuthenticator(env: Env): Authenticate {
  const verified = new Map<string, { readonly caller: Caller; readonly until: number }>();
  const names = claimNames(env);
  let verifier: Promise<Verify> | undefined;
  return async (authorization, realNow) => {
    const token = bearerOf(authorization);
    if (!token) throw unauthorized("no bearer token");
    if (token.length > LONGEST_TOKEN) throw unauthorized("a token of over 8 KB");
    const known = verified.get(token);
    if (known && known.until > realNow) return known.caller;
    verifier ??= createVerifier(env);
    const payload = await (await verifier)(token);
    const claims = claimsOf(payload, names);
    if (!claims) {
      const { app, roles, permissions } = names;
      throw unauthorized(`one of the claims sub, ${app} (a UUID), ${roles} and ${permissions} has another shape`);
    }
    if (verified.size >= MOST_VERIFIED) verified.clear();
    const expiresAt = Math.min((payload.exp ?? 0) * SECOND, LATEST);
    const caller = { ...claims, expiresAt };
    verified.set(token, { caller, until: Math.min(realNow + VERIFIED_FOR_MS, expiresAt) });
    return caller;
  };
}

// Of jose, what the configuration needs is imported at the first request with a token.
async function createVerifier(env: Env): Promise<Verify> {
  const config = tokenConfig(env);
  const { createRemoteJWKSet, errors, jwtVerify } = await import("./jwt.ts");
  const checks: JWTVerifyOptions = {
    requiredClaims: ["exp", "sub"],
    clockTolerance: CLOCK_SKEW_SECONDS,
    ...(config.issuer && { issuer: config.issuer }),
  };
  const verifyWith = async (): Promise<Verify> => {
    if (config.kind === "secret") {
      const verifyBy = (secret: string): Verify => {
        // A key object is imported once, a plain secret for every token.
        const key = createSecretKey(secret, "utf8");
        return async (token) => (await jwtVerify(token, key, { ...checks, algorithms: ["HS256"] })).payload;
      };
      const current = verifyBy(config.secret);
      if (config.previous === undefined) return current;
      const before = verifyBy(config.previous);
      return async (token) =>
        current(token).catch(async (error: unknown) => {
          if (error instanceof errors.JWSSignatureVerificationFailed) return before(token);
          throw error;
        });
    }
    const keys = createRemoteJWKSet(config.url);
    const algorithms = ["RS256", "PS256", "ES256", "EdDSA"];
    return async (token) => (await jwtVerify(token, keys, { ...checks, algorithms })).payload;
  };
  const verify = await verifyWith();
  return async (token) => {
    const payload = await verify(token).catch((error: unknown) => {
      if (keysAreMissing(error, errors.JOSEError)) throw new Unavailable("The issuer of public keys", error);
      if (error instanceof errors.JWTExpired) throw expired(error.payload, env);
      // The message of such an error may hold some of the token; its code and the claim's name don't.
      const { code, claim } = error as errors.JWTClaimValidationFailed;
      throw unauthorized([code, claim].filter(Boolean).join(" "));
    });
    if (config.audiences && !isFor(payload, config.audiences))
      throw unauthorized("its audience is none of JWT_AUDIENCE");
    return payload;
  };
}

/** Only the local stack tells: elsewhere, all invalid tokens have one answer. */
function expired(payload: JWTPayload, env: Env): ClientError {
  if (!isLocal(env)) return unauthorized("it has expired");
  return new ClientError("UNAUTHORIZED", expiredMessage(payload, env), [], {
    reason: "token_expired",
    why: "it has expired",
  });
}

/** True if the keys could not be fetched: a client must not discard a valid token for that. */
function keysAreMissing(error: unknown, JoseError: typeof errors.JOSEError): boolean {
  if (!(error instanceof JoseError)) return true;
  return ["ERR_JWKS_TIMEOUT", "ERR_JWKS_INVALID", "ERR_JOSE_GENERIC"].includes(error.code);
}

/** The log says why; the client hears the same of every invalid token. */
function unauthorized(why: string): ClientError {
  return new ClientError("UNAUTHORIZED", "Invalid or missing authentication token", [], { why });
}

/**
 * True if a request carries the operator's token; throws UNAUTHORIZED if it carries another. False if the deployment
 * has no such token: then the endpoints do not exist.
 */
export function isInternal(authorization: string | undefined): boolean {
  const expected = internalToken(process.env);
  if (expected === undefined) return false;
  requireToken(authorization, hashOf(expected));
  return true;
}

/**
 * True if a request may read the metrics; throws UNAUTHORIZED if its token is another one. False if the deployment has no
 * such token: then the endpoint does not exist.
 */
export function isScraper(authorization: string | undefined): boolean {
  const allowed = scraping(process.env);
  if (allowed === undefined || allowed === "anyone") return allowed !== undefined;
  requireToken(authorization, Buffer.from(allowed.sha256, "hex"));
  return true;
}

/** Hashes have one length, so the time of the comparison tells nothing about the token. */
function requireToken(authorization: string | undefined, expected: Buffer): void {
  if (!timingSafeEqual(hashOf(bearerOf(authorization) ?? ""), expected))
    throw unauthorized("not the token of this endpoint");
}

function hashOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function bearerOf(authorization: string | undefined): string | undefined {
  return /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
}

/** APP_VIEWER is enough for a request that changes nothing. */
export function requireRole(caller: Caller, role: "APP_ADMIN" | "PLATFORM_ADMIN"): void {
  if (role === "PLATFORM_ADMIN" ? isPlatformAdmin(caller) : isAppAdmin(caller)) return;
  const enough = caller.isReading && role === "APP_ADMIN" ? "APP_ADMIN or APP_VIEWER" : role;
  throw new ClientError("FORBIDDEN", `Access denied: ${enough} role required`);
}

/** Throws FORBIDDEN when the token names no app, and when a viewer would change something. */
export function requireApp(caller: Caller): void {
  appOf(caller);
  if (caller.isReading || !caller.roles.includes(VIEWER) || mayCreateJobs(caller)) return;
  const message = "Access denied: APP_VIEWER changes nothing; take a token without that role, or one with APP_ADMIN";
  throw new ClientError("FORBIDDEN", message);
}

/** Administrators have all permissions in their app; viewers have those to read. */
export function requirePermission(caller: Caller, permission: string): void {
  if (caller.permissions.includes(permission) || isAppAdmin(caller)) return;
  throw new ClientError("FORBIDDEN", `Access denied: permission ${permission} required`);
}

/** Whether the caller may have jobs made that call any address, by an administrator's role or a permission. */
export function mayCreateJobs(caller: Caller): boolean {
  const { permissions } = caller;
  return isAppAdmin(caller) || JOB_PERMISSIONS.some((permission) => permissions.includes(permission));
}

const JOB_PERMISSIONS = ["jobs.create_jobs", "job:Create"];

/** Whether the caller has an administrator's rights in this request, which may be those of a viewer. */
export function isAppAdmin(caller: Caller): boolean {
  const { roles, isReading = false } = caller;
  return roles.includes("APP_ADMIN") || isPlatformAdmin(caller) || (isReading && roles.includes(VIEWER));
}

const VIEWER = "APP_VIEWER";

export function isPlatformAdmin(caller: Caller): boolean {
  return caller.roles.includes("PLATFORM_ADMIN");
}

/** The app of a request: that of the token, or any app for a platform administrator. */
export function appOf(caller: Caller, requested?: string): string {
  if (isPlatformAdmin(caller)) return requested ?? caller.appId ?? defaultAppId(process.env);
  if (!caller.appId)
    throw new ClientError("FORBIDDEN", `Access denied: the token names no app (claim ${claimNames(process.env).app})`);
  if (requested !== undefined && requested !== caller.appId) {
    throw new ClientError("FORBIDDEN", "Access denied: the token is for another app");
  }
  return caller.appId;
}

/** The owner to whom uploads are bound. */
export function ownerOf(caller: Caller): Owner {
  return { appId: appOf(caller), userId: caller.sub };
}
