import type { HomeName } from './network.ts';
import { carriers, gatewayAddress, homeNames, homes, sharedAddress } from './network.ts';

/** Who stands in the picture. */
export interface DrawnPhone {
  readonly name: string;
  readonly program: string;
  readonly home: HomeName;
  readonly address: string;
}

const columnWidth = 20;
const width = columnWidth * homeNames.length;

/** The network as a picture for a terminal of 80 columns: the gateway above, phones below. */
export function drawNetwork(phones: readonly DrawnPhone[]): string {
  const columns = homeNames.map((home) => {
    const inside = phones.filter((phone) => phone.home === home);
    return inside.flatMap(({ name, program, address }) => [`${name}, ${program}`, address]);
  });
  const rows = Math.max(...columns.map((column) => column.length));
  return [
    centered(`gateway ${gatewayAddress}`),
    centered('|'),
    `${' public segment '.padStart(width / 2 + 8, '=')}`.padEnd(width, '='),
    halves('|', '|'),
    halves('carrier A', 'carrier B'),
    halves(sharedAddress, sharedAddress),
    halves(`ports ${carriers.a.ports.join('-')}`, `ports ${carriers.b.ports.join('-')}`),
    halves('100.64.0.0/10', '100.64.0.0/10'),
    row(homeNames.map(() => '|')),
    row(homeNames.map((home) => `home ${home}`)),
    row(homeNames.map((home) => homes[home].address)),
    row(homeNames.map(() => '10.0.0.0/8')),
    row(homeNames.map(() => '|')),
    ...Array.from({ length: rows }, (_, at) => row(columns.map((column) => column[at] ?? ''))),
  ]
    .map((line) => line.trimEnd())
    .join('\n');
}

function centered(text: string): string {
  return cell(text, width);
}

function halves(left: string, right: string): string {
  return cell(left, width / 2) + cell(right, width / 2);
}

function row(texts: readonly string[]): string {
  return texts.map((text) => cell(text, columnWidth)).join('');
}

function cell(text: string, wide: number): string {
  return text.padStart(Math.floor((wide + text.length) / 2)).padEnd(wide);
}
