// One IAM role for each function, as CloudFormation's JSON, read by serverless.yml.

const sub = (text) => ({ "Fn::Sub": text });
const arnOf = (resource) => ({ "Fn::GetAtt": [resource, "Arn"] });
const allow = (Action, Resource, Condition) => ({ Effect: "Allow", Action, Resource, ...(Condition && { Condition }) });

const sesArn = (resource) => sub(`arn:\${AWS::Partition}:ses:\${AWS::Region}:\${AWS::AccountId}:${resource}`);
const functionArn = (name) => sub(`arn:\${AWS::Partition}:lambda:\${AWS::Region}:\${AWS::AccountId}:function:${name}`);

/** A policy that bounds every role of the service, so that who may make them can give none more than that. */
const boundary = process.env.PERMISSIONS_BOUNDARY || undefined;

const patterns = (process.env.INVOKABLE_FUNCTIONS || "").split(",").flatMap((pattern) => pattern.trim() || []);

const TABLE = [arnOf("JobsTable"), sub("${JobsTable.Arn}/index/*")];
const QUEUES = [arnOf("JobsFairQueue"), arnOf("JobsMainQueue"), arnOf("JobsTasksQueue"), arnOf("JobsPdfQueue")];
const DEAD_LETTERS = [
  arnOf("JobsFairDeadLetters"),
  arnOf("JobsMainDeadLetters"),
  arnOf("JobsTasksDeadLetters"),
  arnOf("JobsPdfDeadLetters"),
  arnOf("SchedulesDeadLetters"),
];
const PAYLOADS = sub("${JobsBucket.Arn}/payloads/*");
const FILES = sub("${JobsBucket.Arn}/files/*");
const DATASETS = sub("${JobsBucket.Arn}/datasets/*");
const PDFS = sub("${JobsBucket.Arn}/pdfs/*");
const SCHEDULES = sub("arn:${AWS::Partition}:scheduler:${AWS::Region}:${AWS::AccountId}:schedule/${SchedulesGroup}/*");
const DATABASE = [
  "dynamodb:GetItem",
  "dynamodb:BatchGetItem",
  "dynamodb:Query",
  "dynamodb:PutItem",
  "dynamodb:UpdateItem",
  // Deletes places in line of tasks that no longer wait, and payloads of jobs whose key was taken.
  "dynamodb:DeleteItem",
  "dynamodb:BatchWriteItem",
];
const consume = (queues) =>
  allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"], queues);

/** Accepting, moving and handing on jobs. */
const jobs = [
  allow(DATABASE, TABLE),
  allow("sqs:SendMessage", QUEUES),
  allow(["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"], PAYLOADS),
];

/** Lists objects. Without it, S3 answers 403 instead of 404 for one that does not exist. */
const find = allow("s3:ListBucket", arnOf("JobsBucket"));

const readStream = allow(
  ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"],
  sub("${JobsTable.Arn}/stream/*"),
);

/** Links to PDFs, in views and in the webhooks that end their jobs. */
const linkPdfs = allow("s3:GetObject", PDFS);

/** Calling the browser's function. A large file goes to the bucket by a URL that its caller has signed. */
const makePdfs = [
  allow("lambda:InvokeFunction", functionArn("${self:custom.prefix}-renderPdf")),
  allow(["s3:PutObject", "s3:AbortMultipartUpload"], PDFS),
];

/** Running attempts: signing what is sent, and invoking what jobs may invoke. */
const attempts = [
  ...jobs,
  find,
  consume(QUEUES),
  allow(["kms:Encrypt", "kms:Decrypt"], arnOf("SecretsKey")),
  // A policy needs a resource: without patterns it names a function that can't exist.
  allow(
    ["lambda:InvokeFunction", "lambda:InvokeFunctionUrl"],
    // With its versions and aliases.
    (patterns.length > 0 ? patterns : ["-"]).flatMap((pattern) => [functionArn(pattern), functionArn(`${pattern}:*`)]),
  ),
  {
    ...allow(["lambda:InvokeFunction", "lambda:InvokeFunctionUrl"], functionArn("${self:custom.prefix}-*")),
    Effect: "Deny",
  },
];

