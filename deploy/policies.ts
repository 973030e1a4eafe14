import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { oncallPermissions } from "./oncall.ts";
import { readPackaged, type Template } from "./packaged.ts";
import { RESOURCE_TYPES, boundaryArn, type Names, type Permission } from "./resource-types.ts";
import { grantedByRoles } from "./role-statements.ts";

// `npm run policies`: the least that a deployer, CloudFormation on its behalf, and a person on call need for the packaged
// template.

export interface Statement {
  readonly Effect: "Allow";
  readonly Action: readonly string[];
  readonly Resource: readonly string[];
  readonly Condition?: object;
}

export interface Policy {
  readonly Version: "2012-10-17";
  readonly Statement: readonly Statement[];
}

/** IAM's limit of a managed policy, in characters without white space. */
export const LARGEST_POLICY = 6_144;
/** The role that CloudFormation takes on. It is named like none of the service's roles, so that it can't change itself. */
const cfnRole = (service: string) => `${service}-cfn`;

/**
 * All documents by name: of the deployer, of CloudFormation's role (one or more), the boundary of all other roles, and of
 * a person on call.
 */
export function policiesFor(template: Template, service: string, names: Names): Record<string, Policy> {
  const { prefix } = names;
  const cfn = packed(cfnStatements(template, names));
  return {
    [`${prefix}-ci`]: policy(merged(ciPermissions(service, names))),
    ...Object.fromEntries(cfn.map((each, at) => [`${prefix}-cfn${at === 0 ? "" : `-${at + 1}`}`, each])),
    [`${prefix}-boundary`]: policy(merged(grantedByRoles(template, names))),
    [`${prefix}-oncall`]: policy(merged(oncallPermissions(names, secretsOf(template, names)))),
  };
}

/** Who may take on a role. */
export function trustOf(service: string, condition?: object): object {
  const Statement = [{ Effect: "Allow", Principal: { Service: service }, Action: "sts:AssumeRole", ...condition }];
  return { Version: "2012-10-17", Statement };
}

function cfnStatements(template: Template, names: Names): Statement[] {
  const types = [...new Set(Object.values(template.Resources).map(({ Type }) => Type))].toSorted();
  const uncovered = types.filter((type) => !Object.hasOwn(RESOURCE_TYPES, type));
  if (uncovered.length > 0)
    throw new Error(
      `The template has ${uncovered.join(", ")}: expected types of deploy/resource-types.ts; add what CloudFormation does to make, change, read and delete one`,
    );
  const lookups = secretsOf(template, names).map((arn): Permission => ({
    actions: ["secretsmanager:GetSecretValue"],
    resources: [arn],
  }));
  return merged([...types.flatMap((type) => RESOURCE_TYPES[type]?.(names) ?? []), ...lookups]);
}

