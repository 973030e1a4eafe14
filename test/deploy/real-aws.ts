import { expect } from "vitest";
import { ofType, type Resources } from "./template-parts.ts";

// What AWS asks of the template, and no emulator does.

export const REAL_AWS: readonly [says: string, check: (resources: Resources) => void][] = [
  ["the role that sends e-mails may use a configuration set", expectMailAllowed],
];

/** SES checks the configuration set of an identity as a resource of its own. */
function expectMailAllowed(resources: Resources): void {
  const [{ PolicyDocument }] = resources["RunTasksRole"].Properties.Policies;
  const sending = PolicyDocument.Statement.find(({ Action }: { Action: unknown }) => Action === "ses:SendEmail");
  const arn = "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:";
  expect(sending.Resource).toEqual([{ "Fn::Sub": `${arn}identity/*` }, { "Fn::Sub": `${arn}configuration-set/*` }]);
}
