import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { invalid } from "./dynamodb-errors.ts";

// Values of DynamoDB: their order, their size, and their form when they are stored.

/** Never changed once it is in the table. */
export type Item = Readonly<Record<string, AttributeValue>>;

type Type = "S" | "N" | "B" | "BOOL" | "NULL" | "M" | "L" | "SS";

export function typeOf(value: AttributeValue): Type {
  if (value.S !== undefined) return "S";
  if (value.N !== undefined) return "N";
  if (value.B !== undefined) return "B";
  if (value.BOOL !== undefined) return "BOOL";
  if (value.NULL !== undefined) return "NULL";
  if (value.M !== undefined) return "M";
  if (value.L !== undefined) return "L";
  if (value.SS !== undefined) return "SS";
  throw new Error(`The model of DynamoDB does not know values of type ${Object.keys(value).join()}`);
}

export function sameValue(a: AttributeValue, b: AttributeValue): boolean {
  const type = typeOf(a);
  if (type !== typeOf(b)) return false;
  switch (type) {
    case "S":
      return a.S === b.S;
    case "BOOL":
      return a.BOOL === b.BOOL;
    case "NULL":
      return true;
    case "N":
    case "B":
      return compareValues(a, b) === 0;
    case "L": {
      const [left, right] = [a.L ?? [], b.L ?? []];
      return left.length === right.length && left.every((value, at) => sameValue(value, right[at] ?? NOTHING));
    }
    case "M": {
      const [left, right] = [a.M ?? {}, b.M ?? {}];
      const names = Object.keys(left);
      const isSame = (name: string) => name in right && sameValue(left[name] ?? NOTHING, right[name] ?? NOTHING);
      return names.length === Object.keys(right).length && names.every(isSame);
    }
    case "SS": {
      const [left, right] = [a.SS ?? [], b.SS ?? []];
      return left.length === right.length && left.every((one) => right.includes(one));
    }
    default:
      return type satisfies never;
  }
}

const NOTHING: AttributeValue = { NULL: true };

/** Of two values of one type that has an order. */
export function compareValues(a: AttributeValue, b: AttributeValue): number {
  if (a.S !== undefined && b.S !== undefined) return compareText(a.S, b.S);
  if (a.N !== undefined && b.N !== undefined) return Number(a.N) - Number(b.N);
  if (a.B !== undefined && b.B !== undefined) return Buffer.compare(a.B, b.B);
  throw invalid("Invalid operand type: only strings, numbers and binary values have an order");
}

// UTF-16 and UTF-8 put the same texts in the same order below the surrogates.
const BEYOND = /[\ud800-\uffff]/;

export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  if (BEYOND.test(a) || BEYOND.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : 1;
}

/** The result of `size()`. */
export function sizeOf(value: AttributeValue): number {
  if (value.S !== undefined) return value.S.length;
  if (value.B !== undefined) return value.B.length;
  if (value.L !== undefined) return value.L.length;
  if (value.M !== undefined) return Object.keys(value.M).length;
  if (value.SS !== undefined) return value.SS.length;
  throw invalid("Invalid operand type for size()");
}

/** The size by which an item is charged and limited: names and text by UTF-8 bytes, numbers two digits a byte. */
export function itemBytes(item: Item): number {
  let bytes = 0;
  for (const name in item) bytes += Buffer.byteLength(name) + bytesOf(item[name] ?? NOTHING);
  return bytes;
}

function bytesOf(value: AttributeValue): number {
  if (value.S !== undefined) return Buffer.byteLength(value.S);
  if (value.N !== undefined) return Math.ceil(value.N.replace(/[-.]|^0+|0+$/g, "").length / 2) + 1;
  if (value.B !== undefined) return value.B.length;
  if (value.L !== undefined) return value.L.reduce((sum, one) => sum + bytesOf(one) + 1, 3);
  if (value.M !== undefined) return itemBytes(value.M) + Object.keys(value.M).length + 3;
  if (value.SS !== undefined) return value.SS.reduce((sum, one) => sum + Buffer.byteLength(one) + 1, 3);
  return 1;
}

/** A value as the table keeps it: its own copy of bytes, and numbers in their canonical form. */
export function stored(value: AttributeValue): AttributeValue {
  if (value.N !== undefined) return storedNumber(value);
  if (value.B !== undefined) return { B: new Uint8Array(value.B) };
  if (value.L !== undefined) return { L: value.L.map(stored) };
  if (value.M !== undefined) return { M: storedItem(value.M) };
  if (value.SS !== undefined) return { SS: [...value.SS] };
  // Throws on other sets, which nothing here uses.
  typeOf(value);
  return value;
}

export function storedItem(item: Item): Record<string, AttributeValue> {
  const copy: Record<string, AttributeValue> = {};
  for (const name in item) copy[name] = stored(item[name] ?? NOTHING);
  return copy;
}

function storedNumber(value: AttributeValue): AttributeValue {
  const text = value.N ?? "";
  const number = Number(text);
  if (text.trim() === "" || !Number.isFinite(number)) throw invalid(`${text} cannot be converted to a numeric value`);
  const written = String(number);
  if (written === text) return value;
  if (/e/i.test(written) || (Number.isInteger(number) && !Number.isSafeInteger(number))) {
    throw new Error(`The model of DynamoDB keeps numbers as JavaScript does, and ${text} is none of those`);
  }
  return { N: written };
}
