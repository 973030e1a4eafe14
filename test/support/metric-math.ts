// CloudWatch's metric math, as much of it as the alarms use: numbers, + - * /, comparisons, IF, and MAX and SUM of a list.

type Value = number | undefined;
type Series = readonly Value[];
type Node = (at: number) => Value;

/** The series of an expression. `known`: the series that it names. */
export function seriesOf(expression: string, known: ReadonlyMap<string, Series>, length: number): Value[] {
  const node = parse(expression, known);
  return Array.from({ length }, (_, at) => node(at));
}

function parse(expression: string, known: ReadonlyMap<string, Series>): Node {
  const tokens = expression.match(/\d+(?:\.\d+)?|\w+|>=|<=|[-+*/<>(),[\]]/g) ?? [];
  let next = 0;
  const peek = () => tokens[next];
  const take = (expected?: string): string => {
    const token = tokens[next] ?? "the end";
    if (expected !== undefined && token !== expected)
      throw new Error(`${expression}: expected ${expected}, got ${token}`);
    next += 1;
    return token;
  };

  /** Operators of one level, from left to right. What is missing on one side is missing in the result. */
  const level = (operators: readonly string[], below: () => Node): Node => {
    let left = below();
    while (operators.includes(peek() ?? "")) {
      const [operator, a, b] = [take(), left, below()];
      left = (at) => {
        const [x, y] = [a(at), b(at)];
        return x === undefined || y === undefined ? undefined : calculate(operator, x, y);
      };
    }
    return left;
  };
  const whole = (): Node => level([">", ">=", "<", "<="], sum);
  const sum = (): Node => level(["+", "-"], product);
  const product = (): Node => level(["*", "/"], single);

  const list = (end: string): Node[] => {
    const nodes = [whole()];
    while (peek() === ",") {
      take(",");
      nodes.push(whole());
    }
    take(end);
    return nodes;
  };

  const single = (): Node => {
    const token = take();
    if (token === "(") return list(")")[0] ?? (() => undefined);
    if (/^\d/.test(token)) return () => Number(token);
    if (peek() !== "(") {
      const series = known.get(token);
      if (!series) throw new Error(`${expression}: no metric has the id ${token}`);
      return (at) => series[at];
    }
    take("(");
    if (token === "MAX" || token === "SUM") {
      take("[");
      const nodes = list("]");
      take(")");
      return (at) =>
        ofList(
          token,
          nodes.flatMap((node) => node(at) ?? []),
        );
    }
    return call(token, list(")"));
  };

  const root = whole();
  if (next < tokens.length) throw new Error(`${expression}: ${peek()} is too much`);
  return root;
}

function call(name: string, [first, second, third]: readonly Node[]): Node {
  if (name === "IF" && first && second && third) {
    return (at) => {
      const condition = first(at);
      return condition === undefined ? undefined : (condition === 0 ? third : second)(at);
    };
  }
  throw new Error(`No such function, or not with these arguments: ${name}`);
}

function calculate(operator: string, x: number, y: number): Value {
  switch (operator) {
    case "+":
      return x + y;
    case "-":
      return x - y;
    case "*":
      return x * y;
    case "/":
      // CloudWatch has no value there.
      return y === 0 ? undefined : x / y;
    case ">":
      return Number(x > y);
    case ">=":
      return Number(x >= y);
    case "<":
      return Number(x < y);
    default:
      return Number(x <= y);
  }
}

/** Of the series that have a value there. */
function ofList(name: "MAX" | "SUM", values: readonly number[]): Value {
  if (values.length === 0) return undefined;
  return name === "MAX" ? Math.max(...values) : values.reduce((sum, value) => sum + value, 0);
}
