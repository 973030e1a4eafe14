import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";
import { existsSync } from "node:fs";
import { lookAtAccount, lookAtDeployed, lookAtIssuer, type Finding } from "./look.ts";
import { callerIn, eventsCommand, outputsOf, runCommand, settingsFile, type Place } from "./place.ts";
import { runServerless } from "./run-serverless.ts";

// `npm run deploy`: checks, packages, deploys, and says what to do next.

const USAGE = `Deploys the service to AWS: checks first, then packages and deploys with Serverless.
  npm run deploy -- --stage prod [--region eu-central-1] [--profile NAME] [--check]

  --stage    tells deployments of one account apart; part of every name
  --region   default: AWS_REGION
  --profile  of the credentials; default: AWS_PROFILE, or what the AWS SDK finds
  --check    only checks

Settings come from the environment and from the file .env.STAGE, if there is one (docs/reference.md, Configuration). A way to verify tokens is needed: JWKS_URL, JWT_ISSUER and
JWT_AUDIENCE, or SECRETS_NAME. A new account also wants RESERVED_CONCURRENCY=none. More: docs/deploy.md
`;

const { tokenProblem } = createRequire(import.meta.url)("./checks.cjs") as {
  tokenProblem: (env: NodeJS.ProcessEnv) => string | undefined;
};

const say = (line: string) => void process.stdout.write(`${line}\n`);

async function deploy(place: Place, onlyChecks: boolean): Promise<number> {
  await check(place);
  if (onlyChecks) return 0;
  await buildDashboard();
  // deploy/checks.cjs compares once more, with the packaged template.
  const code = await runServerless("deploy", "--stage", place.stage, "--region", place.region);
  if (code !== 0) {
    say(`\nNot deployed. What ran before runs on: CloudFormation takes back what it has begun. See what failed:`);
    say(eventsCommand(place));
    return code;
  }
  await announce(place);
  return 0;
}

/** Its files are packaged with the function `site`. */
async function buildDashboard(): Promise<void> {
  const build = join(import.meta.dirname, "../web/build.ts");
  await promisify(execFile)(process.execPath, [build]);
}

async function check(place: Place): Promise<void> {
  const { stage, region, stack } = place;
  const { env } = process;
  const problem = tokenProblem(env);
  if (problem !== undefined) throw new Error(problem);
  const { account, arn } = await callerIn(region);
  say(`Stage    ${stage}: stack ${stack} in ${region}`);
  say(`Account  ${account}, as ${arn}`);
  const file = settingsFile(stage);
  say(
    `Settings of the environment${existsSync(file) ? ` and, where it has none, of ${file}` : `; there is no ${file}`}`,
  );
  say(
    `Tokens   ${env["JWKS_URL"] ? `by the keys of ${env["JWKS_URL"]}` : `by JWT_SECRET of the secret ${env["SECRETS_NAME"]}`}`,
  );
  say(
    `Roles    ${env["DEPLOYMENT_ROLE"] ? `CloudFormation acts as ${env["DEPLOYMENT_ROLE"]}` : "CloudFormation may do what you may (docs/deploy.md: who may deploy)"}`,
  );
  if (stage.startsWith("prod") && !env["CORS_ORIGINS"]) say("CORS     no web page may call the API (CORS_ORIGINS)");
  if (!env["ALARM_EMAIL"]) say("Alarms   nobody is told of them (ALARM_EMAIL)");
  const findings: (Finding | undefined)[] = [await lookAtIssuer(env), await lookAtAccount(place, env)];
  for (const { about, said, problem } of [...findings, ...(await lookAtDeployed(place, env))].filter(
    (it) => it !== undefined,
  )) {
    if (problem !== undefined) throw new Error(problem);
    if (said !== undefined) say(`${about.padEnd(8)} ${said}`);
  }
}

async function announce(place: Place): Promise<void> {
  const { stage, region } = place;
  const { HttpApiUrl: url } = (await outputsOf(place)) ?? {};
  if (url === undefined) throw new Error(`Deployed, but stack ${place.stack} has no output HttpApiUrl`);
  say(`
Deployed
  API       ${url}
  Dashboard ${url}/dashboard
  Document  ${url}/api-docs

Next
  curl -s ${url}/health
  npm run smoke -- --url ${url} --token "$TOKEN"
  npx serverless logs -f processJobs --stage ${stage} --region ${region} --startTime 10m
`);
}

await runCommand(USAGE, "check", deploy);
