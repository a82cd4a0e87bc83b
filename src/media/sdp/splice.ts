import type { Span } from './description.ts';

/** One piece of text in place of another; an empty span inserts. */
export interface Edit {
  readonly span: Span;
  readonly text: string;
}

/** The text with its edits made; all else stays byte for byte. Edits do not overlap, and may come in any order. */
export function splice(text: string, edits: readonly Edit[]): string {
  const sorted = [...edits].sort((a, b) => a.span.start - b.span.start || a.span.end - b.span.end);
  let result = '';
  let at = 0;
  for (const edit of sorted) {
    if (edit.span.start < at) throw new RangeError('edits overlap');
    result += text.slice(at, edit.span.start) + edit.text;
    at = edit.span.end;
  }
  return result + text.slice(at);
}
