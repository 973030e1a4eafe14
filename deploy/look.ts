import { LambdaClient } from "@aws-sdk/client-lambda";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { deployedIn, type Place } from "./place.ts";

// What a deployment looks at before it begins, beside the credentials: the issuer, the account, and what is deployed.

const require = createRequire(import.meta.url);

type Settings = Readonly<Record<string, string>>;
type Env = Readonly<Record<string, string | undefined>>;
const { settingsOf, settingsIn, differences, shardsProblem } = require("./settings.cjs") as {
  settingsOf: (env: Env) => Settings;
  settingsIn: (template: object) => Partial<Settings>;
  differences: (deployed: Partial<Settings>, wanted: Settings) => readonly { name: string; from: string; to: string }[];
  shardsProblem: (deployed: Partial<Settings>, wanted: Settings) => string | undefined;
};
const { compareConcurrency } = require("./account.cjs") as {
  compareConcurrency: (client: LambdaClient, reserved: object) => Promise<{ problem?: string; said?: string }>;
};
const { concurrencyOf } = require("./concurrency.cjs") as { concurrencyOf: (text?: string) => Record<string, number> };

/** What a person is told, and why the deployment can't be; a problem is the last of them. */
export interface Finding {
  readonly about: string;
  readonly said?: string | undefined;
  readonly problem?: string | undefined;
}

const ISSUER_TIMEOUT_MS = 5_000;

/** Whether tokens will say what `JWT_ISSUER` expects of them: the issuer's own document has the text to the letter. */
export async function lookAtIssuer({ JWKS_URL, JWT_ISSUER: issuer = "" }: Env): Promise<Finding | undefined> {
  const about = "Issuer";
  if (!JWKS_URL) return undefined;
  if (!/^https?:\/\//.test(issuer)) return { about, said: `${issuer} is no URL, so its document was not compared` };
  const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const found = await documentAt(url);
  if (typeof found === "string") return { about, said: `not compared: ${url} ${found}` };
  const { issuer: own, jwks_uri: keys } = found;
  if (typeof own === "string" && own !== issuer) {
    const problem =
      `JWT_ISSUER is "${issuer}", and ${url} says "${own}": tokens have that text, and every one would be 401; ` +
      `set JWT_ISSUER=${own}, and deploy again`;
    return { about, problem };
  }
  const other = typeof keys === "string" && keys !== JWKS_URL ? `; its keys are at ${keys}, and not at JWKS_URL` : "";
  return { about, said: `${issuer}, as its document says${other}` };
}

async function documentAt(url: string): Promise<{ issuer?: unknown; jwks_uri?: unknown } | string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ISSUER_TIMEOUT_MS) });
    if (!response.ok) return `answers ${response.status}`;
    const found: unknown = await response.json();
    return typeof found === "object" && found !== null ? found : "is no JSON object";
  } catch (error) {
    const { name, message, cause } = error as Error;
    return `can't be read (${cause instanceof Error ? cause.message : `${name}: ${message}`})`;
  }
}

/** The account's concurrent executions, as `serverless deploy` compares them. */
export async function lookAtAccount({ region, stack }: Place, env: Env): Promise<Finding> {
  const about = "Lambda";
  const reserved = Object.entries(concurrencyOf(env["RESERVED_CONCURRENCY"]));
  const client = new LambdaClient({ region, maxAttempts: 2 });
  try {
    const named = Object.fromEntries(reserved.map(([name, executions]) => [`${stack}-${name}`, executions]));
    return { about, ...(await compareConcurrency(client, named)) };
  } catch (error) {
    // Who may not read this may still deploy.
    return { about, said: `the account's concurrent executions are unknown: ${textOf(error)}` };
  } finally {
    client.destroy();
  }
}

/** The version that is deployed, and the settings that this deployment would change. */
export async function lookAtDeployed(place: Place, env: Env): Promise<readonly Finding[]> {
  const about = "Deployed";
  try {
    const deployed = await deployedIn(place);
    if (!deployed) return [{ about, said: `nothing yet; this is ${ownVersion()}` }];
    const { outputs, template, updatedAt } = deployed;
    const at = updatedAt === undefined ? "" : `, since ${updatedAt}`;
    const version = outputs["ServiceVersion"] ?? "a version before 1.1.0";
    const [before, wanted] = [settingsIn(template), settingsOf(env)];
    const changes = differences(before, wanted).map(({ name, from, to }) => ({
      about: "Changes",
      said: `${name}: ${shown(from)} is deployed, ${shown(to)} is set`,
    }));
    const problem = shardsProblem(before, wanted);
    return [
      { about, said: `${version}${at}; this is ${ownVersion()}` },
      ...changes,
      ...(problem === undefined ? [] : [{ about, problem }]),
    ];
  } catch (error) {
    return [{ about, said: `unknown: ${textOf(error)}` }];
  }
}

function shown(value: string): string {
  return value === "" ? "nothing" : value;
}

function textOf(error: unknown): string {
  const { name, message } = error as Error;
  return `${name}: ${message}`;
}

function ownVersion(): string {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../package.json"), "utf8")) as {
    version: string;
  };
  return version;
}
