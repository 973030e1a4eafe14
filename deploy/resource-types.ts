// What CloudFormation does to make, change, read and delete a resource of each type, for the policy of its role. The
// test of the policies fails on a type of the template that is not here.

/** The names that stand in ARNs. */
export interface Names {
  readonly account: string;
  readonly region: string;
  /** `unified-job-api-prod`: every name that the template makes begins with it. */
  readonly prefix: string;
}

export interface Permission {
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

type PermissionsOf = (names: Names) => readonly Permission[];

const actionsOf = (service: string, names: string) => names.split(" ").map((name) => `${service}:${name}`);

/** `arn:aws:sqs:eu-central-1:123456789012:` */
const arn = (service: string, { account, region }: Names) => `arn:aws:${service}:${region}:${account}:`;

const functions = (names: Names) => [`${arn("lambda", names)}function:${names.prefix}-*`];
const logGroups = (names: Names) => [`${arn("logs", names)}log-group:/aws/lambda/${names.prefix}-*`];
const buckets = ({ prefix }: Names) => [`arn:aws:s3:::${prefix.toLowerCase()}-*`];
const queues = (names: Names) => [`${arn("sqs", names)}${names.prefix}-*`];
const topics = (names: Names) => [`${arn("sns", names)}${names.prefix}-*`];
export const roles = ({ account, prefix }: Names) => [`arn:aws:iam::${account}:role/${prefix}-*`];

/** The policy that bounds every role of the service. */
export const boundaryArn = ({ account, prefix }: Names) => `arn:aws:iam::${account}:policy/${prefix}-boundary`;

/** An API's id is not known before it is made, and its name is no part of its ARN. */
const httpApi: PermissionsOf = (names) => [
  {
    actions: actionsOf("apigateway", "GET POST PUT PATCH DELETE TagResource UntagResource"),
    resources: ["/apis", "/apis/*", "/tags/*"].map((path) => `arn:aws:apigateway:${names.region}::${path}`),
  },
];

const on =
  (service: string, names: string, resources: (names: Names) => readonly string[]): PermissionsOf =>
  (given) => [{ actions: actionsOf(service, names), resources: resources(given) }];

const all =
  (...some: readonly PermissionsOf[]): PermissionsOf =>
  (names) =>
    some.flatMap((each) => each(names));

const TAGS = "TagResource UntagResource ListTagsForResource";

export const RESOURCE_TYPES: Readonly<Record<string, PermissionsOf>> = {
  "AWS::ApiGatewayV2::Api": httpApi,
  "AWS::ApiGatewayV2::Stage": httpApi,
  "AWS::ApiGatewayV2::Integration": httpApi,
  "AWS::ApiGatewayV2::Route": httpApi,

  "AWS::Lambda::Function": all(
    on(
      "lambda",
      "CreateFunction DeleteFunction GetFunction GetFunctionConfiguration UpdateFunctionCode UpdateFunctionConfiguration PutFunctionConcurrency DeleteFunctionConcurrency GetFunctionConcurrency PutFunctionRecursionConfig GetFunctionRecursionConfig GetFunctionCodeSigningConfig GetRuntimeManagementConfig GetFunctionScalingConfig ListVersionsByFunction TagResource UntagResource ListTags",
      functions,
    ),
    // The code of a function is read as this role.
    on("s3", "GetObject GetObjectVersion", (names) => buckets(names).map((bucket) => `${bucket}/serverless/*`)),
    (names) => [
      {
        actions: ["iam:PassRole"],
        resources: roles(names),
        condition: { StringEquals: { "iam:PassedToService": ["lambda.amazonaws.com", "scheduler.amazonaws.com"] } },
      },
    ],
  ),
  "AWS::Lambda::EventInvokeConfig": on(
    "lambda",
    "PutFunctionEventInvokeConfig UpdateFunctionEventInvokeConfig DeleteFunctionEventInvokeConfig GetFunctionEventInvokeConfig",
    functions,
  ),
  "AWS::Lambda::EventSourceMapping": all(
    // A mapping's id is not known before it is made.
    (names) => [
      {
        actions: actionsOf("lambda", "CreateEventSourceMapping UpdateEventSourceMapping DeleteEventSourceMapping"),
        resources: ["*"],
        condition: { ArnLike: { "lambda:FunctionArn": functions(names) } },
      },
    ],
    on("lambda", "GetEventSourceMapping ListTags TagResource UntagResource", (names) => [
      `${arn("lambda", names)}event-source-mapping:*`,
    ]),
    on("lambda", "ListEventSourceMappings", () => ["*"]),
  ),
  "AWS::Lambda::Permission": on("lambda", "AddPermission RemovePermission GetPolicy", functions),

  "AWS::Logs::LogGroup": all(
    on(
      "logs",
      `CreateLogGroup DeleteLogGroup PutRetentionPolicy DeleteRetentionPolicy GetDataProtectionPolicy DescribeIndexPolicies DescribeResourcePolicies ListTagsLogGroup ${TAGS}`,
      (names) => logGroups(names).flatMap((group) => [group, `${group}:*`]),
    ),
    on("logs", "DescribeLogGroups", () => ["*"]),
  ),
  "AWS::Logs::MetricFilter": on("logs", "PutMetricFilter DeleteMetricFilter DescribeMetricFilters", (names) =>
    logGroups(names).flatMap((group) => [group, `${group}:*`]),
  ),
  "AWS::Logs::QueryDefinition": on("logs", "PutQueryDefinition DeleteQueryDefinition DescribeQueryDefinitions", () => [
    "*",
  ]),

  "AWS::IAM::Role": all(
    // What could give a role more than the service's own is allowed for roles within the boundary alone.
    (names) => [
      {
        actions: actionsOf("iam", "CreateRole PutRolePolicy DeleteRolePolicy PutRolePermissionsBoundary"),
        resources: roles(names),
        condition: { StringEquals: { "iam:PermissionsBoundary": boundaryArn(names) } },
      },
    ],
    on(
      "iam",
      "GetRole DeleteRole UpdateRole UpdateRoleDescription UpdateAssumeRolePolicy GetRolePolicy ListRolePolicies ListAttachedRolePolicies TagRole UntagRole ListRoleTags",
      roles,
    ),
  ),

  "AWS::DynamoDB::Table": on(
    "dynamodb",
    "CreateTable DeleteTable DescribeTable UpdateTable DescribeContinuousBackups UpdateContinuousBackups DescribeTimeToLive UpdateTimeToLive DescribeContributorInsights DescribeKinesisStreamingDestination GetResourcePolicy TagResource UntagResource ListTagsOfResource",
    (names) => [`${arn("dynamodb", names)}table/${names.prefix}-*`],
  ),
  "AWS::SQS::Queue": on(
    "sqs",
    "CreateQueue DeleteQueue GetQueueUrl GetQueueAttributes SetQueueAttributes TagQueue UntagQueue ListQueueTags",
    queues,
  ),
  "AWS::SQS::QueuePolicy": on("sqs", "GetQueueUrl GetQueueAttributes SetQueueAttributes", queues),
  "AWS::S3::Bucket": on(
    "s3",
    "CreateBucket DeleteBucket ListBucket GetBucket* GetAccelerateConfiguration GetAnalyticsConfiguration GetEncryptionConfiguration GetIntelligentTieringConfiguration GetInventoryConfiguration GetLifecycleConfiguration GetMetricsConfiguration GetReplicationConfiguration PutBucketCORS PutBucketPublicAccessBlock PutBucketTagging PutBucketVersioning PutEncryptionConfiguration PutLifecycleConfiguration TagResource UntagResource ListTagsForResource",
    buckets,
  ),
  "AWS::S3::BucketPolicy": on("s3", "GetBucketPolicy PutBucketPolicy DeleteBucketPolicy", buckets),

  // A key has no name before it is made, and its tags count only minutes later, so that this one is not narrower.
  "AWS::KMS::Key": all(
    on("kms", "CreateKey", () => ["*"]),
    on(
      "kms",
      "DescribeKey EnableKey DisableKey EnableKeyRotation DisableKeyRotation GetKeyRotationStatus GetKeyPolicy PutKeyPolicy UpdateKeyDescription ScheduleKeyDeletion TagResource UntagResource ListResourceTags",
      (names) => [`${arn("kms", names)}key/*`],
    ),
  ),

  "AWS::Events::Rule": on(
    "events",
    `PutRule DeleteRule DescribeRule EnableRule DisableRule PutTargets RemoveTargets ListTargetsByRule ${TAGS}`,
    (names) => [`${arn("events", names)}rule/${names.prefix}-*`],
  ),
  "AWS::Scheduler::ScheduleGroup": all(
    on("scheduler", `CreateScheduleGroup DeleteScheduleGroup GetScheduleGroup ${TAGS}`, (names) => [
      `${arn("scheduler", names)}schedule-group/${names.prefix}`,
    ]),
    // A group is deleted with its schedules.
    on("scheduler", "DeleteSchedule ListSchedules", (names) => [
      `${arn("scheduler", names)}schedule/${names.prefix}/*`,
    ]),
  ),

  "AWS::CloudWatch::Alarm": on("cloudwatch", `PutMetricAlarm DeleteAlarms DescribeAlarms ${TAGS}`, (names) => [
    `${arn("cloudwatch", names)}alarm:${names.prefix}-*`,
  ]),
  "AWS::CloudWatch::CompositeAlarm": on(
    "cloudwatch",
    `PutCompositeAlarm DeleteAlarms DescribeAlarms ${TAGS}`,
    (names) => [`${arn("cloudwatch", names)}alarm:${names.prefix}-*`],
  ),
  "AWS::CloudWatch::Dashboard": on(
    "cloudwatch",
    "PutDashboard GetDashboard DeleteDashboards",
    ({ account, prefix }) => [`arn:aws:cloudwatch::${account}:dashboard/${prefix}*`],
  ),
  "AWS::SNS::Topic": on(
    "sns",
    `CreateTopic DeleteTopic GetTopicAttributes SetTopicAttributes GetDataProtectionPolicy ListSubscriptionsByTopic Subscribe ${TAGS}`,
    topics,
  ),
  "AWS::SNS::Subscription": all(
    on("sns", "Subscribe ListSubscriptionsByTopic", topics),
    on("sns", "Unsubscribe GetSubscriptionAttributes SetSubscriptionAttributes", (names) =>
      topics(names).map((topic) => `${topic}:*`),
    ),
  ),
  "AWS::SNS::TopicPolicy": on("sns", "GetTopicAttributes SetTopicAttributes", topics),
  "AWS::Budgets::Budget": on("budgets", `ModifyBudget ViewBudget ${TAGS}`, ({ account, prefix }) => [
    `arn:aws:budgets::${account}:budget/${prefix}*`,
  ]),
};
