import { SignJWT } from "jose";
import { parseArgs } from "node:util";
import { PERMISSIONS, ROLES } from "../lib/api/http/rights.ts";
import { claimNames, tokenAudiences } from "../lib/config.ts";
import { readEnvFile } from "./env-file.ts";

/** The local stack's secret if JWT_SECRET is not set; the same in every DATA_DIR. */
export const LOCAL_JWT_SECRET = "local-development-only-jwt-secret";

export interface TokenClaims {
  readonly appId?: string | undefined;
  readonly sub: string;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
  /** As jose reads it: `1h`, `30m`, `7d`. */
  readonly expires: string;
}

export async function signToken({ sub, expires, appId, roles, permissions }: TokenClaims): Promise<string> {
  const { JWT_SECRET, JWT_ISSUER } = process.env;
  const names = claimNames(process.env);
  const claims = { ...(appId && { [names.app]: appId }), [names.roles]: roles, [names.permissions]: permissions };
  const token = new SignJWT(claims)
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(sub)
    .setIssuedAt()
    .setExpirationTime(expires);
  const audiences = tokenAudiences(process.env);
  if (JWT_ISSUER) token.setIssuer(JWT_ISSUER);
  if (audiences.length > 0) token.setAudience([...audiences]);
  return token.sign(new TextEncoder().encode(JWT_SECRET || LOCAL_JWT_SECRET));
}

/** A role without rights, for tokens that have permissions alone. */
const USER = "USER";
const TOKEN_ROLES: readonly string[] = [...ROLES, USER];

const USAGE = `Prints a token, signed with JWT_SECRET if that is set, else for the local stack.

  npm run --silent token -- --app UUID [--sub NAME] [--role ROLE,…] [--permission PERMISSION,…] [--expires 12h]

  --app         the app's UUID; a PLATFORM_ADMIN may go without
  --sub         who is asking; default developer
  --role        APP_ADMIN (default), APP_VIEWER, PLATFORM_ADMIN, or USER for permissions alone
  --permission  ${PERMISSIONS.slice(0, 4).join(", ")},
                ${PERMISSIONS.slice(4, 7).join(", ")},
                ${PERMISSIONS.slice(7).join(", ")}
  --expires     a number and s, m, h or d; default 1h
  --help        this text
`;

interface Options {
  readonly app?: string;
  readonly sub: string;
  readonly role: string;
  readonly permission: string;
  readonly expires: string;
}

const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;
const LIFETIME = /^0*[1-9]\d{0,8}[smhd]$/;

/** The claims that were asked for. Throws what is wrong with the options, a line for each. */
function claimsAsked({ app, sub, role, permission, expires }: Options): TokenClaims {
  const [roles, permissions] = [listIn(role), listIn(permission)];
  const isPlatform = roles.includes("PLATFORM_ADMIN");
  const problems = [
    app !== undefined && !UUID.test(app) && `--app is "${app}": expected a UUID`,
    app === undefined && !isPlatform && "--app is missing: expected the app's UUID; only a PLATFORM_ADMIN needs none",
    (sub === "" || sub.length > 255) && `--sub has ${sub.length} characters: expected 1 to 255`,
    roles.length === 0 && `--role is empty: expected some of ${TOKEN_ROLES.join(", ")}`,
    ...unknownIn("--role", roles, TOKEN_ROLES),
    ...unknownIn("--permission", permissions, PERMISSIONS),
    !LIFETIME.test(expires) && `--expires is "${expires}": expected a number and s, m, h or d, such as 90m`,
  ].filter((problem) => problem !== false);
  if (problems.length > 0) throw new Error(problems.join("\n"));
  return { appId: app, sub, roles, permissions, expires };
}

function listIn(text: string): string[] {
  return text.split(",").flatMap((part) => part.trim() || []);
}

function unknownIn(option: string, given: readonly string[], known: readonly string[]): string[] {
  const unknown = given.filter((name) => !known.includes(name));
  return unknown.map((name) => `${option} names "${name}": expected some of ${known.join(", ")}`);
}

async function main(): Promise<void> {
  try {
    readEnvFile();
    const { values } = parseArgs({
      options: {
        app: { type: "string" },
        sub: { type: "string", default: "developer" },
        role: { type: "string", default: "APP_ADMIN" },
        permission: { type: "string", default: "" },
        expires: { type: "string", default: "1h" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) return void process.stdout.write(USAGE);
    const claims = claimsAsked(values);
    if (process.env["JWKS_URL"]) {
      throw new Error("JWKS_URL is set, so only its issuer makes tokens: get one there, or unset JWKS_URL");
    }
    process.stdout.write(`${await signToken(claims)}\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exitCode = 2;
  }
}

if (import.meta.main) await main();
