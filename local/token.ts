import { SignJWT } from "jose";
import { parseArgs } from "node:util";
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
  const { JWT_SECRET, JWT_ISSUER, JWT_AUDIENCE } = process.env;
  const token = new SignJWT({ ...(appId && { appId }), roles, permissions })
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(sub)
    .setIssuedAt()
    .setExpirationTime(expires);
  if (JWT_ISSUER) token.setIssuer(JWT_ISSUER);
  if (JWT_AUDIENCE) token.setAudience(JWT_AUDIENCE);
  return token.sign(new TextEncoder().encode(JWT_SECRET || LOCAL_JWT_SECRET));
}

const USAGE = `Prints a token, signed with JWT_SECRET if that is set, else for the local stack.
  npm run --silent token -- --app UUID --sub NAME --role ROLE[,ROLE] --permission P[,P] --expires 1h
  --app is left out for a token of a platform administrator; defaults: --sub developer, --role APP_ADMIN, --expires 1h
`;

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
      },
    });
    const list = (text: string) => text.split(",").filter((part) => part !== "");
    const { app, sub, role, permission, expires } = values;
    const token = await signToken({ appId: app, sub, expires, roles: list(role), permissions: list(permission) });
    process.stdout.write(`${token}\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exitCode = 2;
  }
}

if (import.meta.main) await main();