/** The ARNs of the secrets that CloudFormation looks up. */
function secretsOf(template: Template, { region, account }: Names): string[] {
  const looked = JSON.stringify(template).matchAll(/\{\{resolve:secretsmanager:(.+?):SecretString:/g);
  const named = new Set([...looked].map(([, name = ""]) => name));
  return [...named].map((name) =>
    name.startsWith("arn:") ? name : `arn:aws:secretsmanager:${region}:${account}:secret:${name}-*`,
  );
}

/** What `serverless deploy`, `remove` and `rollback` call, and `npm run deploy` and `remove` beside them. */
function ciPermissions(service: string, { account, region, prefix }: Names): Permission[] {
  const bucket = `arn:aws:s3:::${prefix.toLowerCase()}-serverlessdeploymentbucket-*`;
  return [
    { actions: ["cloudformation:*"], resources: [`arn:aws:cloudformation:${region}:${account}:stack/${prefix}/*`] },
    { actions: ["cloudformation:ValidateTemplate", "lambda:GetAccountSettings"], resources: ["*"] },
    {
      actions: [
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:ListBucket",
        "s3:ListBucketVersions",
        "s3:GetBucketLocation",
      ],
      resources: [bucket, `${bucket}/*`],
    },
    {
      actions: ["lambda:GetFunction", "lambda:GetFunctionConcurrency"],
      resources: [`arn:aws:lambda:${region}:${account}:function:${prefix}-*`],
    },
    { actions: ["dynamodb:DescribeTable"], resources: [`arn:aws:dynamodb:${region}:${account}:table/${prefix}-*`] },
    {
      actions: ["iam:PassRole"],
      resources: [`arn:aws:iam::${account}:role/${cfnRole(service)}`],
      condition: { StringEquals: { "iam:PassedToService": "cloudformation.amazonaws.com" } },
    },
  ];
}

/** One statement for each set of resources and condition. */
export function merged(permissions: readonly Permission[]): Statement[] {
  const byTarget = new Map<string, { permission: Permission; actions: Set<string> }>();
  for (const permission of permissions) {
    const { resources, condition } = permission;
    const target = JSON.stringify([resources.toSorted(), condition]);
    const entry = byTarget.get(target) ?? { permission, actions: new Set() };
    for (const action of permission.actions) entry.actions.add(action);
    byTarget.set(target, entry);
  }
  return [...byTarget.values()].map(({ permission: { resources, condition }, actions }) => ({
    Effect: "Allow",
    Action: [...actions].toSorted(),
    Resource: resources.toSorted(),
    ...(condition && { Condition: condition }),
  }));
}

/** As few policies as the statements fit into, in their order. */
export function packed(statements: readonly Statement[]): Policy[] {
  const policies: Statement[][] = [[]];
  for (const statement of statements) {
    if (sizeOf(policy([statement])) > LARGEST_POLICY)
      throw new Error(
        `A statement alone takes more than ${LARGEST_POLICY} characters: ${JSON.stringify(statement.Resource)}`,
      );
    const last = policies.at(-1) ?? [];
    if (sizeOf(policy([...last, statement])) > LARGEST_POLICY) policies.push([statement]);
    else last.push(statement);
  }
  return policies.map(policy);
}

export const sizeOf = (document: Policy) => JSON.stringify(document).replaceAll(/\s/g, "").length;

const policy = (Statement: readonly Statement[]): Policy => ({ Version: "2012-10-17", Statement });

const USAGE = `Prints the IAM policies of a deployer, of CloudFormation and of a person on call, made from the packaged template.
  npm run package -- --stage prod
  npm run policies -- --stage prod --account 123456789012 [--region eu-central-1] [--out FOLDER]
  Package with the settings of the deployment: INVOKABLE_FUNCTIONS and SECRETS_NAME are in the policies.
  --region: default AWS_REGION. --out: a file for each policy, instead of one JSON document
`;

function main(args: string[]): void {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args,
    options: { stage: text, account: text, region: text, out: text, help: { type: "boolean", default: false } },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const { stage = "", account = "", region = process.env["AWS_REGION"] ?? "", out } = values;
  if (!/^[a-z][a-z0-9-]*$/.test(stage)) throw new Error(`--stage is "${stage}": expected one such as prod`);
  if (!/^\d{12}$/.test(account)) throw new Error(`--account is "${account}": expected the 12 digits of an AWS account`);
  if (!/^[a-z]{2}-[a-z-]+-\d$/.test(region))
    throw new Error(`--region is "${region}": expected one such as eu-central-1`);
  const { template, service } = readPackaged(stage);
  const names = { account, region, prefix: `${service}-${stage}` };
  const documents = {
    ...policiesFor(template, service, names),
    [`${cfnRole(service)}-trust`]: trustOf("cloudformation.amazonaws.com"),
  };
  if (out === undefined) return void process.stdout.write(`${JSON.stringify(documents, undefined, 2)}\n`);
  mkdirSync(out, { recursive: true });
  for (const [name, document] of Object.entries(documents)) {
    writeFileSync(join(out, `${name}.json`), `${JSON.stringify(document, undefined, 2)}\n`);
    process.stdout.write(`${join(out, `${name}.json`)}\n`);
  }
  process.stdout.write(`For the deployment: PERMISSIONS_BOUNDARY=${boundaryArn(names)}\n`);
}

if (import.meta.main) {
  try {
    main(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
    process.exitCode = 2;
  }
}
