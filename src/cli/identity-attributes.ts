import { type Attribute, type AttributeLevel, claimAttributePrefix, decodeClaim } from '../tokens/index.ts';
import { CliError } from './failure.ts';

const levels: readonly AttributeLevel[] = [
  'identity',
  'intent',
  'message',
  'identity+message',
  'intent+message',
  'identity+intent',
];

export const attributeHelp: string = `attribute as name=value or name=value@level; levels: ${levels.join(', ')} (repeatable)`;

/** `department=support@identity+intent`; without a level it shows on the identity. */
export function parseAttribute(text: string): Attribute {
  const equals = text.indexOf('=');
  if (equals < 1) throw new CliError('usage', `write an attribute as name=value, not "${text}"`);
  const rest = text.slice(equals + 1);
  const at = rest.lastIndexOf('@');
  const level = levels.find((known) => at >= 0 && known === rest.slice(at + 1));
  return {
    name: text.slice(0, equals),
    value: level === undefined ? rest : rest.slice(0, at),
    level: level ?? 'identity',
  };
}

export function formatAttributes(attributes: readonly Attribute[]): string | undefined {
  if (attributes.length === 0) return undefined;
  return attributes.map(formatAttribute).join(', ');
}

/** A third party's statement is shown as what it says and who said it. */
function formatAttribute({ name, value, level }: Attribute): string {
  if (!name.startsWith(claimAttributePrefix) || !(value instanceof Uint8Array))
    return `${name}=${showValue(value)} (${level})`;
  const claim = decodeClaim(value);
  return `${claim.name}=${showValue(claim.value)} (${level}, stated by ${claim.issuer})`;
}

/** JSON has no bytes: they are shown as hexadecimal. */
export function showValue(value: Attribute['value']): string | number | boolean {
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
}
