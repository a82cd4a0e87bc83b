import type { ProvedRecord, Report } from '../../src/verify/index.ts';

/** Text is only ever set as text: what stands in a proof was written by strangers. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string>>,
  ...children: readonly (Node | string)[]
): HTMLElement {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** One file's verdict, story, checks, and what is and is not proved. */
export function showReport(name: string, report: Report): HTMLElement {
  const { verdict, summary, story, checks, witnesses, findings, proved, open, never, records } = report;
  const card = element(
    'article',
    { class: verdict, 'data-verdict': verdict },
    element('p', { class: 'file' }, name),
    element('p', { class: 'verdict' }, verdict),
    element('p', { class: 'summary' }, summary),
  );
  // What is false is said in the summary already.
  if (findings.length > 0 && findings.join() !== summary)
    card.append(element('h2', {}, findingsTitle[verdict]), list(findings));
  if (story.length > 0)
    card.append(
      element('h2', {}, 'What happened'),
      element(
        'ol',
        { class: 'story' },
        ...story.map(({ time, text }) => element('li', {}, element('time', {}, shownTime(time)), text)),
      ),
    );
  card.append(
    element('h2', {}, 'What was checked'),
    element(
      'ul',
      { class: 'checks' },
      ...checks.map(({ name: what, ok, says }) =>
        element('li', { class: classOf(ok) }, element('strong', {}, `${what}. `), `${says}.`),
      ),
      ...witnesses.map((seen) =>
        element(
          'li',
          { class: 'holds' },
          `The witness ${seen.name} saw it at ${seen.time} (${seen.algorithm}).`,
        ),
      ),
    ),
    element(
      'div',
      { class: 'words' },
      ...words('What is proved', proved),
      ...words('What this file leaves open', open),
      ...words('What no file can prove', never),
    ),
  );
  if (records.length > 0)
    card.append(
      element('details', {}, element('summary', {}, 'The records themselves'), ...records.map(showRecord)),
    );
  return card;
}

function classOf(ok: boolean | undefined): string {
  if (ok === undefined) return 'unchecked';
  return ok ? 'holds' : 'fails';
}

const findingsTitle: Readonly<Record<Report['verdict'], string>> = {
  UNCHECKED: 'To be noted',
  WITNESSED: 'To be noted',
  UNWITNESSED: 'To be noted',
  REDACTED: 'What was erased or is not shown',
  GAP: 'What is missing',
  INVALID: 'What is wrong',
};

/** RFC 3339 as people read it. */
function shownTime(time: string | undefined): string {
  return time === undefined ? 'at a time that is not shown' : time.replace('T', ' ').replace(/Z$/, ' UTC');
}

function words(title: string, items: readonly string[]): readonly HTMLElement[] {
  return items.length === 0 ? [] : [element('div', {}, element('h2', {}, title), list(items))];
}

function list(items: readonly string[]): HTMLElement {
  return element('ul', {}, ...items.map((item) => element('li', {}, item)));
}

function showRecord({ id, position, node, opened }: ProvedRecord): HTMLElement {
  const rows: readonly (readonly [string, unknown])[] = [
    ['record', id],
    ['place in the log', position],
    ['logged by node', node],
    ['ERIN', opened?.erin],
    ['ERAAN', opened?.eraan],
    ['EROMHEEN', opened?.eromheen],
    ['ERACHTER', opened?.intent],
    ['parties', opened?.parties],
    ['erased', opened?.erased.join(', ')],
  ];
  return element(
    'table',
    {},
    ...rows
      .filter(([, value]) => value !== undefined && value !== '')
      .map(([name, value]) =>
        element('tr', {}, element('th', {}, name), element('td', { class: 'mono' }, shown(value))),
      ),
  );
}

function shown(value: unknown): string {
  if (typeof value === 'string') return value;
  return JSON.stringify(value, (_, part: unknown) => (part instanceof Uint8Array ? hex(part) : part), 1);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
