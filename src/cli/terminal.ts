/** What a command sees of the process; tests give one that keeps the lines. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Writes one line, or several, to standard output. */
  out(text: string): void;
  /** Writes one line, or several, to standard error. */
  err(text: string): void;
  /** Calls back for each SIGINT and SIGTERM until the returned function is called. */
  onSignal(callback: (signal: string) => void): () => void;
  /** The same for SIGHUP, which asks a running gateway to look at its files again. */
  onHangup(callback: () => void): () => void;
}

export const processTerminal: Terminal = {
  env: process.env,
  out: (text) => void process.stdout.write(`${text}\n`),
  err: (text) => void process.stderr.write(`${text}\n`),
  onSignal: (callback) => {
    const signals = ['SIGINT', 'SIGTERM'] as const;
    for (const signal of signals) process.on(signal, callback);
    return () => {
      for (const signal of signals) process.off(signal, callback);
    };
  },
  onHangup: (callback) => {
    process.on('SIGHUP', callback);
    return () => process.off('SIGHUP', callback);
  },
};
