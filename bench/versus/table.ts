import { type Finding, measuredValue, number, targetText, verdictText } from './finding.ts';

/** The summary, in columns. */
export function tableOf(findings: readonly Finding[]): string {
  const rows = findings.map((finding) => [
    finding.part,
    finding.what,
    `${number(measuredValue(finding))}${finding.other === undefined ? ` ${finding.unit}` : ''}`,
    targetText(finding),
    verdictText(finding),
  ]);
  const all = [['part', 'what', 'result', 'target', 'verdict'], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
