import type { NumberingConfig } from '../../config/index.ts';
import { telDigits } from '../../sip/index.ts';

/** E.164 allows fifteen digits; shorter than this is an extension, not a number of the public network. */
const maxDigits = 15;
const minDigits = 3;

type Plan = Pick<NumberingConfig, 'country' | 'nationalPrefix' | 'internationalPrefix'>;

/**
 * `+4930123456` for any way to dial it (RFC 3966 §5.1.1: visual separators don't count); undefined for what is no
 * number of the public network, such as an extension or a name.
 */
export function toE164(
  dialled: string,
  { country, nationalPrefix, internationalPrefix }: Plan,
): string | undefined {
  const digits = plainDigits(dialled);
  if (digits === undefined) return undefined;
  if (digits.startsWith('+')) return international(digits.slice(1));
  if (digits.startsWith(internationalPrefix)) return international(digits.slice(internationalPrefix.length));
  if (country === undefined || !digits.startsWith(nationalPrefix)) return undefined;
  return international(country + digits.slice(nationalPrefix.length));
}

/** A number as a peer wants it written; what is no E.164 number stays as it was dialled. */
export function writtenFor(dialled: string, numbering: NumberingConfig): string {
  const { format, country, nationalPrefix, internationalPrefix } = numbering;
  const number = format === 'dialled' ? undefined : toE164(dialled, numbering);
  if (number === undefined) return dialled;
  if (format === 'e164') return number;
  const digits = number.slice(1);
  if (format === 'digits') return digits;
  return country !== undefined && digits.startsWith(country)
    ? nationalPrefix + digits.slice(country.length)
    : internationalPrefix + digits;
}

/** A number that came from a peer, which may write it without a +. */
export function fromPeer(written: string, numbering: NumberingConfig): string | undefined {
  const number = toE164(written, numbering);
  if (number !== undefined || numbering.format !== 'digits') return number;
  const digits = plainDigits(written);
  return digits === undefined ? undefined : international(digits);
}

function international(digits: string): string | undefined {
  const fits = digits.length >= minDigits && digits.length <= maxDigits && !digits.startsWith('0');
  return fits ? `+${digits}` : undefined;
}

/** Digits, with a + where it stands in front; undefined when anything else is in the text. */
function plainDigits(text: string): string | undefined {
  const digits = telDigits(text);
  for (let i = digits.startsWith('+') ? 1 : 0; i < digits.length; i++) {
    const code = digits.charCodeAt(i);
    if (code < 0x30 || code > 0x39) return undefined;
  }
  return digits === '' || digits === '+' ? undefined : digits;
}
