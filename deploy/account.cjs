// What the account allows, before a deployment that it would refuse halfway.

const { GetAccountSettingsCommand, GetFunctionConcurrencyCommand } = require("@aws-sdk/client-lambda");

/** Lambda keeps as many for functions that have none reserved. */
const KEPT = 100;

/**
 * Compares the executions that are to be reserved, by full name of the function, with those of the account. `problem`: the
 * deployment would fail.
 */
async function compareConcurrency(client, reserved) {
  const { AccountLimit = {} } = await client.send(new GetAccountSettingsCommand({}));
  const { ConcurrentExecutions: all = 0, UnreservedConcurrentExecutions: unreserved = 0 } = AccountLimit;
  const wanted = sum(Object.values(reserved));
  // Those of the last deployment are not among the unreserved ones, and are given back.
  const held = sum(await Promise.all(Object.keys(reserved).map((name) => heldBy(client, name))));
  const left = unreserved + held - wanted;
  const account = `The account has ${all} concurrent executions, ${unreserved + held} of them not reserved for others`;
  if (wanted > 0 && left < KEPT) {
    return {
      problem:
        `${account}; this deployment reserves ${wanted}, and Lambda keeps ${KEPT} unreserved. Set RESERVED_CONCURRENCY=none, ` +
        "or to less (docs/operations.md), or ask AWS for more: Service Quotas, Lambda, Concurrent executions",
    };
  }
  const few = all < KEPT ? ". That is few: jobs wait for each other, and a quick PDF takes two" : "";
  return { said: `${account}; this deployment reserves ${wanted} and leaves ${left}${few}` };
}

/** The executions that a function has reserved by now; none, if there is no such function yet. */
async function heldBy(client, FunctionName) {
  try {
    const { ReservedConcurrentExecutions: held = 0 } = await client.send(
      new GetFunctionConcurrencyCommand({ FunctionName }),
    );
    return held;
  } catch (error) {
    if (error.name === "ResourceNotFoundException") return 0;
    throw error;
  }
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}

module.exports = { compareConcurrency };
