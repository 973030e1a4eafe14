/** An example of a function that fails: with RequestResponse, its message becomes the job's `lastError`. */
export const handler = async (): Promise<never> => {
  throw new Error("This function always fails");
};
