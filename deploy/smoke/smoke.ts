import { parseArgs } from "node:util";
import { createApi, type Api } from "./api.ts";
import { Skipped, type Check, type Smoke } from "./check.ts";
import { CHECKS } from "./checks.ts";
import { cleanUp } from "./clean-up.ts";
import { startReceiver, type Receiver } from "./receiver.ts";

// `npm run smoke`: one job of each kind against a deployment that runs, and nothing left behind.

const USAGE = `Runs one job of each kind against a deployment, and deletes them.
  npm run smoke -- --url URL --token TOKEN [--receiver URL [--listen PORT]] [--secret whsec_…]
                   [--function NAME] [--function-url URL] [--only NAME,NAME] [--seconds 180]

  --url           of the API, such as https://abc123.execute-api.eu-central-1.amazonaws.com or http://127.0.0.1:3000
  --token         of an administrator (role APP_ADMIN) of an app that nobody else uses. Default: JOBS_TOKEN
  --receiver      a public URL for the webhook whose signature is checked. It has to answer with the headers that it
                  got and a status of 4xx or 5xx, since answers of 2xx are not kept. Not needed for a local URL.
  --listen        the port of this machine to which --receiver leads, by a tunnel: then any status will do
  --secret        the app's signing secret, if it has one already
  --function      a function that INVOKABLE_FUNCTIONS allows, to be invoked; --function-url the URL of one
  --only          some of the checks: ${CHECKS.map(({ name }) => name).join(", ")}
  --seconds       the most that one check may take
`;

