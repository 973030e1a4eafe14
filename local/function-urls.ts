import type { APIGatewayProxyStructuredResultV2 } from "aws-lambda";
import type { FunctionUrl } from "./gateway.ts";
import type { LambdaApi } from "./lambda-api.ts";
import { isSigned } from "./signature.ts";

/** Lambda function URLs with auth type AWS_IAM: a request without a valid signature gets 403. */
export function createFunctionUrls(lambdaApi: LambdaApi): FunctionUrl {
  return async (name, request, body, event) => {
    const { method = "", url: target = "", headers } = request;
    const { AWS_ACCESS_KEY_ID: accessKeyId = "", AWS_SECRET_ACCESS_KEY: secretAccessKey = "" } = process.env;
    const signed = isSigned({ method, target, headers, body }, { accessKeyId, secretAccessKey }, Date.now());
    if (!signed) return json(403, { Message: "Forbidden" });
    const call = await lambdaApi.functionNamed(name);
    if (!call) return json(404, { Message: `No function ${name}` });
    try {
      return answerOf(await call(event));
    } catch {
      return json(502, { Message: "Internal Server Error" });
    }
  };
}

/** A result with a status code is the whole answer and any other result is its body, as on Lambda. */
function answerOf(result: unknown): APIGatewayProxyStructuredResultV2 {
  const isAnswer = typeof result === "object" && result !== null && "statusCode" in result;
  return isAnswer ? (result as APIGatewayProxyStructuredResultV2) : json(200, result);
}

function json(statusCode: number, body: unknown): APIGatewayProxyStructuredResultV2 {
  return { statusCode, headers: { "content-type": "application/json" }, body: JSON.stringify(body ?? null) };
}
