import { DynamoDBClient, GetItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { marshall } from "@aws-sdk/util-dynamodb";
import type { AppStore } from "../app-store.ts";
import { CLIENT_DEFAULTS, askOf, lean } from "../aws.ts";
import { DAY, MINUTE, SECOND, iso, type Clock } from "../clock.ts";
import { ClientError } from "../errors.ts";
import type { FileStore } from "../file-store.ts";
import type { Log } from "../log.ts";
import type { Renderer, RenderedPdf } from "./renderer.ts";
import { BadDocument, MOST_PAGES, type PdfRequest } from "./request.ts";
import type { KeptPdf } from "./view.ts";

/** Starts what renders. Only one function's bundle holds a browser, so that is handed in. */
export type MakeRenderer = (parts: { clock: Clock; log: Log; memoryMb: number }) => Renderer;

interface Parts {
  readonly table: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly apps: Pick<AppStore, "settingsOf">;
  readonly files: Pick<FileStore, "upload">;
  /** What the function that renders has. */
  readonly memoryMb: number;
  readonly renderer: () => MakeRenderer | undefined;
  readonly client?: DynamoDBClient;
}

/** A document that takes longer would do so again. Less than an attempt has. */
const LONGEST_RENDER = 3 * MINUTE;
/** What Node takes beside Chromium. */
const OUR_OWN_MB = 512;
const TABLE = "The jobs table";
const CONTENT_TYPE = "application/pdf";

export type Pdfs = ReturnType<typeof createPdfs>;

/** Makes PDFs, counts an app's pages of the day, and keeps files. */
export function createPdfs(parts: Parts) {
  const { table, clock, log, apps, files } = parts;
  let made: Renderer | undefined;
  let client = parts.client;
  const dynamodb = () => (client ??= lean(new DynamoDBClient(CLIENT_DEFAULTS)));

  function renderer(): Renderer {
    const make = parts.renderer();
    if (!make) throw new Error("There is no browser here: expected a job that needs one on the road pdf");
    return (made ??= make({ clock, log, memoryMb: parts.memoryMb - OUR_OWN_MB }));
  }

  /** Throws FORBIDDEN when an app that has a limit of pages has reached it today. */
  async function admit(appId: string): Promise<void> {
    const { pdfPagesPerDay: limit } = await apps.settingsOf(appId);
    if (limit === null) return;
    const get = new GetItemCommand({ TableName: table, Key: pagesKey(appId), ConsistentRead: true });
    const { Item } = await askOf(TABLE, dynamodb().send(get));
    const pages = Number(Item?.["pages"]?.N ?? 0);
    if (pages < limit) return;
    const message = `The app's pdfPagesPerDay of ${limit} is reached: ${pages} pages today. More can be made from midnight UTC`;
    throw new ClientError("FORBIDDEN", message);
  }

  /** Renders a document and counts its pages. Throws `BadDocument`, or the signal's reason. */
  async function make(appId: string, request: PdfRequest, signal: AbortSignal): Promise<RenderedPdf> {
    const late = clock.timeout(LONGEST_RENDER);
    try {
      const rendered = await renderer().render(request, AbortSignal.any([signal, late]));
      await count(appId, rendered);
      return rendered;
    } catch (error) {
      if (!late.aborted || signal.aborted) throw error;
      throw new BadDocument(`The document took longer than ${LONGEST_RENDER / SECOND} s: make it smaller or simpler`);
    }
  }

  /** Those that are in the file. */
  async function count(appId: string, { pages, truncated }: RenderedPdf): Promise<void> {
    const update = new UpdateItemCommand({
      TableName: table,
      Key: pagesKey(appId),
      UpdateExpression: "SET expiresAt = :expiry ADD pages :pages",
      ExpressionAttributeValues: marshall({
        ":expiry": Math.ceil((clock.now() + 2 * DAY) / SECOND),
        ":pages": truncated ? MOST_PAGES : pages,
      }),
    });
    await askOf(TABLE, dynamodb().send(update));
  }

  function pagesKey(appId: string) {
    return marshall({ pk: `APP#${appId}`, sk: `PAGES#${iso(clock.now()).slice(0, 10)}` });
  }

  /** Keeps the file of an attempt; another attempt has another. */
  async function keep(
    run: { readonly appId: string; readonly jobId: string; readonly attempt: number; readonly signal: AbortSignal },
    { file, pages, truncated }: RenderedPdf,
  ): Promise<KeptPdf> {
    const { appId, jobId, attempt, signal } = run;
    const fileKey = `pdfs/${appId}/${jobId}/${attempt}.pdf`;
    const upload = files.upload(fileKey, CONTENT_TYPE, signal);
    await upload.write(file);
    await upload.complete();
    return { fileKey, pages, truncated, bytes: file.length };
  }

  /** Ends the browser, if there is one. */
  async function end(): Promise<void> {
    await made?.end();
  }

  return { admit, make, keep, end };
}