interface Settings {
  readonly url: string;
  readonly token: string;
  readonly receiver?: string | undefined;
  readonly listen?: number | undefined;
  readonly secret?: string | undefined;
  readonly functionName?: string | undefined;
  readonly functionUrl?: string | undefined;
  readonly checks: readonly Check[];
  readonly withinMs: number;
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

const say = (line: string) => void process.stdout.write(`${line}\n`);

async function main(args: readonly string[]): Promise<number> {
  let settings: Settings | undefined;
  try {
    settings = settingsOf(args);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (settings) return smoke(settings);
  say(USAGE);
  return 0;
}

/** Undefined if help is asked for. */
function settingsOf(args: readonly string[]): Settings | undefined {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      url: text,
      token: text,
      receiver: text,
      listen: text,
      secret: text,
      only: text,
      function: text,
      "function-url": text,
      seconds: { ...text, default: "180" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const { url = "", token = process.env["JOBS_TOKEN"], receiver, listen, secret, only } = values;
  for (const [name, given] of Object.entries({ url, ...(receiver !== undefined && { receiver }) }))
    if (!/^https?:\/\//.test(given) || !URL.canParse(given))
      throw new Error(`--${name} is "${given}": expected a URL that begins with https:// or http://`);
  if (!token)
    throw new Error("--token is missing: expected a token of an administrator; `npm run token` makes local ones");
  if (secret !== undefined && !/^whsec_[\w+/=]{24,}$/.test(secret))
    throw new Error("--secret is not a signing secret: expected whsec_ and base64");
  if (listen !== undefined && receiver === undefined)
    throw new Error("--listen goes with --receiver: expected the public URL that leads to this port");
  return {
    url: url.replace(/\/+$/, ""),
    token,
    receiver,
    listen: listen === undefined ? undefined : numberOf("listen", listen, 65_535),
    secret,
    functionName: values.function,
    functionUrl: values["function-url"],
    checks: only === undefined ? CHECKS : only.split(",").map(checkOf),
    withinMs: numberOf("seconds", values.seconds, 3_600) * 1_000,
  };
}

function numberOf(name: string, text: string, most: number): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= most) return number;
  throw new Error(`--${name} is "${text}": expected 1 to ${most}`);
}

function checkOf(name: string): Check {
  const check = CHECKS.find((each) => each.name === name.trim());
  if (check) return check;
  throw new Error(`--only has "${name}": expected some of ${CHECKS.map((each) => each.name).join(", ")}`);
}

async function smoke(settings: Settings): Promise<number> {
  const { url, token, checks } = settings;
  const api = createApi(url, token);
  const failed: string[] = [];
  const app = await reach(api, token).catch((error: Error) => say(`FAIL  reach the API: ${error.message}`));
  if (!app) return 1;
  const receiver = await receiverFor(settings);
  const { functionName, functionUrl, withinMs } = settings;
  const echo = receiver ? undefined : settings.receiver;
  const { secret, secretId } = await secretFor(settings, { api, app, isReached: (receiver ?? echo) !== undefined });
  const on: Smoke = {
    api,
    app,
    receiver,
    echo,
    secret,
    secretId,
    functionName,
    functionUrl,
    withinMs,
    run: Date.now().toString(36),
    jobs: new Set(),
    left: new Set(),
    say: (line) => say(`      ${line}`),
  };
  say(`Smoke of ${url}, app ${app}, ${checks.length} checks`);
  // What waits for a clock waits beside the others. Those take turns: a new account has few concurrent executions.
  const slow = checks.filter(({ waits }) => waits);
  const quick = checks.filter(({ waits }) => !waits);
  const inTurn = async (some: readonly Check[]) => {
    for (const check of some) if (!(await passes(check, on))) failed.push(check.name);
  };
  await Promise.all([...slow.map(async (check) => inTurn([check])), inTurn(quick)]);
  for (const line of await cleanUp(on)) say(line);
  await receiver?.close();
  say(failed.length === 0 ? "Passed" : `Failed: ${failed.join(", ")}`);
  return failed.length === 0 ? 0 : 1;
}

/** The app of the token, once the API has accepted it. */
async function reach(api: Api, token: string): Promise<string> {
  await api.expect([200], "GET", "/health");
  const claims = Buffer.from(token.split(".")[1] ?? "", "base64url").toString();
  const { appId } = (/^\{.*\}$/s.test(claims) ? JSON.parse(claims) : {}) as { appId?: string };
  if (appId === undefined)
    throw new Error("the token names no app: expected the claim appId, of an app for such tests");
  await api.expect([200], "GET", "/v1/admin/jobs?limit=1");
  return appId.toLowerCase();
}

/**
 * Made before anything is sent, since the first webhook of an app makes a secret that nobody knows. An app that has one
 * keeps it: a new one would end it within a day.
 */
async function secretFor(
  { secret, checks }: Settings,
  { api, app, isReached }: { api: Api; app: string; isReached: boolean },
): Promise<{ secret: string | Skipped; secretId?: string }> {
  if (!isReached)
    return {
      secret: new Skipped(
        "NOT CHECKED: this deployment reaches no server of this machine. Give --receiver, with or without --listen",
      ),
    };
  if (secret !== undefined) return { secret };
  if (!checks.some(({ name }) => name === "signature")) return { secret: new Skipped("not asked for") };
  const { body } = await api.expect([200], "GET", `/v1/admin/apps/${app}`);
  if (body.data.signingSecrets.length > 0)
    return {
      secret: new Skipped(
        "NOT CHECKED: the app has a signing secret, and a new one would end it. Give it as --secret, or use an app for such tests alone",
      ),
    };
  const made = await api.expect([201], "POST", `/v1/admin/apps/${app}/signing-secrets`);
  return { secret: String(made.body.data.secret), secretId: String(made.body.data.id) };
}

async function receiverFor({ url, receiver, listen }: Settings): Promise<Receiver | undefined> {
  if (listen !== undefined) return startReceiver(listen, receiver);
  return receiver === undefined && LOOPBACK.test(new URL(url).hostname) ? startReceiver(0) : undefined;
}

async function passes(check: Check, on: Smoke): Promise<boolean> {
  const began = Date.now();
  const tell = (word: string, what: string) =>
    say(
      `${word.padEnd(4)}  ${check.name.padEnd(12)} ${((Date.now() - began) / 1_000).toFixed(1).padStart(5)} s  ${what}`,
    );
  try {
    const seen = await check.run({ ...on, say: (line) => on.say(`${check.name}: ${line}`) });
    tell("ok", seen);
    return true;
  } catch (error) {
    const isSkipped = error instanceof Skipped;
    tell(isSkipped ? "SKIP" : "FAIL", (error as Error).message);
    return isSkipped;
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
