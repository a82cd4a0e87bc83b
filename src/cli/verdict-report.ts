import { jsonValue } from '../provenance/index.ts';
import type { Report } from '../verify/index.ts';
import type { ExitReason } from './exit-codes.ts';
import { type Output, printable } from './output.ts';

/** Each verdict has an exit code of its own. */
export const verdictReasons: Readonly<Record<Report['verdict'], ExitReason>> = {
  UNCHECKED: 'usage',
  WITNESSED: 'ok',
  UNWITNESSED: 'unwitnessed',
  REDACTED: 'redacted',
  GAP: 'gap',
  INVALID: 'refused',
};

/** The report for people: verdict, checks, story, and in words what is proved, what is open, what never can be. */
export function showReport(output: Output, report: Report): void {
  if (output.json) {
    output.document(Object(jsonValue(report)) as object, []);
    return;
  }
  const lines = [`${report.verdict}  ${report.summary}`, ''];
  for (const { name, ok, says } of report.checks)
    lines.push(`  ${ok === undefined ? 'open ' : ok ? 'holds' : 'FAILS'}  ${name}: ${says}`);
  for (const { name, algorithm, time } of report.witnesses)
    lines.push(`  seen   by the witness ${name} at ${time} (${algorithm})`);
  section(
    lines,
    'What happened',
    report.story.map(({ time, text }) => `${time ?? 'at a time that is not shown'}  ${text}`),
  );
  section(lines, 'Findings', report.findings);
  section(lines, 'Proved', report.proved);
  section(lines, 'Left open by this file', report.open);
  section(lines, 'Never provable', report.never);
  for (const line of lines) output.text(printable(line));
}

function section(lines: string[], title: string, items: readonly string[]): void {
  if (items.length > 0) lines.push('', `${title}:`, ...items.map((item) => `  - ${item}`));
}
