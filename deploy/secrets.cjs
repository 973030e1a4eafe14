// Secrets in the functions' environment. Secrets Manager holds them, as JSON under the name SECRETS_NAME, and
// CloudFormation looks them up at deployment: the template and the deploying machine never hold them.

const { createHash } = require("node:crypto");

const { SECRETS_NAME: name, SECRETS_VERSION: version, SECRETS_PREVIOUS_VERSION: previous } = process.env;
// CloudFormation looks a secret up again when what refers to it changes: with its version in it, a rotation is a change.
const secret = (key, of = version) =>
  name ? `{{resolve:secretsmanager:${name}:SecretString:${key}${of ? `::${of}` : ""}}}` : "";

/** Why these versions of the secret can't be meant; undefined if they can. */
function versionProblem({ SECRETS_NAME, SECRETS_VERSION, SECRETS_PREVIOUS_VERSION }) {
  const given = Object.entries({ SECRETS_VERSION, SECRETS_PREVIOUS_VERSION }).filter(([, value]) => value);
  if (given.length === 0) return undefined;
  const [[first]] = given;
  if (!SECRETS_NAME) return `${first} is set: expected SECRETS_NAME too, whose version it is; set it, and deploy again`;
  const wrong = given.find(([, value]) => !/^[\w-]{32,64}$/.test(value));
  if (wrong)
    return `${wrong[0]} is "${wrong[1]}": expected a VersionId, as \`aws secretsmanager put-secret-value\` prints it`;
  if (SECRETS_PREVIOUS_VERSION && !SECRETS_VERSION)
    return "SECRETS_PREVIOUS_VERSION is set: expected SECRETS_VERSION too, the version that signs new tokens; set both";
  if (SECRETS_PREVIOUS_VERSION === SECRETS_VERSION)
    return "SECRETS_PREVIOUS_VERSION is SECRETS_VERSION: expected the version before it; take it out, or correct it";
  return undefined;
}

const problem = versionProblem(process.env);
if (problem !== undefined) throw new Error(problem);

/** The functions get the hash of a token that reads figures alone, and the template holds no more. */
function hashOf(token = "") {
  if (token === "") return "";
  if (token.length < 32) throw new Error("METRICS_TOKEN is too short: expected at least 32 characters");
  return createHash("sha256").update(token).digest("hex");
}

// With the public keys of an issuer, there is no shared secret to look up.
module.exports = {
  JWT_SECRET: process.env.JWKS_URL ? "" : secret("JWT_SECRET"),
  JWT_SECRET_PREVIOUS: process.env.JWKS_URL || !previous ? "" : secret("JWT_SECRET", previous),
  INTERNAL_JWT_TOKEN: secret("INTERNAL_JWT_TOKEN"),
  METRICS_TOKEN_SHA256: hashOf(process.env.METRICS_TOKEN),
};
