// Secrets in the functions' environment. Secrets Manager holds them, as JSON under the name SECRETS_NAME, and
// CloudFormation looks them up at deployment: the template and the deploying machine never hold them.

const { createHash } = require("node:crypto");

const name = process.env.SECRETS_NAME;
const secret = (key) => (name ? `{{resolve:secretsmanager:${name}:SecretString:${key}}}` : "");

/** The functions get the hash of a token that reads figures alone, and the template holds no more. */
function hashOf(token = "") {
  if (token === "") return "";
  if (token.length < 32) throw new Error("METRICS_TOKEN is too short: expected at least 32 characters");
  return createHash("sha256").update(token).digest("hex");
}

// With the public keys of an issuer, there is no shared secret to look up.
module.exports = {
  JWT_SECRET: process.env.JWKS_URL ? "" : secret("JWT_SECRET"),
  INTERNAL_JWT_TOKEN: secret("INTERNAL_JWT_TOKEN"),
  METRICS_TOKEN_SHA256: hashOf(process.env.METRICS_TOKEN),
};
