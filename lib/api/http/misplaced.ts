import type * as z from "../../zod.ts";

// A field at the wrong level of a request: where the schema knows one of that name.

/** What is read of a schema. */
interface Node {
  readonly type: string;
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>;
  readonly options?: readonly z.core.$ZodType[];
  readonly innerType?: z.core.$ZodType;
  readonly in?: z.core.$ZodType;
  readonly element?: z.core.$ZodType;
  readonly getter?: () => z.core.$ZodType;
}

type Path = readonly (string | number)[];

/** They hold jobs, calls and files of their own, whose fields are not meant by one of the job that is posted. */
const OTHERS: readonly string[] = ["onComplete", "onSuccess", "onFailure", "targetJob", "file"];
const DEEPEST = 4;

/** Says where an unknown field belongs; undefined if the schema knows none of its name. */
export function misplaced(schema: z.core.$ZodType, path: Path, name: string): string | undefined {
  for (let depth = path.length; depth >= 0; depth -= 1) {
    const above = path.slice(0, depth);
    const below = placeIn(schemasAt(schema, above), name, DEEPEST);
    if (!below) continue;
    const place = [...above, ...below];
    // Another variant of the same object has it.
    if (place.length === path.length && place.every((part, at) => part === path[at])) return undefined;
    const where = place.length === 0 ? "at the top level" : `in ${place.join(".")}`;
    const inJob = [...place.filter((part) => typeof part === "string"), name];
    const shown = inJob.reduceRight((inner, part) => `{"${part}": ${inner}}`, "…");
    return `is not a known field here; it belongs ${where}: ${shown}`;
  }
  return undefined;
}

/** The path to the shallowest object that has the field. */
function placeIn(schemas: readonly z.core.$ZodType[], name: string, depth: number): string[] | undefined {
  const shapes = schemas.flatMap(shapesOf);
  if (shapes.some((shape) => Object.hasOwn(shape, name))) return [];
  if (depth === 0) return undefined;
  const inner = shapes
    .flatMap((shape) => Object.entries(shape))
    .flatMap(([field, schema]) => {
      const below = OTHERS.includes(field) ? undefined : placeIn([schema], name, depth - 1);
      return below ? [[field, ...below]] : [];
    });
  return inner.toSorted((a, b) => a.length - b.length)[0];
}

function schemasAt(schema: z.core.$ZodType, path: Path): readonly z.core.$ZodType[] {
  let schemas = [schema];
  for (const part of path) {
    schemas = schemas.flatMap((each) =>
      typeof part === "number"
        ? variantsOf(each).flatMap(({ element }) => element ?? [])
        : shapesOf(each).flatMap((shape) => shape[part] ?? []),
    );
  }
  return schemas;
}

function shapesOf(schema: z.core.$ZodType): readonly Readonly<Record<string, z.core.$ZodType>>[] {
  return variantsOf(schema).flatMap(({ shape }) => (shape ? [shape] : []));
}

/** The schema itself, without what is wrapped around it, or the members of a union. */
function variantsOf(schema: z.core.$ZodType): readonly Node[] {
  const node = schema._zod.def as unknown as Node;
  const inner = [node.innerType, node.in, node.getter?.(), ...(node.options ?? [])].filter(
    (each) => each !== undefined,
  );
  return inner.length > 0 ? inner.flatMap(variantsOf) : [node];
}
