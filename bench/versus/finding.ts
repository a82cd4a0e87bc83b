/** What one row of the table says: what was measured, round by round, and how that stands to its target. */
export interface Finding {
  readonly part: string;
  readonly what: string;
  readonly unit: string;
  /** One number a round; their median counts. */
  readonly ours: readonly number[];
  /** What ours is compared with, or nothing where the number itself has a target. */
  readonly other?: { readonly name: string; readonly numbers: readonly number[] };
  /** None where a number is there to be compared with. */
  readonly target?: Target;
  readonly notes?: readonly string[];
}

export type Target = { readonly atMost: number } | { readonly atLeast: number };

export type Verdict = 'met' | 'not met' | 'not measured' | 'no target';

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const [lower = Number.NaN, upper = lower] = sorted.slice(
    (sorted.length - 1) >> 1,
    (sorted.length >> 1) + 1,
  );
  return (lower + upper) / 2;
}

/** What the target is about: the ratio, or the number itself. */
export function measuredValue({ ours, other }: Finding): number {
  return other === undefined ? median(ours) : median(ours) / median(other.numbers);
}

export function verdictOf(finding: Finding): Verdict {
  const value = measuredValue(finding);
  if (Number.isNaN(value)) return 'not measured';
  const { target } = finding;
  if (target === undefined) return 'no target';
  return ('atMost' in target ? value <= target.atMost : value >= target.atLeast) ? 'met' : 'not met';
}

/** `not met, 2.4 times`: how far it is from the target. */
export function verdictText(finding: Finding): string {
  const verdict = verdictOf(finding);
  const { target } = finding;
  if (verdict !== 'not met' || target === undefined) return verdict;
  const value = measuredValue(finding);
  const factor = 'atMost' in target ? value / target.atMost : target.atLeast / value;
  return `not met, by a factor of ${number(factor)}`;
}

export function targetText({ target }: Finding): string {
  if (target === undefined) return '-';
  return 'atMost' in target ? `<= ${target.atMost}` : `>= ${target.atLeast}`;
}

/** Three digits that count. */
export function number(value: number): string {
  if (Number.isNaN(value)) return '-';
  if (!Number.isFinite(value)) return 'without end';
  return Math.abs(value) >= 100 ? value.toFixed(0) : Number(value.toPrecision(3)).toString();
}

export function numbers(values: readonly number[]): string {
  return values.length > 1
    ? `${number(median(values))} (${values.map(number).join(', ')})`
    : number(median(values));
}
