/** An example of a user's function: answers with the event it gets. Try it with `execution.functionName` "echo". */
export const handler = async (event: unknown): Promise<unknown> => ({ received: event });
