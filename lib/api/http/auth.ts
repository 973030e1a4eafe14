import { createHash, createSecretKey, timingSafeEqual } from "node:crypto";
import type { errors, JWTPayload, JWTVerifyOptions } from "jose";
import * as z from "zod";
import { MINUTE, SECOND } from "../../clock.ts";
import { defaultAppId, internalToken, scraping, tokenConfig, type TokenConfig } from "../../config.ts";
import { ClientError, Unavailable } from "../../errors.ts";
import type { Owner } from "../../files/uploads.ts";

/** The claims of the token. */
export interface Caller {
  readonly sub: string;
  readonly appId?: string | undefined;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
}

const LONGEST_TOKEN = 8 * 1_024;
const CLOCK_SKEW_SECONDS = 60;

const claims = z.object({
  sub: z
    .string()
    .min(1)
    .max(255)
    .refine((sub) => sub.isWellFormed()),
  appId: z.guid().toLowerCase().optional(),
  roles: z.array(z.string()).default([]),
  permissions: z.array(z.string()).default([]),
});

/** Throws `Unavailable` without the issuer's keys, and UNAUTHORIZED for every invalid token. */
type Verify = (token: string) => Promise<JWTPayload>;

let verifier: Promise<Verify> | undefined;

/** Verified tokens, for a minute each, since a client sends the same token with every request. */
const verified = new Map<string, { readonly caller: Caller; readonly until: number }>();
const VERIFIED_FOR_MS = MINUTE;
const MOST_VERIFIED = 1_000;

/** The caller of a request. Every invalid token gets the same 401. */
export async function authenticate(authorization: string | undefined, realNow: number): Promise<Caller> {
  const token = bearerOf(authorization);
  if (!token || token.length > LONGEST_TOKEN) throw unauthorized();
  const known = verified.get(token);
  if (known && known.until > realNow) return known.caller;
  verifier ??= createVerifier(tokenConfig(process.env));
  const payload = await (await verifier)(token);
  const caller = claims.safeParse(payload);
  if (!caller.success) throw unauthorized();
  if (verified.size >= MOST_VERIFIED) verified.clear();
  const until = Math.min(realNow + VERIFIED_FOR_MS, (payload.exp ?? 0) * SECOND);
  verified.set(token, { caller: caller.data, until });
  return caller.data;
}

// jose is imported at the first request with a token.
async function createVerifier(config: TokenConfig): Promise<Verify> {
  const { createRemoteJWKSet, errors, jwtVerify } = await import("jose");
  const checks: JWTVerifyOptions = {
    requiredClaims: ["exp", "sub"],
    clockTolerance: CLOCK_SKEW_SECONDS,
    ...(config.issuer && { issuer: config.issuer }),
    ...(config.audience && { audience: config.audience }),
  };
  const verifyWith = (): Verify => {
    if (config.kind === "secret") {
      // A key object is imported once, a plain secret for every token.
      const key = createSecretKey(config.secret, "utf8");
      return async (token) => (await jwtVerify(token, key, { ...checks, algorithms: ["HS256"] })).payload;
    }
    const keys = createRemoteJWKSet(config.url);
    const algorithms = ["RS256", "PS256", "ES256", "EdDSA"];
    return async (token) => (await jwtVerify(token, keys, { ...checks, algorithms })).payload;
  };
  const verify = verifyWith();
  return async (token) =>
    verify(token).catch((error: unknown) => {
      const isMissing = keysAreMissing(error, errors.JOSEError);
      throw isMissing ? new Unavailable("The issuer of public keys", error) : unauthorized();
    });
}

/** True if the keys could not be fetched: a client must not discard a valid token for that. */
function keysAreMissing(error: unknown, JoseError: typeof errors.JOSEError): boolean {
  if (!(error instanceof JoseError)) return true;
  return ["ERR_JWKS_TIMEOUT", "ERR_JWKS_INVALID", "ERR_JOSE_GENERIC"].includes(error.code);
}

function unauthorized(): ClientError {
  return new ClientError("UNAUTHORIZED", "Invalid or missing authentication token");
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
  if (!timingSafeEqual(hashOf(bearerOf(authorization) ?? ""), expected)) throw unauthorized();
}

function hashOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function bearerOf(authorization: string | undefined): string | undefined {
  return /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
}

export function requireRole(caller: Caller, role: "APP_ADMIN" | "PLATFORM_ADMIN"): void {
  if (role === "PLATFORM_ADMIN" ? isPlatformAdmin(caller) : isAppAdmin(caller)) return;
  throw new ClientError("FORBIDDEN", `Access denied: ${role} role required`);
}

/** Throws FORBIDDEN when the token names no app. */
export function requireApp(caller: Caller): void {
  appOf(caller);
}

/** Administrators have all permissions in their app. */
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

export function isAppAdmin(caller: Caller): boolean {
  return caller.roles.includes("APP_ADMIN") || isPlatformAdmin(caller);
}

export function isPlatformAdmin(caller: Caller): boolean {
  return caller.roles.includes("PLATFORM_ADMIN");
}

/** The app of a request: that of the token, or any app for a platform administrator. */
export function appOf(caller: Caller, requested?: string): string {
  if (isPlatformAdmin(caller)) return requested ?? caller.appId ?? defaultAppId(process.env);
  if (!caller.appId) throw new ClientError("FORBIDDEN", "Access denied: the token names no app (claim appId)");
  if (requested !== undefined && requested !== caller.appId) {
    throw new ClientError("FORBIDDEN", "Access denied: the token is for another app");
  }
  return caller.appId;
}

/** The owner to whom uploads are bound. */
export function ownerOf(caller: Caller): Owner {
  return { appId: appOf(caller), userId: caller.sub };
}
