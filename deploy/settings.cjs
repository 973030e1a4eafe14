// The settings of a deployment: those that the environment asks for, and those that a deployed template has. A setting
// that is forgotten at the next deployment falls back to its default, so both are compared.

const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { concurrencyOf } = require("./concurrency.cjs");

/** The parameters of serverless.yml that come from the environment, with their defaults. */
const PARAMETERS = Object.fromEntries(
  [
    ...readFileSync(join(__dirname, "../serverless.yml"), "utf8").matchAll(/^ {4}(\w+): \$\{env:\1, '([^']*)'\}$/gm),
  ].map(([, name, unset]) => [name, unset]),
);

/** By name, as a deployment with this environment would have them. */
function settingsOf(env) {
  const { ALARM_EMAIL = "", BUDGET_USD = "0", XRAY = "PassThrough", PERMISSIONS_BOUNDARY = "" } = env;
  const { SECRETS_NAME = "", SECRETS_VERSION = "", SECRETS_PREVIOUS_VERSION = "" } = env;
  const reserved = concurrencyOf(env.RESERVED_CONCURRENCY);
  return {
    ...Object.fromEntries(Object.entries(PARAMETERS).map(([name, unset]) => [name, env[name] ?? unset])),
    ALARM_EMAIL,
    BUDGET_USD,
    XRAY,
    PERMISSIONS_BOUNDARY,
    SECRETS_NAME,
    SECRETS_VERSION,
    SECRETS_PREVIOUS_VERSION,
    ...withReserved((name) => reserved[name]),
  };
}

/** By name, as a template has them. What a template of an older release does not have is not there. */
function settingsIn({ Resources = {} }) {
  const ofType = (type) => Object.values(Resources).filter(({ Type }) => Type === type);
  const functions = ofType("AWS::Lambda::Function").map(({ Properties }) => Properties);
  if (functions.length === 0) return {};
  const variables = Object.assign({}, ...functions.map(({ Environment }) => Environment?.Variables));
  const named = (suffix) => functions.find(({ FunctionName }) => String(FunctionName).endsWith(`-${suffix}`));
  const parameters = Object.keys(PARAMETERS).filter((name) => typeof variables[name] === "string");
  // Where there is none, the template has a reference to no value.
  const boundaries = ofType("AWS::IAM::Role").map(({ Properties }) => Properties.PermissionsBoundary);
  const secret = secretIn(variables.JWT_SECRET || variables.INTERNAL_JWT_TOKEN);
  return {
    ...Object.fromEntries(parameters.map((name) => [name, variables[name]])),
    ALARM_EMAIL: Resources.AlarmsEmail?.Properties.Endpoint,
    BUDGET_USD: Resources.CostBudget?.Properties.Budget.BudgetLimit.Amount,
    XRAY: named("createJob")?.TracingConfig?.Mode,
    PERMISSIONS_BOUNDARY: boundaries.find((arn) => typeof arn === "string") ?? "",
    SECRETS_NAME: secret.name,
    SECRETS_VERSION: secret.version,
    SECRETS_PREVIOUS_VERSION: secretIn(variables.JWT_SECRET_PREVIOUS).version,
    ...withReserved((name) => named(name)?.ReservedConcurrentExecutions, named),
  };
}

function withReserved(of, isThere = () => true) {
  const names = Object.keys(concurrencyOf()).filter(isThere);
  return Object.fromEntries(names.map((name) => [`RESERVED_CONCURRENCY of ${name}`, String(of(name) ?? "none")]));
}

/** `{{resolve:secretsmanager:jobs/prod:SecretString:JWT_SECRET::VERSION}}`; the name may be an ARN. */
function secretIn(reference) {
  const [, name = "", version = ""] =
    /^\{\{resolve:secretsmanager:(.+):SecretString:\w+(?:::([\w-]+))?\}\}$/.exec(String(reference ?? "")) ?? [];
  return { name, version };
}

/** What a deployment would change, by name. */
function differences(deployed, wanted) {
  return Object.keys(wanted)
    .filter((name) => deployed[name] !== undefined && String(deployed[name]) !== wanted[name])
    .map((name) => ({ name, from: String(deployed[name]), to: wanted[name] }));
}

/** Why fewer partitions of lists than are deployed can't be; undefined if there are as many or more. */
function shardsProblem(deployed, wanted) {
  const [from, to] = [Number(deployed.LIST_SHARDS), Number(wanted.LIST_SHARDS)];
  if (!(to < from)) return undefined;
  return (
    `LIST_SHARDS is ${to}, and ${from} is deployed: expected at least ${from}, since jobs of the others would be missing ` +
    `from lists; set LIST_SHARDS=${from}, and deploy again`
  );
}

module.exports = { settingsOf, settingsIn, differences, shardsProblem };
