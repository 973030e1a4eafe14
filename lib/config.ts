import { createHash } from "node:crypto";
import { DAY, type ClockAnchor } from "./clock.ts";
import { LEAST_LEVELS, type LeastLevel } from "./log.ts";
import type { SchedulerConfig } from "./queue/scheduler.ts";
import { DEFAULT_LIST_SHARDS } from "./store/job-keys.ts";
import type { SealingKey } from "./store/sealer.ts";
import type { DeploymentRules, Home } from "./outbound/rules.ts";

// The configuration, read from environment variables. Each variable is in the table of docs/reference.md and in .env.example.

export interface JobsConfig {
  readonly table: string;
  readonly bucket: string;
  readonly queueUrls: { readonly fair: string; readonly main: string; readonly tasks: string; readonly pdf: string };
  readonly scheduler: SchedulerConfig;
  /** In ms; 0 keeps finished jobs for good. */
  readonly retention: number;
  /** The partitions of each list of an app. */
  readonly listShards: number;
  /** How long entries of the audit log are kept, in ms; 0 keeps them for good. */
  readonly auditKeptFor: number;
  /** The sender of e-mails. Without it, none can be sent. */
  readonly emailSender: string | undefined;
  /** The most requests of an app that wait for news at once, unless the operator allows it another number. */
  readonly waitersPerApp: number;
  readonly metrics: MetricsConfig;
  readonly logLevel: LeastLevel;
  readonly rules: DeploymentRules;
  readonly sealing: SealingKey;
  readonly clock: ClockAnchor | undefined;
}

export interface MetricsConfig {
  /** In CloudWatch. Undefined: none are emitted. */
  readonly namespace: string | undefined;
  /** Whether the table keeps their figures, for `GET /metrics`. */
  readonly areKept: boolean;
}

/** The key that verifies tokens: a shared secret (HS256), or the public keys of an issuer. One of the audiences is enough. */
export type TokenConfig =
  | {
      readonly kind: "secret";
      readonly secret: string;
      /** The one before, whose tokens are still taken. */
      readonly previous?: string;
      readonly issuer?: string;
      readonly audiences?: readonly string[];
    }
  | { readonly kind: "jwks"; readonly url: URL; readonly issuer: string; readonly audiences: readonly string[] };

/** The names of the claims that say what a caller may: of a claim, or a dotted path to one. */
export interface ClaimNames {
  readonly app: string;
  readonly roles: string;
  readonly permissions: string;
}

type Env = Readonly<Record<string, string | undefined>>;

export function jobsConfig(env: Env): JobsConfig {
  return {
    table: required(env, "JOBS_TABLE", "the name of the DynamoDB table"),
    bucket: required(env, "S3_JOBS_BUCKET_NAME", "the name of the S3 bucket"),
    queueUrls: {
      fair: required(env, "JOBS_FAIR_QUEUE_URL", "the URL of the queue jobs-fair"),
      main: required(env, "AWS_SQS_QUEUE_URL", "the URL of the queue jobs-main.fifo"),
      tasks: required(env, "SQS_JOBS_QUEUE_URL", "the URL of the queue jobs-tasks"),
      pdf: required(env, "SQS_PDF_QUEUE_URL", "the URL of the queue jobs-pdf"),
    },
    scheduler: {
      group: required(env, "AWS_SCHEDULER_GROUP_ARN", "the ARN of the group of EventBridge schedules"),
      target: required(env, "AWS_SCHEDULER_TARGET_ARN", "the ARN of the function fire-schedule"),
      role: required(env, "AWS_SCHEDULER_ROLE_ARN", "the ARN of the role that calls it"),
      deadLetters: required(env, "AWS_SCHEDULER_DEAD_LETTERS_ARN", "the ARN of the queue schedules-dead"),
    },
    retention: numberOf(env, "RETENTION_DAYS", 0) * DAY,
    listShards: wholeNumberOf(env, "LIST_SHARDS", DEFAULT_LIST_SHARDS, MOST_LIST_SHARDS),
    auditKeptFor: numberOf(env, "AUDIT_DAYS", 400) * DAY,
    emailSender: env["EMAIL_SENDER"] || undefined,
    waitersPerApp: wholeNumberOf(env, "WAITERS_PER_APP", 20),
    metrics: metricsConfig(env),
    logLevel: logLevel(env),
    rules: {
      allowPrivateTargets: env["ALLOW_PRIVATE_TARGETS"] === "true",
      invokableFunctions: namesIn(env["INVOKABLE_FUNCTIONS"]),
      home: homeOf(env["AWS_SCHEDULER_GROUP_ARN"] ?? ""),
      ownFunctions: env["OWN_FUNCTIONS"] ?? "",
      localFunctionUrls: env["LOCAL_FUNCTION_URLS"] ?? "",
    },
    sealing: sealingKey(env),
    clock: clockAnchor(env["SERVICE_CLOCK"]),
  };
}

