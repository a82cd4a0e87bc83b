import type { CborMap, CborValue } from './cbor-encoder.ts';
import { isCborArray } from './cwt-claims.ts';
import { TokenError } from './errors.ts';

/** Where an attribute can show: on the identity token, on a session's intent, on a single message. */
export type AttributePlace = 'identity' | 'intent' | 'message';

/** How far an attribute is inherited: the six levels. There is no level for all three places. */
export type AttributeLevel =
  | 'identity'
  | 'intent'
  | 'message'
  | 'identity+message'
  | 'intent+message'
  | 'identity+intent';

/** A statement of the owner about himself; a third party's statement is a verifiable claim. */
export interface Attribute {
  readonly name: string;
  readonly value: string | number | boolean | Uint8Array;
  readonly level: AttributeLevel;
}

const placeBits: Readonly<Record<AttributePlace, number>> = { identity: 1, intent: 2, message: 4 };

const levelBits: Readonly<Record<AttributeLevel, number>> = {
  identity: 1,
  intent: 2,
  'identity+intent': 3,
  message: 4,
  'identity+message': 5,
  'intent+message': 6,
};

const levelOfBits: ReadonlyMap<CborValue, AttributeLevel> = new Map(
  (['identity', 'intent', 'identity+intent', 'message', 'identity+message', 'intent+message'] as const).map(
    (level) => [levelBits[level], level],
  ),
);

export const maxAttributes = 32;
export const maxAttributeNameLength = 64;
export const maxAttributeValueLength = 1024;

export function isAllowedAt(attribute: Attribute, place: AttributePlace): boolean {
  return (levelBits[attribute.level] & placeBits[place]) !== 0;
}

/** The attributes that may be shown at `place`. */
export function attributesAt(attributes: readonly Attribute[], place: AttributePlace): readonly Attribute[] {
  return attributes.filter((attribute) => isAllowedAt(attribute, place));
}

/** Both sets for one token, as an intent is composed from the identity and its node: the identity's value wins. */
export function mergeAttributes(
  identity: readonly Attribute[],
  node: readonly Attribute[],
): readonly Attribute[] {
  const names = new Set(identity.map(({ name }) => name));
  return [...identity, ...node.filter(({ name }) => !names.has(name))];
}

/** Map name -> [level, value]; undefined when there are none. Throws TokenError `attribute`. */
export function encodeAttributes(attributes: readonly Attribute[]): CborMap | undefined {
  const map = new Map<number | string, CborValue>();
  for (const attribute of attributes) {
    checkAttribute(attribute);
    if (map.has(attribute.name))
      throw new TokenError('attribute', `attribute ${attribute.name} occurs twice`);
    map.set(attribute.name, [levelBits[attribute.level], attribute.value]);
  }
  if (map.size > maxAttributes) throw new TokenError('attribute', 'too many attributes');
  return map.size === 0 ? undefined : map;
}

/** Throws TokenError `attribute`, also for one whose level does not allow it at `place`. */
export function decodeAttributes(value: CborValue | undefined, place?: AttributePlace): readonly Attribute[] {
  if (value === undefined) return [];
  if (!(value instanceof Map) || value.size === 0 || value.size > maxAttributes)
    throw new TokenError('attribute', 'attributes are malformed');
  const attributes: Attribute[] = [];
  for (const [name, entry] of value) {
    if (!isCborArray(entry) || entry.length !== 2 || typeof name !== 'string')
      throw new TokenError('attribute', 'an attribute is not a name with level and value');
    const [bits, content] = entry;
    const level = bits === undefined ? undefined : levelOfBits.get(bits);
    if (level === undefined || !isAttributeValue(content))
      throw new TokenError('attribute', `attribute ${name.slice(0, maxAttributeNameLength)} is malformed`);
    const attribute: Attribute = { name, value: content, level };
    checkAttribute(attribute);
    if (place !== undefined && !isAllowedAt(attribute, place))
      throw new TokenError('attribute', `attribute ${name} of level ${level} is not allowed here`);
    attributes.push(attribute);
  }
  return attributes;
}

function checkAttribute({ name, value }: Attribute): void {
  if (name.length === 0 || name.length > maxAttributeNameLength)
    throw new TokenError('attribute', 'an attribute name is empty or too long');
  if ((typeof value === 'string' || value instanceof Uint8Array) && value.length > maxAttributeValueLength)
    throw new TokenError('attribute', `attribute ${name} is too long`);
}

function isAttributeValue(value: CborValue | undefined): value is Attribute['value'] {
  return (
    typeof value === 'string' ||
    typeof value === 'number' ||
    typeof value === 'boolean' ||
    value instanceof Uint8Array
  );
}
