import { z } from 'zod';
import { schema } from './schema.ts';

/** One key that a configuration may hold; keys of list entries are written `peers[].name`. */
export interface ConfigKey {
  readonly path: string;
  /** As it would be written in YAML flow style; undefined for a key that has no fixed default. */
  readonly default: string | undefined;
  readonly unit: string | undefined;
}

interface Node {
  readonly default?: unknown;
  readonly unit?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
}

/** Every key of the schema, in its order: what docs/configuration.md must list. */
export function configKeys(): readonly ConfigKey[] {
  const keys: ConfigKey[] = [];
  collect(z.toJSONSchema(schema, { io: 'input' }) as Node, '', keys);
  return keys;
}

function collect(node: Node, path: string, keys: ConfigKey[]): void {
  if (node.properties) {
    for (const [name, inner] of Object.entries(node.properties))
      collect(inner, path === '' ? name : `${path}.${name}`, keys);
    return;
  }
  keys.push({
    path,
    default: node.default === undefined ? undefined : formatDefault(node.default),
    unit: node.unit,
  });
  if (node.items?.properties) collect(node.items, `${path}[]`, keys);
}

function formatDefault(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(formatDefault).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const entries = Object.entries(value).map(([key, inner]) => `${key}: ${formatDefault(inner)}`);
  return `{${entries.join(', ')}}`;
}
