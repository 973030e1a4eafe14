import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient, SendMessageCommand } from "@aws-sdk/client-sqs";
import type { Server } from "node:http";
import { join } from "node:path";
import { HOUR, createClock, type Clock } from "../lib/clock.ts";
import { setClock } from "./clock-file.ts";
import { NO_LINKS, createBucketLinks } from "./bucket-links.ts";
import { startEmulators, type Emulators } from "./emulators.ts";
import { environmentWithoutScheduler, localDefaults, ownEnvironment } from "./environment.ts";
import { startSchedule, type Runner } from "./event-sources.ts";
import { createFunctionUrls } from "./function-urls.ts";
import { createGateway } from "./gateway.ts";
import { createGuard, type Guard } from "./guard.ts";
import { functionsFolder, startLambdaApi, type LambdaApi } from "./lambda-api.ts";
import { createFunctions, type Invoke, type LoadedFunction } from "./lambda.ts";
import { expireFiles, rulesOf } from "./lifecycle.ts";
import { LOOPBACK, listenAt, urlOf } from "./listen.ts";
import { createLocalPages } from "./local-pages.ts";
import { startMailbox } from "./mailbox.ts";
import { waitPatiently } from "./patience.ts";
import { ACCOUNT_ID, OtherLayout, environmentOf, provision, type References } from "./provision.ts";
import { startScheduler, type Scheduler } from "./scheduler.ts";
import { startStreamMappings } from "./table-stream.ts";
import type { Template } from "./template.ts";

// AWS on this machine for one stack: the emulators, the stand-ins for other services, and the gateway. The
// queue mappings and schedules of serverless.yml are in workers.ts.

export interface CloudSettings {
  readonly root: string;
  readonly template: Template;
  readonly dir: string;
  /** Of the gateway; 0 for any that is free. */
  readonly port: number;
  /** The address on which the gateway listens; all else listens on loopback addresses. */
  readonly bind: string;
  readonly speed: number;
  /** The environment of a stack of this folder that was killed: its workers may go on. */
  readonly before?: Readonly<Record<string, string>> | undefined;
  /** Called when the emulators end although nobody stopped them. */
  readonly onLoss: (error: Error) => void;
}

