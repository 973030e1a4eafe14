// The clients of CloudFormation and STS that Serverless brings, so that the project needs no others.

const { createRequire } = require("node:module");

const ofServerless = createRequire(require.resolve("serverless/package.json"));

module.exports = {
  cloudFormation: () => ofServerless("@aws-sdk/client-cloudformation"),
  sts: () => ofServerless("@aws-sdk/client-sts"),
};