/** Throws for a word that is none of those that a variable takes: a start refuses it before anything runs. */
export function refuseWords(env: Env): void {
  logLevel(env);
  metricsConfig(env);
}

function logLevel({ LOG_LEVEL: level = "" }: Env): LeastLevel {
  const found = LEAST_LEVELS.find((one) => one === (level || "info"));
  if (!found) throw new Error(`LOG_LEVEL is "${level}": expected ${LEAST_LEVELS.join(" or ")}`);
  return found;
}

function metricsConfig(env: Env): MetricsConfig {
  const { METRICS: level = "", METRICS_NAMESPACE: namespace } = env;
  if (!["", "basic", "off"].includes(level)) throw new Error(`METRICS is "${level}": expected basic or off`);
  return { namespace: level === "off" ? undefined : namespace || undefined, areKept: scraping(env) !== undefined };
}

/**
 * Who may read `GET /metrics`: whoever has the token with this SHA-256, in hex. Undefined: nobody, and the endpoint does
 * not exist. The local stack needs no token.
 */
export function scraping(env: Env): "anyone" | { readonly sha256: string } | undefined {
  // Deployed functions have the hash alone.
  const { METRICS_TOKEN: token, METRICS_TOKEN_SHA256: sha256, LOCAL_SECRETS_KEY: local } = env;
  if (sha256) return { sha256 };
  if (!local) return undefined;
  return token ? { sha256: createHash("sha256").update(token).digest("hex") } : "anyone";
}

/** Region and account of a deployment, by the ARN of one of its resources. */
function homeOf(arn: string): Home | undefined {
  const [, region, account] = /^arn:[\w-]+:\w+:([a-z]{2}(?:-[a-z]+)+-\d):(\d{12}):/.exec(arn) ?? [];
  return region !== undefined && account !== undefined ? { region, account } : undefined;
}

/** Of the memory of the function with the browser, what Node takes beside Chromium. */
const NODE_MB = 512;

/** The configuration of the function that has the browser: it knows nothing of the service. */
export function renderConfig(env: Env): { readonly memoryMb: number; readonly clock: ClockAnchor | undefined } {
  const memoryMb = numberOf(env, "PDF_MEMORY_MB", 3_008) - NODE_MB;
  return { memoryMb, clock: clockAnchor(env["SERVICE_CLOCK"]) };
}

/** The key that encrypts signing secrets. */
function sealingKey(env: Env): SealingKey {
  const local = env["LOCAL_SECRETS_KEY"];
  if (local) return { kind: "local", key: Buffer.from(local, "base64") };
  return { kind: "kms", keyId: required(env, "SECRETS_KMS_KEY_ID", "the ARN of the KMS key that encrypts secrets") };
}

/** The stage that was deployed; `local` on one machine. */
export function stage(env: Env): string {
  return env["STAGE"] || "unknown";
}

export function defaultAppId(env: Env): string {
  return env["DEFAULT_APP_ID"]?.toLowerCase() || "eb3fcbb2-7bb3-4ac7-aa38-1cb4bf00e405";
}

export function tokenConfig(env: Env): TokenConfig {
  const { JWT_SECRET: secret, JWKS_URL: url, JWT_ISSUER: issuer } = env;
  const audiences = tokenAudiences(env);
  if (url && secret) throw new Error("JWT_SECRET and JWKS_URL are both set: expected one of them; unset the other");
  if (url) {
    if (!issuer || audiences.length === 0)
      throw new Error("JWKS_URL is set: expected JWT_ISSUER and JWT_AUDIENCE too; set both");
    return { kind: "jwks", url: new URL(url), issuer, audiences };
  }
  if (!secret || secret.length < 32) {
    throw new Error("Neither JWKS_URL nor a JWT_SECRET of at least 32 characters is set; set one of them");
  }
  const previous = previousSecret(env);
  refuseKeys(env, "JWT_SECRET");
  return {
    kind: "secret",
    secret,
    ...(previous && { previous }),
    ...(issuer && { issuer }),
    ...(audiences.length > 0 && { audiences }),
  };
}

/** During a rotation: the secret before, whose tokens are good until they expire or it is taken out. */
function previousSecret(env: Env): string | undefined {
  const { JWT_SECRET_PREVIOUS: previous } = env;
  if (!previous) return undefined;
  if (previous.length < 32) throw new Error("JWT_SECRET_PREVIOUS is too short: expected at least 32 characters");
  refuseKeys(env, "JWT_SECRET_PREVIOUS");
  return previous;
}

