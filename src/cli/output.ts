import type { Terminal } from './terminal.ts';

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
}

/** Where results go: text for people, JSON for programs, chosen once by `--json`. */
export class Output {
  readonly json: boolean;
  readonly #terminal: Terminal;

  constructor(terminal: Terminal, json: boolean) {
    this.#terminal = terminal;
    this.json = json;
  }

  /** One result: a JSON document, or labelled lines in the order of `fields`. */
  document(value: object, fields: readonly (readonly [label: string, text: string | undefined])[]): void {
    if (this.json) {
      this.#terminal.out(JSON.stringify(value, undefined, 2));
      return;
    }
    const shown = fields.filter(([, text]) => text !== undefined);
    const width = Math.max(...shown.map(([label]) => label.length));
    for (const [label, text] of shown) this.#terminal.out(`${label.padEnd(width)}  ${text}`);
  }

  /** Many results: JSON lines, or a table; `none` is said when there are none. */
  list<Row extends object>(rows: readonly Row[], columns: readonly Column<Row>[], none: string): void {
    if (this.json) {
      for (const row of rows) this.#terminal.out(JSON.stringify(row));
      return;
    }
    this.#terminal.out(rows.length === 0 ? none : formatTable(rows, columns));
  }

  /** A line for people; a program gets none of it. */
  note(text: string): void {
    if (!this.json) this.#terminal.out(text);
  }

  /** One JSON line; only for streams that have their own text form. */
  jsonLine(value: object): void {
    this.#terminal.out(JSON.stringify(value));
  }

  text(text: string): void {
    this.#terminal.out(text);
  }
}

/** Columns as wide as their widest cell, two spaces apart, none trailing. */
export function formatTable<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const cells = [
    columns.map((column) => column.title),
    ...rows.map((row) => columns.map((column) => printable(column.value(row)))),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)));
  return cells
    .map((line) =>
      line
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Text from the network must not move the cursor, recolour an operator's terminal, or turn what stands around it. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, '\ufffd');
}

export function formatTime(epochSeconds: number): string {
  return `${new Date(epochSeconds * 1000).toISOString().slice(0, 19)}Z`;
}
