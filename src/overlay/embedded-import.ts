import type { Database, RootDatabase } from 'lmdb';
import { decodeDocument } from './document-codec.ts';
import { type DocumentKind, documentKinds, type OverlayDocuments } from './documents.ts';
import { OverlayError } from './errors.ts';

type Root = RootDatabase<Buffer, string>;
type Take = <Kind extends DocumentKind>(kind: Kind, key: string, document: OverlayDocuments[Kind]) => void;

/** How a directory is laid out. The first format said nothing about itself. */
const format = 2;
const mark = 'format';
const firstFormatIndexes: readonly string[] = ['index.terms', 'index.due'];
/** Documents that one transaction takes over. */
const batchSize = 10_000;

/** Whether the directory has this format; false for a new one. Throws OverlayError `store-open` for a later one. */
export function hasFormat(root: Root): boolean {
  return isMarked(openMarks(root));
}

/**
 * Marks a new directory, and has `take` write anew what the first format has left: CBOR under text keys. Ended in
 * between it begins again; the mark comes last, together with the end of the old tables, so that nothing newer is
 * overwritten.
 */
export function importFirstFormat(root: Root, take: Take): void {
  const marks = openMarks(root);
  const tables = [...root.getKeys()];
  const kinds = documentKinds.filter((kind) => tables.includes(kind));
  for (const kind of kinds) importKind(root, marks, kind, take);
  root.transactionSync(() => {
    if (isMarked(marks)) return;
    void marks.put(mark, String(format));
    for (const name of [...kinds, ...firstFormatIndexes.filter((index) => tables.includes(index))])
      root.openDB({ name, encoding: 'binary' }).dropSync();
  });
}

function importKind(root: Root, marks: Database<string, string>, kind: DocumentKind, take: Take): void {
  const table = root.openDB<Buffer, string>({ name: kind, encoding: 'binary', useVersions: true });
  let last: string | undefined;
  const importBatch = (): number => {
    // Another process may have been faster, and has perhaps written since.
    if (isMarked(marks)) return 0;
    const from = last === undefined ? {} : { start: last, exclusiveStart: true };
    const batch = [...table.getRange({ ...from, limit: batchSize })];
    for (const { key, value } of batch) take(kind, key, decodeDocument(kind, value));
    last = batch.at(-1)?.key;
    return batch.length;
  };
  while (root.transactionSync(importBatch) === batchSize);
}

export function openMarks(root: Root): Database<string, string> {
  return root.openDB({ name: mark, encoding: 'string' });
}

function isMarked(marks: Database<string, string>): boolean {
  const found = marks.get(mark);
  if (found !== undefined && found !== String(format))
    throw new OverlayError(
      'store-open',
      `the overlay store has format ${found}; this version knows ${format}`,
    );
  return found !== undefined;
}
