import type { JWTPayload } from "jose";
import * as z from "../../zod.ts";
import { SECOND, iso } from "../../clock.ts";
import { claimNames, type ClaimNames } from "../../config.ts";
import { PERMISSIONS, ROLES } from "./rights.ts";

// What a token says of its caller. Issuers have names of their own for it, and shapes: a list, or a text of words.

export interface Claims {
  readonly sub: string;
  readonly appId?: string | undefined;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
}

const schema = z.object({
  sub: z.string().check(
    z.minLength(1),
    z.maxLength(255),
    z.refine((sub) => sub.isWellFormed()),
  ),
  appId: z.optional(z.guid().check(z.toLowerCase())),
  roles: z.array(z.string()),
  permissions: z.array(z.string()),
});

/** Undefined if a claim is none that a token can have. */
export function claimsOf(payload: JWTPayload, names: ClaimNames): Claims | undefined {
  const found = schema.safeParse({
    sub: payload.sub,
    appId: claimAt(payload, names.app) ?? undefined,
    roles: listIn(claimAt(payload, names.roles)),
    permissions: listIn(claimAt(payload, names.permissions)),
  });
  return found.data;
}

/**
 * The claim of a name, or at the end of a path. The whole name comes first, since a name may hold dots
 * (`https://acme.example/roles`), and so may each step of a path: `resource_access.my.api.roles`.
 */
export function claimAt(claims: unknown, name: string): unknown {
  if (typeof claims !== "object" || claims === null) return undefined;
  const own = (key: string): unknown =>
    Object.hasOwn(claims, key) ? (claims as Record<string, unknown>)[key] : undefined;
  let found = own(name);
  for (let dot = name.indexOf("."); found === undefined && dot !== -1; dot = name.indexOf(".", dot + 1)) {
    found = claimAt(own(name.slice(0, dot)), name.slice(dot + 1));
  }
  return found;
}

/** A text is a list of words, between spaces or commas; an entry of a list is taken as it is. */
function listIn(claim: unknown): unknown {
  if (typeof claim === "string") return claim.split(/[\s,]+/).filter((word) => word !== "");
  return claim ?? [];
}

/** Whether a token is for one of the audiences. */
export function isFor({ aud, token_use: use, client_id: client }: JWTPayload, audiences: readonly string[]): boolean {
  // Access tokens of Cognito name the client that they were issued to, and no audience.
  const named = aud ?? (use === "access" ? client : undefined);
  return [named].flat().some((one) => typeof one === "string" && audiences.includes(one));
}

type Env = Readonly<Record<string, string | undefined>>;

/** When a token has expired, and how to get another one on the local stack. */
export function expiredMessage(payload: JWTPayload, env: Env): string {
  const at = `The token expired at ${iso((payload.exp ?? 0) * SECOND)}`;
  if (env["JWKS_URL"]) return `${at}; get another one from its issuer, ${payload.iss}`;
  const claims = claimsOf(payload, claimNames(env));
  return claims ? `${at}; make another one: ${tokenCommand(claims)}` : at;
}

/** The command that makes a token with the same claims, as far as it knows them. */
function tokenCommand({ sub, appId, roles, permissions }: Claims): string {
  const options = {
    app: appId,
    sub,
    role: ROLES.filter((role) => roles.includes(role)).join(",") || "USER",
    permission: PERMISSIONS.filter((permission) => permissions.includes(permission)).join(",") || undefined,
  };
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return `npm run --silent token -- ${given.map(([name, value = ""]) => `--${name} ${quoted(value)}`).join(" ")}`;
}

/** As a shell takes it for one word. */
function quoted(word: string): string {
  return /^[\w.,:@+/-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
