import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BUSY_CLIENT_DEFAULTS, lean } from "../lib/aws.ts";

// What is kept between the calls of a client.

/** The headers `authorization` of the calls. */
const signed: string[] = [];
const server = createServer((request, response) => {
  signed.push(request.headers.authorization ?? "");
  response.writeHead(200, { "content-type": "application/x-amz-json-1.0" }).end("{}");
});
let endpoint = "";

beforeAll(async () => {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

const read = new GetItemCommand({ TableName: "jobs", Key: { pk: { S: "J#1" } } });

test("a client signs each call with the credentials of that moment", async () => {
  let accessKeyId = "FIRST";
  // Credentials that are about to expire are asked for anew.
  const credentials = async () => ({ accessKeyId, secretAccessKey: "secret", expiration: new Date() });
  const client = lean(new DynamoDBClient({ ...BUSY_CLIENT_DEFAULTS, endpoint, region: "eu-west-1", credentials }));
  signed.length = 0;
  await client.send(read);
  accessKeyId = "SECOND";
  await client.send(read);
  const keys = signed.map((header) => /Credential=(\w+)\/\d{8}\/eu-west-1\/dynamodb\//.exec(header)?.[1]);
  expect(keys).toEqual(["FIRST", "SECOND"]);
  client.destroy();
});

test("a client whose signer could not be made makes one at the next call", async () => {
  const credentials = { accessKeyId: "KEY", secretAccessKey: "secret" };
  const settings = { ...BUSY_CLIENT_DEFAULTS, endpoint, region: "eu-west-1", credentials, maxAttempts: 1 };
  const client = new DynamoDBClient(settings);
  const { config } = client;
  const make = config.signer;
  let made = 0;
  config.signer = async (scheme) => {
    made += 1;
    if (made === 1) throw new Error("the region is not known yet");
    return make(scheme);
  };
  lean(client);
  await expect(client.send(read)).rejects.toThrow("the region is not known yet");
  signed.length = 0;
  await client.send(read);
  await client.send(read);
  expect([signed.length, made]).toEqual([2, 2]);
  client.destroy();
});
