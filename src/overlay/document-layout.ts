import type { DocumentReader, DocumentWriter } from './document-bytes.ts';
import { OverlayError } from './errors.ts';

/** How one value is written and read. */
export interface Layout<Value> {
  readonly write: (out: DocumentWriter, value: Value) => void;
  readonly read: (source: DocumentReader) => Value;
}

/** What a member of a structure may be: there always, left out, or there as undefined. */
export interface OptionalLayout<Value> extends Layout<Value> {
  readonly absent: 'omitted' | 'undefined';
}

type MemberLayouts<Document> = {
  readonly [Name in keyof Document]-?: undefined extends Document[Name]
    ? OptionalLayout<Exclude<Document[Name], undefined>>
    : Layout<Document[Name]>;
};

export const text: Layout<string> = {
  write: (out, value) => out.text(value),
  read: (source) => source.text(),
};
export const number: Layout<number> = {
  write: (out, value) => out.number(value),
  read: (source) => source.number(),
};
export const bigint: Layout<bigint> = {
  write: (out, value) => out.bigint(value),
  read: (source) => source.bigint(),
};
export const bytes: Layout<Uint8Array> = {
  write: (out, value) => out.bytes(value),
  read: (source) => source.bytes(),
};
export const boolean: Layout<boolean> = {
  write: (out, value) => out.count(value ? 1 : 0),
  read: (source) => source.count() === 1,
};

/** One of a few values, by its place among them: new ones go to the end. */
export function oneOf<Value extends string | number>(...values: readonly Value[]): Layout<Value> {
  return {
    write: (out, value) => out.count(values.indexOf(value)),
    read: (source) => {
      const value = values[source.count()];
      if (value === undefined) throw unreadable();
      return value;
    },
  };
}

export function list<Value>(item: Layout<Value>): Layout<readonly Value[]> {
  return {
    write: (out, values) => {
      out.count(values.length);
      for (const value of values) item.write(out, value);
    },
    read: (source) => source.list(item.read),
  };
}

/** A member that may be left out. */
export function omittable<Value>(layout: Layout<Value>): OptionalLayout<Value> {
  return { ...layout, absent: 'omitted' };
}

/** A member that is there and may be undefined. */
export function maybe<Value>(layout: Layout<Value>): OptionalLayout<Value> {
  return { ...layout, absent: 'undefined' };
}

interface Member {
  readonly name: string;
  readonly layout: Layout<unknown>;
  readonly absent: 'never' | 'omitted' | 'undefined';
  /** In the head of the structure, which says what is there. */
  readonly flag: number;
}

/**
 * Members in the order in which they are named here. One bit of the head for each that may be absent; new members of
 * that kind go to the end, so that what was written before them can still be read.
 */
export function structure<Document extends object>(layouts: MemberLayouts<Document>): Layout<Document> {
  let nextFlag = 1;
  const members = Object.entries<Layout<unknown>>(layouts as Record<string, Layout<unknown>>).map(
    ([name, layout]): Member => {
      const absent = isOptional(layout) ? layout.absent : 'never';
      const flag = absent === 'never' ? 0 : nextFlag;
      if (flag > 0) nextFlag *= 2;
      return { name, layout, absent, flag };
    },
  );
  // Copied, it has room for all members at once; growing with each of them costs as much as reading them.
  const blank: Readonly<Record<string, unknown>> = Object.fromEntries(
    members.filter(({ absent }) => absent !== 'omitted').map(({ name }) => [name, undefined]),
  );
  return {
    write: (out, document) => {
      const values = document as Record<string, unknown>;
      if (nextFlag > 1) {
        let head = 0;
        for (const { name, flag } of members) if (flag > 0 && values[name] !== undefined) head += flag;
        out.count(head);
      }
      for (const { name, layout, flag } of members)
        if (flag === 0 || values[name] !== undefined) layout.write(out, values[name]);
    },
    read: (source) => {
      const head = nextFlag > 1 ? source.head(nextFlag) : 0;
      const values: Record<string, unknown> = { ...blank };
      for (const { name, layout, flag } of members)
        if (flag === 0 || (head & flag) !== 0) values[name] = layout.read(source);
      return values as Document;
    },
  };
}

function isOptional(layout: Layout<unknown>): layout is OptionalLayout<unknown> {
  return 'absent' in layout;
}

function unreadable(): OverlayError {
  return new OverlayError('store-corrupt', 'a stored document holds what this version does not know');
}
