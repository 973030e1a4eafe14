import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { answer as refuse, createGuard } from "./guard.ts";
import { listenLocally } from "./listen.ts";

// Amazon SES on this machine: it keeps e-mails and sends none. The dashboard shows them.

export interface Mailbox {
  /** The value for AWS_ENDPOINT_URL_SESV2. */
  readonly url: string;
  close(): void;
}

export interface StoredEmail {
  readonly id: string;
  readonly at: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly text?: string;
  readonly html?: string;
}

/** The shape of a SendEmail request, as far as the service uses it. */
interface SendEmail {
  readonly FromEmailAddress?: string;
  readonly Destination?: { readonly ToAddresses?: readonly string[] };
  readonly Content?: {
    readonly Simple?: {
      readonly Subject?: { readonly Data?: string };
      readonly Body?: { readonly Text?: { readonly Data?: string }; readonly Html?: { readonly Data?: string } };
    };
  };
}

const SHOWN = 200;

/** Keeps each e-mail in a file of `dir`. `before`: its last URL. */
export async function startMailbox(dir: string, guard = createGuard(process.env), before?: string): Promise<Mailbox> {
  mkdirSync(dir, { recursive: true });
  const server = createServer((request, response) => {
    const refused = guard.refuse(request);
    if (refused) return refuse(response, refused);
    receive(dir, request, response).catch(() => answer(response, 500, { message: "Internal failure" }));
  });
  const url = await listenLocally(server, before);
  return {
    url,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function receive(dir: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  if (request.method !== "POST" || request.url !== "/v2/email/outbound-emails") {
    return answer(response, 404, { message: "The local stack knows SendEmail alone" });
  }
  const { FromEmailAddress: from, Destination, Content } = JSON.parse(Buffer.concat(chunks).toString()) as SendEmail;
  const to = Destination?.ToAddresses ?? [];
  const { Subject, Body } = Content?.Simple ?? {};
  const text = Body?.Text?.Data;
  const html = Body?.Html?.Data;
  if (!from || to.length === 0 || to.length > 50 || (text === undefined && html === undefined)) {
    response.setHeader("x-amzn-errortype", "BadRequestException");
    return answer(response, 400, { message: "Expected a sender, 1 to 50 recipients, and a text" });
  }
  // The names sort by time, oldest first.
  const id = `${Date.now().toString().padStart(14, "0")}-${randomUUID()}`;
  const subject = Subject?.Data ?? "";
  const at = new Date().toISOString();
  const kept = { ...(text !== undefined && { text }), ...(html !== undefined && { html }) };
  const email: StoredEmail = { id, at, from, to, subject, ...kept };
  const file = join(dir, `${id}.json`);
  writeFileSync(`${file}.new`, JSON.stringify(email));
  renameSync(`${file}.new`, file);
  answer(response, 200, { MessageId: id });
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

/** The kept e-mails, newest first. */
export function emailsIn(dir: string): StoredEmail[] {
  const names = readdirSync(dir).filter((name) => name.endsWith(".json"));
  return names
    .toSorted()
    .toReversed()
    .slice(0, SHOWN)
    .map((name) => JSON.parse(readFileSync(join(dir, name), "utf8")) as StoredEmail);
}
