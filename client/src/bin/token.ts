import { UsageError, show, type Args, type Command } from "./command.ts";
import { secondsOf } from "../flat.ts";

/** Of every local stack whose JWT_SECRET is not set; no deployment takes it. */
const LOCAL_SECRET = "local-development-only-jwt-secret";

export const token: Command = {
  name: "token",
  about: "Prints a token, signed with JWT_SECRET or for the local stack; or shows what one says.",
  usage: ["--app UUID [--role APP_ADMIN] [--expires 1h]", "--show [TOKEN]"],
  options: {
    app: { type: "string", value: "UUID", about: "the app; left out for a platform administrator" },
    sub: { type: "string", value: "NAME", about: "the user; default: developer" },
    role: { type: "string", multiple: true, value: "ROLE", about: "repeatable; default: APP_ADMIN" },
    permission: { type: "string", multiple: true, value: "NAME", about: "repeatable" },
    expires: { type: "string", value: "1h", about: "default: 1h" },
    show: { type: "boolean", about: "the claims of TOKEN, or of JOBS_TOKEN" },
  },

  async run(args) {
    if (args.flag("show")) return shown(args);
    if (args.words.length > 0) throw new UsageError(`expected options, got ${args.words.join(" ")}`);
    const app = args.text("app");
    if (app !== undefined && !/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(app))
      throw new UsageError(`--app is "${app}": expected a UUID`);
    const now = Math.floor(Date.now() / 1_000);
    const claims = {
      ...(app !== undefined && { appId: app }),
      roles: listed(args, "role") ?? ["APP_ADMIN"],
      permissions: listed(args, "permission") ?? [],
      sub: args.text("sub") ?? "developer",
      iat: now,
      exp: now + secondsOf(args.text("expires") ?? "1h"),
      ...(process.env["JWT_ISSUER"] && { iss: process.env["JWT_ISSUER"] }),
      ...(process.env["JWT_AUDIENCE"] && { aud: process.env["JWT_AUDIENCE"] }),
    };
    const signed = await sign(claims, process.env["JWT_SECRET"] || LOCAL_SECRET);
    show(args, { token: signed, ...claims }, () => signed);
    return 0;
  },
};

function listed(args: Args, name: string): string[] | undefined {
  return args.all(name)?.flatMap((each) => each.split(","));
}

async function sign(claims: object, secret: string): Promise<string> {
  const encoder = new TextEncoder();
  const hash = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", encoder.encode(secret), hash, false, ["sign"]);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "HS256" })}.${part(claims)}`;
  const signature = await crypto.subtle.sign("HMAC", key, encoder.encode(text));
  return `${text}.${Buffer.from(signature).toString("base64url")}`;
}

function shown(args: Args): number {
  const [given = process.env["JOBS_TOKEN"] ?? ""] = args.words;
  const claims = claimsIn(given);
  const left = claims.exp === undefined ? undefined : claims.exp - Math.floor(Date.now() / 1_000);
  const at = claims.exp === undefined ? "never" : new Date(claims.exp * 1_000).toISOString();
  show(args, claims, () => {
    const until = left !== undefined && left <= 0 ? `expired at ${at}` : `expires at ${at}`;
    return `${JSON.stringify(claims)}\n${until}`;
  });
  return left !== undefined && left <= 0 ? 1 : 0;
}

function claimsIn(given: string): { readonly exp?: number } {
  try {
    return JSON.parse(Buffer.from(given.split(".")[1] ?? "", "base64url").toString()) as { exp?: number };
  } catch {
    throw new UsageError(`expected a JWT as TOKEN or in JOBS_TOKEN, got ${given === "" ? "nothing" : "what is none"}`);
  }
}
