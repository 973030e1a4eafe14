import type { IncomingMessage } from "node:http";
import { emailsIn } from "./mailbox.ts";
import { signToken } from "./token.ts";

// What the dashboard shows of the local stack alone: the e-mails that were kept, what came to the echo target, and a
// token for whoever sits at this machine.

/** A request that the echo target has answered. */
export interface Echoed {
  readonly at: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface LocalAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface LocalPages {
  /** Keeps what came to the echo target. */
  noteEcho(request: IncomingMessage, url: URL, body: Buffer): void;
  /** Undefined for a path that is none of these. */
  answer(request: IncomingMessage, url: URL): Promise<LocalAnswer | undefined>;
}

export const DEMO_APP = "550e8400-e29b-41d4-a716-446655440000";

/** The last requests to the echo target that are kept, and of each so much of its body, in bytes. */
const MOST_ECHOED = 50;
const MOST_BODY = 64 * 1_024;

export function createLocalPages(mailDir: string): LocalPages {
  const echoed: Echoed[] = [];
  return {
    noteEcho: ({ headers, method = "" }, url, body) => {
      const shown = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
      const text = body.subarray(0, MOST_BODY).toString();
      echoed.unshift({
        at: new Date().toISOString(),
        method,
        path: `${url.pathname}${url.search}`,
        headers: shown,
        body: text,
      });
      echoed.splice(MOST_ECHOED);
    },
    answer: async (request, { pathname }) => {
      switch (`${request.method} ${pathname}`) {
        case "GET /local/mailbox":
          return { statusCode: 302, headers: { location: "/dashboard/local/mail" }, body: "" };
        case "GET /local/mail.json":
          return isOwn(request) ? json(200, { items: emailsIn(mailDir) }) : FOREIGN;
        case "GET /local/echo.json":
          return isOwn(request) ? json(200, { items: echoed }) : FOREIGN;
        case "POST /local/token":
          return isOwn(request) ? json(200, { token: await demoToken() }) : FOREIGN;
        default:
          return undefined;
      }
    },
  };
}

/** The token that a start prints, and that the dashboard gets with one click. */
export async function demoToken(): Promise<string> {
  return signToken({ appId: DEMO_APP, sub: "developer", roles: ["APP_ADMIN"], permissions: [], expires: "12h" });
}

/**
 * Only a page of the stack's own origin, or a program on this machine, may ask: browsers say of each request where its
 * page is from, and no page can say otherwise.
 */
function isOwn({ headers }: IncomingMessage): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== undefined) return site === "same-origin";
  return headers.origin === undefined || headers.origin === `http://${headers.host}`;
}

const FOREIGN = json(403, { message: "Expected a request by the stack's own page" });

function json(statusCode: number, body: object): LocalAnswer {
  const headers = {
    "content-type": "application/json",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  };
  return { statusCode, headers, body: JSON.stringify(body) };
}
