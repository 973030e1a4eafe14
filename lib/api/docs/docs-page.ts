import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import * as z from "../../zod.ts";
import { ClientError } from "../../errors.ts";
import { route } from "../http/http.ts";

// Swagger UI: the page and its files, served by this function.

/** The policy allows only files of this origin and no inline code; the images are icons in the style sheet. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Unified Job API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="api-docs/swagger-ui.css">
<div id="viewer"></div>
<script src="api-docs/swagger-ui-bundle.js"></script>
<script src="api-docs/start.js"></script>
`;

const START = `SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#viewer",
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  persistAuthorization: false,
  validatorUrl: null,
});
`;

interface Asset {
  readonly type: string;
  readonly text: () => Promise<string>;
}

/** The files by their names. Those of Swagger UI are packaged by serverless.yml. */
const ASSETS: Readonly<Record<string, Asset>> = {
  "start.js": { type: "text/javascript", text: async () => START },
  "swagger-ui.css": { type: "text/css", text: async () => viewerFile("swagger-ui.css") },
  "swagger-ui-bundle.js": { type: "text/javascript", text: async () => viewerFile("swagger-ui-bundle.js") },
};

async function viewerFile(name: string): Promise<string> {
  // The working directory is the package's folder in Lambda and the project's with npm.
  return readFile(join("node_modules/swagger-ui-dist", name), "utf8");
}

export const docsPage = route({
  key: "GET /api-docs",
  id: "getDocsPage",
  summary: "A page to browse this document and try it out",
  contentTypes: ["text/html"],
  answers: { 200: z.string().check(z.describe("The page.")) },
  handle: async () => ({
    status: 200,
    headers: { ...headersOf("text/html"), "content-security-policy": POLICY, "cache-control": "no-cache" },
    body: Buffer.from(PAGE),
  }),
});

export const docsAsset = route({
  key: "GET /api-docs/{file}",
  id: "getDocsAsset",
  summary: "A file of that page",
  contentTypes: ["text/css", "text/javascript"],
  answers: { 200: z.string().check(z.describe("The file.")) },

  async handle({ path, headers }) {
    const name = path["file"] ?? "";
    const asset = Object.hasOwn(ASSETS, name) ? ASSETS[name] : undefined;
    if (!asset) throw new ClientError("NOT_FOUND", "No such file");
    const caching = { "cache-control": "public, max-age=3600", vary: "accept-encoding" };
    const common = { ...headersOf(asset.type), ...caching };
    if (!/\bgzip\b/.test(headers["accept-encoding"] ?? "")) {
      return { status: 200, headers: common, body: Buffer.from(await asset.text()) };
    }
    return { status: 200, headers: { ...common, "content-encoding": "gzip" }, body: await compressed(name, asset) };
  },
});

function headersOf(type: string): Record<string, string> {
  return {
    "content-type": `${type}; charset=utf-8`,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
  };
}

const kept = new Map<string, Buffer>();

/** API Gateway does not compress, so this function does, once per container. */
async function compressed(name: string, asset: Asset): Promise<Buffer> {
  const made = kept.get(name) ?? (await promisify(gzip)(await asset.text()));
  kept.set(name, made);
  return made;
}
