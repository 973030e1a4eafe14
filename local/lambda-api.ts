import { existsSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { answer as refuse, type Guard } from "./guard.ts";
import type { LoadedFunction } from "./lambda.ts";
import { listenLocally } from "./listen.ts";

// The part of the Lambda API that invokes functions: the service's own, and those of a folder.

const INVOCATIONS = /^\/2015-03-31\/functions\/([^/]+)\/invocations/;

/** Lambda's limit for an event and for an answer. */
const LARGEST = 6 * 1_024 * 1_024;

export interface LambdaApi {
  readonly url: string;
  /** Undefined if there is no function of that name. */
  functionNamed(name: string): Promise<((event: unknown) => Promise<unknown>) | undefined>;
  close(): void;
}

/** Serves the service's functions as `prefix` + name, and a user's from `folder/NAME.ts` or `.mjs`. `before`: its last URL. */
export async function startLambdaApi(
  own: readonly LoadedFunction[],
  prefix: string,
  folder: string,
  guard: Guard,
  before?: string,
): Promise<LambdaApi> {
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => fail(response, 500, "ServiceException", String(error)));
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refused = guard.refuse(request);
    if (refused) return refuse(response, refused);
    // A link or picture of a page sends GET, and what browsers say about it may be left out.
    if (request.method !== "POST") return fail(response, 405, "MethodNotAllowedException", "Expected POST");
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    if (body.length > LARGEST) return fail(response, 413, "RequestTooLargeException", `Over ${LARGEST} bytes`);
    const encoded = INVOCATIONS.exec(request.url ?? "")?.[1] ?? "";
    const name =
      decodeURIComponent(encoded)
        .split(/(?:^|:)function:/)
        .at(-1)
        ?.split(":")[0] ?? "";
    const call = await functionNamed(name);
    if (!call) return fail(response, 404, "ResourceNotFoundException", `Function not found: ${name}`);
    const invoking = call(JSON.parse(body.toString() || "null"));
    if (request.headers["x-amz-invocation-type"] === "Event") {
      void invoking.catch((error: unknown) => process.stdout.write(`lambda ${name}  failed: ${String(error)}\n`));
      response.writeHead(202).end();
      return;
    }
    try {
      const result = JSON.stringify((await invoking) ?? null);
      if (Buffer.byteLength(result) > LARGEST) throw new Error(`The answer of ${name} has over ${LARGEST} bytes`);
      response.writeHead(200).end(result);
    } catch (error) {
      const { message, name: errorType } = error instanceof Error ? error : new Error(String(error));
      const payload = JSON.stringify({ errorMessage: message, errorType });
      response.writeHead(200, { "x-amz-function-error": "Unhandled" }).end(payload);
    }
  }

  async function functionNamed(name: string): Promise<((event: unknown) => Promise<unknown>) | undefined> {
    const ours = own.find(({ definition }) => `${prefix}${definition.name}` === name);
    if (ours) return ours.invoke;
    const file = [".ts", ".mjs"].map((ending) => resolve(folder, name + ending)).find((path) => existsSync(path));
    if (!file || !/^[\w-]+$/.test(name)) return undefined;
    // The address contains the time of the last change, so that an edited function is loaded anew.
    const address = `${pathToFileURL(file).href}?changed=${statSync(file).mtimeMs}`;
    const module = (await import(address)) as { handler(event: unknown, context: object): Promise<unknown> };
    return async (event) => module.handler(event, { functionName: name });
  }

  const url = await listenLocally(server, before);
  return {
    url,
    functionNamed,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function fail(response: ServerResponse, status: number, type: string, Message: string): void {
  response.writeHead(status, { "content-type": "application/json", "x-amzn-errortype": type });
  response.end(JSON.stringify({ Type: "User", Message }));
}

/** The folder of a user's functions: LOCAL_FUNCTIONS, or local/functions. */
export function functionsFolder(root: string): string {
  return resolve(process.env["LOCAL_FUNCTIONS"] ?? join(root, "local/functions"));
}
