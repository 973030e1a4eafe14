import { expect } from "vitest";
import { ofType, type Resources } from "./template-parts.ts";

export function expectPrivateStorage(Resources: Resources): void {
  // Everything is encrypted in transit and at rest.
  const queues = ofType(Resources, "AWS::SQS::Queue");
  for (const [, { Properties }] of queues) expect(Properties["SqsManagedSseEnabled"]).toBe(true);
  const queuesPolicy = Resources.QueuesPolicy.Properties;
  expect(queuesPolicy["Queues"].map(({ Ref }: { Ref: string }) => Ref).toSorted()).toEqual(
    queues.map(([name]) => name).toSorted(),
  );
  for (const policy of ["QueuesPolicy", "JobsBucketPolicy"]) {
    expect(Resources[policy].Properties.PolicyDocument.Statement).toContainEqual(
      expect.objectContaining({ Effect: "Deny", Condition: { Bool: { "aws:SecureTransport": "false" } } }),
    );
  }
  const bucket = Resources.JobsBucket.Properties;
  expect(Object.values(bucket.PublicAccessBlockConfiguration)).toEqual([true, true, true, true]);
  expect(bucket.BucketEncryption).toBeDefined();
  // Deleted files and abandoned uploads expire.
  expect(bucket.VersioningConfiguration).toEqual({ Status: "Enabled" });
  expect(bucket.LifecycleConfiguration.Rules).toMatchObject([
    { AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } },
    { NoncurrentVersionExpiration: { NoncurrentDays: 7 }, ExpiredObjectDeleteMarker: true },
    // By no age: a job may be kept for good.
    {
      Id: "expire-old-payloads",
      Status: "Enabled",
      Prefix: "payloads/",
      NoncurrentVersionExpiration: { NoncurrentDays: 1 },
    },
    { Prefix: "pdfs/", ExpirationInDays: 1, NoncurrentVersionExpiration: { NoncurrentDays: 1 } },
  ]);
  // The bucket accepts uploads only from the API's allowed origins.
  expect(bucket.CorsConfiguration.CorsRules).toMatchObject([
    { AllowedOrigins: ["https://app.example"], AllowedMethods: ["GET", "HEAD", "PUT"], ExposedHeaders: ["ETag"] },
  ]);
  const table = Resources.JobsTable.Properties;
  expect(table.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled).toBe(true);
  expect(table.DeletionProtectionEnabled).toBe(true);
  expect(Resources.SecretsKey.Properties.EnableKeyRotation).toBe(true);
}
