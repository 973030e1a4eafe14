import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "../../zod.ts";
import { ClientError } from "../../errors.ts";
import { oidcConfig } from "../../config.ts";
import { route, type Answer } from "../http/http.ts";
import { issuerOf, type Issuer } from "./oidc.ts";

// The dashboard: static files, under whatever path the service has. It asks the API as any client does.

/** The folder of the built files: the working directory is the package's folder in Lambda, the project's with npm. */
const BUILT = "web/dist";

/** The policy allows only files and answers of this origin, and of the issuer where one signs in there. */
function policyOf(issuer: Issuer | undefined): string {
  const origins = issuer ? [new URL(issuer.tokenEndpoint).origin] : [];
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    `connect-src ${["'self'", ...origins].join(" ")}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}

const COMMON = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

const ASSET = /^assets\/[\w-]{1,80}\.(js|css)$/;
const TYPES: Readonly<Record<string, string>> = { js: "text/javascript", css: "text/css" };

export const root = route({
  key: "GET /",
  id: "getRoot",
  summary: "Leads a browser to the dashboard",
  contentTypes: ["text/html"],
  answers: { 200: z.string().check(z.describe("The page, for those who accept HTML.")) },
  refusals: ["NOT_FOUND"],

  async handle({ headers }): Promise<Answer> {
    if (!headers["accept"]?.includes("text/html")) throw new ClientError("NOT_FOUND", "No such endpoint: GET /");
    return page("dashboard/");
  },
});

export const dashboard = route({
  key: "GET /dashboard",
  id: "getDashboard",
  summary: "A page to see and steer jobs",
  contentTypes: ["text/html"],
  answers: { 200: z.string().check(z.describe("The page.")) },
  takesSlash: true,
  handle: async ({ hasSlash }) => page(hasSlash ? "" : "dashboard/"),
});

export const dashboardFile = route({
  key: "GET /dashboard/{path+}",
  id: "getDashboardFile",
  summary: "A page of the dashboard, or a file of it",
  contentTypes: ["text/html", "text/css", "text/javascript"],
  answers: { 200: z.string().check(z.describe("The page, or the file.")) },
  refusals: ["NOT_FOUND"],

  async handle({ path, hasSlash, headers }): Promise<Answer> {
    const asked = path["path"] ?? "";
    if (asked.startsWith("assets/")) return file(asked, headers["accept-encoding"] ?? "");
    const depth = asked.split("/").filter((each) => each !== "").length - (hasSlash ? 0 : 1);
    return page("../".repeat(Math.max(0, depth)));
  },
});

const issuerShown = z.strictObject({
  issuer: z.string(),
  clientId: z.string(),
  scope: z.string(),
  authorizationEndpoint: z.string(),
  tokenEndpoint: z.string(),
});

export const signInOptions = route({
  key: "GET /dashboard/sign-in.json",
  id: "getSignInOptions",
  summary: "How people sign in to the dashboard, beside by a pasted token",
  answers: {
    200: z
      .strictObject({
        local: z.boolean().check(z.describe("With a click, on a local stack.")),
        oidc: z.nullable(issuerShown).check(z.describe("At the issuer of the tokens.")),
      })
      .check(z.describe("The ways.")),
  },

  async handle(_, { rules }): Promise<Answer> {
    const issuer = await issuerOf(oidcConfig(process.env));
    const headers = { ...COMMON, "cache-control": "no-cache" };
    // A local stack can't make the tokens of an issuer.
    const local = rules.localFunctionUrls !== "" && !process.env["JWKS_URL"];
    return { status: 200, headers, body: { local, oidc: issuer ?? null } };
  },
});

/** The first start of a local stack builds the dashboard beside it, which takes some seconds. */
const NOT_BUILT = Buffer.from(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="2">
<title>Jobs</title>
<p>The dashboard is being built. This page looks again every two seconds.</p>
<p>Before a deployment, <code>npm run web</code> builds it, as <code>npm run deploy</code> does.</p>
`);

/** The one page of all. `way`: to its files, from where the browser believes to be. */
async function page(way: string): Promise<Answer> {
  const built = (await builtFile("index.html")) ?? NOT_BUILT;
  const issuer = await issuerOf(oidcConfig(process.env));
  const html = built.toString().replaceAll(/(src|href)="\.\//g, `$1="${way}`);
  const headers = {
    ...COMMON,
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": policyOf(issuer),
    "cache-control": "no-cache",
  };
  return { status: 200, headers, body: Buffer.from(html) };
}

/** The names of files tell their content, so that a browser keeps them for good. They are compressed when they are built. */
async function file(name: string, accepted: string): Promise<Answer> {
  const type = ASSET.exec(name)?.[1];
  if (type === undefined) throw new ClientError("NOT_FOUND", "No such file");
  const [suffix, encoding] = /\bbr\b/.test(accepted)
    ? [".br", "br"]
    : /\bgzip\b/.test(accepted)
      ? [".gz", "gzip"]
      : ["", undefined];
  const headers = {
    ...COMMON,
    "content-type": `${TYPES[type]}; charset=utf-8`,
    "cache-control": "public, max-age=31536000, immutable",
    vary: "accept-encoding",
    ...(encoding !== undefined && { "content-encoding": encoding }),
  };
  const built = await builtFile(name + suffix);
  if (!built) throw new ClientError("NOT_FOUND", "No such file");
  return { status: 200, headers, body: built };
}

const kept = new Map<string, Buffer>();

async function builtFile(name: string): Promise<Buffer | undefined> {
  const known = kept.get(name);
  if (known) return known;
  const read = await readFile(join(BUILT, name)).catch(() => undefined);
  // The page is read anew, since a build replaces it.
  if (read && name !== "index.html") kept.set(name, read);
  return read;
}
