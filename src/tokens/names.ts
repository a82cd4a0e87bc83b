import { isFingerprint } from './fingerprint.ts';

/** A name `jis:<segment>[:<segment>…]`; all segments count, so `jis:laptop:jasper` is not `jis:pixel:jasper`. */
export interface JisName {
  /** The whole name, `jis:` included. */
  readonly text: string;
  readonly segments: readonly string[];
}

export const jisPrefix = 'jis:';

/** A name has to fit, escaped, into a SIP user part that phones display. */
export const maxNameLength = 128;

const colon = 0x3a;

/**
 * The name, or undefined: segments of [a-z0-9._-], none empty, in lower case only, so that one name has one
 * spelling. A single segment that looks like a fingerprint is refused: it would shadow the real one.
 */
export function parseName(text: string): JisName | undefined {
  if (text.length > maxNameLength || !text.startsWith(jisPrefix)) return undefined;
  const rest = text.slice(jisPrefix.length);
  for (let i = 0; i < rest.length; i++) {
    const code = rest.charCodeAt(i);
    if (code !== colon && !isNameCharacter(code)) return undefined;
  }
  const segments = rest.split(':');
  // `jis:jis:bob` would share its user part with the whole name `jis:bob`.
  if (segments.some((segment) => segment === '') || segments[0] === 'jis' || isFingerprint(rest))
    return undefined;
  return { text, segments };
}

/** The SIP user part that stands for a name: `alice` for `jis:alice`, `laptop%3Ajasper` for `jis:laptop:jasper`. */
export function sipUserOf(name: JisName | string): string {
  const text = typeof name === 'string' ? name : name.text;
  const rest = text.startsWith(jisPrefix) ? text.slice(jisPrefix.length) : text;
  return rest.replaceAll(':', '%3A');
}

/** The name that a SIP user part stands for, or undefined when it stands for none. */
export function nameOfSipUser(user: string): JisName | undefined {
  return parseName(jisPrefix + user.replaceAll('%3A', ':').replaceAll('%3a', ':'));
}

function isNameCharacter(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) || // a-z
    (code >= 0x30 && code <= 0x39) || // 0-9
    code === 0x2d || // -
    code === 0x2e || // .
    code === 0x5f // _
  );
}
