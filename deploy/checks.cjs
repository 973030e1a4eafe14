// A plugin of Serverless: looks, before `serverless deploy` makes anything, at what would fail or be of no use, and before
// it uploads anything, at what would lose data.

const { LambdaClient } = require("@aws-sdk/client-lambda");
const { compareConcurrency } = require("./account.cjs");
const { concurrencyOf } = require("./concurrency.cjs");
const { dataOf, problemsBetween } = require("./data.cjs");
const { settingsIn, shardsProblem } = require("./settings.cjs");
const { cloudFormation } = require("./serverless-clients.cjs");

/** Why no token could be verified; undefined if one can. */
function tokenProblem({ JWKS_URL, JWT_ISSUER, JWT_AUDIENCE, SECRETS_NAME }) {
  if (JWKS_URL && (!JWT_ISSUER || !JWT_AUDIENCE))
    return "JWKS_URL is set: expected JWT_ISSUER and JWT_AUDIENCE too; set both, and deploy again";
  if (JWKS_URL || SECRETS_NAME) return undefined;
  return (
    "Nothing could verify a token: expected JWKS_URL, JWT_ISSUER and JWT_AUDIENCE, or SECRETS_NAME, a secret with " +
    "JWT_SECRET; set them, and deploy again"
  );
}

/** The words that settings take: functions with another one would refuse every event. */
const WORDS = { METRICS: ["basic", "off"], LOG_LEVEL: ["debug", "info"] };

/** What is wrong with them; undefined if nothing is. */
function wordProblem(env) {
  const [name] = Object.entries(WORDS).find(([name, words]) => env[name] && !words.includes(env[name])) ?? [];
  return name && `${name} is "${env[name]}": expected ${WORDS[name].join(" or ")}; correct it, and deploy again`;
}

/** What a deployment would do to the data that is there; undefined if nothing. */
function problemsWith(deployed, now, prefix) {
  const shards = shardsProblem(settingsIn(deployed), settingsIn(now));
  if (shards !== undefined) return shards;
  const problems = problemsBetween(dataOf({ Resources: {}, ...deployed }, prefix), dataOf(now, prefix));
  if (problems.length === 0) return undefined;
  return `This deployment would change the stored data. ${problems.join(". ")}. Deploy the releases between, one by one`;
}

class Checks {
  constructor(serverless, _options, { log }) {
    this.serverless = serverless;
    this.log = log;
    this.hooks = { initialize: async () => this.check(), "before:deploy:deploy": async () => this.compareData() };
  }

  async check() {
    if (this.serverless.processedInput.commands.join(" ") !== "deploy") return;
    this.stopFor(tokenProblem(process.env) ?? wordProblem(process.env));
    const { problem, said } = await this.concurrency();
    this.stopFor(problem);
    if (said) this.log.notice(said);
  }

  async concurrency() {
    const provider = this.serverless.getProvider("aws");
    const prefix = `${this.serverless.service.service}-${provider.getStage()}-`;
    const reserved = Object.entries(concurrencyOf(process.env.RESERVED_CONCURRENCY));
    const credentials = provider.getAwsSdkV3CredentialsProvider();
    const client = new LambdaClient({ region: provider.getRegion(), credentials });
    try {
      return await compareConcurrency(client, Object.fromEntries(reserved.map(([name, n]) => [prefix + name, n])));
    } catch (error) {
      // Who may not read this may still deploy; and what is wrong with credentials is told by the deployment.
      this.log.warning(`The account's concurrent executions are unknown: ${error.name}: ${error.message}`);
      return {};
    } finally {
      client.destroy();
    }
  }

  /** The data of the deployed stack, which may be some releases older, and that of the packaged template. */
  async compareData() {
    const provider = this.serverless.getProvider("aws");
    const StackName = provider.naming.getStackName();
    const { CloudFormationClient, GetTemplateCommand } = cloudFormation();
    const client = new CloudFormationClient(await provider.getAwsSdkV3Config());
    try {
      const { TemplateBody = "{}" } = await client.send(new GetTemplateCommand({ StackName }));
      const now = this.serverless.service.provider.compiledCloudFormationTemplate;
      this.stopFor(problemsWith(JSON.parse(TemplateBody), now, StackName));
    } catch (error) {
      // A first deployment has no stack, and who may not read this may still deploy.
      if (error.code === "DEPLOYMENT_CHECK") throw error;
      if (!/does not exist/.test(error.message))
        this.log.warning(`What is deployed is unknown: ${error.name}: ${error.message}`);
    } finally {
      client.destroy();
    }
  }

  stopFor(problem) {
    if (problem !== undefined) throw new this.serverless.classes.Error(problem, "DEPLOYMENT_CHECK");
  }
}

module.exports = Checks;
module.exports.tokenProblem = tokenProblem;
module.exports.wordProblem = wordProblem;
module.exports.WORDS = WORDS;
module.exports.problemsWith = problemsWith;