function refuseKeys(env: Env, name: "JWT_SECRET" | "JWT_SECRET_PREVIOUS"): void {
  // As a secret, a public key would let anyone who knows it sign tokens.
  if (env[name]?.includes("-----BEGIN"))
    throw new Error(`${name} is a PEM key: expected a secret; use JWKS_URL for keys`);
  refusePublished(env, name);
}

/** `JWT_AUDIENCE`: the audiences that tokens may be for, with commas between them. */
export function tokenAudiences(env: Env): readonly string[] {
  return namesIn(env["JWT_AUDIENCE"]);
}

export function claimNames(env: Env): ClaimNames {
  return {
    app: claimName(env, "JWT_APP_CLAIM") || "appId",
    roles: claimName(env, "JWT_ROLES_CLAIM") || "roles",
    permissions: claimName(env, "JWT_PERMISSIONS_CLAIM") || "permissions",
  };
}

/** One name: a list of them would be a claim that no token has, and every token would be without roles. */
function claimName(env: Env, variable: string): string | undefined {
  const name = env[variable];
  if (name?.includes(","))
    throw new Error(`${variable} is "${name}": expected one claim; have the issuer put what you need in one`);
  return name;
}

/** Whether this is the local stack, which has a key in place of KMS. */
export function isLocal(env: Env): boolean {
  return Boolean(env["LOCAL_SECRETS_KEY"]);
}

export interface OidcConfig {
  readonly issuer: string;
  readonly clientId: string;
  readonly scope: string;
}

/** The client by which people sign in to the dashboard at the issuer of the tokens. Default: none. */
export function oidcConfig(env: Env): OidcConfig | undefined {
  const { OIDC_CLIENT_ID: clientId, OIDC_SCOPE: scope, JWT_ISSUER: issuer } = env;
  if (!clientId) return undefined;
  if (!issuer) throw new Error("OIDC_CLIENT_ID is set: expected JWT_ISSUER too, where people sign in; set both");
  return { issuer, clientId, scope: scope || "openid" };
}

/** Of the local stack, and of .env.example. */
const PUBLISHED_SECRETS = ["local-development-only-jwt-secret", "at-least-thirty-two-characters-long"];

/** Only the local stack may use a secret that everyone can read in the code. */
function refusePublished(env: Env, name: "JWT_SECRET" | "JWT_SECRET_PREVIOUS" | "INTERNAL_JWT_TOKEN"): void {
  if (isLocal(env) || !PUBLISHED_SECRETS.includes((env[name] ?? "").trim())) return;
  throw new Error(
    `${name} is one that this project has published: expected one of your own; make one and deploy again`,
  );
}

/** Web pages that may call the API, by their origins; `*` for any. */
export function corsOrigins(env: Env): readonly string[] {
  return namesIn(env["CORS_ORIGINS"]);
}

function namesIn(list = ""): readonly string[] {
  return list.split(",").flatMap((name) => name.trim() || []);
}

/** The token of the `/internal` endpoints, which don't exist without one. */
export function internalToken(env: Env): string | undefined {
  const token = env["INTERNAL_JWT_TOKEN"];
  if (!token) return undefined;
  if (token.length < 32) throw new Error("INTERNAL_JWT_TOKEN is too short: expected at least 32 characters");
  refusePublished(env, "INTERNAL_JWT_TOKEN");
  return token;
}

function required(env: Env, name: string, what: string): string {
  const value = env[name];
  if (!value) throw new Error(`${name} is not set: expected ${what}; deploy with serverless or run npm start`);
  return value;
}

function numberOf(env: Env, name: string, unset: number): number {
  const text = env[name];
  const value = text ? Number(text) : unset;
  if (!Number.isFinite(value) || value < 0) throw new Error(`${name} is "${text}": expected a number of 0 or more`);
  return value;
}

/** A list is read by a query a shard and execution type, so many shards make lists slow. */
const MOST_LIST_SHARDS = 64;

function wholeNumberOf(env: Env, name: string, unset: number, most = Infinity): number {
  const value = numberOf(env, name, unset);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  const expected = most === Infinity ? "of 1 or more" : `from 1 to ${most}`;
  throw new Error(`${name} is "${env[name]}": expected a whole number ${expected}`);
}

/** Set by the local stack only: "real,service,speed". */
function clockAnchor(text: string | undefined): ClockAnchor | undefined {
  if (!text) return undefined;
  const [real = 0, service = 0, speed = 1] = text.split(",").map(Number);
  return { real, service, speed };
}
