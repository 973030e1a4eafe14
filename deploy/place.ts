import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";

// What `npm run deploy` and `npm run remove` share: the stage, the region, the account, and the stack in it.

const require = createRequire(import.meta.url);

interface Client {
  send(command: object): Promise<unknown>;
  destroy(): void;
}
type Commands = Readonly<Record<string, new (input: object) => Client>>;

const clients = require("./serverless-clients.cjs") as { cloudFormation: () => Commands; sts: () => Commands };

export const SERVICE = "unified-job-api";

export interface Place {
  readonly stage: string;
  readonly region: string;
  /** `unified-job-api-prod`: the stack's name, with which all others begin. */
  readonly stack: string;
}

export interface StackResource {
  readonly LogicalResourceId: string;
  readonly PhysicalResourceId?: string;
  readonly ResourceType: string;
}

/** The longest name is that of a function, of at most 64 characters. */
const LONGEST_STAGE = 20;

/** Serverless itself would take us-east-1 where `--region` is missing, whatever AWS_REGION says. */
export function placeOf(
  stage = "",
  region = process.env["AWS_REGION"] || process.env["AWS_DEFAULT_REGION"] || "",
): Place {
  if (!/^[a-z][a-z0-9-]*$/.test(stage) || stage.length > LONGEST_STAGE || stage === "local")
    throw new Error(
      `--stage is "${stage}": expected a name such as prod, of lower-case letters, digits and hyphens, at most ${LONGEST_STAGE}; "local" is the local stack's`,
    );
  if (!/^[a-z]{2}(?:-[a-z]+)+-\d$/.test(region))
    throw new Error(`--region is "${region}": expected one such as eu-central-1, or AWS_REGION`);
  return { stage, region, stack: `${SERVICE}-${stage}` };
}

async function ask(client: "CloudFormation" | "STS", command: string, input: object, region: string): Promise<unknown> {
  const commands = client === "STS" ? clients.sts() : clients.cloudFormation();
  const made = (name: string, argument: object) => {
    const Made = commands[name];
    if (!Made) throw new Error(`Serverless brings no ${name}`);
    return new Made(argument);
  };
  const opened = made(`${client}Client`, { region, maxAttempts: 3 });
  try {
    return await opened.send(made(`${command}Command`, input));
  } finally {
    opened.destroy();
  }
}

/** Whose credentials these are. */
export async function callerIn(region: string): Promise<{ account: string; arn: string }> {
  try {
    const { Account, Arn } = (await ask("STS", "GetCallerIdentity", {}, region)) as { Account: string; Arn: string };
    return { account: Account, arn: Arn };
  } catch (error) {
    const { name, message } = error as Error;
    throw new Error(
      `AWS knows no caller: expected AWS_PROFILE (after \`aws sso login\`), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; got ${name}: ${message}`,
      { cause: error },
    );
  }
}

interface Stack {
  readonly Outputs?: readonly { OutputKey: string; OutputValue: string }[];
  readonly CreationTime?: Date;
  readonly LastUpdatedTime?: Date;
}

/** The outputs of the stack by name; undefined if there is no stack. */
export async function outputsOf(place: Place): Promise<Record<string, string> | undefined> {
  const stack = await stackIn(place);
  return stack && outputsIn(stack);
}

/** What is deployed; undefined if there is no stack. */
export async function deployedIn(
  place: Place,
): Promise<{ outputs: Record<string, string>; template: object; updatedAt: string | undefined } | undefined> {
  const stack = await stackIn(place);
  if (!stack) return undefined;
  const { LastUpdatedTime, CreationTime } = stack;
  return {
    outputs: outputsIn(stack),
    template: await templateOf(place),
    updatedAt: (LastUpdatedTime ?? CreationTime)?.toISOString(),
  };
}

function outputsIn({ Outputs = [] }: Stack): Record<string, string> {
  return Object.fromEntries(Outputs.map((each) => [each.OutputKey, each.OutputValue]));
}

async function templateOf({
  stack,
  region,
}: Place): Promise<{ Resources?: Record<string, { DeletionPolicy?: string }> }> {
  const { TemplateBody } = (await ask("CloudFormation", "GetTemplate", { StackName: stack }, region)) as {
    TemplateBody: string;
  };
  return JSON.parse(TemplateBody) as { Resources?: Record<string, { DeletionPolicy?: string }> };
}

async function stackIn({ stack, region }: Place): Promise<Stack | undefined> {
  try {
    const { Stacks } = (await ask("CloudFormation", "DescribeStacks", { StackName: stack }, region)) as {
      Stacks: Stack[];
    };
    return Stacks[0] ?? {};
  } catch (error) {
    if (/does not exist/.test((error as Error).message)) return undefined;
    throw error;
  }
}

/** All resources of the stack, and those of them that stay when it is deleted. */
export async function resourcesOf(
  place: Place,
): Promise<{ all: readonly StackResource[]; kept: readonly StackResource[] }> {
  const { stack: StackName, region } = place;
  const all: StackResource[] = [];
  for (let NextToken: string | undefined; ;) {
    const page = (await ask("CloudFormation", "ListStackResources", { StackName, NextToken }, region)) as {
      StackResourceSummaries: StackResource[];
      NextToken?: string;
    };
    all.push(...page.StackResourceSummaries);
    if (!page.NextToken) break;
    ({ NextToken } = page);
  }
  const { Resources = {} } = await templateOf(place);
  const stays = ({ LogicalResourceId: id }: StackResource) =>
    (Resources[id]?.DeletionPolicy ?? "").startsWith("Retain");
  return { all, kept: all.filter(stays) };
}

/**
 * Runs a command about one deployment. `name` is the option of its own, a flag. Exits with what `run` returns, or with 2
 * and the usage after what it throws.
 */
export async function runCommand(
  usage: string,
  name: string,
  run: (place: Place, isSet: boolean) => Promise<number>,
): Promise<void> {
  try {
    const text = { type: "string" } as const;
    const flag = { type: "boolean", default: false } as const;
    const options = { stage: text, region: text, profile: text, help: { ...flag, short: "h" } } as const;
    const { values } = parseArgs({ options: { ...options, [name]: flag } });
    if (values.help) return void process.stdout.write(usage);
    readSettings(values.stage);
    const place = placeOf(values.stage, values.region);
    if (values.profile !== undefined) process.env["AWS_PROFILE"] = values.profile;
    const isSet = Object.entries(values).some(([key, value]) => key === name && value === true);
    process.exitCode = await run(place, isSet);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`);
    process.exitCode = 2;
  }
}

/** The file with the settings of a stage. */
export function settingsFile(stage: string): string {
  return `.env.${stage}`;
}

/** Reads the settings of the stage, if it has a file of them. Variables that are set already keep their values. */
function readSettings(stage = ""): void {
  // `.env.example` is the list of all settings.
  if (stage !== "" && stage !== "example" && existsSync(settingsFile(stage))) process.loadEnvFile(settingsFile(stage));
}

/** The command that shows why CloudFormation failed. */
export function eventsCommand({ stack, region }: Place): string {
  return `  aws cloudformation describe-stack-events --stack-name ${stack} --region ${region} --max-items 20`;
}
