// Secrets in the functions' environment. They stand in Secrets Manager, as JSON under the name SECRETS_NAME,
// and CloudFormation looks them up when it deploys: neither the template nor the machine that deploys holds them.

const name = process.env.SECRETS_NAME;
const secret = (key) => (name ? `{{resolve:secretsmanager:${name}:SecretString:${key}}}` : "");

module.exports = { JWT_SECRET: secret("JWT_SECRET"), INTERNAL_JWT_TOKEN: secret("INTERNAL_JWT_TOKEN") };