export interface Cloud {
  readonly environment: Readonly<Record<string, string>>;
  readonly references: References;
  readonly server: Server;
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts the services that have no endpoint in the environment, makes tables, queues and the bucket, and listens. */
export async function startCloud(settings: CloudSettings): Promise<Cloud> {
  const { root, template, dir, port, bind, speed, before = {}, onLoss } = settings;
  waitPatiently();
  const { emulators, endpoints } = await emulatorsFor(dir);
  Object.assign(process.env, localDefaults());
  let stopping = false;
  void emulators?.ended.then(() => stopping || onLoss(new Error("The emulators ended; start the stack again")));
  const references = await provision(template, endpoints).catch((error: unknown) => {
    throw error instanceof OtherLayout && emulators ? new Error(leaveFolder(error, dir), { cause: error }) : error;
  });
  const own = ownEnvironment(environmentOf(template, references));
  const functions = createFunctions(root, template.functions);
  const guard = createGuard(process.env);
  const lambdaApi = await startLambdaApi(
    functions,
    own["OWN_FUNCTIONS"] ?? "",
    functionsFolder(root),
    guard,
    before["AWS_ENDPOINT_URL_LAMBDA"],
  );
  const mailDir = join(dir, "mailbox");
  const mailbox = await startMailbox(mailDir, guard, before["AWS_ENDPOINT_URL_SESV2"]);
  const isApart = bind !== LOOPBACK && emulators?.endpoints.s3 === endpoints.s3;
  const links = isApart ? createBucketLinks(endpoints.s3, references["JobsBucket"] ?? "") : NO_LINKS;
  const parts = { functionUrl: createFunctionUrls(lambdaApi), pages: createLocalPages(mailDir), guard, links };
  const server = createGateway({ routes: routesOf(functions), ...parts });
  await listenAt(server, { port, bind });
  links.setGateway(urlOf(server));
  guard.setGateway(urlOf(server));
  emulators?.setGateway(urlOf(server));
  const anchor = setClock(dir, speed);
  const place = { dir, endpoints, lambdaUrl: lambdaApi.url, mailboxUrl: mailbox.url, url: urlOf(server), anchor };
  const here = { ...environmentWithoutScheduler(own, place), ...(isApart && { LOCAL_BUCKET_LINKS: place.url }) };
  // A missed schedule fires as soon as the scheduler runs, and functions read their environment when first called.
  Object.assign(process.env, here);
  const clock = createClock(anchor);
  const schedulerUrl = before["AWS_ENDPOINT_URL_SCHEDULER"];
  const scheduler = await scheduling({ lambdaApi, references, dir, clock, guard, before: schedulerUrl });
  const lifecycle = startLifecycle(template, references, clock);
  const streams = startStreams({ functions, references, dir, endpoint: endpoints.dynamodb });
  const environment = {
    ...here,
    AWS_ENDPOINT_URL_SCHEDULER: process.env["AWS_ENDPOINT_URL_SCHEDULER"] ?? scheduler.url,
  };
  return {
    environment,
    references,
    server,
    url: place.url,
    stop: async () => {
      stopping = true;
      setClock(dir, 1);
      lambdaApi.close();
      mailbox.close();
      await Promise.all([scheduler.stop(), lifecycle.stop(), ...streams.map((stream) => stream.stop())]);
      await emulators?.stop();
    },
  };
}

/** What to do about a folder with a table that this version can't read. */
function leaveFolder({ message }: OtherLayout, dir: string): string {
  return (
    `The jobs in ${dir} were made by an older version of the service, and this one can't read them. ` +
    `Move the folder away, for instance by: mv ${dir} ${dir}.old; then start again, with no jobs. ` +
    `Or set DATA_DIR to another folder. (${message}.)`
  );
}

async function emulatorsFor(dir: string): Promise<{ emulators?: Emulators; endpoints: Emulators["endpoints"] }> {
  const { AWS_ENDPOINT_URL: all, AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL_SQS, AWS_ENDPOINT_URL_S3 } = process.env;
  const dynamodb = AWS_ENDPOINT_URL_DYNAMODB ?? all;
  const sqs = AWS_ENDPOINT_URL_SQS ?? all;
  const s3 = AWS_ENDPOINT_URL_S3 ?? all;
  if (dynamodb && sqs && s3) return { endpoints: { dynamodb, sqs, s3 } };
  const emulators = await startEmulators(dir);
  const own = emulators.endpoints;
  return { emulators, endpoints: { dynamodb: dynamodb ?? own.dynamodb, sqs: sqs ?? own.sqs, s3: s3 ?? own.s3 } };
}

/** The default route is the last one. */
function routesOf(functions: readonly LoadedFunction[]): ReadonlyMap<string, Invoke> {
  const routes = functions.flatMap(({ definition, invoke }) => definition.routes.map((key) => [key, invoke] as const));
  return new Map(routes.toSorted(([a], [b]) => Number(a === "*") - Number(b === "*")));
}

interface SchedulingParts {
  readonly lambdaApi: LambdaApi;
  readonly references: References;
  readonly dir: string;
  readonly clock: Clock;
  readonly guard: Guard;
  readonly before: string | undefined;
}

/** EventBridge Scheduler, with the stack's functions as targets and its queues for dead letters. */
async function scheduling({ lambdaApi, references, dir, clock, guard, before }: SchedulingParts): Promise<Scheduler> {
  const sqs = new SQSClient({ useQueueUrlAsEndpoint: false });
  const { AWS_REGION: region = "" } = process.env;
  return startScheduler({
    dir: join(dir, "schedules"),
    clock,
    region,
    guard,
    before,
    accountId: ACCOUNT_ID,
    invoke: async (arn, event) => {
      const call = await lambdaApi.functionNamed(arn.split(":").at(-1) ?? "");
      if (!call) throw new Error(`No function ${arn}`);
      return call(event);
    },
    sendToQueue: async (arn, MessageBody) => {
      const [name = ""] = Object.entries(references).find(([, value]) => value === arn) ?? [];
      await sqs.send(new SendMessageCommand({ QueueUrl: references[name.replace(/\.Arn$/, "")], MessageBody }));
    },
  });
}

/** The bucket's lifecycle, once an hour of service time: its rules count days, and each time lists all files. */
function startLifecycle(template: Template, references: References, clock: Clock): Runner {
  const s3 = new S3Client({ forcePathStyle: true });
  return startSchedule(HOUR, clock, async () =>
    expireFiles(s3, references["JobsBucket"] ?? "", rulesOf(template, "JobsBucket"), clock),
  );
}

interface StreamSettings {
  readonly functions: readonly LoadedFunction[];
  readonly references: References;
  readonly dir: string;
  readonly endpoint: string;
}

function startStreams({ functions, references, dir, endpoint }: StreamSettings): Runner[] {
  const consumers = functions.flatMap(({ definition, invoke }) =>
    definition.streams.map((mapping) => ({ ...mapping, invoke })),
  );
  const byTable = Object.entries(Object.groupBy(consumers, ({ table }) => table));
  return byTable.map(([name, some = []]) => {
    const stream = { endpoint, table: references[name] ?? "", positionFile: join(dir, `${name}.position`) };
    return startStreamMappings(stream, some);
  });
}
