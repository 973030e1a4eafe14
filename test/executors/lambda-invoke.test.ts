import { expect, test } from "vitest";
import { jobsConfig } from "../../lib/config.ts";
import { lambdaInvoke } from "../../lib/executors/lambda-invoke.ts";

/** The rules of a deployment, or of a local stack. */
function rulesIn(region: string, account: string) {
  const names = ["JOBS_TABLE", "S3_JOBS_BUCKET_NAME", "JOBS_FAIR_QUEUE_URL", "AWS_SQS_QUEUE_URL", "SQS_JOBS_QUEUE_URL"];
  const arns = ["AWS_SCHEDULER_TARGET_ARN", "AWS_SCHEDULER_ROLE_ARN", "AWS_SCHEDULER_DEAD_LETTERS_ARN"];
  const { rules } = jobsConfig({
    ...Object.fromEntries([...names, ...arns, "SQS_PDF_QUEUE_URL", "SECRETS_KMS_KEY_ID"].map((name) => [name, "x"])),
    AWS_SCHEDULER_GROUP_ARN: `arn:aws:scheduler:${region}:${account}:schedule-group/jobs`,
    INVOKABLE_FUNCTIONS: "orders",
  });
  return { ...rules, allowedCallbackUrls: [], allowedFunctions: [], followRedirects: false };
}

const OWN = "123456789012";
const refused = (functionName: string, rules = rulesIn("eu-west-1", OWN)) => {
  const execution = { type: "lambda-invoke", functionName, invocationType: "Event", timeoutSeconds: 30 } as const;
  return lambdaInvoke.refuse({ execution, metadata: {} }, { appId: "app", mode: "both", rules, now: 0 });
};

test.each([
  "orders",
  "orders:live",
  `${OWN}:function:orders`,
  `arn:aws:lambda:eu-west-1:${OWN}:function:orders`,
  `arn:aws:lambda:eu-west-1:${OWN}:function:orders:7`,
])("a function of the service's own account and region may be named as %s", (name) => {
  expect(refused(name)).toEqual([]);
});

test.each([
  "210987654321:function:orders",
  "arn:aws:lambda:eu-west-1:210987654321:function:orders",
  `arn:aws:lambda:us-east-1:${OWN}:function:orders:live`,
])("a function of another account or region is refused before its job is stored: %s", (name) => {
  const message = expect.stringContaining("is in another account or region than this service");
  expect(refused(name)).toEqual([{ field: "execution.functionName", message }]);
});

test("the local stack takes the functions of any account and region for its own", () => {
  const local = rulesIn("local", "000000000000");
  expect(refused(`arn:aws:lambda:us-east-1:${OWN}:function:orders`, local)).toEqual([]);
});
