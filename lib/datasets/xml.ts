import { TextDecoder } from "node:util";
import sax from "sax";
import { BadFile } from "./source-row.ts";

// XML as events, of any size. Names come without their namespace's prefix.

export interface XmlEvents {
  readonly open: (name: string, attributes: Attributes) => void;
  /** A long text comes in several parts. */
  readonly text?: (text: string) => void;
  readonly close?: (name: string) => void;
}

export type Attributes = Readonly<Record<string, string>>;

/** The parser keeps all open elements. A workbook's are a dozen. */
const DEEPEST = 100;

/** Of an element. A workbook's have twenty. */
const MOST_ATTRIBUTES = 500;

/** Throws `BadFile` for what is not XML. Entities of a document's own are not known. */
export function xmlParser(events: XmlEvents): { write(chunk: Uint8Array): void; end(): void } {
  // Numbers of lines and columns would take time.
  const options = { position: false, strictEntities: true } as sax.SAXOptions;
  const parser = sax.parser(true, options);
  parser.position = 0;
  let decoder: TextDecoder | undefined;
  let depth = 0;
  let count = 0;
  Object.assign(parser, {
    onattribute: () => {
      count += 1;
      if (count > MOST_ATTRIBUTES) throw damaged(`an element has more than ${MOST_ATTRIBUTES} attributes`);
    },
    onopentag: ({ name, attributes }: sax.Tag) => {
      depth += 1;
      count = 0;
      if (depth > DEEPEST) throw damaged("its elements are nested too deep");
      events.open(localName(name), attributes);
    },
    onclosetag: (name: string) => {
      depth -= 1;
      events.close?.(localName(name));
    },
    ...(events.text && { ontext: events.text, oncdata: events.text }),
    onerror: ({ message }: Error) => {
      throw damaged(message.split("\n")[0] ?? "");
    },
  });
  return {
    write: (chunk) => {
      decoder ??= new TextDecoder(encodingOf(chunk), { fatal: true });
      const text = textIn(decoder, chunk);
      // The parser bounds what it keeps of a text, a comment or a value by this, which it does not count by itself.
      parser.position += text.length;
      parser.write(text);
    },
    end: () => void parser.close(),
  };
}

function textIn(decoder: TextDecoder, chunk: Uint8Array): string {
  try {
    return decoder.decode(chunk, { stream: true });
  } catch {
    throw damaged("it is not in UTF-8");
  }
}

function damaged(reason: string): BadFile {
  return new BadFile(`The workbook holds XML that is not valid (${reason}): save it anew in Excel and upload that`);
}

export async function parseXml(chunks: AsyncIterable<Uint8Array>, events: XmlEvents): Promise<void> {
  const parser = xmlParser(events);
  for await (const chunk of chunks) parser.write(chunk);
  parser.end();
}

/** The value of an attribute with a prefix, whatever the prefix is. */
export function prefixed(attributes: Attributes, name: string): string | undefined {
  const key = Object.keys(attributes).find((each) => each.endsWith(`:${name}`));
  return key === undefined ? attributes[name] : attributes[key];
}

function localName(name: string): string {
  return name.slice(name.indexOf(":") + 1);
}

function encodingOf([first, second]: Uint8Array): string {
  if (first === 0xfe && second === 0xff) return "utf-16be";
  return first === 0xff && second === 0xfe ? "utf-16le" : "utf-8";
}
