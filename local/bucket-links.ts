import type { APIGatewayProxyStructuredResultV2 } from "aws-lambda";
import { request as send, type IncomingMessage, type ServerResponse } from "node:http";
import { answer as refuse } from "./guard.ts";
import { isSignedLink } from "./signature.ts";

// Links to files where the gateway is reached from elsewhere. The bucket listens on a loopback address alone, so the
// gateway passes on what a link asks for, and nothing else.

export interface BucketLinks {
  /** The URL of the gateway, for which links are signed. */
  setGateway(url: string): void;
  /** Passes on the request of a link. False: it is none. */
  serve(request: IncomingMessage, response: ServerResponse): boolean;
  /** The answer with the host in its links, and in the place that it leads to, by which its caller came. */
  named(answer: APIGatewayProxyStructuredResultV2, host?: string): APIGatewayProxyStructuredResultV2;
}

/** Where the caller reaches the bucket itself. */
export const NO_LINKS: BucketLinks = { setGateway: () => {}, serve: () => false, named: (answer) => answer };

const OF_LINKS = ["GET", "HEAD", "PUT", "OPTIONS"];

export function createBucketLinks(endpoint: string, bucket: string): BucketLinks {
  const { hostname, port, host: own } = new URL(endpoint);
  let gateway = new URL(endpoint);

  function isLink({ method = "", url: target = "", headers }: IncomingMessage): boolean {
    const { AWS_ACCESS_KEY_ID: accessKeyId = "", AWS_SECRET_ACCESS_KEY: secretAccessKey = "" } = process.env;
    if (!OF_LINKS.includes(method)) return false;
    // What a page asks before it sends.
    if (method === "OPTIONS") return true;
    const asked = { method, target, headers, host: gateway.host };
    return isSignedLink(asked, { accessKeyId, secretAccessKey }, Date.now());
  }

  return {
    setGateway: (url) => {
      gateway = new URL(url);
    },
    serve: (request, response) => {
      const { method, url = "" } = request;
      if (!url.startsWith(`/${bucket}/`)) return false;
      if (!isLink(request)) {
        const message = "Expected a link to a file as the service has made it, within its time; ask for another one";
        refuse(response, { status: 403, message });
        return true;
      }
      // The bucket's own guard looks at the other headers, such as Origin.
      const headers = { ...request.headers, host: own };
      const passed = send({ hostname, port, method, path: url, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      passed.on("error", () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
      response.on("close", () => passed.destroy());
      request.pipe(passed);
      return true;
    },
    named: (answer, host = gateway.host) => {
      const { body, isBase64Encoded, headers = {} } = answer;
      if (host === gateway.host) return answer;
      const renamed = (text: string) => text.replaceAll(`${gateway.origin}/${bucket}/`, `http://${host}/${bucket}/`);
      const { location } = headers;
      return {
        ...answer,
        ...(location !== undefined && { headers: { ...headers, location: renamed(String(location)) } }),
        ...(body !== undefined && isBase64Encoded !== true && { body: renamed(body) }),
      };
    },
  };
}
