import { readFileSync } from 'node:fs';
import { parse, YAMLParseError } from 'yaml';
import { type ConfigProblem, formatPath } from './problems.ts';

export type Tree = Readonly<Record<string, unknown>>;

/** The values of one source; later layers win key by key, lists are replaced whole. */
export interface Layer {
  readonly source: string;
  readonly tree: Tree;
}

type Path = readonly (string | number)[];

const variablePrefix = 'TIBET_SIP_';

/** Variables with the prefix that are read elsewhere and are no configuration keys. */
const foreignVariables: ReadonlySet<string> = new Set(['TIBET_SIP_CONFIG', 'TIBET_SIP_PASSPHRASE']);

/** The tree of a YAML file; an empty file is an empty tree. */
export function fileLayer(file: string, problems: ConfigProblem[]): Layer {
  const nothing: Layer = { source: file, tree: {} };
  try {
    const tree: unknown = parse(readFileSync(file, 'utf8')) ?? {};
    if (isTree(tree)) return { source: file, tree };
    problems.push({ path: '', message: 'must be a YAML file of keys and values', source: file });
  } catch (error) {
    problems.push({ path: '', message: describeFileError(error), source: file });
  }
  return nothing;
}

/** `TIBET_SIP_ADMIN__LISTEN` is `admin.listen`, `TIBET_SIP_DATA_DIR` is `dataDir`; values are YAML. */
export function variableLayers(
  env: Readonly<Record<string, string | undefined>>,
  problems: ConfigProblem[],
): readonly Layer[] {
  const layers: Layer[] = [];
  for (const name of Object.keys(env).sort()) {
    const text = env[name];
    if (text === undefined || !name.startsWith(variablePrefix) || foreignVariables.has(name)) continue;
    const path = name
      .slice(variablePrefix.length)
      .split('__')
      .map((part) => part.toLowerCase().replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()));
    layers.push(oneValue(name, path, text, problems));
  }
  return layers;
}

/** `--set admin.listen=off`; a list entry is `peers[0].target=…`. */
export function overrideLayers(overrides: readonly string[], problems: ConfigProblem[]): readonly Layer[] {
  const layers: Layer[] = [];
  for (const override of overrides) {
    const equals = override.indexOf('=');
    const path = parsePath(override.slice(0, Math.max(equals, 0)));
    if (equals > 0 && path) layers.push(oneValue(`--set`, path, override.slice(equals + 1), problems));
    else
      problems.push({ path: '', message: `write --set as path=value, not "${override}"`, source: undefined });
  }
  return layers;
}

export function mergeLayers(layers: readonly Layer[]): Tree {
  return layers.reduce<Tree>((merged, layer) => mergeTrees(merged, layer.tree), {});
}

/** The source that set `path`, or a group or list around it; undefined when it is a default. */
export function sourceOf(path: readonly PropertyKey[], layers: readonly Layer[]): string | undefined {
  return layers.findLast((layer) => reaches(layer.tree, path))?.source;
}

function reaches(tree: unknown, path: readonly PropertyKey[]): boolean {
  let value = tree;
  for (const part of path) {
    if (isTree(value)) {
      if (!Object.hasOwn(value, part)) return false;
      value = value[String(part)];
    } else if (!Array.isArray(value)) {
      return value !== undefined;
    } else if (value[Number(part)] === undefined) {
      return false;
    } else {
      value = value[Number(part)];
    }
  }
  return value !== undefined;
}

function oneValue(source: string, path: Path, text: string, problems: ConfigProblem[]): Layer {
  try {
    const value: unknown = parse(text);
    return { source, tree: path.reduceRight<unknown>((inner, part) => ({ [part]: inner }), value) as Tree };
  } catch {
    problems.push({ path: formatPath(path), message: 'the value is not valid YAML', source });
    return { source, tree: {} };
  }
}

function parsePath(text: string): Path | undefined {
  const parts = text.replace(/\[(\d+)\]/g, '.$1').split('.');
  if (parts.some((part) => !/^[A-Za-z0-9_-]+$/.test(part))) return undefined;
  return parts.map((part) => (/^\d+$/.test(part) ? Number(part) : part));
}

/** Number keys of `over` are positions in a list of `under`; the position after the last one appends. */
function mergeTrees(under: Tree, over: Tree): Tree {
  const merged: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) merged[key] = mergeValues(merged[key], value);
  return merged;
}

function mergeValues(under: unknown, over: unknown): unknown {
  if (!isTree(over)) return over;
  const keys = Object.keys(over);
  if (keys.length > 0 && keys.every((key) => /^\d+$/.test(key))) {
    const list: unknown[] = Array.isArray(under) ? [...(under as readonly unknown[])] : [];
    for (const key of keys)
      list[Math.min(Number(key), list.length)] = mergeValues(list[Number(key)], over[key]);
    return list;
  }
  return mergeTrees(isTree(under) ? under : {}, over);
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function describeFileError(error: unknown): string {
  if (error instanceof YAMLParseError)
    return `not valid YAML: ${error.message.split('\n')[0]?.replace(/:$/, '')}`;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EISDIR') return 'is a directory, not a file';
  return code === 'EACCES' ? 'cannot be read: permission denied' : 'cannot be read';
}
