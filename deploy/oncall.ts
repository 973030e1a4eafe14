import type { Names, Permission } from "./resource-types.ts";

// What a person on call may do in AWS: the commands of docs/runbook.md, and no others. A test compares the two.

type Grant = (names: Names, secrets: readonly string[]) => Omit<Permission, "actions">;

const at = (service: string, { region, account }: Names) => `arn:aws:${service}:${region}:${account}:`;

const everything: Grant = () => ({ resources: ["*"] });
const stack: Grant = (names) => ({ resources: [`${at("cloudformation", names)}stack/${names.prefix}/*`] });
const alarms: Grant = (names) => ({ resources: [`${at("cloudwatch", names)}alarm:${names.prefix}-*`] });
const rules: Grant = (names) => ({ resources: [`${at("events", names)}rule/${names.prefix}-*`] });
const functions: Grant = (names) => ({ resources: [`${at("lambda", names)}function:${names.prefix}-*`] });
const sweep: Grant = (names) => ({ resources: [`${at("lambda", names)}function:${names.prefix}-sweepJobs`] });
/** AWS makes the ids of mappings. */
const mappings: Grant = (names) => ({
  resources: [`${at("lambda", names)}event-source-mapping:*`],
  condition: { ArnLike: { "lambda:FunctionArn": `${at("lambda", names)}function:${names.prefix}-*` } },
});
const logs: Grant = (names) => ({ resources: [`${at("logs", names)}log-group:/aws/lambda/${names.prefix}-*`] });
const queues: Grant = (names) => ({ resources: [`${at("sqs", names)}${names.prefix}-*`] });
const bucket = ({ prefix }: Names) => `arn:aws:s3:::${prefix.toLowerCase()}-jobsbucket-*`;
const unreadable: Grant = (names) => ({ resources: [`${bucket(names)}/unreadable/*`] });
const listUnreadable: Grant = (names) => ({
  resources: [bucket(names)],
  condition: { StringLike: { "s3:prefix": "unreadable/*" } },
});
/** Whoever reads JWT_SECRET can sign tokens of any role: the commands that call the API need one. */
const secret: Grant = (_names, secrets) => ({ resources: secrets });

type Action = readonly [name: string, grant: Grant];

/** By command of the AWS CLI: the actions that it takes. */
export const ONCALL: Readonly<Record<string, readonly Action[]>> = {
  "ce get-cost-and-usage": [["ce:GetCostAndUsage", everything]],
  "cloudformation describe-stack-events": [["cloudformation:DescribeStackEvents", stack]],
  "cloudformation describe-stack-resource": [["cloudformation:DescribeStackResource", stack]],
  "cloudformation describe-stacks": [["cloudformation:DescribeStacks", stack]],
  "cloudtrail lookup-events": [["cloudtrail:LookupEvents", everything]],
  "cloudwatch describe-alarms": [["cloudwatch:DescribeAlarms", everything]],
  "cloudwatch get-metric-data": [["cloudwatch:GetMetricData", everything]],
  "cloudwatch get-metric-statistics": [["cloudwatch:GetMetricStatistics", everything]],
  "cloudwatch list-metrics": [["cloudwatch:ListMetrics", everything]],
  "cloudwatch set-alarm-state": [["cloudwatch:SetAlarmState", alarms]],
  "events enable-rule": [["events:EnableRule", rules]],
  "events list-rules": [["events:ListRules", everything]],
  "lambda delete-function-concurrency": [["lambda:DeleteFunctionConcurrency", functions]],
  "lambda get-account-settings": [["lambda:GetAccountSettings", everything]],
  "lambda get-function-configuration": [["lambda:GetFunctionConfiguration", functions]],
  "lambda invoke": [["lambda:InvokeFunction", sweep]],
  "lambda list-event-source-mappings": [["lambda:ListEventSourceMappings", everything]],
  "lambda list-functions": [["lambda:ListFunctions", everything]],
  "lambda put-function-concurrency": [["lambda:PutFunctionConcurrency", functions]],
  "lambda update-event-source-mapping": [["lambda:UpdateEventSourceMapping", mappings]],
  "logs get-query-results": [["logs:GetQueryResults", everything]],
  "logs start-query": [["logs:StartQuery", logs]],
  "logs tail": [["logs:FilterLogEvents", logs]],
  "s3 cp": [["s3:GetObject", unreadable]],
  "s3 ls": [["s3:ListBucket", listUnreadable]],
  "s3 rm": [["s3:DeleteObject", unreadable]],
  "secretsmanager get-secret-value": [["secretsmanager:GetSecretValue", secret]],
  "service-quotas list-service-quotas": [["servicequotas:ListServiceQuotas", everything]],
  "service-quotas request-service-quota-increase": [["servicequotas:RequestServiceQuotaIncrease", everything]],
  "sqs get-queue-attributes": [["sqs:GetQueueAttributes", queues]],
  "sqs get-queue-url": [["sqs:GetQueueUrl", queues]],
  "sqs send-message": [["sqs:SendMessage", queues]],
};

/** `secrets`: the ARNs of those that the deployment looks up. */
export function oncallPermissions(names: Names, secrets: readonly string[]): Permission[] {
  return Object.values(ONCALL)
    .flat()
    .map(([action, grant]) => ({ actions: [action], ...grant(names, secrets) }))
    .filter(({ resources }) => resources.length > 0);
}
