import type { ParsedConfig } from './schema.ts';

type Report = (path: readonly PropertyKey[], message: string) => void;

export function checkAuthorities({ authorities }: ParsedConfig, report: Report): void {
  const names = new Set<string>();
  authorities.forEach(({ name }, index) => {
    if (names.has(name)) report(['authorities', index, 'name'], `"${name}" names two authorities`);
    names.add(name);
  });
}

/** What no member of a rule can tell alone: claims and realms are those of authorities that are named. */
export function checkCallRules(
  { calls, authorities }: ParsedConfig,
  authoritiesIntact: boolean,
  report: Report,
): void {
  const names = new Set(authorities.map(({ name }) => name));
  calls.rules.forEach((rule, index) => {
    const at = (key: string): readonly PropertyKey[] => ['calls', 'rules', index, key];
    const { claim, of, realm } = rule;
    if (claim !== undefined && of === undefined)
      report(at('of'), 'must name the authority that signs the claim');
    if (claim === undefined && of !== undefined)
      report(at('claim'), 'must say which claim the authority has to have signed');
    if (!authoritiesIntact) return;
    for (const [key, name] of [
      ['of', of],
      ['realm', realm],
    ] as const)
      if (name !== undefined && !names.has(name)) report(at(key), `"${name}" is not among the authorities`);
    const member = realm === undefined ? undefined : authorities.find(({ name }) => name === realm);
    if (member !== undefined && member.url === undefined)
      report(at('realm'), `${realm} has no url, so that it can confirm nobody`);
  });
}
