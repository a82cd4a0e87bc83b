import { CliError } from './failure.ts';

export interface PhoneRow {
  /** Line in the file, from 1. */
  readonly line: number;
  readonly name: string;
  readonly extension?: string;
  readonly password?: string;
}

const columns = ['name', 'extension', 'password'] as const;

/**
 * Rows of a phone list: RFC 4180, separated by comma or semicolon (as spreadsheets in many countries write it), the
 * first line names the columns in any order. Throws CliError with every faulty line.
 */
export function parsePhones(text: string): readonly PhoneRow[] {
  const [header, ...lines] = text.replace(/^\ufeff/, '').split(/\r?\n/);
  const separator = header?.includes(';') ? ';' : ',';
  const names = splitLine(header ?? '', separator)?.map((name) => name.trim().toLowerCase()) ?? [];
  const unknown = names.find((name) => !columns.some((column) => column === name));
  if (!names.includes('name') || unknown !== undefined)
    throw new CliError(
      'usage',
      unknown === undefined ? 'the first line has no column "name"' : `unknown column "${unknown}"`,
      'write the columns as: name,extension,password',
    );
  const rows: PhoneRow[] = [];
  const faults: string[] = [];
  lines.forEach((content, index) => {
    if (content.trim() === '') return;
    const line = index + 2;
    const cells = splitLine(content, separator);
    const cell = (column: (typeof columns)[number]): string => cells?.[names.indexOf(column)]?.trim() ?? '';
    if (cells?.length !== names.length) faults.push(`line ${line} has not ${names.length} columns`);
    else if (cell('name') === '') faults.push(`line ${line} has no name`);
    else
      rows.push({
        line,
        name: cell('name'),
        ...(cell('extension') !== '' && { extension: cell('extension') }),
        ...(cell('password') !== '' && { password: cell('password') }),
      });
  });
  const repeated = duplicates(rows.flatMap(({ extension }) => extension ?? []));
  for (const extension of repeated) faults.push(`extension ${extension} is given twice`);
  if (faults.length > 0) throw new CliError('usage', `nothing was added: ${faults.join('; ')}`);
  return rows;
}

/** Undefined when a quote is not closed. */
function splitLine(line: string, separator: string): readonly string[] | undefined {
  const cells: string[] = [];
  let cell = '';
  let quoted = false;
  for (let at = 0; at < line.length; at++) {
    const character = line[at] ?? '';
    if (quoted && character === '"' && line[at + 1] === '"') {
      cell += '"';
      at++;
    } else if (character === '"') quoted = !quoted;
    else if (character === separator && !quoted) {
      cells.push(cell);
      cell = '';
    } else cell += character;
  }
  cells.push(cell);
  return quoted ? undefined : cells;
}

function duplicates(values: readonly string[]): ReadonlySet<string> {
  return new Set(values.filter((value, at) => values.indexOf(value) !== at));
}