/** Having EventBridge fire what runs once. */
const arrange = [
  allow(["scheduler:CreateSchedule", "scheduler:UpdateSchedule", "scheduler:GetSchedule"], SCHEDULES),
  allow("iam:PassRole", arnOf("SchedulesRole"), {
    StringEquals: { "iam:PassedToService": "scheduler.amazonaws.com" },
  }),
];

const FUNCTIONS = {
  createJob: [...jobs, ...arrange],
  adminApi: [
    ...jobs,
    linkPdfs,
    ...arrange,
    allow("scheduler:DeleteSchedule", SCHEDULES),
    allow("kms:Encrypt", arnOf("SecretsKey")),
  ],
  // A signed link, for a download or for a part of an upload, has no more permissions than its signer.
  taskApi: [
    ...jobs,
    linkPdfs,
    allow(["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], FILES),
    // Uploads that are not as announced go for good.
    allow("s3:DeleteObjectVersion", sub("${JobsBucket.Arn}/files/*/uploads/*")),
    find,
  ],
  pdfApi: [...jobs, linkPdfs, allow("sqs:GetQueueAttributes", arnOf("JobsPdfQueue")), ...makePdfs],
  internalApi: [...attempts, linkPdfs],
  site: [],
  processJobs: attempts,
  runTasks: [
    ...attempts,
    allow(["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"], [FILES, DATASETS]),
    // Of schedules that a bulk action cancels.
    allow("scheduler:DeleteSchedule", SCHEDULES),
    // The sender is EMAIL_SENDER, or an address of a domain that is verified. SES checks its configuration set too.
    allow("ses:SendEmail", [sesArn("identity/*"), sesArn("configuration-set/*")]),
  ],
  runPdfs: [...jobs, consume([arnOf("JobsPdfQueue")]), linkPdfs, ...makePdfs],
  // It opens documents of users: no table, queue, bucket or key.
  renderPdf: [],
  // Lambda sends a firing there after its last retry.
  fireSchedule: [...jobs, allow("sqs:SendMessage", arnOf("SchedulesDeadLetters"))],
  recoverDeadLetters: [
    ...jobs,
    find,
    consume(DEAD_LETTERS),
    allow("s3:PutObject", sub("${JobsBucket.Arn}/unreadable/*")),
  ],
  // It has groups looked at whose members have ended.
  countJobs: [
    allow("dynamodb:UpdateItem", arnOf("JobsTable")),
    allow("sqs:SendMessage", arnOf("JobsFairQueue")),
    readStream,
  ],
  removePayloads: [
    allow(["dynamodb:BatchGetItem", "dynamodb:DeleteItem"], arnOf("JobsTable")),
    allow(["s3:GetObject", "s3:DeleteObject", "s3:DeleteObjectVersion"], PAYLOADS),
    find,
    readStream,
  ],
  // It starts itself for what one invocation has no time for.
  sweepJobs: [...jobs, linkPdfs, allow("lambda:InvokeFunction", functionArn("${self:custom.prefix}-sweepJobs"))],
};

/** The functions that write nothing but their log. */
const UNTRACED = ["renderPdf"];

/** The function's own log, and traces, which have no resources to name. */
function observed(name) {
  const log = `arn:\${AWS::Partition}:logs:\${AWS::Region}:\${AWS::AccountId}:log-group:/aws/lambda/\${self:custom.prefix}-${name}:*`;
  return [
    allow(["logs:CreateLogStream", "logs:PutLogEvents"], sub(log)),
    ...(UNTRACED.includes(name) ? [] : [allow(["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "*")]),
  ];
}

function role(name, statements) {
  return {
    Type: "AWS::IAM::Role",
    Properties: {
      ...(boundary && { PermissionsBoundary: boundary }),
      AssumeRolePolicyDocument: {
        Version: "2012-10-17",
        Statement: [{ Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" }],
      },
      Policies: [
        {
          PolicyName: name,
          PolicyDocument: { Version: "2012-10-17", Statement: [...observed(name), ...statements] },
        },
      ],
    },
  };
}

/** `createJob` → `CreateJobRole` */
const roleName = (name) => `${name[0].toUpperCase()}${name.slice(1)}Role`;

module.exports = {
  /** For a role that stands in resources.yml. */
  boundary: boundary ?? { Ref: "AWS::NoValue" },
  resources: {
    Resources: Object.fromEntries(
      Object.entries(FUNCTIONS).map(([name, statements]) => [roleName(name), role(name, statements)]),
    ),
  },
};
