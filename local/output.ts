const COLLECTED_FOR_MS = 10;

/**
 * Lets this thread collect for a moment what it writes to its standard output. By itself, each line of the log is a call
 * of the system, from the workers' thread also a message to the other one: a twentieth of what a busy stack does.
 * Returns what writes the rest at once.
 */
export function collectOutput(): () => void {
  const { stdout } = process;
  const write = stdout.write.bind(stdout);
  let waiting = "";
  const flush = () => {
    const text = waiting;
    waiting = "";
    if (text !== "") write(text);
  };
  stdout.write = (...given: unknown[]) => {
    const [text, ...more] = given;
    if (typeof text !== "string" || more.length > 0) {
      flush();
      return Reflect.apply(write, undefined, given) as boolean;
    }
    if (waiting === "") setTimeout(flush, COLLECTED_FOR_MS);
    waiting += text;
    return true;
  };
  process.on("exit", flush);
  return flush;
}
