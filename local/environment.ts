import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ClockAnchor } from "../lib/clock.ts";
import type { Emulators } from "./emulators.ts";
import { LOCAL_JWT_SECRET } from "./token.ts";

// The environment of every function on this machine. A variable that `npm start` was given stands.

/** The same in every DATA_DIR, so that a token works in each of them. */
export function localDefaults(): Record<string, string> {
  const { env } = process;
  return {
    AWS_REGION: env["AWS_REGION"] ?? "local",
    AWS_ACCESS_KEY_ID: env["AWS_ACCESS_KEY_ID"] ?? "local",
    AWS_SECRET_ACCESS_KEY: env["AWS_SECRET_ACCESS_KEY"] ?? "local",
    ...(!env["JWKS_URL"] && { JWT_SECRET: env["JWT_SECRET"] || LOCAL_JWT_SECRET }),
    ALLOW_PRIVATE_TARGETS: env["ALLOW_PRIVATE_TARGETS"] ?? "true",
    INVOKABLE_FUNCTIONS: env["INVOKABLE_FUNCTIONS"] ?? "*",
    // `GET /metrics` shows the figures; lines for CloudWatch would bury what a person reads.
    METRICS: env["METRICS"] ?? "off",
    // What a developer wants to see. Each line has its price on AWS.
    LOG_LEVEL: env["LOG_LEVEL"] ?? "debug",
    EMAIL_SENDER: env["EMAIL_SENDER"] ?? "jobs@example.com",
  };
}

/** The variables of serverless.yml that have a value and no local default. */
export function ownEnvironment(environment: Record<string, string>): Record<string, string> {
  const entries = Object.entries(environment);
  return Object.fromEntries(entries.filter(([name, value]) => value !== "" && !(name in localDefaults())));
}

/** The addresses and the clock of one stack. */
interface Place {
  readonly dir: string;
  readonly endpoints: Emulators["endpoints"];
  readonly lambdaUrl: string;
  readonly mailboxUrl: string;
  /** Of the gateway. */
  readonly url: string;
  readonly anchor: ClockAnchor;
}

/** Everything but EventBridge Scheduler, which itself needs this environment to start. */
export function environmentWithoutScheduler(
  own: Record<string, string>,
  { dir, endpoints, lambdaUrl, mailboxUrl, url, anchor }: Place,
): Record<string, string> {
  return {
    ...localDefaults(),
    ...own,
    AWS_ENDPOINT_URL_DYNAMODB: endpoints.dynamodb,
    AWS_ENDPOINT_URL_SQS: endpoints.sqs,
    AWS_ENDPOINT_URL_S3: endpoints.s3,
    AWS_ENDPOINT_URL_LAMBDA: process.env["AWS_ENDPOINT_URL_LAMBDA"] ?? lambdaUrl,
    AWS_ENDPOINT_URL_SESV2: process.env["AWS_ENDPOINT_URL_SESV2"] ?? mailboxUrl,
    LOCAL_FUNCTION_URLS: `${url}/lambda-url/`,
    LOCAL_SECRETS_KEY: process.env["LOCAL_SECRETS_KEY"] ?? secretsKey(dir),
    SERVICE_CLOCK: [anchor.real, anchor.service, anchor.speed].join(","),
  };
}

/** The key that stands in for KMS: made once, kept with the data that it encrypts. */
function secretsKey(dir: string): string {
  const file = join(dir, "secrets.key");
  try {
    return readFileSync(file, "utf8");
  } catch {
    const key = randomBytes(32).toString("base64");
    writeFileSync(file, key, { mode: 0o600, flag: "wx" });
    return key;
  }
}
