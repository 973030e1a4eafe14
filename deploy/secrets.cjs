// Secrets in the functions' environment. Secrets Manager holds them, as JSON under the name SECRETS_NAME, and
// CloudFormation looks them up at deployment: the template and the deploying machine never hold them.

const name = process.env.SECRETS_NAME;
const secret = (key) => (name ? `{{resolve:secretsmanager:${name}:SecretString:${key}}}` : "");

// With the public keys of an issuer, there is no shared secret to look up.
module.exports = {
  JWT_SECRET: process.env.JWKS_URL ? "" : secret("JWT_SECRET"),
  INTERNAL_JWT_TOKEN: secret("INTERNAL_JWT_TOKEN"),
};
