import { DeleteObjectsCommand, ListObjectsV2Command, type S3Client } from "@aws-sdk/client-s3";
import { DAY, type Clock } from "../lib/clock.ts";
import type { Template } from "./template.ts";

// The lifecycle rules of resources.yml for a bucket, applied on this machine.

interface Rule {
  readonly Prefix?: string;
  readonly ExpirationInDays?: number;
}

/** Deletes the files that are older than their rule allows, in service time. */
export async function expireFiles(s3: S3Client, bucket: string, rules: readonly Rule[], clock: Clock): Promise<void> {
  for (const { Prefix = "", ExpirationInDays: days } of rules) {
    if (days === undefined) continue;
    let token: string | undefined;
    do {
      const list = new ListObjectsV2Command({ Bucket: bucket, Prefix, ...(token && { ContinuationToken: token }) });
      const { Contents = [], NextContinuationToken } = await s3.send(list);
      const Objects = Contents.flatMap(({ Key, LastModified }) => {
        const age = clock.during(clock.realNow() - (LastModified?.getTime() ?? clock.realNow()));
        return Key !== undefined && age >= days * DAY ? [{ Key }] : [];
      });
      if (Objects.length > 0) await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects } }));
      token = NextContinuationToken;
    } while (token);
  }
}

/** The rules of a bucket, by its name in resources.yml. */
export function rulesOf({ resources }: Template, name: string): readonly Rule[] {
  const { Rules = [] } = (resources[name]?.Properties["LifecycleConfiguration"] ?? {}) as { Rules?: Rule[] };
  return Rules;
}
