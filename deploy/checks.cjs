// A plugin of Serverless: looks, before `serverless deploy` makes anything, at what would fail or be of no use.

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

class Checks {
  constructor(serverless) {
    this.serverless = serverless;
    this.hooks = { initialize: () => this.check() };
  }

  check() {
    if (this.serverless.processedInput.commands.join(" ") !== "deploy") return;
    this.stopFor(tokenProblem(process.env));
  }

  stopFor(problem) {
    if (problem !== undefined) throw new this.serverless.classes.Error(problem, "DEPLOYMENT_CHECK");
  }
}

module.exports = Checks;
module.exports.tokenProblem = tokenProblem;
