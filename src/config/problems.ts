/** One thing that is wrong; `path` is written as in --set: `peers[0].target`, or '' for the whole file. */
export interface ConfigProblem {
  readonly path: string;
  readonly message: string;
  /** The file, variable or option that the value came from; undefined when nothing was given. */
  readonly source: string | undefined;
}

/** Everything that is wrong with a configuration, found in one pass; the message has one line a problem. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(formatProblem).join('\n'));
    this.problems = problems;
  }
}

function formatProblem({ path, message, source }: ConfigProblem): string {
  const where = source === undefined ? '' : ` (from ${source})`;
  return path === '' ? `${message}${where}` : `${path}: ${message}${where}`;
}

/** `['peers', 0, 'target']` becomes `peers[0].target`. */
export function formatPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += text === '' ? String(part) : `.${String(part)}`;
  }
  return text;
}
