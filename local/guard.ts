import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { isIPv6 } from "node:net";
import { corsOrigins } from "../lib/config.ts";

// Keeps web pages away from the servers of the local stack. A page in the browser of this machine can send requests
// to each of its ports, but it can't choose their headers Host, Origin and Sec-Fetch-Site.

export interface Guard {
  /** Names the gateway, whose pages are the stack's own. */
  setGateway(url: string): void;
  /** The refusal of a request that names another host: a page of a name that leads here since it was loaded. */
  refuseHost(request: IncomingMessage): Refusal | undefined;
  /** The refusal of a request by a foreign page, or for another host. `bucket`: the pages of CORS_ORIGINS may read and put. */
  refuse(request: IncomingMessage, part?: "bucket"): Refusal | undefined;
}

export interface Refusal {
  readonly status: 421 | 403;
  readonly message: string;
}

const LOOPBACK = /^(?:(?:[\w-]+\.)*localhost\.?|127(?:\.\d{1,3}){3}|\[::1\])$/;
/** What the pages of CORS_ORIGINS may do, as at the deployed bucket. */
const OF_PAGES = ["GET", "HEAD", "PUT", "OPTIONS"];

/**
 * `ALLOWED_HOSTS`: hosts beside the loopback ones and the address of `BIND`, each with its port or for any port. No page
 * can make the name of a site lead to a host that is an address.
 */
export function createGuard(env: NodeJS.ProcessEnv): Guard {
  const named = (env["ALLOWED_HOSTS"] ?? "").split(",").map((host) => host.trim().toLowerCase());
  const bound = (env["BIND"] ?? "").toLowerCase();
  const own = ["", "0.0.0.0", "::"].includes(bound) ? [] : [isIPv6(bound) ? `[${bound}]` : bound];
  const allowed = new Set([...own, ...named.filter((host) => host !== "")]);
  const origins = corsOrigins(env);
  let gatewayPort: string | undefined;

  const isAllowed = (host: string) => allowed.has(host) || allowed.has(nameIn(host));

  function isOwnPage(origin: string): boolean {
    if (!URL.canParse(origin)) return false;
    const { host, hostname, port } = new URL(origin);
    return isAllowed(host) || (gatewayPort !== undefined && port === gatewayPort && LOOPBACK.test(hostname));
  }

  function refuseHost({ headers }: IncomingMessage): Refusal | undefined {
    const host = (headers.host ?? "").toLowerCase();
    if (host !== "" && (LOOPBACK.test(nameIn(host)) || isAllowed(host))) return undefined;
    const expected = "Expected a Host of this machine, such as localhost";
    return { status: 421, message: `${expected}, found "${host}": ALLOWED_HOSTS can name others` };
  }

  function refuse(request: IncomingMessage, part?: "bucket"): Refusal | undefined {
    const { headers, method = "" } = request;
    const { origin } = headers;
    const refused = refuseHost(request);
    if (refused || (origin === undefined && !isByForeignPage(request))) return refused;
    if (origin !== undefined && isOwnPage(origin)) return undefined;
    const mayCall = part === "bucket" && OF_PAGES.includes(method) && !isInspection(request);
    const isNamed = origin !== undefined && (origins.includes(origin) || origins.includes("*"));
    if (mayCall && isNamed) return undefined;
    return { status: 403, message: `Expected a request by no web page but the stack's own, found one by ${origin}` };
  }

  return {
    setGateway: (url) => {
      gatewayPort = new URL(url).port;
    },
    refuseHost,
    refuse,
  };
}

/** A host without its port. */
function nameIn(host: string): string {
  return host.replace(/:\d{1,5}$/, "");
}

/** Browsers send no Origin with what they only embed. A link that is followed is none of that. */
function isByForeignPage({ headers }: IncomingMessage): boolean {
  const site = headers["sec-fetch-site"];
  return (site === "cross-site" || site === "same-site") && headers["sec-fetch-mode"] !== "navigate";
}

/** The emulator shows its queues to everyone at this path, however it is encoded, or at a host that begins like it. */
function isInspection({ url = "", headers }: IncomingMessage): boolean {
  const path = url.replace(/%[0-7][0-9a-f]/gi, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)));
  return /^\/_fauxqs/i.test(path) || /^_fauxqs\./i.test(headers.host ?? "");
}

/** Puts a guard before a server of queues and a bucket, and makes browsers save what they get of it. */
export function guardBucket(server: Server, guard: Guard): void {
  const listeners = server.listeners("request") as ((request: IncomingMessage, response: ServerResponse) => void)[];
  server.removeAllListeners("request");
  server.on("request", (request, response) => {
    const refused = guard.refuse(request, "bucket");
    if (refused) return answer(response, refused);
    const { origin } = request.headers;
    if (origin !== undefined) allowPage(response, origin);
    if (request.method === "OPTIONS") return void response.writeHead(204).end();
    if (request.method === "GET" || request.method === "HEAD") makeAttachment(request, response);
    for (const serve of listeners) serve(request, response);
  });
}

export function answer(response: ServerResponse, { status, message }: Refusal): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ message }));
}

/** As the bucket's rule in resources.yml. */
function allowPage(response: ServerResponse, origin: string): void {
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader("access-control-allow-methods", "GET, HEAD, PUT");
  response.setHeader("access-control-allow-headers", "*");
  response.setHeader("access-control-expose-headers", "ETag");
  response.setHeader("access-control-max-age", "600");
  response.setHeader("vary", "origin");
}

/** Whoever uploads a file names its type: as a page of this origin, it could call the queues. */
function makeAttachment({ url = "" }: IncomingMessage, response: ServerResponse): void {
  // The emulator does not know this parameter of links.
  const asked = new URLSearchParams(url.split("?")[1]).get("response-content-disposition");
  const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => ServerResponse;
  response.writeHead = (...args: unknown[]) => {
    const given = args.find((arg) => typeof arg === "object" && arg !== null) as Record<string, unknown> | undefined;
    const disposition = asked ?? given?.["content-disposition"];
    const headers = {
      ...given,
      "content-disposition": /^attachment\b/i.test(String(disposition)) ? disposition : "attachment",
      "content-security-policy": "sandbox; default-src 'none'",
      "cross-origin-resource-policy": "same-origin",
      "x-content-type-options": "nosniff",
    };
    return writeHead(...args.filter((arg) => typeof arg !== "object" || arg === null), headers);
  };
}
